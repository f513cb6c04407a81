package coding

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
)

// Law: what is coded as a stream decodes to what was written, and its beginning is there before its end was written.
func TestStreams(t *testing.T) {
	for _, c := range codings {
		for size, content := range map[string]string{"nothing": "", "a byte": "x", "large": strings.Repeat("const answer = 42; // a line of text\n", 100000)} {
			var out bytes.Buffer
			w, err := NewStream(c, &out)
			if err != nil {
				t.Fatal(err)
			}
			half := len(content) / 2
			for _, part := range []string{content[:half], content[half:]} {
				if _, err := io.Copy(w, struct{ io.Reader }{strings.NewReader(part)}); err != nil {
					t.Fatal(err)
				}
				if size == "large" && out.Len() == 0 {
					t.Errorf("%v: nothing of %d bytes was written before the end", c, half)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if got, err := decode(c, out.Bytes()); err != nil || string(got) != content {
				t.Errorf("%v, %s: %v, %d bytes", c, size, err, len(got))
			}
		}
	}
}

// Law: a file that is coded in pieces decodes to what it was, within its limit, and ends when the context does.
func TestEncodeFrom(t *testing.T) {
	e := New(1)
	content := []byte(strings.Repeat("const answer = 42; // a line of text\n", 100000))
	for _, c := range codings {
		out, err := e.EncodeFrom(t.Context(), c, bytes.NewReader(content), int64(len(content)), len(content))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := decode(c, out); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%v: %v, %d bytes", c, err, len(got))
		}
		if _, err := e.EncodeFrom(t.Context(), c, bytes.NewReader(content), int64(len(content)), 10); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%v: beyond the limit: %v", c, err)
		}
		if _, err := e.EncodeFrom(t.Context(), c, bytes.NewReader(content[:10]), int64(len(content)), len(content)); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%v: a file that has become short: %v", c, err)
		}
		ended, end := context.WithCancel(t.Context())
		end()
		if _, err := e.EncodeFrom(ended, c, bytes.NewReader(content), int64(len(content)), len(content)); !errors.Is(err, context.Canceled) {
			t.Errorf("%v: at the end: %v", c, err)
		}
	}
}

// TestEncodeFromCodesBetter: what is coded in the background is no larger than what a client waits for.
func TestEncodeFromCodesBetter(t *testing.T) {
	e, src := New(1), goSource(t, 1<<20)
	for c, less := range map[Coding]int{Gzip: 0, Zstd: len(src) / 1000, Br: len(src) / 1000} {
		waited, err := e.Encode(t.Context(), c, src, nil)
		if err != nil {
			t.Fatal(err)
		}
		out, err := e.EncodeFrom(t.Context(), c, bytes.NewReader(src), int64(len(src)), len(src))
		if err != nil || len(out) > len(waited)-less {
			t.Errorf("%v: %d bytes, %v; while a client waits %d", c, len(out), err, len(waited))
		}
	}
}

// TestTheMemoryOfAStream holds StreamMemory.
func TestTheMemoryOfAStream(t *testing.T) {
	content := []byte(strings.Repeat("const answer = 42; // a line of text\n", 100000))
	for _, c := range codings {
		const streams = 8
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		var open [streams]io.WriteCloser
		for i := range open {
			w, err := NewStream(c, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			for at := 0; at < len(content); at += brBlock {
				if _, err := w.Write(content[at:min(at+brBlock, len(content))]); err != nil {
					t.Fatal(err)
				}
			}
			open[i] = w
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / streams
		t.Logf("%v: %d KiB", c, each>>10)
		if each > StreamMemory {
			t.Errorf("%v: %d bytes, allowed are %d", c, each, StreamMemory)
		}
		runtime.KeepAlive(open)
	}
}

func BenchmarkStream(b *testing.B) {
	src := goSource(b, 1<<20)
	for _, c := range codings {
		b.Run(c.String(), func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			var out bytes.Buffer
			for b.Loop() {
				out.Reset()
				w, err := NewStream(c, &out)
				if err == nil {
					_, err = io.Copy(w, struct{ io.Reader }{bytes.NewReader(src)})
				}
				if err == nil {
					err = w.Close()
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(100*float64(out.Len())/float64(len(src)), "%size")
		})
	}
}
