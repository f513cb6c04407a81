package site

import (
	"net/url"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
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
		name, slash, ok := translatePath(c.target)
		if !ok || name != c.name || slash != c.slash {
			t.Errorf("translatePath(%q) = %q, %v, %v, want %q, %v", c.target, name, slash, ok, c.name, c.slash)
		}
	}
	for _, target := range []string{"/a%00b", "/a\x00", "/%ED%A0%80", "/%ED%B0%80.txt"} {
		if name, _, ok := translatePath(target); ok {
			t.Errorf("translatePath(%q) = %q, want none", target, name)
		}
	}
}

// Law: the name stays below the directory; where escapes are ordinary it is what net/url and path make of it.
func FuzzTranslatePath(f *testing.F) {
	for _, seed := range []string{"/", "/a/b?x", "..%2f..", "/%ED%B3%BF", "/%ED%A0%80", "/\xe9%E9", "//a/./../b/", "/%00", "/\xed\xb3\xbf", "%2F%2e"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, target string) {
		name, slash, ok := translatePath(target)
		if !ok {
			return
		}
		if !filepath.IsLocal(name) || path.Clean(name) != name || strings.IndexByte(name, 0) >= 0 {
			t.Fatalf("translatePath(%q) = %q, which is no clean name below the directory", target, name)
		}
		raw := targetPath(target)
		plain, err := url.PathUnescape(raw)
		if err != nil || !utf8.ValidString(plain) || strings.IndexFunc(raw, func(r rune) bool { return r >= utf8.RuneSelf }) >= 0 {
			return
		}
		want := strings.TrimPrefix(path.Clean("/"+plain), "/")
		if want == "" {
			want = "."
		}
		if name != want || slash != strings.HasSuffix(plain, "/") {
			t.Fatalf("translatePath(%q) = %q, %v, want %q", target, name, slash, want)
		}
	})
}
