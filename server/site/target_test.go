package site

import (
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/sitetest"
)

func TestTranslatePath(t *testing.T) {
	for _, c := range []struct {
		target, name string
		slash        bool
	}{
		{"/", ".", true},
		{"/hello.txt", "hello.txt", false},
		{"hello.txt", "hello.txt", false},
		{"/a/b/?x/#y", "a/b", true},
		{"/a#/?", "a", false},
		{"/../../etc/passwd", "etc/passwd", false},
		{"/%2e%2e%2f..%2Fetc", "etc", false},
		{"../../x", "x", false},
		{"/a/../../b/./c//d/..", "b/c", false},
		{"/file%2F", "file", true},
		{"/%252e%252e/x", "%2e%2e/x", false},
		{"/%zz%4%", "%zz%4%", false},
		{"/a+b", "a+b", false},
		{"http://host/x", "http:/host/x", false},
		{"*", "*", false},
		{"?x", ".", false},
		{"/\xe9", "é", false},          // raw bytes are Latin-1
		{"/\xc3\xa9", "Ã©", false},     // also those that would be UTF-8
		{"/%C3%A9", "é", false},        // escapes are UTF-8
		{"/%C3\xa9", "\ufffd©", false}, // never both together
		{"/%FF", "\ufffd", false},      // not UTF-8: all is replaced
		{"/%ED%B3%BF", "\xff", false},  // U+DCFF stands for the byte FF
		{"/%ED%B3%BF%FF", strings.Repeat("\ufffd", 4), false},
		{"/%E2%82/%F0%9F%98x", "\ufffd/\ufffdx", false}, // one mark for what began a character
		{"/%00/../x", "x", false},
	} {
		of, ok := translatePath(c.target)
		if !ok || of.name != c.name || of.slash != c.slash {
			t.Errorf("translatePath(%q) = %q, %v, %v, want %q, %v", c.target, of.name, of.slash, ok, c.name, c.slash)
		}
	}
	for _, target := range []string{"/a%00b", "/a\x00", "/%ED%A0%80", "/%ED%B0%80.txt"} {
		if of, ok := translatePath(target); ok {
			t.Errorf("translatePath(%q) = %q, want none", target, of.name)
		}
	}
}

// Law: percent-encoded or raw, the bytes of a name find it where http.server's reading finds nothing. So do the links
// of a listing, whatever led to it. EXACT keeps to http.server's reading.
func TestTheBytesOfANameFindIt(t *testing.T) {
	files := map[string]string{}
	for _, name := range []string{"\x80", "é", "e\xcc\x81", "日本.txt", "\xff\xfe", "a\x80/\x81.txt", "ü/ö/\xe4", strings.Repeat("é", 120),
		"\xed\xa0\x80", "plain.txt", "100%.txt", "a b", "a\\b", "c:d"} {
		files[name] = name
	}
	s := newSite(t, sitetest.Build(t, t.TempDir(), files), later)
	finds := func(target, name string) {
		t.Helper()
		for range 2 {
			if resp, content := get(t, s, target); resp.Status != 200 || content != name {
				t.Errorf("%q, asked for as %q: %d %q", name, target, resp.Status, content)
			}
		}
	}
	link := regexp.MustCompile(`<li><a href="(.*?)">`)
	for name := range files {
		spelled := func(escapes func(i int, c byte) bool) string {
			target := "/"
			for i, c := range []byte(name) {
				if c == '%' || c == ' ' || c != '/' && escapes(i, c) {
					target += fmt.Sprintf("%%%02X", c)
				} else {
					target += string([]byte{c})
				}
			}
			return target
		}
		escaped := spelled(func(_ int, c byte) bool { return c >= 0x80 || c == '\\' })
		finds(escaped, name)
		finds(spelled(func(int, byte) bool { return true }), name)
		finds(spelled(func(int, byte) bool { return false }), name)
		dir := escaped[:strings.LastIndex(escaped, "/")+1]
		_, page := get(t, s, dir)
		found := false
		for _, href := range link.FindAllStringSubmatch(page, -1) {
			resp, content := get(t, s, dir+href[1])
			found = found || content == name
			if resp.Status != 200 {
				t.Errorf("%s lists %s: %d", dir, href[1], resp.Status)
			}
		}
		if !found {
			t.Errorf("%s has no link to %q", dir, name)
		}
	}
	for target, want := range map[string]int{"/a%80": 301, "/a\x80/": 200, "/%80/": 404, "/%81": 404, "/%ed%a0%81": 404, "/%80%00": 404, "/%80/x": 404} {
		if resp, _ := get(t, s, target); resp.Status != want {
			t.Errorf("%q: %d, want %d", target, resp.Status, want)
		}
	}
	for _, target := range []string{"/a%80/", "/a\x80/", "/a%ED%B2%80/"} {
		if _, page := get(t, s, target); !strings.Contains(page, "listing for /a\x80/<") {
			t.Errorf("%q: the title is not the name:\n%q", target, page)
		}
	}
	exact := newSite(t, s.opts.Tree.Directory, func(o *Options) { o.Exact = true })
	for _, target := range []string{"/%80", "/é", "/日本.txt", "/%ed%a0%80", "/a%80/"} {
		if resp, _ := get(t, exact, target); resp.Status != 404 {
			t.Errorf("EXACT: %q: %d, want 404", target, resp.Status)
		}
	}
}

// Law: the name stays below the directory; where escapes are ordinary it is what net/url and path make of it.
func FuzzTranslatePath(f *testing.F) {
	for _, seed := range []string{"/", "/a/b?x", "..%2f..", "/%ED%B3%BF", "/%ED%A0%80", "/\xe9%E9", "//a/./../b/", "/%00", "/\xed\xb3\xbf", "%2F%2e"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, target string) {
		for _, of := range inBytes(target) {
			if !filepath.IsLocal(of.name) || path.Clean(of.name) != of.name || strings.IndexByte(of.name, 0) >= 0 {
				t.Fatalf("inBytes(%q) has %q, which is no clean name below the directory", target, of.name)
			}
		}
		of, ok := translatePath(target)
		if !ok {
			return
		}
		if !filepath.IsLocal(of.name) || path.Clean(of.name) != of.name || strings.IndexByte(of.name, 0) >= 0 {
			t.Fatalf("translatePath(%q) = %q, which is no clean name below the directory", target, of.name)
		}
		raw := message.TargetPath(target)
		plain, err := url.PathUnescape(raw)
		if err != nil || !utf8.ValidString(plain) || strings.IndexFunc(raw, func(r rune) bool { return r >= utf8.RuneSelf }) >= 0 {
			return
		}
		want := strings.TrimPrefix(path.Clean("/"+plain), "/")
		if want == "" {
			want = "."
		}
		if of.name != want || of.slash != strings.HasSuffix(plain, "/") {
			t.Fatalf("translatePath(%q) = %q, %v, want %q", target, of.name, of.slash, want)
		}
	})
}
