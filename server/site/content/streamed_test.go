package content

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/coding"
	"github.com/previewd/previewd/server/site/sitetest"
)

func large(o *Options) { later(o); o.MaxFile = 1000 }

func decoded(t *testing.T, c coding.Coding, packed string) string {
	t.Helper()
	got, whole := coding.Begin(c, []byte(packed), 1<<20)
	if !whole {
		t.Errorf("%v: %d bytes, not whole", c, len(got))
	}
	return string(got)
}

// Law: a large text is coded while it is sent, and kept better coded for the next. What is sent is the file, and its tags
// match each other as one that is weak does.
func TestLargeTextIsCodedWhileItIsSent(t *testing.T) {
	text := sitetest.Text(300 << 10)
	dir := sitetest.Build(t, t.TempDir(), map[string]string{"a.txt": text})
	for _, c := range []coding.Coding{coding.Zstd, coding.Br, coding.Gzip} {
		s := open(t, dir, large)
		before := sitetest.Descriptors(t)
		for range 3 { // until it is kept nothing of it is
			src, packed := s.read(t, "a.txt", accepts(c.String()))
			if src.Coding != c || !src.Weak && src.Body.Len() < 0 || src.Tag == "" || decoded(t, c, packed) != text {
				t.Errorf("%v: coded as %v, %d bytes, tag %s", c, src.Coding, len(packed), src.Tag)
			}
		}
		s.better.done.Wait()
		first, _ := s.source(t.Context(), "a.txt", accepts(c.String()))
		first.Close()
		src, packed := s.read(t, "a.txt", accepts(c.String()))
		if src.Weak || src.Tag != first.Tag || src.Body.Len() != int64(len(packed)) || decoded(t, c, packed) != text {
			t.Errorf("%v, kept: weak %v, tag %s, length %d", c, src.Weak, src.Tag, len(packed))
		}
		// What is kept is taken before what would have to be made.
		if src, _ := s.read(t, "a.txt", accepts("zstd, br, gzip")); src.Coding != c {
			t.Errorf("%v is kept, and %v was sent", c, src.Coding)
		}
		s.close()
		if after := sitetest.Descriptors(t); after > before {
			t.Errorf("%v: %d descriptors more", c, after-before)
		}
		if used, _ := s.memory.Use(); used != 0 {
			t.Errorf("%v: %d bytes are still lent", c, used)
		}
	}
}

// TestWhatIsNotCodedWhileItIsSent: what is too large, or for a client that could not tell where the answer ends, and what
// there is no room for.
func TestWhatIsNotCodedWhileItIsSent(t *testing.T) {
	text := sitetest.Text(300 << 10)
	dir := sitetest.Build(t, t.TempDir(), map[string]string{"a.txt": text})
	for name, c := range map[string]struct {
		with    func(*Options)
		accepts Accepts
	}{
		"too large":     {func(o *Options) { o.MaxCoded = 299 << 10 }, accepts("zstd")},
		"no length":     {func(*Options) {}, Accepts{Codings: accepts("zstd").Codings, Made: true}},
		"not made":      {func(*Options) {}, Accepts{Codings: accepts("zstd").Codings, Streams: true}},
		"neighbours":    {func(o *Options) { o.Compress = CompressStatic }, accepts("zstd")},
		"no room":       {func(o *Options) { o.MaxInFlight = 2*coding.StreamMemory - 1 }, accepts("zstd")},
		"nothing named": {func(*Options) {}, accepts("")},
	} {
		s := open(t, dir, large, c.with)
		if src, content := s.read(t, "a.txt", c.accepts); src.Coding != coding.Identity || content != text {
			t.Errorf("%s: coded as %v, %d bytes", name, src.Coding, len(content))
		}
	}
}

// TestSlowClientsLeaveRoom: however many hold an encoder, what others ask for is read, coded and kept.
func TestSlowClientsLeaveRoom(t *testing.T) {
	dir := sitetest.Build(t, t.TempDir(), map[string]string{"a.txt": sitetest.Text(300 << 10), "small.txt": sitetest.Text(900)})
	s := open(t, dir, large)
	streams := 0
	for range 20 {
		src, err := s.source(t.Context(), "a.txt", accepts("zstd"))
		sitetest.Check(t, err)
		if src.Coding == coding.Zstd {
			streams++
		}
		defer src.Close()
	}
	if want := maxInFlight / 2 / coding.StreamMemory; streams != want {
		t.Errorf("%d streams, want %d", streams, want)
	}
	if src, _ := s.read(t, "small.txt", accepts("zstd")); src.Coding != coding.Zstd {
		t.Errorf("a small text is coded as %v", src.Coding)
	}
}

// TestNoiseIsKeptAsNotWorthIt: it is coded once, and never again.
func TestNoiseIsKeptAsNotWorthIt(t *testing.T) {
	noise := make([]byte, 300<<10)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	s := open(t, sitetest.Build(t, t.TempDir(), map[string]string{"a.txt": string(noise)}), large)
	s.read(t, "a.txt", accepts("zstd"))
	s.better.done.Wait()
	if src, content := s.read(t, "a.txt", accepts("zstd")); src.Coding != coding.Identity || content != string(noise) {
		t.Errorf("coded as %v, %d bytes", src.Coding, len(content))
	}
}

// onFirst calls a function at the first byte that is written.
type onFirst struct {
	bytes.Buffer
	call func()
}

func (w *onFirst) Write(p []byte) (int, error) {
	if w.call != nil {
		w.call()
		w.call = nil
	}
	return w.Buffer.Write(p)
}

// TestAFileThatChangesIsNotSentWhole: its first bytes are on the way before its last are read, and the end never comes.
func TestAFileThatChangesIsNotSentWhole(t *testing.T) {
	for _, c := range []coding.Coding{coding.Zstd, coding.Br, coding.Gzip} {
		for how, change := range map[string]func(name string) error{
			"written": func(name string) error { return os.WriteFile(name, []byte(sitetest.Text(4<<20)), 0o644) },
			"cut":     func(name string) error { return os.Truncate(name, 3<<20) },
		} {
			dir := t.TempDir()
			var random bytes.Buffer // compresses somewhat
			source := rand.New(rand.NewPCG(1, 2))
			for random.Len() < 4<<20 {
				random.WriteByte(byte('a' + source.IntN(16)))
			}
			sitetest.Build(t, dir, map[string]string{"a.txt": random.String()})
			s := open(t, dir, large)
			src, err := s.source(t.Context(), "a.txt", accepts(c.String()))
			sitetest.Check(t, err)
			w := &onFirst{call: func() { sitetest.Check(t, change(filepath.Join(dir, "a.txt"))) }}
			if _, err = src.Body.WriteTo(w); !errors.Is(err, message.ErrChanged) {
				t.Errorf("%v, %s: %v", c, how, err)
			}
			sitetest.Check(t, src.Body.Close())
			if got, whole := coding.Begin(c, w.Bytes(), 8<<20); whole {
				t.Errorf("%v, %s: %d bytes that look whole", c, how, len(got))
			}
		}
	}
}
