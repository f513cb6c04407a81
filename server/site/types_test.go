package site

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/sitetest"
)

func gzipped(t testing.TB, content string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(content))
	sitetest.Check(t, err)
	sitetest.Check(t, w.Close())
	return b.String()
}

func brotlied(t testing.TB, content string) string {
	t.Helper()
	var b bytes.Buffer
	w := brotli.NewWriter(&b)
	_, err := w.Write([]byte(content))
	sitetest.Check(t, err)
	sitetest.Check(t, w.Close())
	return b.String()
}

// TestTheContentDecidesTheType: a text says that it is UTF-8 if it is, however it is read, held and coded.
func TestTheContentDecidesTheType(t *testing.T) {
	utf8, latin1 := strings.Repeat("Røde Ø\n", 20000), strings.Repeat("R\xf8de \xd8\n", 20000)
	files := map[string]string{
		"utf8.txt": utf8, "latin1.txt": latin1, "a.json": `"Ø"`, "old.html": `<meta charset="iso-8859-1">` + utf8,
		// What is beyond the first bytes of a large file does not count, and they end within a character.
		"large.txt": "a" + strings.Repeat("ø", 40000), "late.txt": strings.Repeat("a", 64<<10) + "\xff",
		"LICENSE": utf8, "program": "\x7fELF\x00" + utf8, "a.ts": utf8, "b.ts": strings.Repeat("G"+strings.Repeat("\x00", 187), 900),
		"packed.txt": utf8, "packed.txt.br": brotlied(t, utf8), "packed.txt.gz": gzipped(t, utf8),
		"packed1.txt": latin1, "packed1.txt.br": brotlied(t, latin1), "PACKED": utf8, "PACKED.br": brotlied(t, utf8),
	}
	dir := sitetest.Build(t, t.TempDir(), files)
	for how, change := range map[string]func(*Options){
		"in memory": later, "from disk": func(o *Options) { later(o); o.Content.MaxFile = 1000 }, "just written": func(*Options) {},
	} {
		s := newSite(t, dir, change)
		for name, want := range map[string]string{
			"utf8.txt": "text/plain; charset=utf-8", "latin1.txt": "text/plain", "a.json": "application/json", "old.html": "text/html",
			"large.txt": "text/plain; charset=utf-8", "LICENSE": "text/plain; charset=utf-8", "program": "application/octet-stream",
			"a.ts": "text/plain; charset=utf-8", "b.ts": "video/mp2t", "packed.txt": "text/plain; charset=utf-8", "packed1.txt": "text/plain",
			"PACKED": "text/plain; charset=utf-8", "late.txt": map[bool]string{true: "text/plain; charset=utf-8", false: "text/plain"}[how == "from disk"],
		} {
			for _, accept := range []string{"", "zstd", "br", "gzip", "br", ""} {
				resp, _ := get(t, s, "/"+name, acceptEncoding(accept))
				if got := resp.Fields.Get("Content-type"); got != want || resp.Status != 200 {
					t.Errorf("%s, %s accepting %q: %d %q, want %q", how, name, accept, resp.Status, got, want)
				}
			}
		}
	}
}

// TestTheTagTellsOfTheType: a tag that was given out before a setting changed matches no answer of another type.
func TestTheTagTellsOfTheType(t *testing.T) {
	dir := sitetest.Build(t, t.TempDir(), map[string]string{"a.foo": "a", "b.foo": strings.Repeat("b", 5000), "Dockerfile": "a"})
	seen := map[string]string{}
	for i, given := range []map[string]string{nil, {".foo": "text/plain", "dockerfile": "text/x"}, {".foo": "text/html", "": "text/y"}} {
		s := newSite(t, dir, later, func(o *Options) { o.Extensions, o.Content.MaxFile = given, 1000 })
		for _, target := range []string{"/a.foo", "/b.foo", "/Dockerfile"} {
			tag := mustGet(t, s, target).Fields.Get("ETag")
			if before := seen[target+tag]; before != "" || tag == "" {
				t.Errorf("%s: setting %d has the tag %q of setting %s", target, i, tag, before)
			}
			seen[target+tag] = "before"
			if resp, _ := get(t, s, target, message.Field{Name: "If-None-Match", Value: tag}); resp.Status != 304 {
				t.Errorf("%s: its own tag gets %d", target, resp.Status)
			}
		}
	}
}

// TestFilesThatAreCodedByName: who accepts the coding gets what is in the file, who does not the file.
func TestFilesThatAreCodedByName(t *testing.T) {
	br, gz := brotlied(t, "'Ø'"), gzipped(t, "'Ø'")
	dir := sitetest.Build(t, t.TempDir(), map[string]string{
		"x.js.br": br, "x.wasm.gz": gz, "x.data.br": br, "x.symbols.json.gz": gz, "x.svgz": gz, "x.csv.gz": gz, "x.tgz": gz, "x.txt.br": br,
	})
	for _, c := range []struct{ target, accept, mediaType, coding string }{
		{"/x.js.br", "gzip, br", "text/javascript; charset=utf-8", "br"}, {"/x.js.br", "gzip", "application/x-brotli", ""}, {"/x.js.br", "", "application/x-brotli", ""},
		{"/x.js.br", "br;q=0", "application/x-brotli", ""}, {"/x.js.br", "*", "text/javascript; charset=utf-8", "br"},
		{"/x.data.br", "br", "application/octet-stream", "br"}, {"/x.txt.br", "br", "text/plain; charset=utf-8", "br"},
		{"/x.wasm.gz", "gzip", "application/wasm", "gzip"}, {"/x.wasm.gz", "br", "application/gzip", ""},
		{"/x.symbols.json.gz", "gzip", "application/json", "gzip"}, {"/x.svgz", "gzip", "image/svg+xml", "gzip"}, {"/x.svgz", "", "application/gzip", ""},
		{"/x.csv.gz", "gzip", "application/gzip", ""}, {"/x.tgz", "gzip", "application/gzip", ""},
	} {
		s := newSite(t, dir, later)
		tags := map[string]bool{}
		for range 2 {
			resp, content := get(t, s, c.target, acceptEncoding(c.accept))
			f := resp.Fields
			if f.Get("Content-type") != c.mediaType || f.Get("Content-Encoding") != c.coding || content != br && content != gz {
				t.Errorf("%s accepting %q: %q", c.target, c.accept, f)
			}
			if vary := f.Get("Vary"); (vary == "") != (c.target == "/x.csv.gz" || c.target == "/x.tgz") {
				t.Errorf("%s: Vary %q", c.target, vary)
			}
			tags[f.Get("ETag")] = true
			if resp, _ := get(t, s, c.target, acceptEncoding(c.accept), message.Field{Name: "If-None-Match", Value: f.Get("ETag")}); resp.Status != 304 {
				t.Errorf("%s: its own tag gets %d", c.target, resp.Status)
			}
			if resp, part := get(t, s, c.target, acceptEncoding(c.accept), message.Field{Name: "Range", Value: "bytes=1-3"}); resp.Status != 206 || part != content[1:4] ||
				resp.Fields.Get("ETag") != f.Get("ETag") {
				t.Errorf("%s: a range is %d %q", c.target, resp.Status, part)
			}
		}
		if len(tags) != 1 {
			t.Errorf("%s: tags %v", c.target, tags)
		}
	}
	s := newSite(t, dir, later)
	packed, _ := get(t, s, "/x.js.br", acceptEncoding("br"))
	plain, _ := get(t, s, "/x.js.br")
	if packed.Fields.Get("ETag") == plain.Fields.Get("ETag") {
		t.Errorf("both have the tag %s", plain.Fields.Get("ETag"))
	}
}

// TestNeighboursOfTheSameSecond: the brotli tool cuts the mtime that it copies to the second.
func TestNeighboursOfTheSameSecond(t *testing.T) {
	written := time.Unix(784111777, 297_000_000)
	for name, c := range map[string]struct {
		neighbour time.Time
		used      bool
	}{
		"same":               {written, true},
		"newer":              {written.Add(time.Nanosecond), true},
		"cut to the second":  {written.Truncate(time.Second), true},
		"of the same second": {written.Add(-time.Millisecond), false},
		"a second earlier":   {written.Truncate(time.Second).Add(-time.Second), false},
	} {
		dir := sitetest.Build(t, t.TempDir(), map[string]string{"a.js": "let a", "a.js.br": brotlied(t, "let a")})
		sitetest.Check(t, os.Chtimes(filepath.Join(dir, "a.js"), written, written))
		sitetest.Check(t, os.Chtimes(filepath.Join(dir, "a.js.br"), c.neighbour, c.neighbour))
		resp, _ := get(t, newSite(t, dir), "/a.js", acceptEncoding("br"))
		if used := resp.Fields.Get("Content-Encoding") == "br"; used != c.used {
			t.Errorf("%s: used %v", name, used)
		}
	}
	// A file that was written in that second after its neighbour: the ctime tells.
	future := time.Now().Add(time.Hour)
	dir := sitetest.Build(t, t.TempDir(), map[string]string{"a.js": "let b", "a.js.br": brotlied(t, "let a")})
	sitetest.Check(t, os.Chtimes(filepath.Join(dir, "a.js"), future, future.Truncate(time.Second).Add(time.Millisecond)))
	sitetest.Check(t, os.Chtimes(filepath.Join(dir, "a.js.br"), future, future.Truncate(time.Second)))
	if resp, _ := get(t, newSite(t, dir), "/a.js", acceptEncoding("br")); resp.Fields.Get("Content-Encoding") != "" {
		t.Error("a neighbour whose status is older than the file was used")
	}
}
