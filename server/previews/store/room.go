package store

import (
	"context"
	"fmt"
	"io/fs"
	"math"
)

// block is what a file takes at least on most file systems, in bytes. What is not measured yet is rounded up to it.
const block = 4096

// roundUp returns how many bytes of disk blocks so many bytes of a file take.
func roundUp(bytes int64) int64 {
	if bytes > math.MaxInt64-block {
		return math.MaxInt64 / block * block
	}
	return (bytes + block - 1) / block * block
}

// blocks are the bytes of disk blocks that are taken.
type blocks struct {
	own     int64 // by the directories and files of the store itself
	entries int64 // by what is here
	claimed int64 // by what is being made: at least what it takes
	leaving int64 // by what is being removed
	stuck   int64 // by what could not be removed; the next start tries again
}

func (b *blocks) taken() int64 { return b.own + b.entries + b.claimed + b.leaving + b.stuck }

// measure looks how much the store itself takes: its directories grow with the number of names in them. The caller has the lock.
func (s *Store) measure() {
	s.blocks.own = 0
	for _, name := range append([]string{"."}, ours[:]...) {
		if info, err := s.root.Lstat(name); err == nil {
			s.blocks.own += onDisk(info)
		}
	}
}

// onDisk returns the bytes of disk blocks of a file or a directory.
func onDisk(info fs.FileInfo) int64 {
	if bytes, known := blocksOf(info); known {
		return bytes
	}
	return roundUp(max(info.Size(), 1))
}

// claim is the room of something that is being made.
type claim struct {
	store *Store
	bytes int64
}

// grow takes room for so many bytes more, before they are written. What is unused longest is removed for it.
func (c *claim) grow(ctx context.Context, bytes int64) error {
	s := c.store
	s.mu.Lock()
	defer s.mu.Unlock()
	for bytes > s.limit || s.blocks.taken() > s.limit-bytes {
		if err := ctx.Err(); err != nil {
			return err
		}
		if free := s.free(); bytes > free {
			return fmt.Errorf("%w: it takes at least %s on disk, and %s can be made free of the %s that PREVIEWS_SIZE allows", ErrNoRoom,
				size(c.bytes+min(bytes, math.MaxInt64-c.bytes)), size(c.bytes+max(free, 0)), size(s.limit))
		}
		oldest := s.oldest()
		if oldest == nil { // others are removing something
			s.emptied.Wait()
			continue
		}
		if err := s.remove(oldest); err != nil {
			return err
		}
	}
	c.bytes += bytes
	s.blocks.claimed += bytes
	return nil
}

// end gives back the room: nothing was made of it, or it is counted as an entry now. The caller has the lock.
func (c *claim) end() {
	c.store.blocks.claimed -= c.bytes
	c.bytes = 0
	c.store.emptied.Broadcast()
}

// relieve removes what is unused longest, so many bytes of it or more: the disk was full before the limit was reached. Whoever tries
// again has that much more room.
func (s *Store) relieve(bytes int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for bytes > 0 {
		oldest := s.oldest()
		if oldest == nil {
			return nil
		}
		if err := s.remove(oldest); err != nil {
			return err
		}
		bytes -= oldest.disk
	}
	return nil
}

// free returns how many bytes there would be if all that is not held were removed. The caller has the lock.
func (s *Store) free() int64 {
	free := s.limit - s.blocks.taken() + s.blocks.leaving
	for at := s.order.Front(); at != nil; at = at.Next() {
		if e := at.Value.(*entry); e.holders == 0 {
			free += e.disk
		}
	}
	return free
}

// oldest returns the entry that was unused longest, nil if all are held. The caller has the lock.
func (s *Store) oldest() *entry {
	for at := s.order.Front(); at != nil; at = at.Next() {
		if e := at.Value.(*entry); e.holders == 0 {
			return e
		}
	}
	return nil
}

// size is a number of bytes as a person reads it: 1.5 GiB.
func size(bytes int64) string {
	if bytes < 1<<10 {
		return fmt.Sprintf("%d bytes", bytes)
	}
	value, units := float64(bytes)/(1<<10), []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	for value >= 1023.95 && len(units) > 1 {
		value, units = value/(1<<10), units[1:]
	}
	return fmt.Sprintf("%.4g %s", math.Round(value*10)/10, units[0])
}
