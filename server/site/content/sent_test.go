package content

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/sitetest"
)

// atFirst calls a function when the first bytes come.
type atFirst struct {
	bytes.Buffer
	do func()
}

func (w *atFirst) Write(p []byte) (int, error) {
	if w.do != nil {
		do := w.do
		w.do = nil
		do()
	}
	return w.Buffer.Write(p)
}

// writeInto writes over a part of a file, or behind its end.
func writeInto(t *testing.T, name string, offset int64, text string) {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	sitetest.Check(t, err)
	_, err = f.WriteAt([]byte(text), offset)
	sitetest.Check(t, err)
	sitetest.Check(t, f.Close())
}

// alter writes another byte over one of a file, whose bytes may be any.
func alter(t *testing.T, name string, offset int64) {
	content, err := os.ReadFile(name)
	sitetest.Check(t, err)
	writeInto(t, name, offset, string([]byte{^content[offset]}))
}

// sentSize is the size of a file in the tests of this page: several pieces, so that something of it leaves before the
// last one is held back.
const sentSize = 300 << 10

// sendWhile sends a file from the disk, to which something is done when the first bytes have left.
func sendWhile(t *testing.T, before, do func(dir, name string)) (content, got string, err error) {
	dir := t.TempDir()
	name := filepath.Join(dir, "big")
	content = string(sealed(sentSize))
	sitetest.Check(t, os.WriteFile(name, []byte(content), 0o644))
	if before != nil {
		before(dir, name)
	}
	s := open(t, dir, func(o *Options) { o.MaxFile = 100 })
	src, err := s.source(t.Context(), "big", Accepts{})
	sitetest.Check(t, err)
	w := &atFirst{do: func() { do(dir, name) }}
	_, err = src.Body.WriteTo(w)
	sitetest.Check(t, src.Body.Close())
	return content, w.String(), err
}

// disguise writes other bytes into a file and gives it the mtime that it had.
func disguise(t *testing.T, name string) {
	st, err := os.Stat(name)
	sitetest.Check(t, err)
	writeInto(t, name, sentSize/2, "other")
	sitetest.Check(t, os.Chtimes(name, st.ModTime(), st.ModTime()))
}

// Law: a file whose bytes stay as they are is sent whole, whatever is done to its names, its mode and its owner. One whose
// ctime moves for no other reason that shows may have been written to, and its answer ends.
func TestWhatMovesTheCtimeOfAFileThatIsSent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no ctime here")
	}
	check := func(err error) { t.Helper(); sitetest.Check(t, err) }
	for _, c := range []struct {
		name   string
		before func(dir, name string)
		do     func(dir, name string)
		whole  bool
	}{
		{"nothing", nil, func(dir, name string) {}, true},
		{"renamed_over", nil, func(dir, name string) {
			check(os.WriteFile(name+".new", sealed(sentSize), 0o644))
			check(os.Rename(name+".new", name))
		}, true},
		{"removed", nil, func(dir, name string) { check(os.Remove(name)) }, true},
		{"removed_and_made_anew", nil, func(dir, name string) {
			check(os.Remove(name))
			check(os.WriteFile(name, sealed(sentSize), 0o644))
		}, true},
		{"renamed", nil, func(dir, name string) { check(os.Rename(name, name+".old")) }, true},
		{"renamed_and_made_anew", nil, func(dir, name string) {
			check(os.Rename(name, name+".old"))
			check(os.WriteFile(name, sealed(sentSize), 0o644))
		}, true},
		{"directory_renamed", nil, func(dir, name string) { check(os.Rename(dir, dir+".old")) }, true},
		{"linked", nil, func(dir, name string) { check(os.Link(name, name+".link")) }, true},
		{"unlinked", func(dir, name string) { check(os.Link(name, name+".link")) },
			func(dir, name string) { check(os.Remove(name + ".link")) }, true},
		{"chmod", nil, func(dir, name string) { check(os.Chmod(name, 0o600)) }, true},
		{"chown", nil, func(dir, name string) {
			if os.Geteuid() == 0 {
				check(os.Chown(name, 65534, 65534))
			}
		}, true},
		{"opened_for_writing", nil, func(dir, name string) {
			f, err := os.OpenFile(name, os.O_WRONLY, 0)
			check(err)
			t.Cleanup(func() { f.Close() })
		}, true},

		{"written_over", nil, func(dir, name string) { writeInto(t, name, sentSize/2, "other") }, false},
		{"written_over_in_disguise", nil, func(dir, name string) { disguise(t, name) }, false},
		{"written_over_and_renamed", nil, func(dir, name string) {
			writeInto(t, name, sentSize/2, "other")
			check(os.Rename(name, name+".old"))
		}, false},
		{"renamed_and_back", nil, func(dir, name string) {
			check(os.Rename(name, name+".old"))
			check(os.Rename(name+".old", name))
		}, false},
		{"touched", nil, func(dir, name string) { check(os.Chtimes(name, time.Now(), time.Now())) }, false},
		{"cut_down", nil, func(dir, name string) { check(os.Truncate(name, sentSize-1)) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			content, got, err := sendWhile(t, c.before, c.do)
			if whole := err == nil; whole != c.whole || err != nil && !errors.Is(err, message.ErrChanged) {
				t.Fatalf("%d of %d bytes, %v", len(got), sentSize, err)
			}
			if c.whole && got != content {
				t.Error("the bytes are others")
			}
			if !c.whole && len(got) == sentSize {
				t.Error("the last bytes were sent")
			}
		})
	}
}

// Law: of a file that only grows while it is sent, what was there when it was asked for is sent whole. One of which
// anything was written over is never taken for one that only grows.
func TestAFileThatGrowsWhileItIsSent(t *testing.T) {
	appendTo := func(name string) { writeInto(t, name, sentSize, "more") }
	recreate := func(name string, size int) {
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_TRUNC, 0)
		sitetest.Check(t, err)
		_, err = f.Write(sealed(size))
		sitetest.Check(t, err)
		sitetest.Check(t, f.Close())
	}
	long := time.Now().Add(-time.Hour)
	for _, c := range []struct {
		name   string
		before func(dir, name string)
		do     func(dir, name string)
		whole  bool
	}{
		{"appended", nil, func(_, name string) { appendTo(name) }, true},
		{"appended_twice", nil, func(_, name string) { appendTo(name); writeInto(t, name, sentSize+4, "still more") }, true},
		{"appended_and_rotated", nil, func(_, name string) {
			appendTo(name)
			sitetest.Check(t, os.Rename(name, name+".1"))
		}, true},
		{"appended_by_who_had_it_open", func(_, name string) {
			sitetest.Check(t, os.Chtimes(name, long, long))
			f, err := os.OpenFile(name, os.O_WRONLY, 0)
			sitetest.Check(t, err)
			t.Cleanup(func() { f.Close() })
		}, func(_, name string) { appendTo(name) }, true},

		{"written_into_the_middle_and_appended", nil, func(_, name string) { alter(t, name, sentSize/2); appendTo(name) }, false},
		{"written_at_the_start_and_appended", nil, func(_, name string) { alter(t, name, 0); appendTo(name) }, false},
		{"written_over_the_last_byte_and_appended", nil, func(_, name string) { alter(t, name, sentSize-1); appendTo(name) }, false},
		{"cut_down_and_grown", nil, func(_, name string) {
			sitetest.Check(t, os.Truncate(name, sentSize/2))
			writeInto(t, name, sentSize, "more")
		}, false},
		{"written_anew_and_longer", nil, func(_, name string) { recreate(name, sentSize+100) }, false},
		{"written_anew_and_as_long", nil, func(_, name string) { recreate(name, sentSize) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			content, got, err := sendWhile(t, c.before, c.do)
			if whole := err == nil; whole != c.whole || err != nil && !errors.Is(err, message.ErrChanged) {
				t.Fatalf("%d of %d bytes, %v", len(got), sentSize, err)
			}
			if c.whole && got != content {
				t.Error("the bytes are others")
			}
		})
	}
}

// Law: a log that is never at rest is answered with what was there when it was asked for, from the disk as from
// memory, and nothing tells this from what will be there.
func TestALogThatIsNeverAtRest(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "log"))
	sitetest.Check(t, err)
	defer f.Close()
	line := func(i int) { fmt.Fprintf(f, "line %d %s\n", i, strings.Repeat("x", 1000)) }
	for i := range 300 {
		line(i)
	}
	before, err := os.ReadFile(f.Name())
	sitetest.Check(t, err)
	sitetest.Every(t, restless, line)
	s := open(t, dir, func(o *Options) { o.MaxFile = 100 })
	for range 2 {
		src, content := s.read(t, "log", Accepts{})
		if _, isSection := src.Body.(*message.FileSection); !isSection {
			t.Errorf("the body is a %T", src.Body)
		}
		if !strings.HasPrefix(content, string(before)) {
			t.Errorf("%d bytes that do not begin with what was there before", len(content))
		}
		if src.Tag != "" || src.Dated {
			t.Errorf("tag %q, dated %v", src.Tag, src.Dated)
		}
	}
}

// TestWhatIsWrittenAllTheTimeIsNoLog: it grows, but what was there does not stay. What is sent as complete is one of its
// states: between two writes that are far apart it is at rest.
func TestWhatIsWrittenAllTheTimeIsNoLog(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "big")
	sitetest.Check(t, os.WriteFile(name, sealed(sentSize), 0o644))
	sitetest.Every(t, restless, func(i int) { sitetest.Check(t, os.WriteFile(name, sealed(sentSize+100*i), 0o644)) })
	s := open(t, dir, func(o *Options) { o.MaxFile = 100 })
	src, err := s.source(t.Context(), "big", Accepts{})
	if errors.Is(err, ErrRestless) || errors.Is(err, message.ErrChanged) {
		return // it was empty, or cut down while it was looked at
	}
	sitetest.Check(t, err)
	defer src.Close()
	var got bytes.Buffer
	_, err = src.Body.WriteTo(&got)
	if whole := err == nil && isSealed(got.Bytes()); !whole && !errors.Is(err, message.ErrChanged) {
		t.Errorf("%d of %d bytes, %v", got.Len(), src.Body.Len(), err)
	}
}

// TestNothingIsReadForAClientThatHasGone: a large file is read through for its tag, and one that was just written once more
// before it is sent, but not for a request that is over.
func TestNothingIsReadForAClientThatHasGone(t *testing.T) {
	dir := t.TempDir()
	sitetest.Check(t, os.WriteFile(filepath.Join(dir, "big"), sealed(sentSize), 0o644))
	s := open(t, dir, func(o *Options) { o.MaxFile = 100 })
	ctx, cancel := context.WithCancel(t.Context())
	src, err := s.source(ctx, "big", Accepts{})
	sitetest.Check(t, err)
	cancel()
	var w bytes.Buffer
	if _, err = src.Body.WriteTo(&w); !errors.Is(err, context.Canceled) || w.Len() > 0 {
		t.Errorf("%d bytes were sent, %v; want none, %v", w.Len(), err, context.Canceled)
	}
	sitetest.Check(t, src.Body.Close())
	anew := open(t, dir, later, func(o *Options) { o.MaxFile = 100 })
	if _, err = anew.source(ctx, "big", Accepts{}); !errors.Is(err, context.Canceled) {
		t.Errorf("it was read for its tag: %v", err)
	}
}

// TestATagIsRememberedFromWhenItWasRead: a request may have waited for its turn until the file was old enough.
func TestATagIsRememberedFromWhenItWasRead(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "big")
	sitetest.Check(t, os.WriteFile(name, sealed(sentSize), 0o644))
	now := time.Now().Add(recent / 2)
	synctest.Test(t, func(t *testing.T) {
		s := open(t, dir, func(o *Options) { o.MaxFile, o.Now = 100, func() time.Time { return now } })
		done, err := s.loads.alone(t.Context(), key{of: s.directory, name: "big", digest: true}, nil)
		sitetest.Check(t, err)
		answered := make(chan Source, 1)
		go func() {
			src, err := s.source(t.Context(), "big", Accepts{})
			if err != nil {
				t.Error(err)
			}
			answered <- src
		}()
		synctest.Wait() // for it to wait
		now = now.Add(recent)
		done()
		src := <-answered
		src.Close()
		if tag, known := s.digests.get(src.Status); !known || tag != src.Tag {
			t.Errorf("remembered %v, tag %q; want %q", known, tag, src.Tag)
		}
	})
}
