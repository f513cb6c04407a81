package content

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/previewd/previewd/server/site/sitetest"
	"github.com/previewd/previewd/server/site/tree"
)

// TestRecentIsNotRemembered: a later write may leave the status as it is.
func TestRecentIsNotRemembered(t *testing.T) {
	recently := sitetest.Recently()
	s := open(t, sitetest.Build(t, t.TempDir(), map[string]string{"a": "a"}), func(o *Options) { o.Now = recently })
	for range 2 {
		s.read(t, "a", Accepts{})
	}
	if got := s.Counts(); got.Entries != 0 || len(s.digests.tags) != 0 {
		t.Errorf("%+v, %d digests", got, len(s.digests.tags))
	}
}

// TestOneLoadForManyWaiters counts the contents that are read while many ask for one.
func TestOneLoadForManyWaiters(t *testing.T) {
	s := open(t, sitetest.Build(t, t.TempDir(), map[string]string{"a": strings.Repeat("a", 1<<20)}), later)
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			src, err := s.source(context.Background(), "a", Accepts{})
			if err != nil || src.Body.Len() != 1<<20 {
				t.Errorf("%+v, %v", src, err)
			}
			sitetest.Check(t, src.Body.Close())
		})
	}
	all.Wait()
	// Who waited looks once more: a hit.
	if got := s.Counts(); got.Hits != 63 || got.Entries != 1 {
		t.Errorf("%+v", got)
	}
	if len(s.loads.running) != 0 {
		t.Errorf("%d loads are left", len(s.loads.running))
	}
}

// TestWhoWaitsForALoadAndIsStopped is not told that there is no file.
func TestWhoWaitsForALoadAndIsStopped(t *testing.T) {
	s := open(t, sitetest.Build(t, t.TempDir(), map[string]string{"a": "a"}), later)
	done, err := s.loads.alone(t.Context(), key{of: s.directory, name: "a"}, nil)
	sitetest.Check(t, err)
	defer done()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.source(ctx, "a", Accepts{})
	var unread *ReadError
	if !errors.As(err, &unread) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestDigestsAreBounded(t *testing.T) {
	var d digests
	for i := range maxDigests + 10 {
		d.put(tree.Status{Ino: uint64(i)}, "x")
		d.put(tree.Status{Ino: uint64(i)}, "x")
	}
	if len(d.tags) != maxDigests || len(d.order) != maxDigests {
		t.Errorf("%d tags, %d in order", len(d.tags), len(d.order))
	}
	if _, found := d.get(tree.Status{Ino: 9}); found {
		t.Error("the oldest is there")
	}
	if _, found := d.get(tree.Status{Ino: 10}); !found {
		t.Error("one of the newest is not there")
	}
}
