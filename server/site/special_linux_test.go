package site

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/previewd/previewd/server/site/sitetest"
)

// A FIFO's writer waits for a reader. A request is none, and must not look like one.
func TestARequestLetsNoWriterOfAFIFOThrough(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "fifo")
	sitetest.Check(t, syscall.Mkfifo(name, 0o644))
	sitetest.Check(t, os.Symlink("fifo", filepath.Join(dir, "link")))
	through := make(chan error, 1)
	go func() {
		w, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err == nil {
			_ = w.Close()
		}
		through <- err
	}()
	s := newSite(t, dir)
	for range 20 {
		for _, target := range []string{"/fifo", "/link", "/fifo/"} {
			if resp, _ := get(t, s, target); resp.Status != 404 {
				t.Fatalf("%s: %d, want 404", target, resp.Status)
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	select {
	case err := <-through:
		t.Errorf("the writer got through: %v", err)
	default:
	}
	r, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	sitetest.Check(t, err)
	<-through
	_ = r.Close()
}

// TestListingsOfMadeUpDirectoriesAreNotKept: in proc names come and go while the directory's times stand.
func TestListingsOfMadeUpDirectoriesAreNotKept(t *testing.T) {
	s := newSite(t, "/proc", later)
	if resp, _ := get(t, s, "/"); resp.Status != 200 {
		t.Skip("there is no proc")
	}
	child := exec.Command("sleep", "60")
	sitetest.Check(t, child.Start())
	defer func() {
		sitetest.Check(t, child.Process.Kill())
		_ = child.Wait() // it was killed
	}()
	_, page := get(t, s, "/")
	if item := fmt.Sprintf(`<a href="%d/">`, child.Process.Pid); !strings.Contains(page, item) {
		t.Errorf("no %s in the listing", item)
	}
}
