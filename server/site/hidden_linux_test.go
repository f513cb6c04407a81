package site

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/previewd/previewd/server/site/sitetest"
	"github.com/previewd/previewd/server/site/tree"
)

func deny(o *Options) { o.Tree.Hidden = tree.HiddenDeny }

// exchange swaps two names in one step.
func exchange(a, b string) error {
	return unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
}

// Law: with HIDDEN=deny no link leads to a hidden name, also while the directory is exchanged with another.
func TestNoLinkToAHiddenNameWhileTheDirectoryIsExchanged(t *testing.T) {
	for _, symlinks := range []tree.Policy{tree.SymlinksInside, tree.SymlinksFollow} {
		base := sitetest.Build(t, t.TempDir(), map[string]string{"site/.secret/x": "secret", "site/link": "-> .secret/x", "site/dir": "-> .secret",
			"site/a/up": "-> ../.secret/x", "site/chain": "-> a/up", "site/same": "-> .secret/x", "site/open/x": "open", "site/shown": "-> open/x",
			// In the other some of the names are files, and lead to nothing that is hidden.
			"other/link": "open", "other/dir/x": "open", "other/a/up": "open", "other/chain": "-> a/up", "other/.secret/x": "secret", "other/same": "-> .secret/x",
			"other/open/x": "open", "other/shown": "-> open/x"})
		if err := exchange(filepath.Join(base, "site"), filepath.Join(base, "other")); err != nil {
			t.Skipf("names cannot be exchanged here: %v", err)
		}
		eachTree(t, filepath.Join(base, "site"), func(kind string, s *Site) {
			stop, stopped := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(stopped)
				for {
					select {
					case <-stop:
						return
					default:
						if err := exchange(filepath.Join(base, "site"), filepath.Join(base, "other")); err != nil {
							t.Error(err)
							return
						}
					}
				}
			}()
			asked, leaked, shown := 0, 0, 0
			for range 500 {
				for _, target := range []string{"/link", "/dir/x", "/a/up", "/chain", "/same"} {
					asked++
					if resp, content := get(t, s, target); resp.Status == 200 && content == "secret" {
						leaked++
					}
				}
				if resp, _ := get(t, s, "/shown"); resp.Status == 200 {
					shown++
				}
			}
			close(stop)
			<-stopped
			t.Logf("SYMLINKS=%s, %s: %d of %d requests got the secret, %d of 500 what is shown", symlinks, kind, leaked, asked, shown)
			if leaked > 0 {
				t.Errorf("SYMLINKS=%s, %s: %d of %d requests got the secret", symlinks, kind, leaked, asked)
			}
			if shown == 0 {
				t.Errorf("SYMLINKS=%s, %s: nothing is shown", symlinks, kind)
			}
		}, deny, later, func(o *Options) { o.Tree.Symlinks = symlinks })
	}
}

// Law: with HIDDEN=deny what is kept is served only while no hidden name is on the way to it.
func TestKeptAndHiddenAfterwards(t *testing.T) {
	base := sitetest.Build(t, t.TempDir(), map[string]string{"site/d/x": "x", "site/d/index.html": "i", "site/d/list/y": "", "site/f": "f",
		"site/d/packed.js": sitetest.Text(1000), "site/d/packed.js.gz": "gz", "site/l": "-> .d", "site/g": "-> .f"})
	dir := filepath.Join(base, "site")
	targets := []string{"/d/x", "/d/", "/d/list/", "/d/packed.js", "/f"}
	eachTree(t, dir, func(kind string, s *Site) {
		ask := func(want int) {
			t.Helper()
			for range 3 {
				for _, target := range targets {
					resp, content := get(t, s, target, acceptEncoding("gzip"))
					if resp.Status != want {
						t.Errorf("%s: %s: %d %q, want %d", kind, target, resp.Status, content, want)
					}
					resp, content = get(t, s, target)
					if resp.Status != want {
						t.Errorf("%s: %s: %d %q, want %d", kind, target, resp.Status, content, want)
					}
				}
			}
		}
		rename := func(from, to string) { sitetest.Check(t, os.Rename(filepath.Join(dir, from), filepath.Join(dir, to))) }
		for range 20 {
			ask(200)
			rename("d", ".d")
			rename("l", "d")
			rename("f", ".f")
			rename("g", "f")
			ask(404)
			rename("f", "g")
			rename(".f", "f")
			rename("d", "l")
			rename(".d", "d")
		}
		ask(200)
	}, deny, later)
}

// TestKubernetesOwnNames: what a volume of Kubernetes links through is no hidden name, others that begin with two dots are.
func TestKubernetesOwnNames(t *testing.T) {
	const now = "..2026_11_29_17_56_06.1234567890"
	dir := sitetest.Build(t, t.TempDir(), map[string]string{now + "/page": "page", now + "/.env": "secret", "..data": "-> " + now, "page": "-> ..data/page", "env": "-> ..data/.env",
		"..mine/x": "secret", "mine": "-> ..mine/x", "..2026/x": "secret", "year": "-> ..2026/x", "..2026_backup/x": "secret", "backup": "-> ..2026_backup/x",
		"..database/x": "secret", "base": "-> ..database/x", "...": "secret", "dots": "-> ...", "..data_tmp/x": "secret", "tmp": "-> ..data_tmp/x"})
	eachTree(t, dir, func(kind string, s *Site) {
		for target, want := range map[string]int{"/page": 200, "/env": 404, "/mine": 404, "/year": 404, "/backup": 404, "/base": 404, "/dots": 404, "/tmp": 404,
			"/..data/page": 404, "/" + now + "/page": 404} {
			if resp, content := get(t, s, target); resp.Status != want {
				t.Errorf("%s: %s: %d %q, want %d", kind, target, resp.Status, content, want)
			}
		}
	}, deny)
}
