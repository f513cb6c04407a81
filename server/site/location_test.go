package site

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/previewd/previewd/server/site/sitetest"
)

func TestExactRedirect(t *testing.T) {
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
		resp := (&Site{opts: Options{Exact: true}}).redirect(c.target, reading{})
		if got := resp.Fields.Get("Location"); resp.Status != 301 || got != c.location || resp.Body != nil {
			t.Errorf("%q is redirected to %q (%d), want %q", c.target, got, resp.Status, c.location)
		}
	}
}

// Law: http.server's redirect never splits the answer and never leads a target that begins with a slash to another host.
func FuzzExactRedirect(f *testing.F) {
	for _, seed := range []string{"/d", "//evil/..", "\x01//evil", "a:b?#", "http:", "/\r/evil", "/\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, target string) {
		resp := (&Site{opts: Options{Exact: true}}).redirect(target, reading{})
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

func TestRedirect(t *testing.T) {
	inBytes := reading{title: "/"}
	for _, c := range []struct {
		target   string
		at       reading
		location string
	}{
		{"/d", reading{}, "./d/"},
		{"/a/b/d", reading{}, "./d/"},
		{"d", reading{}, "./d/"},
		{"?x", reading{}, "./?x"},
		{"#", reading{}, "./"},
		{"/d?", reading{}, "./d/"},
		{"/d?x?y", reading{}, "./d/?x?y"},
		{"/d?x#f?y", reading{}, "./d/?x#f?y"},
		{"/d#f", reading{}, "./d/#f"},
		{"/d#", reading{}, "./d/"},
		{"/d?x=/..//y", reading{}, "./d/?x=/..//y"},
		{"/a:b", reading{}, "./a:b/"},
		{"/a/./..", reading{}, "./../"},
		{"/a/%2E%2e", reading{}, "./%2E%2e/"},
		{"/a%2Fb", reading{}, "./a%2Fb/"},
		{"/%zz%", reading{}, "./%zz%/"},
		{"/\\evil.com/..%2fsub", reading{}, "./..%2fsub/"},
		{"/\\evil.com\\", reading{}, "./%5Cevil.com%5C/"},
		{"/a/\x01//evil/..", reading{}, "./../"},
		{"/\xe9", reading{}, "./%C3%A9/"}, // Latin-1
		{"/\xc3\xa9", inBytes, "./%C3%A9/"},
		{"/\xe9", inBytes, "./%E9/"},
		{"/%E9?\xe9", inBytes, "./%E9/?%E9"},
		{"/<>?\"{}|^`", reading{}, "./%3C%3E/?%22%7B%7D%7C%5E%60"},
	} {
		resp := new(Site).redirect(c.target, c.at)
		if got := resp.Fields.Get("Location"); resp.Status != 301 || got != c.location || resp.Body != nil {
			t.Errorf("%q is redirected to %q (%d), want %q", c.target, got, resp.Status, c.location)
		}
	}
}

// Law: a redirect to the slash stays on the host, whatever prefix the target has got in front of the server, and leads to
// the same directory. Browsers read the reference as the URL standard has it: "\\" is a slash, escaped dots are dots.
func TestRedirectLeadsToTheDirectory(t *testing.T) {
	names := []string{"d", "a/b/d", "a b", "a:b", "http:/h", "\x80", "é", "日本/\xff", "%41", "a?b", "a#b", "a\\b", "\\evil.com", "..x", "a/...", "\xed\xa0\x80", "x/~;=,+&@!$'()*"}
	files := map[string]string{}
	for _, name := range names {
		files[name+"/index.html"] = name
	}
	s := newSite(t, sitetest.Build(t, t.TempDir(), files))
	for _, name := range names {
		for _, detour := range []string{"", "none/%2e%2e/", "./", "\\evil.com/..%2f", "x%2f..%2f/", "//evil/../", "%2e%2e/"} {
			target := "/" + detour
			for _, c := range []byte(name) {
				if c == '/' || 'a' <= c && c <= 'z' {
					target += string(rune(c))
				} else {
					target += fmt.Sprintf("%%%02x", c)
				}
			}
			resp, _ := get(t, s, target+"?q=1")
			location := resp.Fields.Get("Location")
			if resp.Status != 301 {
				t.Errorf("%q: %d", target, resp.Status)
				continue
			}
			// What stands before the last slash is the client's own, and stays.
			led, query, _ := strings.Cut(strings.TrimPrefix(location, "./"), "?")
			if !strings.HasPrefix(location, "./") || strings.Contains(led, "\\") || query != "q=1" {
				t.Errorf("%q is redirected to %q", target, location)
			}
			if _, content := get(t, s, target[:strings.LastIndexByte(target, '/')+1]+led); content != name {
				t.Errorf("%q is redirected to %q, which is %q, want %q", target, location, content, name)
			}
		}
	}
}

// Law: the reference is a path of one part below the target's own, and what is at the end of it is what was asked for.
func FuzzRedirect(f *testing.F) {
	for _, seed := range []string{"/d", "//evil/..", "\x01//evil", "a:b?#", "http:", "/\r/evil", "/\x00", "/\\evil.com/..%2fsub", "/\xe9?\\"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, target string) {
		for _, at := range []reading{{}, {title: "/"}} {
			location := new(Site).redirect(target, at).Fields.Get("Location")
			u, err := url.Parse(strings.ReplaceAll(location, "%", "%25"))
			if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(location, "./") || strings.Contains(location, "\\") {
				t.Fatalf("%q is redirected to %q, %v", target, location, err)
			}
			for _, c := range []byte(location) {
				if c <= ' ' || c >= 0x7f {
					t.Fatalf("%q is redirected to %q", target, location)
				}
			}
			if part := strings.TrimSuffix(u.Path[len("./"):], "/"); strings.Contains(part, "/") {
				t.Fatalf("%q is redirected to %q, which has more than one part", target, location)
			}
		}
	})
}
