package site

import (
	"strings"
	"testing"
)

func TestRedirect(t *testing.T) {
	for _, c := range []struct{ target, location string }{
		{"/d", "/d/"},
		{"d", "d/"},
		{"?x", "/?x"},
		{"#", "/"},
		{"/d?", "/d/"},
		{"/d?x?y#f", "/d/?x?y#f"},
		{"/a/./..", "/a/./../"},
		{"/%0d%0aX:1/..", "/%0d%0aX:1/../"},
		{"/\xe9<\\", "/\xe9<\\/"},
		{"a:b", "a:b/"},
		{"A:b", "a:b/"},
		{"/a:b", "/a:b/"},
		{"http:", "http:///"},
		{"http:/h", "http:///h/"},
		{"http://h?q", "http://h/?q"},
		{"1:b", "1:b/"},
		{"\x01//evil/..", "/evil/../"}, // differs: CPython names another host here
		{"\x01////evil/..", "/evil/../"},
		{"/\t/evil/..", "/evil/../"},
	} {
		resp := new(Site).redirect(urlsplit(c.target))
		if got := resp.Fields.Get("Location"); resp.Status != 301 || got != c.location || resp.Body != nil {
			t.Errorf("%q is redirected to %q (%d), want %q", c.target, got, resp.Status, c.location)
		}
	}
}

// Law: a redirect never splits the answer and never leads a target that begins with a slash to another host.
func FuzzRedirect(f *testing.F) {
	for _, seed := range []string{"/d", "//evil/..", "\x01//evil", "a:b?#", "http:", "/\r/evil", "/\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, target string) {
		resp := new(Site).redirect(urlsplit(target))
		location := resp.Fields.Get("Location")
		if strings.ContainsAny(location, "\r\n\x00") || strings.HasPrefix(location, "//") {
			t.Fatalf("%q is redirected to %q", target, location)
		}
		// The engine leaves one slash at the front of a target.
		if strings.HasPrefix(target, "/") && !strings.HasPrefix(target, "//") && resp.Status == 301 && !strings.HasPrefix(location, "/") {
			t.Fatalf("%q is redirected to %q", target, location)
		}
	})
}
