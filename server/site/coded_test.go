package site

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/coding"
)

func acceptEncoding(value string) message.Field {
	return message.Field{Name: "Accept-Encoding", Value: value}
}

// unpack undoes a content coding.
func unpack(t *testing.T, coding, content string) string {
	t.Helper()
	var r io.Reader = strings.NewReader(content)
	var err error
	switch coding {
	case "gzip":
		r, err = gzip.NewReader(r)
	case "br":
		r = brotli.NewReader(r)
	case "zstd":
		r, err = zstd.NewReader(r)
	}
	check(t, err)
	unpacked, err := io.ReadAll(r)
	check(t, err)
	return string(unpacked)
}

// text is content that compresses well.
func text(n int) string { return strings.Repeat("All lights in order.\n", n/20+1)[:n] }

func TestCoded(t *testing.T) {
	noise := make([]byte, 2000)
	for i := range noise {
		noise[i] = byte(i*i*7+i>>3) ^ byte(i*131>>4)
	}
	files := map[string]string{
		"page.html": text(4000), "short.txt": text(511), "long.txt": text(512), "photo.png": text(4000), "a.tar.gz": text(4000),
		"packed.js": text(3000), "packed.js.br": "a br file", "packed.js.gz": "a gz file",
		"stale.css": text(3000), "stale.css.br": "an old file",
		"data.bin": text(3000), "data.bin.zst": "a zst file", "huge.txt": text(70 << 10), "huge.txt.gz": "a gz file",
	}
	dir := build(t, t.TempDir(), files)
	old := time.Unix(784111776, 0)
	check(t, os.Chtimes(filepath.Join(dir, "stale.css.br"), old, old))
	const all = "gzip, deflate, br, zstd"
	auto, static, off := CompressAuto, CompressStatic, CompressOff
	for _, c := range []struct {
		compress       Compression
		target, accept string
		coding         string // none if empty
		content        string // of a neighbour
		vary           bool
	}{
		{auto, "/page.html", "", "", "", true},
		{auto, "/page.html", all, "zstd", "", true},
		{auto, "/page.html", "gzip, br", "br", "", true},
		{auto, "/page.html", "gzip", "gzip", "", true},
		{auto, "/page.html", "gzip;q=1, br;q=0.5", "gzip", "", true},
		{auto, "/page.html", "gzip;q=0", "", "", true},
		{auto, "/page.html", "gzip;q=0.5, identity", "", "", true},
		{auto, "/page.html", "*", "zstd", "", true},
		{auto, "/page.html", "x", "", "", true},
		{static, "/page.html", all, "", "", true},
		{off, "/page.html", all, "", "", false},
		{auto, "/short.txt", all, "", "", true},
		{auto, "/long.txt", all, "zstd", "", true},
		{auto, "/photo.png", all, "", "", false},
		{auto, "/a.tar.gz", all, "", "", false},
		{auto, "/packed.js", all, "br", "a br file", true},
		{auto, "/packed.js", "gzip, zstd", "gzip", "a gz file", true},
		{auto, "/packed.js", "gzip;q=0.5, zstd", "zstd", "", true},
		{static, "/packed.js", all, "br", "a br file", true},
		{static, "/packed.js", "zstd", "", "", true},
		{off, "/packed.js", all, "", "", false},
		{auto, "/stale.css", "br", "br", "", true}, // made, not the old one
		{static, "/stale.css", "br", "", "", true},
		{auto, "/data.bin", all, "zstd", "a zst file", true},
		{auto, "/data.bin", "br", "", "", true},
		{auto, "/huge.txt", all, "gzip", "a gz file", true}, // beyond MaxFile nothing is made
		{auto, "/huge.txt", "br", "", "", true},
	} {
		s := newSite(t, dir, later, func(o *Options) { o.Compress, o.MaxFile = c.compress, 64<<10 })
		name := fmt.Sprintf("COMPRESS=%s %s %q", c.compress, c.target, c.accept)
		var etag string
		for _, again := range []string{"", ", kept"} {
			resp, content := get(t, s, c.target, acceptEncoding(c.accept))
			if got := resp.Fields.Get("Content-Encoding"); resp.Status != 200 || got != c.coding {
				t.Errorf("%s%s: got %d, coding %q, want %q", name, again, resp.Status, got, c.coding)
				continue
			}
			want := c.content
			if want == "" {
				want, content = files[c.target[1:]], unpack(t, c.coding, content)
			}
			if content != want {
				t.Errorf("%s%s: got %.40q, want %.40q", name, again, content, want)
			}
			if got := resp.Fields.Get("Vary"); got == "Accept-Encoding" != c.vary {
				t.Errorf("%s%s: Vary %q", name, again, got)
			}
			if again != "" && resp.Fields.Get("ETag") != etag {
				t.Errorf("%s: ETag %q, then %q", name, etag, resp.Fields.Get("ETag"))
			}
			etag = resp.Fields.Get("ETag")
			if resp.Fields.Get("Content-type") != mustGet(t, s, c.target).Fields.Get("Content-type") {
				t.Errorf("%s%s: media type %q", name, again, resp.Fields.Get("Content-type"))
			}
			if plain := mustGet(t, s, c.target).Fields.Get("ETag"); plain == etag != (c.coding == "") {
				t.Errorf("%s%s: ETag %q, without coding %q", name, again, etag, plain)
			}
			if resp, _ := get(t, s, c.target, acceptEncoding(c.accept), message.Field{Name: "If-None-Match", Value: etag}); resp.Status != 304 || resp.Fields.Get("ETag") != etag {
				t.Errorf("%s%s: not modified: %d %q", name, again, resp.Status, resp.Fields)
			}
		}
	}
}

// TestCandidates: what the client weighs most comes first. A plus marks what is to be made.
func TestCandidates(t *testing.T) {
	for _, c := range []struct {
		name, accept string
		makes        bool
		want         string
	}{
		{"equal_weights_in_our_order", "gzip, deflate, br, zstd", false, "br zstd gzip"},
		{"neighbours_before_what_is_made", "gzip, br, zstd", true, "br zstd gzip +zstd +br +gzip"},
		{"the_best_first", "gzip;q=0.9, br;q=0.8, zstd", true, "zstd +zstd gzip +gzip br +br"},
		{"only_what_is_acceptable", "br;q=0, gzip", true, "gzip +gzip"},
		{"any", "*;q=0.1", false, "br zstd gzip"},
		{"identity_is_preferred", "gzip;q=0.5, identity", true, ""},
		{"identity_is_equal", "gzip, identity", false, "gzip"},
		{"identity_beside_the_least_weight", "gzip;q=0.001", false, "gzip"},
		{"identity_excluded", "gzip;q=0.5, identity;q=0", false, "gzip"},
		{"nothing_is_left", "*;q=0", true, ""},
		{"without_a_field_of_use", "", true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			accepted := coding.Accepts(message.Fields{acceptEncoding(c.accept)})
			var got []string
			for _, candidate := range candidates(nil, accepted, c.makes) {
				mark := ""
				if candidate.made {
					mark = "+"
				}
				got = append(got, mark+candidate.coding.String())
			}
			if got := strings.Join(got, " "); got != c.want {
				t.Errorf("%q: got %q, want %q", c.accept, got, c.want)
			}
		})
	}
}

func mustGet(t *testing.T, s *Site, target string) message.Response {
	t.Helper()
	resp, _ := get(t, s, target)
	if resp.Status != 200 {
		t.Fatalf("%s: %d", target, resp.Status)
	}
	return resp
}

// TestNoiseIsNotCoded: what does not become smaller is sent as it is, and not tried each time.
func TestNoiseIsNotCoded(t *testing.T) {
	var noise bytes.Buffer
	for i := uint32(1); noise.Len() < 4000; i = i*1664525 + 1013904223 {
		noise.WriteByte(byte(i >> 24))
	}
	s := newSite(t, build(t, t.TempDir(), map[string]string{"noise.txt": noise.String()}), later)
	for range 2 {
		resp, content := get(t, s, "/noise.txt", acceptEncoding("gzip"))
		if resp.Fields.Get("Content-Encoding") != "" || content != noise.String() || resp.Fields.Get("Vary") == "" {
			t.Errorf("got %q, %d bytes", resp.Fields, len(content))
		}
	}
	if e := s.cache.Get(key{name: "noise.txt", coding: 1, made: true}); e == nil || !e.Value.plain {
		t.Errorf("that it is no smaller is not remembered: %+v", e)
	} else {
		check(t, e.Close())
	}
}

// TestCodedIsFresh: coded content is as fresh as what it was made from.
func TestCodedIsFresh(t *testing.T) {
	dir := build(t, t.TempDir(), map[string]string{"a.txt": text(1000)})
	s := newSite(t, dir, later)
	for _, want := range []string{text(2000), strings.Repeat("x", 2000), strings.Repeat("y", 2000)} {
		check(t, os.WriteFile(filepath.Join(dir, "a.txt"), []byte(want), 0o644))
		time.Sleep(20 * time.Millisecond) // see TestKeptIsFresh
		for range 2 {
			resp, content := get(t, s, "/a.txt", acceptEncoding("br"))
			if resp.Fields.Get("Content-Encoding") != "br" || unpack(t, "br", content) != want {
				t.Errorf("got %q %.20q, want %.20q", resp.Fields, content, want)
			}
		}
	}
	check(t, os.WriteFile(filepath.Join(dir, "a.txt.br"), []byte("neighbour"), 0o644))
	if _, content := get(t, s, "/a.txt", acceptEncoding("br")); content != "neighbour" {
		t.Errorf("got %q", content)
	}
	check(t, os.Remove(filepath.Join(dir, "a.txt.br")))
	if _, content := get(t, s, "/a.txt", acceptEncoding("br")); content == "neighbour" {
		t.Errorf("got %q", content)
	}
}

// TestRangeCountsForGETOnly: HEAD tells what GET without it has (RFC 9110, section 14.2).
func TestRangeCountsForGETOnly(t *testing.T) {
	s := newSite(t, build(t, t.TempDir(), map[string]string{"a.txt": strings.Repeat("a", 1000)}))
	ask := func(method string, fields ...message.Field) message.Response {
		resp := s.Serve(t.Context(), &message.Request{Method: method, Target: "/a.txt", Fields: fields})
		check(t, resp.Body.Close())
		return resp
	}
	gzip := acceptEncoding("gzip")
	want := ask("HEAD", gzip)
	got := ask("HEAD", gzip, message.Field{Name: "Range", Value: "bytes=0-9"})
	if want.Fields.Get("Content-Encoding") != "gzip" || got.Fields.Get("ETag") != want.Fields.Get("ETag") {
		t.Errorf("got %q with Range, %q without", got.Fields, want.Fields)
	}
}

// TestCodedWithoutACache: what is known of a file's content changes nothing in how it is sent.
func TestCodedWithoutACache(t *testing.T) {
	s := newSite(t, build(t, t.TempDir(), map[string]string{"a.txt": strings.Repeat("a", 1000)}), later,
		func(o *Options) { o.CacheSize = 0 })
	for i := range 3 {
		resp, content := get(t, s, "/a.txt", acceptEncoding("gzip"))
		if got := resp.Fields.Get("Content-Encoding"); got != "gzip" || unpack(t, got, content) != strings.Repeat("a", 1000) {
			t.Errorf("answer %d has the coding %q", i+1, got)
		}
	}
}
