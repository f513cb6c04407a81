package store

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// Blob is a blob that is here and stays until it is released.
type Blob struct {
	store   *Store
	entry   *entry
	release func()
}

// Open opens the bytes of the blob. The caller closes them.
func (b *Blob) Open() (io.ReadCloser, error) { return b.store.root.Open(b.entry.name) }

// Verify reads the blob and returns an error if its bytes are not those of its digest any more: the disk has changed or lost them.
// It is fetched anew then, when it is asked for after all have released it.
func (b *Blob) Verify() error {
	err := b.verify()
	if err != nil {
		b.store.mu.Lock()
		defer b.store.mu.Unlock()
		b.entry.damaged = true
	}
	return err
}

func (b *Blob) verify() error {
	algorithm, want, _ := strings.Cut(strings.TrimPrefix(b.entry.name, blobsDirectory+"/"), "-")
	sum := sha256.New()
	if algorithm == "sha512" {
		sum = sha512.New()
	}
	from, err := b.Open()
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	if _, err = io.Copy(sum, from); err != nil {
		return err
	}
	if hex.EncodeToString(sum.Sum(nil)) != want {
		return fmt.Errorf("%s in the store of previews has changed on the disk", b.entry.name)
	}
	return nil
}

// Release ends the use of the blob. The time of it counts as its last use. To release it again does nothing.
func (b *Blob) Release() { b.release() }

// Blob returns the blob of a digest, of size bytes; the caller releases it. If it is not here, it is what fetch returns, which
// ends with an error if it has other bytes than those of the digest. Of several callers with one digest, one fetches, and all get
// its blob or its error; if ctx of that one ends, another goes on. progress, which may be nil, is told how many bytes are here;
// it is called by whoever fetches, and perhaps once when Blob has just returned.
func (s *Store) Blob(ctx context.Context, digest string, size int64, fetch func(context.Context) (io.ReadCloser, error), progress func(bytes int64)) (*Blob, error) {
	name, err := fileName(blobsDirectory, digest)
	if err != nil {
		return nil, err
	}
	if size < 0 {
		return nil, fmt.Errorf("a size of %d bytes", size)
	}
	if err := s.dropDamaged(name, size); err != nil {
		return nil, err
	}
	e, err := s.obtain(ctx, name, &watcher{progress}, func(m *making) (*entry, error) { return s.fetch(ctx, name, size, m, fetch) })
	if err != nil {
		return nil, err
	}
	if e.size != size { // whoever fetched it has been told another size
		s.release(e)
		return nil, fmt.Errorf("%s has %d bytes, not %d", digest, e.size, size)
	}
	if progress != nil {
		progress(size)
	}
	return &Blob{store: s, entry: e, release: sync.OnceFunc(func() { s.release(e) })}, nil
}

// dropDamaged removes a blob that has not the size that it should have, as the machine failed before all of it was on the disk, or
// not the bytes, by Verify. One that is held stays.
func (s *Store) dropDamaged(name string, size int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.here[name]
	if e == nil || e.size == size && !e.damaged || e.holders > 0 || s.closed {
		return nil
	}
	return s.remove(e)
}

// fetch makes a blob in staging.
func (s *Store) fetch(ctx context.Context, name string, size int64, m *making, fetch func(context.Context) (io.ReadCloser, error)) (*entry, error) {
	if err := m.claim.grow(ctx, roundUp(size)); err != nil {
		return nil, err
	}
	if err := m.claim.grow(ctx, ownBlocks); err != nil {
		return nil, err
	}
	from, err := fetch(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = from.Close() }()
	file, err := s.root.OpenFile(m.staged, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	counted := &counter{to: file, count: func(bytes int64) { s.came(m, bytes) }}
	// One byte more is asked for, so that the end is read: there the reader says whether the bytes are the right ones.
	if _, err := io.Copy(counted, io.LimitReader(from, size+1)); err != nil {
		return nil, err
	}
	if counted.bytes != size {
		return nil, fmt.Errorf("%s does not have the %d bytes that were announced, but %s", name, size, fewerOrMore(counted.bytes, size))
	}
	if err := file.Sync(); err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if more := onDisk(info) + block - m.claim.bytes; more > 0 {
		if err := m.claim.grow(ctx, more); err != nil {
			return nil, err
		}
	}
	return &entry{name: name, size: size, disk: onDisk(info), touched: time.Now()}, file.Close()
}

func fewerOrMore(got, want int64) string {
	if got > want {
		return "more"
	}
	return fmt.Sprint(got)
}

// counter counts what is written.
type counter struct {
	to    io.Writer
	bytes int64
	count func(bytes int64)
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.bytes += int64(n)
	c.count(c.bytes)
	return n, err
}
