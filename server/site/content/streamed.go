package content

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/coding"
	"github.com/previewd/previewd/server/site/tree"
)

// maxCoded is the default of Options.MaxCoded in bytes.
const maxCoded = 16 << 20

// streamed returns the content of a file that is too large to be read whole, in a coding: kept, or else made while it is
// sent, so that its first bytes need not wait for its last. It is plain, and has no bytes, if that is no smaller. There is
// none while there is no room for another encoder.
func (s *Store) streamed(ctx context.Context, t *tree.Tree, name string, st tree.Status, c coding.Coding) (Source, error) {
	k := key{of: t.Of(), name: name, coding: c, made: true}
	if src, found := s.kept(k, st); found {
		if src.plain {
			src.Close()
		}
		return src, nil
	}
	if !s.takeStream() {
		return Source{}, errNone
	}
	src, err := s.source(ctx, t, key{of: t.Of(), name: name}, name, st, false)
	if err != nil {
		s.giveStream()
		return Source{}, err
	}
	section, isFile := src.Body.(*message.FileSection)
	if !isFile { // it has become small
		s.giveStream()
		src.Close()
		return Source{}, errNone
	}
	s.cache.Miss()
	// Other bytes will have this coding when it is kept, of the same content: a weak tag matches both (RFC 9110, section
	// 8.8.1).
	state := &State{Name: name, Coding: c, Status: src.Status, Tag: CodedTag(src.Tag, c), Weak: true, Dated: src.Dated}
	s.addDescription(state, coding.Identity, src.Body)
	return Source{state, &stream{store: s, key: k, file: section, state: state}}, nil
}

// takeStream takes the memory of an encoder that a client may hold for as long as it reads. All such have half of the
// memory for answers under way, so that slow clients leave the rest to others.
func (s *Store) takeStream() bool { return s.streams.TryAcquire(coding.StreamMemory) }

func (s *Store) giveStream() { s.streams.Release(coding.StreamMemory) }

// stream is a message.Body: a file that is coded while it is sent.
type stream struct {
	store *Store
	key   key
	file  *message.FileSection
	state *State
	sent  bool // something was asked for
}

// Len returns -1: how long it will be is not known.
func (b *stream) Len() int64 { return -1 }

// WriteTo codes the file and writes what comes out. The end is held back until the file is seen to be unchanged.
func (b *stream) WriteTo(w io.Writer) (int64, error) {
	b.sent = true
	if err := b.file.Begin(b.file.Offset, b.file.Length); err != nil {
		return 0, err
	}
	count := &counting{w: w}
	enc, err := coding.NewStream(b.key.coding, count)
	if err != nil {
		return 0, err
	}
	buf := buffers.Get().(*[pieceSize]byte)
	defer buffers.Put(buf)
	for at := int64(0); at < b.file.Length; {
		piece := buf[:min(pieceSize, b.file.Length-at)]
		b.file.Disk.Enter()
		n, err := b.file.File.ReadAt(piece, b.file.Offset+at)
		b.file.Disk.Leave()
		if n < len(piece) {
			if err == nil || errors.Is(err, io.EOF) {
				err = message.ErrChanged
			}
			return count.n, err
		}
		if _, err := enc.Write(piece); err != nil {
			return count.n, err
		}
		at += int64(n)
	}
	if err := b.file.Unchanged(); err != nil {
		return count.n, err
	}
	err = enc.Close()
	return count.n, err
}

// Close gives back what the coding took, and has the file coded better if it was asked for.
func (b *stream) Close() error {
	b.store.giveStream()
	if b.sent && b.store.better.add(b.store, job{b.key, b.file, b.state}) {
		return nil
	}
	return b.file.Close()
}

type counting struct {
	w io.Writer
	n int64
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// better codes large files once more, one after the other, to be kept. The zero value is ready for use.
type better struct {
	mu    sync.Mutex
	queue []job // the first is at work
	end   context.CancelFunc
	done  sync.WaitGroup
}

// maxJobs is how many files may wait to be coded better, each of them open.
const maxJobs = 16

// job is a file that was sent in a coding, and is to be kept in it.
type job struct {
	key   key
	file  *message.FileSection
	state *State // of the stream
}

// add takes a job over if it is worth it: the result would be kept, and is not being made.
func (b *better) add(s *Store, j job) bool {
	if j.state.Tag == "" || !isOld(j.state.Status, s.now()) || j.file.Length/2 > s.opts.CacheSize {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.queue) == maxJobs {
		return false
	}
	for _, other := range b.queue {
		if other.key == j.key && other.state.Status == j.state.Status {
			return false
		}
	}
	b.queue = append(b.queue, j)
	if len(b.queue) == 1 {
		ctx, end := context.WithCancel(context.Background())
		b.end = end
		b.done.Go(func() { b.work(ctx, s) })
	}
	return true
}

// work codes what is in the queue until that is empty.
func (b *better) work(ctx context.Context, s *Store) {
	for {
		b.mu.Lock()
		j := b.queue[0]
		b.mu.Unlock()
		if !s.holds(j.key, j.state.Status) {
			s.codeBetter(ctx, j)
		}
		_ = j.file.Close() // it was only read
		b.mu.Lock()
		b.queue = b.queue[1:]
		empty := len(b.queue) == 0
		if empty {
			b.queue = nil
			b.end()
		}
		b.mu.Unlock()
		if empty {
			return
		}
	}
}

// stop has what is at work end, and waits for it.
func (b *better) stop() {
	b.mu.Lock()
	if len(b.queue) > 0 {
		b.end()
	}
	b.mu.Unlock()
	b.done.Wait()
}

// codeBetter codes a file as well as small ones are, and keeps the result. What is not at least a quarter smaller is kept
// as not worth it. Nothing is kept if there is no room, or the file has changed.
func (s *Store) codeBetter(ctx context.Context, j job) {
	limit := j.file.Length / 4 * 3
	if !s.memory.TryAcquire(limit) {
		return
	}
	defer s.memory.Release(limit)
	if !s.opts.Budget.TryAcquire(coding.BetterMemory) {
		return
	}
	defer s.opts.Budget.Release(coding.BetterMemory)
	read := s.now()
	packed, err := s.encoders.EncodeFrom(ctx, j.key.coding, gated{j.file}, j.file.Length, int(limit))
	plain := errors.Is(err, coding.ErrTooLarge)
	if err != nil && !plain || j.file.Unchanged() != nil {
		return
	}
	state := &State{Status: j.state.Status, plain: true}
	if !plain {
		state = &State{Name: j.key.name, Coding: j.key.coding, Status: j.state.Status, Tag: j.state.Tag, Dated: j.state.Dated}
		s.addDescription(state, coding.Identity, j.file)
	} else {
		packed = nil
	}
	s.keep(j.key, Source{state, message.Bytes(packed)}, read).Close()
}

// gated reads a file through the gate of the disk.
type gated struct{ *message.FileSection }

func (g gated) ReadAt(p []byte, off int64) (int, error) {
	g.Disk.Enter()
	defer g.Disk.Leave()
	return g.File.ReadAt(p, g.Offset+off)
}
