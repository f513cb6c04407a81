//go:build unix

package site

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/previewd/previewd/server/site/sitetest"
)

// asNobody says whether this process has no more rights than others. As root it runs the test again in one
// that has none, and says no.
func asNobody(t *testing.T) bool {
	if os.Getuid() != 0 {
		return true
	}
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && len(d) > 1; d = filepath.Dir(d) {
		sitetest.Check(t, os.Chmod(d, 0o777))
	}
	program := filepath.Join(dir, "test")
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Skip("root, and no /proc to run this again without its rights")
	}
	sitetest.Check(t, os.WriteFile(program, self, 0o755))
	cmd := exec.Command(program, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("as uid 65534: %v\n%s", err, out)
	}
	return false
}

func TestUnreadable(t *testing.T) {
	if !asNobody(t) {
		return
	}
	dir := sitetest.Build(t, t.TempDir(), map[string]string{
		"file": "x", "noperm/inside": "x", "nolist/known": "known", "nolist2/index.html": "index",
		"noindex/index.html": "x", "noindex/other": "x", "nosearch/index.html": "x",
	})
	chmod := func(name string, mode os.FileMode) {
		sitetest.Check(t, os.Chmod(filepath.Join(dir, name), mode))
		t.Cleanup(func() { sitetest.Check(t, os.Chmod(filepath.Join(dir, name), 0o755)) })
	}
	chmod("file", 0)
	chmod("noperm", 0)
	chmod("nolist", 0o111)
	chmod("nolist2", 0o111)
	chmod("noindex/index.html", 0)
	chmod("nosearch", 0o444)
	s := newSite(t, dir)
	for _, c := range []struct {
		target       string
		status       int
		reason, once string
	}{
		{"/file", 404, "File not found", "unreadable file"},
		{"/noperm", 301, "", ""},
		{"/noperm/", 404, "No permission to list directory", "unreadable noperm"},
		{"/noperm/inside", 404, "File not found", "unreadable noperm"},
		{"/nolist/", 404, "No permission to list directory", "unreadable nolist"},
		{"/nolist/known", 200, "", ""},
		{"/nolist2/", 200, "", ""},
		{"/noindex/", 404, "File not found", "unreadable noindex/index.html"},
		{"/nosearch/", 200, "", ""}, // no file as far as stat can tell: the listing
	} {
		resp, _ := get(t, s, c.target)
		if resp.Status != c.status || resp.Reason != c.reason {
			t.Errorf("%q: %d %q (%v), want %d %q", c.target, resp.Status, resp.Reason, resp.Err, c.status, c.reason)
		}
		var once interface{ OnceKey() string }
		if c.once != "" && (!errors.As(resp.Err, &once) || once.OnceKey() != c.once) {
			t.Errorf("%q: cause %v, want one for %q", c.target, resp.Err, c.once)
		}
	}
	resp, _ := get(t, s, "/file")
	if want := `"file" cannot be read by uid 65534: permission denied (mode ----------, owner 65534:65534); run as its owner (docker run --user), allow others to read it (chmod -R o+rX), or, with SELinux, mount it with :z`; os.Getuid() == 65534 && resp.Err.Error() != want {
		t.Errorf("cause %q, want %q", resp.Err, want)
	}
}

func TestReadyNamesWhoLacksWhat(t *testing.T) {
	if !asNobody(t) {
		return
	}
	dir := filepath.Join(t.TempDir(), "d")
	for _, mode := range []os.FileMode{0, 0o111, 0o444} {
		sitetest.Check(t, os.Mkdir(dir, 0o755))
		sitetest.Check(t, os.Chmod(dir, mode))
		err := newSite(t, dir).Ready()
		if err == nil || !strings.Contains(err.Error(), "uid ") || !strings.Contains(err.Error(), mode.String()[1:]) || !strings.Contains(err.Error(), "--user") {
			t.Errorf("mode %v: %v", mode, err)
		}
		sitetest.Check(t, os.Chmod(dir, 0o755))
		sitetest.Check(t, os.Remove(dir))
	}
}

// A FIFO would block http.server for ever.
func TestSpecialFiles(t *testing.T) {
	dir := sitetest.Build(t, t.TempDir(), map[string]string{"idx/index.htm": "htm"})
	sitetest.Check(t, syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o644))
	sitetest.Check(t, syscall.Mkfifo(filepath.Join(dir, "idx/index.html"), 0o644))
	t.Chdir(dir) // the path of a socket is short
	l, err := net.Listen("unix", "sock")
	sitetest.Check(t, err)
	defer l.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		eachTree(t, dir, func(kind string, s *Site) {
			for target, want := range map[string]int{"/fifo": 404, "/fifo/": 404, "/sock": 404, "/idx/": 200} {
				if resp, _ := get(t, s, target); resp.Status != want {
					t.Errorf("%s: %q: %d, want %d", kind, target, resp.Status, want)
				}
			}
		})
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("a special file blocks")
	}
}
