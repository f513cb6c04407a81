package coding

import (
	"bytes"
	"context"
	"errors"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

var codings = []Coding{Gzip, Zstd, Br}

// decode decodes with fresh decoders.
func decode(c Coding, stream []byte) ([]byte, error) {
	var r io.Reader = bytes.NewReader(stream)
	switch c {
	case Gzip:
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, err
		}
		r = z
	case Zstd:
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(window))
		if err != nil {
			return nil, err
		}
		defer z.Close()
		r = z
	case Br:
		r = brotli.NewReader(r)
	}
	return io.ReadAll(r)
}

// goSource returns size bytes of the source text of Go.
func goSource(t testing.TB, size int) (text []byte) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(root)), "src", "net", "http", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if text = append(text, b...); len(text) >= size {
			return text[:size]
		}
	}
	t.Skip("the source text of Go is not here")
	return nil
}

// noise returns random bytes, which no coding makes smaller.
func noise(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

func sources(t testing.TB) map[string][]byte {
	text := goSource(t, 200_000)
	return map[string][]byte{
		"nothing":         {},
		"a_byte":          {'a'},
		"a_block":         text[:brBlock],
		"two_blocks":      text[:2*brBlock],
		"a_block_and_one": text[:brBlock+1],
		"zeros":           make([]byte, 300_000),
		"a_repeat":        bytes.Repeat([]byte("the quick brown fox "), 20_000),
		"noise":           noise(200_000),
		"text":            text,
		"far_repeat":      farRepeat(t),
	}
}

// farRepeat returns text that repeats itself behind more than a window of noise.
func farRepeat(t testing.TB) []byte {
	text := goSource(t, 10_000)
	return append(append(bytes.Clone(text), noise(window)...), text...)
}

func TestEncodeIsDecodedToTheSource(t *testing.T) {
	e := New(1)
	for name, src := range sources(t) {
		for _, c := range codings {
			out, err := e.Encode(t.Context(), c, src, []byte("before"))
			if err != nil || !bytes.HasPrefix(out, []byte("before")) {
				t.Errorf("%s as %v: %v, starts with %.10q", name, c, err, out)
				continue
			}
			got, err := decode(c, out[len("before"):])
			if err != nil || !bytes.Equal(got, src) {
				t.Errorf("%s as %v: decoded to %d bytes of %d, %v", name, c, len(got), len(src), err)
			}
		}
	}
}

// TestEncodeIsTheSameWhateverWasEncodedBefore holds what lets replicas share an ETag.
func TestEncodeIsTheSameWhateverWasEncodedBefore(t *testing.T) {
	used := New(1)
	all := sources(t)
	for _, c := range codings {
		for range 2 {
			for name, src := range all { // in any order
				got, err := used.Encode(t.Context(), c, src, nil)
				if err != nil {
					t.Fatal(err)
				}
				want, err := New(1).Encode(t.Context(), c, src, nil)
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s as %v: %d bytes after others, %d at first, %v", name, c, len(got), len(want), err)
				}
			}
		}
	}
}

func TestWindowIsSmall(t *testing.T) {
	src := farRepeat(t)
	e := New(1)
	out, err := e.Encode(t.Context(), Zstd, src, nil)
	if err != nil {
		t.Fatal(err)
	}
	var head zstd.Header
	if err := head.Decode(out); err != nil || head.WindowSize > window {
		t.Errorf("zstd: window %d, want at most %d; %v", head.WindowSize, window, err)
	}
	out, err = e.Encode(t.Context(), Br, src, nil)
	if err != nil || out[0]&0xf != 0b0111 { // WBITS 20
		t.Errorf("br: starts with %#x, %v", out[0], err)
	}
}

func TestGzipHeaderHasNoTimeAndNoName(t *testing.T) {
	out, err := New(1).Encode(t.Context(), Gzip, []byte("a"), nil)
	if want := []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff}; err != nil || !bytes.HasPrefix(out, want) {
		t.Errorf("got %x, %v, want %x", out, err, want)
	}
}

func TestBrResultThatIsWrongIsNotGivenOut(t *testing.T) {
	b := newBr()
	src := []byte("some text, some text, some text")
	good, err := b.encode(src, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ stream, src []byte }{
		"another_source": {good, []byte("some text, some text, some textt")},
		"a_shorter_one":  {good, src[:5]},
		"a_cut_stream":   {good[:len(good)-1], src},
		"no_stream":      {nil, src},
		"garbage":        {[]byte("garbage"), src},
	} {
		if err := b.verify(c.stream, c.src); !errors.Is(err, errMismatch) {
			t.Errorf("%s: %v, want %v", name, err, errMismatch)
		}
	}
	if err := b.verify(good, src); err != nil {
		t.Errorf("after the others: %v", err)
	}
	if err := declareWindow(bytes.Clone(good)); err == nil {
		t.Error("a window that was declared already is declared again")
	}
}

func TestEncodersRunAtMostLimitAtOnceAndWaitersGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New(2)
		e.turns <- struct{}{} // as two that run
		e.turns <- struct{}{}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := e.Encode(ctx, Gzip, []byte("a"), nil)
			done <- err
		}()
		synctest.Wait()
		if len(done) != 0 {
			t.Fatalf("a third did not wait: %v", <-done)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
		<-e.turns
		if _, err := e.Encode(t.Context(), Gzip, []byte("a"), nil); err != nil || len(e.turns) != 1 {
			t.Errorf("with room: %v; %d run", err, len(e.turns))
		}
	})
}

func TestEncodersServeManyAtOnce(t *testing.T) {
	src := goSource(t, 50_000)
	e := New(3)
	want := map[Coding]uint64{}
	sum := func(b []byte) uint64 { h := fnv.New64a(); h.Write(b); return h.Sum64() }
	for _, c := range codings {
		out, err := e.Encode(t.Context(), c, src, nil)
		if err != nil {
			t.Fatal(err)
		}
		want[c] = sum(out)
	}
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			c := codings[i%len(codings)]
			if out, err := e.Encode(t.Context(), c, src, nil); err != nil || sum(out) != want[c] {
				t.Errorf("%v: %v, or another result", c, err)
			}
		})
	}
	wg.Wait()
}

// Law: what is encoded decodes to the source, whatever was encoded before.
func FuzzEncode(f *testing.F) {
	for _, seed := range []string{"", "a", "\x00\x00\x00\x00", "abcabcabc", "the quick brown fox the quick brown fox"} {
		f.Add([]byte(seed), uint16(1))
		f.Add([]byte(seed), uint16(5000))
	}
	e := New(1)
	f.Fuzz(func(t *testing.T, piece []byte, times uint16) {
		src := bytes.Repeat(piece, min(int(times), 400_000/(len(piece)+1)))
		for _, c := range codings {
			out, err := e.Encode(t.Context(), c, src, nil)
			if err != nil {
				t.Fatalf("%v: %v", c, err)
			}
			if got, err := decode(c, out); err != nil || !bytes.Equal(got, src) {
				t.Fatalf("%v: decoded to %d bytes of %d, %v", c, len(got), len(src), err)
			}
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	for _, size := range []int{16 << 10, 1 << 20} {
		src := goSource(b, size)
		for _, c := range codings {
			b.Run(c.String()+"/"+map[int]string{16 << 10: "16KiB", 1 << 20: "1MiB"}[size], func(b *testing.B) {
				e := New(1)
				out := make([]byte, 0, size)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					var err error
					if out, err = e.Encode(b.Context(), c, src, out[:0]); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(100*float64(len(out))/float64(size), "%size")
			})
		}
	}
}

// TestEncoderMemory holds the figures that New gives, for files up to CACHE_MAX_FILE's default and beyond.
func TestEncoderMemory(t *testing.T) {
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	text := goSource(t, 1<<20)
	out := make([]byte, 0, 8<<20)
	for _, c := range []struct {
		coding Coding
		make   func() encoder
		copies int   // of the text that are encoded
		most   int64 // in KiB
	}{
		{Gzip, func() encoder { return newGzip() }, 1, 1200},
		{Zstd, func() encoder { return newZstd() }, 1, 3 << 10},
		{Br, func() encoder { return newBr() }, 1, 4 << 10},
		{Gzip, func() encoder { return newGzip() }, 8, 1200},
		{Zstd, func() encoder { return newZstd() }, 8, 3 << 10},
		{Br, func() encoder { return newBr() }, 8, 5 << 10},
	} {
		src := bytes.Repeat(text, c.copies)
		before := heap()
		enc := c.make()
		if _, err := enc.encode(src, out); err != nil {
			t.Fatal(err)
		}
		held := (heap() - before) >> 10
		runtime.KeepAlive(enc)
		runtime.KeepAlive(src)
		t.Logf("%v of %d MiB holds %d KiB", c.coding, c.copies, held)
		if held > c.most {
			t.Errorf("%v of %d MiB holds %d KiB, want at most %d", c.coding, c.copies, held, c.most)
		}
	}
}
