package site

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/content"
	"github.com/previewd/previewd/server/site/sitetest"
	"github.com/previewd/previewd/server/site/tree"
)

func TestRestlessFileIs503(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "x"))
	sitetest.Check(t, err)
	defer f.Close()
	sitetest.Every(t, 2*time.Millisecond, func(i int) { f.WriteAt([]byte(fmt.Sprintf("%09d", i)), 0) })
	time.Sleep(10 * time.Millisecond)
	resp, _ := get(t, newSite(t, dir), "/x")
	if resp.Status != 503 || resp.Fields.Get("Retry-After") == "" || !errors.Is(resp.Err, content.ErrRestless) {
		t.Errorf("%d %q %v, want 503", resp.Status, resp.Fields, resp.Err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	resp = newSite(t, dir).Serve(ctx, &message.Request{Target: "/x"})
	if resp.Status != 503 || !errors.Is(resp.Err, context.Canceled) { // it does not wait for nobody
		t.Errorf("with the connection gone: %d, %v", resp.Status, resp.Err)
	}
}

// TestWhoIsStoppedIsNotRefused: who waits for another's load and is stopped is not told that there is no file.
func TestWhoIsStoppedIsNotRefused(t *testing.T) {
	s := newSite(t, sitetest.Build(t, t.TempDir(), map[string]string{"a": "a"}))
	tree, err := s.directory.Acquire()
	sitetest.Check(t, err)
	defer tree.Release()
	if resp := refuse(tree, "a", &content.ReadError{Err: context.Canceled}); resp.Status != 503 {
		t.Errorf("got %d, want 503", resp.Status)
	}
}

// TestAPanicLeavesTheGate: what is counted in and out stays in balance.
func TestAPanicLeavesTheGate(t *testing.T) {
	dir := sitetest.Build(t, t.TempDir(), map[string]string{"a.txt": "a"})
	synctest.Test(t, func(t *testing.T) {
		broken := true
		s := New(Options{Tree: tree.Options{Directory: dir}, Content: content.Options{MaxFile: 1 << 20, Disk: message.NewGate(1),
			Now: func() time.Time {
				if broken {
					panic("no clock")
				}
				return time.Now()
			}}})
		defer func() { sitetest.Check(t, s.Close()) }()
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			s.Serve(t.Context(), &message.Request{Method: "GET", Target: "/a.txt"})
		}()
		broken = false
		if resp, _ := get(t, s, "/a.txt"); resp.Status != 200 {
			t.Errorf("then: %d", resp.Status)
		}
	})
}
