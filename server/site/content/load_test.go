package content

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/sitetest"
)

// sealed is content of size bytes that begins with the checksum of the rest.
func sealed(size int) []byte {
	b := make([]byte, size)
	var seed [32]byte
	for i := range seed {
		seed[i] = byte(rand.Uint32())
	}
	_, _ = io.ReadFull(rand.NewChaCha8(seed), b[sha256.Size:])
	sum := sha256.Sum256(b[sha256.Size:])
	copy(b, sum[:])
	return b
}

func isSealed(b []byte) bool {
	return len(b) >= sha256.Size && sha256.Sum256(b[sha256.Size:]) == [sha256.Size]byte(b[:sha256.Size])
}

// rewrite writes a file in place in several pieces, as an editor or cp does.
func rewrite(t *testing.T, name string, content []byte) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o644)
	sitetest.Check(t, err)
	for len(content) > 0 {
		n := min(len(content), 16<<10)
		_, err := f.Write(content[:n])
		sitetest.Check(t, err)
		content = content[n:]
	}
	sitetest.Check(t, f.Close())
}

// Law: no answer that is complete mixes two versions, however the files change; nothing stays open.
func TestNeverMixed(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, func(o *Options) { o.MaxFile = 256 << 10 })
	sizes := map[string]int{"small": 100, "middle": 60 << 10, "large": 900 << 10}
	for name, size := range sizes {
		sitetest.Check(t, os.WriteFile(filepath.Join(dir, name), sealed(size), 0o644))
	}
	before := sitetest.Descriptors(t)
	stop := make(chan struct{})
	var writers, readers sync.WaitGroup
	for name, size := range sizes {
		writers.Go(func() {
			full := filepath.Join(dir, name)
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				case <-time.After(time.Duration(rand.IntN(60)) * time.Millisecond):
				}
				switch i % 4 {
				case 0, 2:
					rewrite(t, full, sealed(size))
				case 1:
					sitetest.Check(t, os.WriteFile(full+".new", sealed(size), 0o644))
					sitetest.Check(t, os.Rename(full+".new", full))
				case 3:
					sitetest.Check(t, os.Remove(full))
					rewrite(t, full+".new", sealed(size))
					sitetest.Check(t, os.Rename(full+".new", full))
				}
			}
		})
	}
	var whole, cut, refused atomic.Int64
	for range 8 {
		readers.Go(func() {
			for deadline := time.Now().Add(3 * time.Second); time.Now().Before(deadline); {
				for name := range sizes {
					src, err := s.source(context.Background(), name, Accepts{})
					if err != nil {
						refused.Add(1)
						continue
					}
					var b bytes.Buffer
					_, err = src.Body.WriteTo(&b)
					sitetest.Check(t, src.Body.Close())
					switch {
					case errors.Is(err, message.ErrChanged):
						cut.Add(1)
					case err != nil:
						t.Error(err)
					case !isSealed(b.Bytes()):
						t.Errorf("%s: %d bytes that were never written together", name, b.Len())
					default:
						whole.Add(1)
					}
				}
			}
		})
	}
	readers.Wait()
	close(stop)
	writers.Wait()
	t.Logf("%d whole, %d cut, %d refused", whole.Load(), cut.Load(), refused.Load())
	s.close()
	runtime.GC()
	if after := sitetest.Descriptors(t); after > before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
	if used, _ := s.memory.Use(); used != 0 {
		t.Errorf("%d bytes of memory are still lent", used)
	}
}

// restless is an interval of changes that never lets a file settle.
const restless = 2 * time.Millisecond

func TestGrowingLogIsServed(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "log"))
	sitetest.Check(t, err)
	defer f.Close()
	sitetest.Every(t, restless, func(i int) { fmt.Fprintf(f, "line %d\n", i) })
	if _, content := open(t, dir).read(t, "log", Accepts{}); content != "" && !strings.HasPrefix(content, "line 0\n") {
		t.Errorf("got %q", content)
	}
}

func TestSectionOfAChangedFileIsCut(t *testing.T) {
	dir := sitetest.Build(t, t.TempDir(), map[string]string{"big": strings.Repeat("x", 10_000)})
	s := open(t, dir, func(o *Options) { o.MaxFile = 100 })
	serve := func() message.Body {
		src, err := s.source(t.Context(), "big", Accepts{})
		sitetest.Check(t, err)
		if _, ok := src.Body.(*message.FileSection); !ok {
			t.Fatalf("the body is a %T, want a file section", src.Body)
		}
		return src.Body
	}
	body := serve()
	if n, err := body.WriteTo(io.Discard); n != 10_000 || err != nil {
		t.Errorf("unchanged: %d, %v", n, err)
	}
	sitetest.Check(t, body.Close())
	body = serve()
	rewrite(t, filepath.Join(dir, "big"), []byte("changed"))
	if n, err := body.WriteTo(io.Discard); n == 10_000 || !errors.Is(err, message.ErrChanged) {
		t.Errorf("changed: %d, %v", n, err)
	}
	sitetest.Check(t, body.Close())
}

func TestMemoryIsBounded(t *testing.T) {
	dir := sitetest.Build(t, t.TempDir(), map[string]string{"mib": strings.Repeat("x", 1<<20)})
	s := open(t, dir)
	var bodies []message.Body
	for range 2 * maxInFlight >> 20 {
		src, err := s.source(t.Context(), "mib", Accepts{})
		sitetest.Check(t, err)
		bodies = append(bodies, src.Body)
	}
	inMemory := 0
	for _, body := range bodies {
		if _, ok := message.InMemory(body); ok {
			inMemory++
		}
		sitetest.Check(t, body.Close())
	}
	if used, _ := s.memory.Use(); inMemory != maxInFlight>>20 || used != 0 {
		t.Errorf("%d MiB in memory at once, %d bytes lent afterwards", inMemory, used)
	}
}
