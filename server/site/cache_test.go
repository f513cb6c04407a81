package site

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/sitetest"
)

// later has the clock of a Site show a time at which the files of the test have been at rest for long.
func later(o *Options) { o.Content.Now = sitetest.Later }

// hits returns how many look-ups a call found in the cache.
func hits(s *Site, call func()) uint64 {
	before := s.CacheCounts().Hits
	call()
	return s.CacheCounts().Hits - before
}

// Law: what is kept is never older than the last write before the request, also if a writer hides it.
func TestKeptIsFresh(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "a.txt")
	old := time.Unix(784111777, 123456789)
	write := func(content string) {
		sitetest.Check(t, os.WriteFile(name, []byte(content), 0o644))
		sitetest.Check(t, os.Chtimes(name, old, old))
	}
	s := newSite(t, dir, later)
	for i := range 20 {
		want := fmt.Sprintf("version %02d", i)
		write(want) // the same size, the same mtime, the same inode
		// A write within the same tick of the kernel's clock would not show in the ctime: the server asks for
		// 2 s of rest, which the test's clock has run ahead.
		time.Sleep(20 * time.Millisecond)
		_, first := get(t, s, "/a.txt")
		if got := hits(s, func() {
			if _, again := get(t, s, "/a.txt"); again != want || first != want {
				t.Fatalf("got %q and %q, want %q", first, again, want)
			}
		}); got != 1 {
			t.Fatalf("%d hits, want 1", got)
		}
	}
	sitetest.Check(t, os.Remove(name))
	if resp, _ := get(t, s, "/a.txt"); resp.Status != 404 {
		t.Errorf("removed: status %d", resp.Status)
	}
}

// TestRecentIsNotKept holds the rule that makes the one above safe.
func TestRecentIsNotKept(t *testing.T) {
	recently := sitetest.Recently()
	s := newSite(t, sitetest.Build(t, t.TempDir(), map[string]string{"a.txt": "a", "dir/b": ""}), func(o *Options) { o.Content.Now = recently })
	for _, target := range []string{"/a.txt", "/dir/"} {
		get(t, s, target)
		if n := hits(s, func() { get(t, s, target) }); n != 0 {
			t.Errorf("%s: %d hits", target, n)
		}
	}
	if got := s.CacheCounts(); got.Entries != 0 {
		t.Errorf("%+v", got)
	}
}

func TestWhatIsKept(t *testing.T) {
	for _, c := range []struct {
		name, target string
		change       func(*Options)
		hit          uint64
	}{
		{"a file", "/small", nil, 1},
		{"an index page", "/dir/", nil, 1},
		{"a listing", "/plain/", nil, 1},
		{"an empty file", "/empty", nil, 1},
		{"a file up to MaxFile", "/large", func(o *Options) { o.Content.MaxFile = 100 << 10 }, 1},
		{"a file beyond MaxFile", "/large", func(o *Options) { o.Content.MaxFile = 100<<10 - 1 }, 0},
		{"no cache", "/small", func(o *Options) { o.Content.CacheSize = 0 }, 0},
		{"a cache that is too small", "/large", func(o *Options) { o.Content.CacheSize = 100 << 10 }, 0},
		{"a link", "/link", nil, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, sitetest.Build(t, t.TempDir(), map[string]string{"small": "s", "empty": "", "dir/index.html": "i",
				"plain/x": "", "large": strings.Repeat("x", 100<<10), "link": "-> small"}), later)
			if c.change != nil {
				opts := s.opts
				c.change(&opts)
				s = New(opts)
				defer func() { sitetest.Check(t, s.Close()) }()
			}
			first, content := get(t, s, c.target)
			if got := hits(s, func() {
				again, same := get(t, s, c.target)
				if first.Status != 200 || again.Status != 200 || same != content || first.Fields.Get("ETag") != again.Fields.Get("ETag") {
					t.Errorf("got %d %q %q, then %d %q %q", first.Status, first.Fields, content, again.Status, again.Fields, same)
				}
			}); got != c.hit {
				t.Errorf("%d hits, want %d", got, c.hit)
			}
		})
	}
}

// TestAKeptListingFollowsItsLinks: the directory does not change when what its links lead to does.
func TestAKeptListingFollowsItsLinks(t *testing.T) {
	dir := sitetest.Build(t, t.TempDir(), map[string]string{"list/link": "-> ../end", "other": ""})
	s := newSite(t, dir, later)
	shows := func(want string) {
		t.Helper()
		if _, page := get(t, s, "/list/"); !strings.Contains(page, want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
	shows(`<a href="link">link@</a>`)
	sitetest.Check(t, os.Mkdir(filepath.Join(dir, "end"), 0o755))
	shows(`<a href="link/">link@</a>`)
	shows(`<a href="link/">link@</a>`)
	sitetest.Check(t, os.Remove(filepath.Join(dir, "end")))
	shows(`<a href="link">link@</a>`)
	sitetest.Check(t, os.WriteFile(filepath.Join(dir, "list", "new"), nil, 0o644))
	shows(`<a href="new">new</a>`)
	sitetest.Check(t, os.WriteFile(filepath.Join(dir, "list", "index.html"), []byte("index"), 0o644))
	shows("index")
}

// TestConfinementOfWhatIsKept: a name that comes to lead out is not answered with what it had.
func TestConfinementOfWhatIsKept(t *testing.T) {
	dir := sitetest.Build(t, t.TempDir(), map[string]string{"root/a": "inside", "root/d/x": "", "out/b": "outside", "out/d/x": ""})
	s := newSite(t, filepath.Join(dir, "root"), later)
	for _, target := range []string{"/a", "/d/"} {
		if resp, _ := get(t, s, target); resp.Status != 200 {
			t.Fatalf("%s: %d", target, resp.Status)
		}
	}
	for _, name := range []string{"a", "d"} {
		sitetest.Check(t, os.RemoveAll(filepath.Join(dir, "root", name)))
	}
	sitetest.Check(t, os.Symlink("../out/b", filepath.Join(dir, "root", "a")))
	sitetest.Check(t, os.Symlink("../out/d", filepath.Join(dir, "root", "d")))
	for _, target := range []string{"/a", "/d/", "/d"} {
		if resp, content := get(t, s, target); resp.Status != 404 {
			t.Errorf("%s: %d %q", target, resp.Status, content)
		}
	}
}

func TestAllocations(t *testing.T) {
	s := newSite(t, sitetest.Build(t, t.TempDir(), map[string]string{"dir/page.html": strings.Repeat("x", 1024)}), later)
	ask := func(fields ...message.Field) float64 {
		r := &message.Request{Method: "GET", Target: "/dir/page.html", Fields: fields}
		return testing.AllocsPerRun(100, func() {
			resp := s.Serve(context.Background(), r)
			if resp.Body != nil {
				sitetest.Check(t, resp.Body.Close())
			}
		})
	}
	resp, _ := get(t, s, "/dir/page.html")
	if n := ask(); n != 0 {
		t.Errorf("a hit allocates %v times", n)
	}
	if n := ask(message.Field{Name: "If-None-Match", Value: resp.Fields.Get("ETag")}); n != 0 {
		t.Errorf("a 304 allocates %v times", n)
	}
}

// TestAListingIsKeptOnce: of the paths that lead to a directory there is no end.
func TestAListingIsKeptOnce(t *testing.T) {
	s := newSite(t, sitetest.Build(t, t.TempDir(), map[string]string{"dir/x": ""}), later)
	for _, target := range []string{"/dir/", "/%64ir/?q", "/./dir/", "/dir//", "/a/../dir/", "/", "/dir/..", "/./"} {
		for range 2 {
			if resp, page := get(t, s, target); resp.Status != 200 && resp.Status != 301 {
				t.Errorf("%s: %d %s", target, resp.Status, page)
			}
		}
	}
	if got := s.CacheCounts(); got.Entries != 2 || got.Hits != 3+1 {
		t.Errorf("got %+v, want the pages of two directories", got)
	}
}

// TestLinksOfAListingAreCounted: they stay in memory beside its page.
func TestLinksOfAListingAreCounted(t *testing.T) {
	files := map[string]string{}
	for i := range 1000 {
		files[fmt.Sprintf("links/%0100d", i)] = "-> x"
		files[fmt.Sprintf("files/%0100d", i)] = ""
	}
	s := newSite(t, sitetest.Build(t, t.TempDir(), files), later)
	bytes := func(target string) int64 {
		before := s.CacheCounts().Bytes
		get(t, s, target)
		return s.CacheCounts().Bytes - before
	}
	plain := bytes("/files/")
	if got := bytes("/links/"); got < plain+1000*100 {
		t.Errorf("%d bytes are counted for links, %d for files", got, plain)
	}
}

// TestChangedLinksAreNoHit: the page is made anew.
func TestChangedLinksAreNoHit(t *testing.T) {
	dir := sitetest.Build(t, t.TempDir(), map[string]string{"list/link": "-> ../end"})
	s := newSite(t, dir, later)
	get(t, s, "/list/")
	sitetest.Check(t, os.Mkdir(filepath.Join(dir, "end"), 0o755))
	if n := hits(s, func() { get(t, s, "/list/") }); n != 0 {
		t.Errorf("%d hits", n)
	}
}

// TestCloseForgets what was kept: outside the Go heap nobody else would.
func TestCloseForgets(t *testing.T) {
	s := newSite(t, sitetest.Build(t, t.TempDir(), map[string]string{"a": "a"}), later)
	get(t, s, "/a")
	sitetest.Check(t, s.Close())
	if got := s.CacheCounts(); got.Entries != 0 || got.Bytes != 0 {
		t.Errorf("got %+v", got)
	}
}
