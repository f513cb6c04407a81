package site

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/sitetest"
)

func richly(o *Options) { o.Listing, o.Zone = ListingRich, time.UTC }

// Law: a rich page shows what is there now, and its tag is another one as soon as what it shows is.
func TestRichListingsAreFresh(t *testing.T) {
	for how, with := range map[string]func(*Options){"at rest": later, "just changed": func(*Options) {}, "no cache": func(o *Options) { o.Content.CacheSize = 0 }} {
		dir := sitetest.Build(t, t.TempDir(), map[string]string{"sub/a": "a", "sub/b": "b", "sub/README.md": "read me & weep", "sub/link": "-> a"})
		s := newSite(t, dir, with, richly)
		tags := map[string]string{}
		look := func(what, want string) {
			t.Helper()
			for _, coding := range []string{"", "gzip"} {
				resp, page := get(t, s, "/sub/", acceptEncoding(coding))
				if coding == "gzip" {
					page = unpack(t, coding, page)
				}
				tag := resp.Fields.Get("ETag")
				if before, found := tags[tag]; found || tag == "" || !strings.Contains(page, want) {
					t.Errorf("%s, %s: tag %s is that of %q, or the page lacks %q:\n%s", how, what, tag, before, want, page)
				}
				tags[tag] = what + coding
				again, _ := get(t, s, "/sub/", acceptEncoding(coding), message.Field{Name: "If-None-Match", Value: tag})
				if again.Status != 304 || again.Fields.Get("ETag") != tag {
					t.Errorf("%s, %s: its own tag gets %d", how, what, again.Status)
				}
			}
		}
		write := func(name, text string) {
			sitetest.Check(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
		}
		look("at first", "<pre>\nread me &amp; weep</pre>")
		write("sub/a", "aaaa")
		look("another size", `<data value="4">4 B</data>`)
		sitetest.Check(t, os.Chtimes(filepath.Join(dir, "sub/b"), time.Now(), time.Unix(1e9, 0)))
		look("another time", "2001-09-09 01:46")
		write("sub/README.md", "READ ME & weep")
		look("another readme", "READ ME &amp; weep")
		write("sub/c", "")
		touch(t, filepath.Join(dir, "sub"), 1)
		look("another name", `href="c"`)
		sitetest.Check(t, os.Remove(filepath.Join(dir, "sub/README.md")))
		touch(t, filepath.Join(dir, "sub"), 2)
		look("no readme", "5 files"[1:])
		write("sub/readme.TXT", "bad \xff text")
		touch(t, filepath.Join(dir, "sub"), 3)
		look("a readme that is not UTF-8", "readme.TXT")
		if held, _ := s.names.Use(); held != 0 {
			t.Errorf("%s: %d bytes of names are in use", how, held)
		}
	}
}

// touch gives a directory that has just changed a time of its own: the clock of these tests says that it has long been at rest,
// and two changes may fall into one tick of the file system's.
func touch(t *testing.T, dir string, i int) {
	t.Helper()
	sitetest.Check(t, os.Chtimes(dir, time.Now(), time.Unix(1e9+int64(i), 0)))
}

// Law: a page whose names were read before is that of a server that has seen nothing before.
func TestOrderThatIsKept(t *testing.T) {
	dir := sitetest.Build(t, t.TempDir(), map[string]string{"d/b": "b", "d/a 10": "", "d/a 2": "", "d/sub/x": "", "d/link": "-> ../target", "d/other": "-> b", "d/dead": "-> gone", "target/": ""})
	kept := newSite(t, dir, later, richly)
	look := func(what string) {
		t.Helper()
		fresh := newSite(t, dir, later, richly)
		for range 2 {
			for _, form := range []string{"text/html", "application/json"} {
				_, want := get(t, fresh, "/d/", accept(form))
				if _, got := get(t, kept, "/d/", accept(form)); got != want {
					t.Errorf("%s: got\n%s\nwant\n%s", what, got, want)
				}
			}
		}
	}
	look("at first")
	if names := kept.namesBefore(sharedKey{name: "d", form: richForm}); names.Status().Ino == 0 && runtime.GOOS == "linux" {
		t.Error("no names are kept")
	}
	for i, c := range []struct {
		what   string
		change func() error
	}{
		{"a directory behind a link becomes a file", func() error {
			return errors.Join(os.Remove(filepath.Join(dir, "target")), os.WriteFile(filepath.Join(dir, "target"), nil, 0o644))
		}},
		{"and a directory again", func() error {
			return errors.Join(os.Remove(filepath.Join(dir, "target")), os.Mkdir(filepath.Join(dir, "target"), 0o755))
		}},
		{"what is behind a link goes", func() error { return os.Remove(filepath.Join(dir, "target")) }},
		{"another size", func() error { return os.WriteFile(filepath.Join(dir, "d/b"), []byte("bbb"), 0o644) }},
		{"a new name", func() error { return os.WriteFile(filepath.Join(dir, "d/a 3"), nil, 0o644) }},
		{"a name less", func() error { return os.Remove(filepath.Join(dir, "d/a 2")) }},
		{"a name for another", func() error { return os.Rename(filepath.Join(dir, "d/a 3"), filepath.Join(dir, "d/z")) }},
		{"a file becomes a directory", func() error {
			return errors.Join(os.Remove(filepath.Join(dir, "d/z")), os.Mkdir(filepath.Join(dir, "d/z"), 0o755))
		}},
	} {
		sitetest.Check(t, c.change())
		if !strings.Contains(c.what, "behind") {
			touch(t, filepath.Join(dir, "d"), i)
		}
		look(c.what)
	}
	if held, _ := kept.names.Use(); held != 0 {
		t.Errorf("%d bytes of names are in use", held)
	}
}

// TestSpellingsOfRichListings: the page is the same for all that a browser takes for the same, and its way up is right for
// the others.
func TestSpellingsOfRichListings(t *testing.T) {
	s := newSite(t, sitetest.Build(t, t.TempDir(), map[string]string{"a/b/x": "x"}), later, richly)
	_, want := get(t, s, "/a/b/")
	for target, same := range map[string]bool{"/a/b/?q": true, "/a/./b/": true, "/a/b/./": true, "/a/c/../b/": true, "/%61/b/": true, "/a/%2e/b/": true, "/../a/b/": true,
		"/a//b/": false, "/a%2Fb/": false} {
		resp, page := get(t, s, target)
		if (page == want) != same || resp.Status != 200 || resp.Fields.Get("ETag") == "" || !strings.Contains(page, `href="x"`) {
			t.Errorf("%s: %d %q, the same page: %v", target, resp.Status, resp.Fields, page == want)
		}
	}
	if _, page := get(t, s, "/a//b/"); !strings.Contains(page, `<a href="../../../">Home`) || strings.Contains(page, `<a href="../">`) {
		t.Error("/a//b/: another way up")
	}
}

// TestRichListingIsNotExact: http.server's page is all that there is with EXACT.
func TestRichListingIsNotExact(t *testing.T) {
	s := newSite(t, sitetest.Build(t, t.TempDir(), map[string]string{"x": "x"}), later, richly, func(o *Options) { o.Exact = true })
	if resp, page := get(t, s, "/"); !strings.Contains(page, "<ul>\n<li><a href=\"x\">x</a></li>\n</ul>") || len(resp.Fields) != 1 {
		t.Errorf("%q %s", resp.Fields, page)
	}
}

// TestHintOfAnEmptyDirectory: what the operator has to say of a directory at the top that is empty.
func TestHintOfAnEmptyDirectory(t *testing.T) {
	s := newSite(t, sitetest.Build(t, t.TempDir(), map[string]string{"below/empty/": ""}), richly, func(o *Options) { o.EmptyHint = "Look there." })
	if _, page := get(t, s, "/below/empty/"); strings.Contains(page, "Look there.") || !strings.Contains(page, "This folder is empty.") {
		t.Error("below the top")
	}
	s = newSite(t, t.TempDir(), richly, func(o *Options) { o.EmptyHint = "Look there." })
	if _, page := get(t, s, "/"); !strings.Contains(page, "Look there.") {
		t.Error("at the top")
	}
}

func BenchmarkRichListing10000(b *testing.B) {
	files := map[string]string{}
	for i := range maxPage {
		files[fmt.Sprintf("file %05d.txt", i)] = ""
	}
	s := newSite(b, sitetest.Build(b, b.TempDir(), files), later, richly)
	for b.Loop() {
		if resp := s.Serve(b.Context(), &message.Request{Method: "GET", Target: "/"}); resp.Status != 200 || resp.Body.Close() != nil {
			b.Fatal(resp.Status)
		}
	}
}
