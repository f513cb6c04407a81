package site

import (
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
	"github.com/previewd/previewd/server/site/content"
	"github.com/previewd/previewd/server/site/sitetest"
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
	sitetest.Check(t, err)
	unpacked, err := io.ReadAll(r)
	sitetest.Check(t, err)
	return string(unpacked)
}

func TestCoded(t *testing.T) {
	noise := make([]byte, 4000)
	for i, x := 0, uint32(1); i < len(noise); i, x = i+1, x*1664525+1013904223 {
		noise[i] = byte(x >> 24)
	}
	files := map[string]string{
		"page.html": sitetest.Text(4000), "short.txt": sitetest.Text(511), "long.txt": sitetest.Text(512), "photo.png": sitetest.Text(4000), "a.tar.gz": sitetest.Text(4000),
		"packed.js": sitetest.Text(3000), "packed.js.br": "a br file", "packed.js.gz": "a gz file",
		"stale.css": sitetest.Text(3000), "stale.css.br": "an old file",
		"data.bin": sitetest.Text(3000), "data.bin.zst": "a zst file", "huge.txt": sitetest.Text(70 << 10), "huge.txt.gz": "a gz file", "noise.txt": string(noise),
	}
	dir := sitetest.Build(t, t.TempDir(), files)
	old := time.Unix(784111776, 0)
	sitetest.Check(t, os.Chtimes(filepath.Join(dir, "stale.css.br"), old, old))
	const all = "gzip, deflate, br, zstd"
	auto, static, off := content.CompressAuto, content.CompressStatic, content.CompressOff
	for _, c := range []struct {
		compress       content.Compression
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
		{auto, "/noise.txt", all, "", "", true}, // it becomes no smaller
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
		s := newSite(t, dir, later, func(o *Options) { o.Content.Compress, o.Content.MaxFile = c.compress, 64<<10 })
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

func mustGet(t *testing.T, s *Site, target string) message.Response {
	t.Helper()
	resp, _ := get(t, s, target)
	if resp.Status != 200 {
		t.Fatalf("%s: %d", target, resp.Status)
	}
	return resp
}

// TestCodedIsFresh: coded content is as fresh as what it was made from.
func TestCodedIsFresh(t *testing.T) {
	dir := sitetest.Build(t, t.TempDir(), map[string]string{"a.txt": sitetest.Text(1000)})
	s := newSite(t, dir, later)
	for _, want := range []string{sitetest.Text(2000), strings.Repeat("x", 2000), strings.Repeat("y", 2000)} {
		sitetest.Check(t, os.WriteFile(filepath.Join(dir, "a.txt"), []byte(want), 0o644))
		time.Sleep(20 * time.Millisecond) // see TestKeptIsFresh
		for range 2 {
			resp, content := get(t, s, "/a.txt", acceptEncoding("br"))
			if resp.Fields.Get("Content-Encoding") != "br" || unpack(t, "br", content) != want {
				t.Errorf("got %q %.20q, want %.20q", resp.Fields, content, want)
			}
		}
	}
	sitetest.Check(t, os.WriteFile(filepath.Join(dir, "a.txt.br"), []byte("neighbour"), 0o644))
	if _, content := get(t, s, "/a.txt", acceptEncoding("br")); content != "neighbour" {
		t.Errorf("got %q", content)
	}
	sitetest.Check(t, os.Remove(filepath.Join(dir, "a.txt.br")))
	if _, content := get(t, s, "/a.txt", acceptEncoding("br")); content == "neighbour" {
		t.Errorf("got %q", content)
	}
}

// TestRangeCountsForGETOnly: HEAD tells what GET without it has (RFC 9110, section 14.2).
func TestRangeCountsForGETOnly(t *testing.T) {
	s := newSite(t, sitetest.Build(t, t.TempDir(), map[string]string{"a.txt": strings.Repeat("a", 1000)}))
	ask := func(method string, fields ...message.Field) message.Response {
		resp := s.Serve(t.Context(), &message.Request{Method: method, Target: "/a.txt", Fields: fields})
		sitetest.Check(t, resp.Body.Close())
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
	s := newSite(t, sitetest.Build(t, t.TempDir(), map[string]string{"a.txt": strings.Repeat("a", 1000)}), later,
		func(o *Options) { o.Content.CacheSize = 0 })
	for i := range 3 {
		resp, content := get(t, s, "/a.txt", acceptEncoding("gzip"))
		if got := resp.Fields.Get("Content-Encoding"); got != "gzip" || unpack(t, got, content) != strings.Repeat("a", 1000) {
			t.Errorf("answer %d has the coding %q", i+1, got)
		}
	}
}
