package site

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/content"
	"github.com/previewd/previewd/server/site/sitetest"
)

// Law: a switched directory is seen by the next request, and nothing is left open behind it.
func TestSwitchedDirectory(t *testing.T) {
	t.Run("read", func(t *testing.T) { switchDirectory(t, func(*Options) {}) })
	t.Run("kept", func(t *testing.T) { switchDirectory(t, later) })
}

func switchDirectory(t *testing.T, with func(*Options)) {
	base := sitetest.Build(t, t.TempDir(), map[string]string{"a/x": "a", "b/x": "b", "now": "-> a"})
	s := newSite(t, filepath.Join(base, "now"), with)
	before := sitetest.Descriptors(t)
	var readers sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if resp, content := get(t, s, "/x"); resp.Status != 200 || content != "a" && content != "b" {
					t.Errorf("%d %q %v", resp.Status, content, resp.Err)
				}
			}
		})
	}
	for i := range 300 {
		target := string("ab"[i%2])
		toLink(t, base, target)
		if _, content := get(t, s, "/x"); content != target {
			t.Errorf("after the switch to %s: %q", target, content)
		}
	}
	close(stop)
	readers.Wait()
	sitetest.Check(t, s.Close())
	runtime.GC()
	if after := sitetest.Descriptors(t); after != before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}

func TestDirectoryVanishesAndReturns(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "site")
	s := newSite(t, dir)
	for range 3 {
		if resp, _ := get(t, s, "/x"); resp.Status != 404 {
			t.Errorf("without the directory: %d", resp.Status)
		}
		if err := s.Ready(); err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("Ready without the directory: %v", err)
		}
		sitetest.Build(t, dir, map[string]string{"x": "x"})
		if resp, content := get(t, s, "/x"); resp.Status != 200 || content != "x" {
			t.Errorf("with the directory: %d %q", resp.Status, content)
		}
		sitetest.Check(t, s.Ready())
		sitetest.Check(t, os.RemoveAll(dir))
	}
}

func TestMethods(t *testing.T) {
	s := newSite(t, sitetest.Build(t, t.TempDir(), map[string]string{"x": "x"}))
	for method, want := range map[string]int{"GET": 200, "HEAD": 200, "POST": 405, "BREW": 501} {
		resp := s.Methods().Serve(t.Context(), &message.Request{Method: method, Target: "/x"})
		if resp.Status != want {
			t.Errorf("%s: %d, want %d", method, resp.Status, want)
		}
		if resp.Body != nil {
			sitetest.Check(t, resp.Body.Close())
		}
	}
}

// Law: of what is kept a request gets what its name leads to now, however it came to lead there.
func TestKeptInADirectoryThatChanges(t *testing.T) {
	const kept, gone = "kept", ""
	for _, c := range []struct {
		name   string
		change func(t *testing.T, base string)
		want   string
		status int
	}{
		{"nothing", func(*testing.T, string) {}, kept, 200},
		{"switched", func(t *testing.T, base string) { toLink(t, base, "b") }, "new", 200},
		{"switched to the same file", func(t *testing.T, base string) {
			sitetest.Check(t, os.Remove(filepath.Join(base, "b/x")))
			sitetest.Check(t, os.Link(filepath.Join(base, "a/x"), filepath.Join(base, "b/x")))
			toLink(t, base, "b")
		}, kept, 200},
		{"switched to one without it", func(t *testing.T, base string) {
			sitetest.Check(t, os.Remove(filepath.Join(base, "b/x")))
			toLink(t, base, "b")
		}, gone, 404},
		{"switched to nowhere", func(t *testing.T, base string) { toLink(t, base, "nowhere") }, gone, 404},
		{"switched to a file", func(t *testing.T, base string) { toLink(t, base, "b/x") }, gone, 404},
		{"the directory moved away", func(t *testing.T, base string) {
			sitetest.Check(t, os.Rename(filepath.Join(base, "a"), filepath.Join(base, "c")))
		}, gone, 404},
		{"another in its place", func(t *testing.T, base string) {
			sitetest.Check(t, os.Rename(filepath.Join(base, "a"), filepath.Join(base, "c")))
			sitetest.Check(t, os.Rename(filepath.Join(base, "b"), filepath.Join(base, "a")))
		}, "new", 200},
		{"the file replaced", func(t *testing.T, base string) {
			sitetest.Check(t, os.Rename(filepath.Join(base, "b/x"), filepath.Join(base, "a/x")))
		}, "new", 200},
		{"the file removed", func(t *testing.T, base string) { sitetest.Check(t, os.Remove(filepath.Join(base, "a/x"))) }, gone, 404},
		{"a directory in its place", func(t *testing.T, base string) {
			sitetest.Check(t, os.Remove(filepath.Join(base, "a/x")))
			sitetest.Check(t, os.Mkdir(filepath.Join(base, "a/x"), 0o755))
		}, gone, 301},
	} {
		t.Run(c.name, func(t *testing.T) {
			base := sitetest.Build(t, t.TempDir(), map[string]string{"a/x": kept, "b/x": "new", "now": "-> a"})
			s := newSite(t, filepath.Join(base, "now"), later)
			for range 2 {
				if _, content := get(t, s, "/x"); content != kept {
					t.Fatalf("got %q first", content)
				}
			}
			c.change(t, base)
			for range 2 {
				resp, content := get(t, s, "/x")
				if resp.Status != c.status || content != c.want {
					t.Errorf("got %d %q, want %d %q", resp.Status, content, c.status, c.want)
				}
				if resp, _ := get(t, s, "/x/"); resp.Status == 200 && c.status != 301 {
					t.Errorf("with a slash: %d", resp.Status)
				}
			}
		})
	}
}

// toLink switches the link now in base.
func toLink(t *testing.T, base, target string) {
	t.Helper()
	sitetest.Check(t, os.Symlink(target, filepath.Join(base, "next")))
	sitetest.Check(t, os.Rename(filepath.Join(base, "next"), filepath.Join(base, "now")))
}

// TestTheCauseNamesTheDirectory once, whatever is asked for: a file that is kept, one that is not, a directory.
func TestTheCauseNamesTheDirectory(t *testing.T) {
	dir := sitetest.Build(t, filepath.Join(t.TempDir(), "site"), map[string]string{"kept": "kept", "dir/index.html": "i", "list/x": ""})
	s := newSite(t, dir, later)
	targets := []string{"/kept", "/dir", "/dir/", "/list/", "/nowhere", "/"}
	for _, target := range targets {
		get(t, s, target)
	}
	sitetest.Check(t, os.RemoveAll(dir))
	for _, target := range targets {
		resp, _ := get(t, s, target)
		var once interface{ OnceKey() string }
		if resp.Status != 404 || !errors.As(resp.Err, &once) || once.OnceKey() != "directory" || !strings.Contains(resp.Err.Error(), dir) {
			t.Errorf("%s: %d %v, want 404 and one cause for the directory", target, resp.Status, resp.Err)
		}
	}
}

// Law: an answer is of one tree, however many names it takes. Both trees have an index page, and a neighbour that
// is to be passed over in b alone.
func TestAnAnswerIsOfOneTree(t *testing.T) {
	base := sitetest.Build(t, t.TempDir(), map[string]string{"a/dir/index.htm": "a", "a/dir/x": "", "b/dir/index.html": "b", "b/dir/x": "",
		"a/x": "a", "b/x/index.html": "b", "a/p.js": sitetest.Text(60), "a/p.js.gz": "a", "b/p.js": sitetest.Text(70), "b/p.js.gz": "old", "now": "-> a"})
	for name, age := range map[string]time.Duration{"a/p.js": 3, "a/p.js.gz": 2, "b/p.js.gz": 2, "b/p.js": 1} {
		date := time.Now().Add(-age * time.Hour)
		sitetest.Check(t, os.Chtimes(filepath.Join(base, name), date, date))
	}
	keeping := newSite(t, filepath.Join(base, "now"), later, func(o *Options) { o.Content.Compress = content.CompressAuto })
	reading := newSite(t, filepath.Join(base, "now"), later, func(o *Options) { o.Content.MaxFile = 0 })
	sitetest.Every(t, 50*time.Microsecond, func(i int) { toLink(t, base, string("ab"[i%2])) })
	for range 5000 {
		if resp, content := get(t, keeping, "/dir/"); content != "a" && content != "b" {
			t.Fatalf("/dir/: %d %.200q, want an index page", resp.Status, content)
		}
		if resp, _ := get(t, reading, "/x"); resp.Status != 200 && resp.Status != 301 {
			t.Fatalf("/x: %d, want the file of a or the redirect of b", resp.Status)
		}
		if _, content := get(t, keeping, "/p.js", acceptEncoding("gzip")); content == "old" {
			t.Fatal("a neighbour of b was compared with the file of a")
		}
	}
}
