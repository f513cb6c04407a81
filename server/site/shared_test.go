package site

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/listing"
	"github.com/previewd/previewd/server/site/sitetest"
	"github.com/previewd/previewd/server/site/tree"
)

// Law: one of many who ask at the same time reads for all, and never for one who came after it had begun.
func TestOneReadsForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sharing
		var all sync.WaitGroup
		var reads, freed atomic.Int64
		read := func() (*shared, error) {
			reads.Add(1)
			dir := &listing.Directory{Status: tree.Status{Mtime: tree.Instant{Nsec: time.Now().UnixNano()}}}
			time.Sleep(time.Second)
			return &shared{dir: dir, free: func() { freed.Add(1) }}, nil
		}
		for i := range 10 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * 100 * time.Millisecond)
				came := time.Now()
				found, err := s.get(t.Context(), sharedKey{}, nil, read)
				if err != nil || found.dir.Status.Mtime.Nsec < came.UnixNano() {
					t.Errorf("%d: %v, or it was read before the question", i, err)
					return
				}
				defer found.leave()
				time.Sleep(time.Minute)
			})
		}
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
			defer cancel()
			time.Sleep(500 * time.Millisecond)
			if _, err := s.get(ctx, sharedKey{}, nil, read); err == nil {
				t.Error("whoever has given up gets something")
			}
		})
		all.Wait()
		if reads.Load() != 2 || freed.Load() != 2 || len(s.running)+len(s.waiting)+len(s.large) != 0 {
			t.Errorf("%d readings, %d given back, want 2 and 2; left are %v", reads.Load(), freed.Load(), &s)
		}
	})
}

// Law: the page of more than 10,000 names is that of fewer, made while it is sent; it has no validator, and what it is made of
// is given back.
func TestLargeListing(t *testing.T) {
	files := map[string]string{"many/dir/x": "", "many/link": "-> dir"}
	for i := range maxPage - 2 {
		files[fmt.Sprintf("many/file %05d & more.txt", i)] = ""
	}
	dir := sitetest.Build(t, t.TempDir(), files)
	for how, change := range map[string]func(*Options){
		"settled": later, "fresh": func(*Options) {}, "exact": func(o *Options) { later(o); o.Exact = true },
	} {
		s := newSite(t, dir, change)
		exact := how == "exact"
		before, _ := s.names.Use()
		small, want := get(t, s, "/many/")
		if !exact && small.Fields.Get("ETag") == "" {
			t.Errorf("%s: %d names have no validator: %q", how, maxPage, small.Fields)
		}
		sitetest.Check(t, os.WriteFile(filepath.Join(dir, "many/zzz"), nil, 0o644))
		want = strings.Replace(want, "</ul>", "<li><a href=\"zzz\">zzz</a></li>\n</ul>", 1)
		for _, target := range []string{"/many/", "/many/./", "/many/"} {
			first := s.Serve(t.Context(), &message.Request{Method: "GET", Target: target})
			resp, page := get(t, s, target)
			if length := first.Body.Len(); exact != (length == int64(len(page))) || resp.Fields.Get("ETag") != "" || resp.Status != 200 {
				t.Errorf("%s %s: %d, %d bytes, %q", how, target, resp.Status, length, resp.Fields)
			}
			if target == "/many/" && page != want || !strings.Contains(page, `<h1>Directory listing for `+target+"</h1>") {
				t.Errorf("%s %s: another page than that of few names", how, target)
			}
			if packed, coded := get(t, s, target, acceptEncoding("gzip")); !exact && unpack(t, "gzip", coded) != page {
				t.Errorf("%s %s: coded it is another page: %q", how, target, packed.Fields)
			}
			// Who reads slowly and who comes meanwhile share the names, until these have changed.
			if used, _ := s.names.Use(); used-before > 2<<20 {
				t.Errorf("%s %s: an answer takes %d bytes", how, target, used)
			}
			sitetest.Check(t, os.Remove(filepath.Join(dir, "many/zzz")))
			if _, now := get(t, s, target); strings.Contains(now, "zzz") {
				t.Errorf("%s %s: an old page", how, target)
			}
			sitetest.Check(t, os.WriteFile(filepath.Join(dir, "many/zzz"), nil, 0o644))
			sitetest.Check(t, first.Body.Close())
		}
		sitetest.Check(t, os.Remove(filepath.Join(dir, "many/zzz")))
		if after, _ := s.names.Use(); after != before {
			t.Errorf("%s: %d bytes are held, %d before", how, after, before)
		}
	}
}

// Law: where memory is short a page is made while it is sent, and where there is none for the names the client may ask again.
func TestListingsWithoutRoom(t *testing.T) {
	files := map[string]string{}
	for i := range 500 {
		files[fmt.Sprintf("file %05d", i)] = ""
	}
	dir := sitetest.Build(t, t.TempDir(), files)
	_, want := get(t, newSite(t, dir), "/")
	if resp, page := get(t, newSite(t, dir, func(o *Options) { o.Content.MaxInFlight = 1 }), "/"); page != want || resp.Fields.Get("ETag") != "" {
		t.Errorf("without room for the page: %d %q, %d bytes", resp.Status, resp.Fields, len(page))
	}
	s := newSite(t, dir, func(o *Options) { o.MaxListings = 10_000 })
	if resp, _ := get(t, s, "/"); resp.Status != 503 || resp.Fields.Get("Retry-After") == "" || !strings.Contains(resp.Err.Error(), "memory") {
		t.Errorf("without room for the names: %d %q %v", resp.Status, resp.Fields, resp.Err)
	}
	if held, _ := s.names.Use(); held != 0 {
		t.Errorf("%d bytes are held", held)
	}
}
