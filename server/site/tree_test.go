package site

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/previewd/previewd/server/message"
)

func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc/self/fd here")
	}
	return len(list)
}

// Law: a switched directory is seen by the next request, and nothing is left open behind it.
func TestSwitchedDirectory(t *testing.T) {
	base := build(t, t.TempDir(), map[string]string{"a/x": "a", "b/x": "b", "now": "-> a"})
	link, next := filepath.Join(base, "now"), filepath.Join(base, "next")
	s := newSite(t, link)
	before := descriptors(t)
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
		check(t, os.Symlink(target, next))
		check(t, os.Rename(next, link))
		if _, content := get(t, s, "/x"); content != target {
			t.Errorf("after the switch to %s: %q", target, content)
		}
	}
	close(stop)
	readers.Wait()
	check(t, s.Close())
	runtime.GC()
	if after := descriptors(t); after != before {
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
		build(t, dir, map[string]string{"x": "x"})
		if resp, content := get(t, s, "/x"); resp.Status != 200 || content != "x" {
			t.Errorf("with the directory: %d %q", resp.Status, content)
		}
		check(t, s.Ready())
		check(t, os.RemoveAll(dir))
	}
}

func TestMethods(t *testing.T) {
	s := newSite(t, build(t, t.TempDir(), map[string]string{"x": "x"}))
	for method, want := range map[string]int{"GET": 200, "HEAD": 200, "POST": 501} {
		resp := s.Methods().Serve(t.Context(), &message.Request{Method: method, Target: "/x"})
		if resp.Status != want {
			t.Errorf("%s: %d, want %d", method, resp.Status, want)
		}
		if resp.Body != nil {
			check(t, resp.Body.Close())
		}
	}
}
