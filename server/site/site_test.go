package site

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/content"
	"github.com/previewd/previewd/server/site/listing"
	"github.com/previewd/previewd/server/site/sitetest"
	"github.com/previewd/previewd/server/site/tree"
)

// newSite returns a Site with http.server's defaults, changed by with.
func newSite(t testing.TB, dir string, with ...func(*Options)) *Site {
	opts := Options{Tree: tree.Options{Directory: dir}, IndexPages: []string{"index.html", "index.htm"}, Listing: ListingPlain, CacheControl: "no-cache",
		Content: content.Options{MaxFile: 1 << 20, CacheSize: 16 << 20, Compress: content.CompressAuto}}
	for _, change := range with {
		change(&opts)
	}
	s := New(opts)
	t.Cleanup(func() { sitetest.Check(t, s.Close()) })
	return s
}

// get returns the answer and its content.
func get(t testing.TB, s *Site, target string, fields ...message.Field) (message.Response, string) {
	t.Helper()
	resp := s.Serve(context.Background(), &message.Request{Method: "GET", Target: target, Fields: fields})
	if resp.Body == nil {
		return resp, ""
	}
	var b bytes.Buffer
	n, err := resp.Body.WriteTo(&b)
	sitetest.Check(t, err)
	if want := resp.Body.Len(); want != -1 && n != want || int64(b.Len()) != n {
		t.Errorf("%q: wrote %d bytes of %d", target, n, resp.Body.Len())
	}
	sitetest.Check(t, resp.Body.Close())
	return resp, b.String()
}

func TestServe(t *testing.T) {
	dir := sitetest.Build(t, t.TempDir(), map[string]string{
		"hello.txt": "hello", "empty": "", "sub/index.htm": "htm", "sub/a": "a", "both/index.html": "html",
		"both/index.htm": "htm", "dirs/index.html/x": "x", "dirs/index.htm": "htm", "list/b&": "b",
		"list/C/": "", "dangling/index.html": "-> nowhere", "dangling/z": "z", "bin": strings.Repeat("x", 5000),
	})
	s := newSite(t, dir)
	for _, c := range []struct {
		target  string
		status  int
		content string
	}{
		{"/hello.txt", 200, "hello"},
		{"/hello.txt?x", 200, "hello"},
		{"/hello.txt/", 404, ""},
		{"/hello.txt%2f", 404, ""},
		{"/hello.txt/x", 404, ""},
		{"/hello.txt/..", 301, ""},
		{"/empty", 200, ""},
		{"/bin", 200, strings.Repeat("x", 5000)},
		{"/nowhere", 404, ""},
		{"/a%00b", 404, ""},
		{"/" + strings.Repeat("n", 300), 404, ""},
		{"/sub", 301, ""},
		{"/sub/", 200, "htm"},
		{"/sub%2F", 200, "htm"},
		{"/both/", 200, "html"},
		{"/dirs/", 200, "htm"},
		{"/dangling/", 200, "<li>"},
		{"/list/", 200, "<li><a href=\"b%26\">b&amp;</a></li>\n<li><a href=\"C/\">C/</a></li>\n</ul>"},
		{"/list/%ED%A0%80/../", 404, ""}, // a title that has no bytes
	} {
		resp, content := get(t, s, c.target)
		if resp.Status != c.status || (strings.Contains(content, "<li>") && !strings.Contains(content, c.content)) ||
			(!strings.Contains(content, "<li>") && content != c.content) {
			t.Errorf("%q: %d %q (%v), want %d %q", c.target, resp.Status, content, resp.Err, c.status, c.content)
		}
	}
}

func TestFields(t *testing.T) {
	s := newSite(t, sitetest.Build(t, t.TempDir(), map[string]string{"a.txt": "a"}), func(o *Options) {
		o.Extensions = map[string]string{".txt": "text/plain; charset=utf-8"}
	})
	resp, _ := get(t, s, "/a.txt")
	want := message.Fields{
		{Name: "Content-type", Value: "text/plain; charset=utf-8"},
		{Name: "Last-Modified", Value: "Sun, 06 Nov 1994 08:49:37 GMT"},
		{Name: "ETag", Value: `"ypeBEsobvcr6wjGzmiPcTQ.` + message.VariantOf(message.Fields{{Name: "Content-type", Value: "text/plain; charset=utf-8"}}) + `"`}, // half of the SHA-256 of "a", and the type
		{Name: "Cache-Control", Value: "no-cache"},
		{Name: "Vary", Value: "Accept-Encoding"},
		{Name: "Accept-Ranges", Value: "bytes"},
	}
	if !slices.Equal(resp.Fields, want) {
		t.Errorf("fields %q, want %q", resp.Fields, want)
	}
	resp, _ = get(t, s, "/a.txt", message.Field{Name: "If-Modified-Since", Value: want[1].Value})
	if resp.Status != 304 || !slices.Equal(resp.Fields, want[2:5]) || resp.Body != nil {
		t.Errorf("not modified: %+v", resp)
	}
}

// TestExact: nothing is answered that http.server does not.
func TestExact(t *testing.T) {
	dir := sitetest.Build(t, t.TempDir(), map[string]string{"a.txt": sitetest.Text(1000), "a.txt.br": "b", "dir/x": "", "future.txt": ""})
	date := time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC)
	sitetest.Check(t, os.Chtimes(filepath.Join(dir, "future.txt"), date, date))
	s := newSite(t, dir, later, func(o *Options) { o.Exact = true })
	plain := message.Fields{field("Content-type", "text/plain"), field("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT")}
	since := field("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT")
	for _, c := range []struct {
		target string
		fields []message.Field
		status int
		want   message.Fields
	}{
		{"/a.txt", nil, 200, plain},
		{"/a.txt", []message.Field{since}, 304, nil},
		{"/a.txt", []message.Field{since, field("If-None-Match", "*")}, 200, plain},
		{"/a.txt", []message.Field{field("If-Match", `"x"`)}, 200, plain},
		{"/a.txt", []message.Field{field("If-Unmodified-Since", "Sat, 05 Nov 1994 08:49:37 GMT")}, 200, plain},
		{"/a.txt", []message.Field{field("Range", "bytes=0-1"), acceptEncoding("br, gzip")}, 200, plain},
		{"/a.txt", []message.Field{acceptEncoding("br, gzip")}, 200, plain},
		{"/future.txt", nil, 200, message.Fields{plain[0], field("Last-Modified", "Sun, 01 Jan 2040 00:00:00 GMT")}},
		{"/dir/", nil, 200, message.Fields{field("Content-type", "text/html; charset=utf-8")}},
		{"/dir", nil, 301, message.Fields{field("Location", "/dir/")}},
	} {
		for range 2 {
			if resp, _ := get(t, s, c.target, c.fields...); resp.Status != c.status || !slices.Equal(resp.Fields, c.want) {
				t.Errorf("%s %q: got %d %q, want %d %q", c.target, c.fields, resp.Status, resp.Fields, c.status, c.want)
			}
		}
	}
}

func TestListing(t *testing.T) {
	dir := sitetest.Build(t, t.TempDir(), map[string]string{
		"B": "", "a": "", "İ": "", "j": "", "\xff": "", "\ue000": "", ".hid": "", ".well-known/": "",
		"d<>/": "", "link": "-> a", "todir": "-> d<>", "out": "-> /tmp", "q\"'": "",
	})
	resp, page := get(t, newSite(t, dir), "/%3C/../?q")
	want := `<!DOCTYPE HTML>
<html lang="en">
<head>
<meta charset="utf-8">
<style type="text/css">
:root {
color-scheme: light dark;
}
</style>
<title>Directory listing for /&lt;/../</title>
` + listing.Icon + `</head>
<body>
<h1>Directory listing for /&lt;/../</h1>
<hr>
<ul>
<li><a href=".hid">.hid</a></li>
<li><a href=".well-known/">.well-known/</a></li>
<li><a href="a">a</a></li>
<li><a href="B">B</a></li>
<li><a href="d%3C%3E/">d&lt;&gt;/</a></li>
<li><a href="%C4%B0">İ</a></li>
<li><a href="j">j</a></li>
<li><a href="link">link@</a></li>
<li><a href="out">out@</a></li>
<li><a href="q%22%27">q"'</a></li>
<li><a href="todir/">todir@</a></li>
` + "<li><a href=\"%ED%B3%BF\">\xff</a></li>\n<li><a href=\"%EE%80%80\">\ue000</a></li>\n" + `</ul>
<hr>
</body>
</html>
`
	if page != want {
		t.Errorf("got\n%q\nwant\n%q", page, want)
	}
	if got := resp.Fields; len(got) != 4 || got[0] != (message.Field{Name: "Content-type", Value: "text/html; charset=utf-8"}) || got[1].Name != "ETag" ||
		got[2] != (message.Field{Name: "Cache-Control", Value: "no-cache"}) || got[3].Name != "Vary" {
		t.Errorf("fields %q", got)
	}
	_, page = get(t, newSite(t, dir, func(o *Options) { o.Tree.Hidden = tree.HiddenDeny }), "/")
	if strings.Contains(page, ".hid") || !strings.Contains(page, ".well-known/") {
		t.Errorf("hidden names in\n%s", page)
	}
	_, page = get(t, newSite(t, dir, func(o *Options) { o.Tree.Symlinks = tree.SymlinksFollow }), "/")
	if !strings.Contains(page, `<a href="out/">out@</a>`) {
		t.Errorf("a link to a directory lacks its slash in\n%s", page)
	}
	if resp, _ = get(t, newSite(t, dir, func(o *Options) { o.Listing = ListingOff }), "/"); resp.Status != 404 || resp.Reason != "File not found" {
		t.Errorf("no listings: %d %q", resp.Status, resp.Reason)
	}
}

func TestHidden(t *testing.T) {
	dir := sitetest.Build(t, t.TempDir(), map[string]string{
		".git/config": "secret", "a/.env": "secret", ".well-known/x": "x", "link": "-> .git", "file": "-> a/.env",
		"..2026_11_29_17_56_06.123/page": "page", "..data": "-> ..2026_11_29_17_56_06.123", "page": "-> ..data/page", "a/b": "b", "plain": "-> a/b",
	})
	for target, want := range map[string]int{
		"/.git/config": 404, "/.git": 404, "/%2egit/": 404, "/a/.env": 404, "/link/config": 404, "/link": 404,
		"/file": 404, "/..data/page": 404, "/.well-known/x": 200, "/page": 200, "/a/b": 200, "/plain": 200,
		"/": 200, "/.git/../a/b": 200,
	} {
		eachTree(t, dir, func(kind string, s *Site) {
			if resp, _ := get(t, s, target); resp.Status != want {
				t.Errorf("%s: %q: %d (%v), want %d", kind, target, resp.Status, resp.Err, want)
			}
		}, func(o *Options) { o.Tree.Hidden = tree.HiddenDeny })
	}
}

func TestHiddenWithLinksFollowedAnywhere(t *testing.T) {
	base := sitetest.Build(t, t.TempDir(), map[string]string{
		"out/.x": "x", "site/.git/config": "secret", "site/link": "-> .git", "site/out": "-> ../out/.x", "out/back": "-> ../site/.git",
		"site/again": "-> ../out/back/config", "site/detour": "-> ../out/../site/./.git/config", "site/a/b": "b", "site/round": "-> ../site/a/../a/b",
		"site/up": "-> a/../../out/.x", "site/loop": "-> loop", "site/file": "-> a/b/",
	})
	sitetest.Check(t, os.Symlink(filepath.Join(base, "site/.git"), filepath.Join(base, "site/absolute")))
	sitetest.Check(t, os.Symlink(filepath.Join(base, "site/a"), filepath.Join(base, "site/shown")))
	s := newSite(t, filepath.Join(base, "site"), func(o *Options) { o.Tree.Symlinks, o.Tree.Hidden = tree.SymlinksFollow, tree.HiddenDeny })
	for target, want := range map[string]int{"/link/config": 404, "/.git/config": 404, "/out": 200, "/again": 404, "/detour": 404, "/round": 200, "/up": 200,
		"/absolute/config": 404, "/shown/b": 200, "/loop": 404, "/file": 404} {
		if resp, _ := get(t, s, target); resp.Status != want {
			t.Errorf("%q: %d (%v), want %d", target, resp.Status, resp.Err, want)
		}
	}
}

// eachTree calls test with a Site on the tree of this system, and with one on os.Root's.
func eachTree(t *testing.T, dir string, test func(kind string, s *Site), with ...func(*Options)) {
	test("system", newSite(t, dir, with...))
	test("os.Root", newSite(t, dir, append(with, func(o *Options) { o.Tree.Portable = true })...))
}

func TestLinks(t *testing.T) {
	base := sitetest.Build(t, t.TempDir(), map[string]string{
		"out/secret": "secret", "site/a/file": "file", "site/in": "-> a/file", "site/up/in": "-> ../a/file",
		"site/dir": "-> a", "site/escape": "-> ../out/secret", "site/escapedir": "-> ../out", "site/loop": "-> loop",
		"site/chain": "-> escapedir/secret", "site/idx/index.html": "-> ../../out/secret", "site/idx2/index.html": "-> nowhere",
	})
	sitetest.Check(t, os.Symlink(filepath.Join(base, "site/a/file"), filepath.Join(base, "site/absolute")))
	for policy, want := range map[tree.Policy]map[string]int{
		tree.SymlinksInside: {"/in": 200, "/up/in": 200, "/dir/file": 200, "/escape": 404, "/escapedir/secret": 404, "/escapedir": 404,
			"/chain": 404, "/absolute": 404, "/loop": 404, "/idx/": 404, "/idx2/": 200, "/a/file": 200},
		tree.SymlinksDeny: {"/in": 404, "/up/in": 404, "/dir/file": 404, "/escape": 404, "/escapedir/secret": 404, "/a/file": 200,
			"/absolute": 404, "/loop": 404, "/idx/": 404, "/a/": 200, "/dir": 404},
	} {
		eachTree(t, filepath.Join(base, "site"), func(kind string, s *Site) {
			for target, status := range want {
				if resp, content := get(t, s, target); resp.Status != status || strings.Contains(content, "secret") {
					t.Errorf("%s, %s: %q: %d %q (%v), want %d", policy, kind, target, resp.Status, content, resp.Err, status)
				}
			}
		}, func(o *Options) { o.Tree.Symlinks = policy })
	}
	s := newSite(t, filepath.Join(base, "site"), func(o *Options) { o.Tree.Symlinks = tree.SymlinksFollow })
	for _, target := range []string{"/in", "/escape", "/escapedir/secret", "/chain", "/absolute", "/idx/"} {
		if resp, _ := get(t, s, target); resp.Status != 200 {
			t.Errorf("follow: %q: %d (%v), want 200", target, resp.Status, resp.Err)
		}
	}
}

func TestTheCauseNamesTheLink(t *testing.T) {
	base := sitetest.Build(t, t.TempDir(), map[string]string{"out/secret": "", "site/a/esc": "-> ../../out"})
	eachTree(t, filepath.Join(base, "site"), func(kind string, s *Site) {
		for _, target := range []string{"/a/esc/secret", "/a/esc/other"} {
			resp, _ := get(t, s, target)
			var once interface{ OnceKey() string }
			if !errors.As(resp.Err, &once) || once.OnceKey() != "link a/esc" {
				t.Errorf("%s: %q: cause %v, want one for a/esc", kind, target, resp.Err)
			}
			want := `a symbolic link leads out of the directory: "a/esc" -> "../../out"; SYMLINKS=follow follows it`
			if resp.Err.Error() != want {
				t.Errorf("%s: %q: cause %q, want %q", kind, target, resp.Err, want)
			}
		}
	})
}
