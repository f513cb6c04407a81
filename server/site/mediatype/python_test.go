package mediatype

import (
	"testing"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/sitetest"
)

func TestAgreesWithPython(t *testing.T) {
	sitetest.AgreeWithPython(t, map[string]sitetest.Function{
		"ext": {
			Go:    func(s string) any { _, ext := splitext(s); return message.Latin1(ext) },
			Input: sitetest.Pieces("a", ".", "/", "b", "\xff", "É"),
		},
	})
}

func TestHTTPServersTypes(t *testing.T) {
	rules := &Rules{Given: map[string]string{".foo": "x/foo", ".gz": "x/gz", "": "x/none"}}
	for name, want := range map[string]string{
		"a.html": "text/html", "a.HTM": "text/html", "a.mjs": "text/javascript", "a.wasm": "application/wasm",
		"a.map": "application/json", "a.webmanifest": "application/manifest+json", "a.avif": "image/avif",
		"a.woff2": "font/woff2", "a.md": "text/markdown", "a.svgz": "image/svg+xml", "a.SVGZ": "image/svg+xml",
		"a.tgz": "application/x-tar", "a.txt.br": "text/plain", "a.br": "application/octet-stream",
		"a.txt.BR": "application/octet-stream", "a.tar.bz2": "application/x-bzip2", "a.XZ": "application/x-xz",
		"a.txt.Z": "application/octet-stream", "a.Foo": "x/foo", "a.tar.GZ": "x/gz", "a": "x/none", ".html": "x/none",
		"a.b/c": "x/none", "a.": "application/octet-stream", "..dots.txt": "text/plain", "a.d.ts": "application/octet-stream",
		"a.gİf": "application/octet-stream", "a.mKv": "video/matroska",
	} {
		if got := rules.Python(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
