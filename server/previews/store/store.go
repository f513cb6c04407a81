// Package store keeps what previews need on disk, below one directory: the layers of images as a registry has them (blobs), and
// the directories that were unpacked from them (builds). What is here is whole: it is made in staging, written to disk, and
// renamed into place. What is half done when the process or the machine ends is thrown away by the next start.
//
//	lock                         held while a process uses the directory
//	layout                       says that the directory is ours, and which layout it has
//	blobs/sha256-<hex>           the bytes of a layer
//	builds/sha256-<hex>/site/    what is served
//	builds/sha256-<hex>/build.json   the marker, written last: Meta
//	staging/                     what is being made or removed
//	tags.json                    which tag was which build
//
// All of it takes at most the limit, in disk blocks, with what is in staging and the directories themselves. To make room, what
// was unused longest is removed, blobs and builds alike, but never what is held. The package knows nothing of registries and
// archives.
package store

import (
	"container/list"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"
)

// ErrNoRoom says that something is larger than what can be made free. The error that wraps it has both sizes.
var ErrNoRoom = errors.New("no room for the build")

// errClosed is what is answered after Close.
var errClosed = errors.New("the store of previews is closed")

// Store is an open directory. Its methods may be called by any number of goroutines at once.
type Store struct {
	root  *os.Root
	lock  *os.File
	limit int64 // in bytes of disk blocks

	mu      sync.Mutex
	closed  bool
	here    map[string]*entry // by their names in the directory: "builds/sha256-…"
	order   *list.List        // of the entries, the one that was unused longest first
	making  map[string]*making
	makers  sync.WaitGroup // those who make something
	staged  uint64         // names in staging that were given out
	builds  int
	blocks  blocks
	emptied *sync.Cond // something was removed from the disk
}

// entry is a blob or a build that is here. All but name, meta and size belongs to the store's lock.
type entry struct {
	name string // in the directory
	meta Meta   // of a build
	size int64  // of a blob, in bytes

	disk    int64 // bytes of disk blocks
	holders int
	damaged bool      // a blob with other bytes than it came with
	touched time.Time // when the time of last use was written to the disk
	at      *list.Element
}

// touchEach is how often the time of last use is written to the disk at most. After a restart, the order of what was used
// within it may be another.
const touchEach = time.Minute

// Counts returns how many bytes of disk blocks are taken, with what is in staging, how many may be, and how many builds are here.
func (s *Store) Counts() (bytes, limit int64, builds int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.blocks.taken(), s.limit, s.builds
}

// Close waits for what is being made, whose contexts the caller has ended, and lets another process use the directory. What is
// held stays on disk.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.makers.Wait()
	return errors.Join(s.root.Close(), s.lock.Close())
}

// hold returns the entry of a name, if it is here. It is released once.
func (s *Store) hold(name string) (*entry, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.here[name]
	if e == nil || s.closed {
		return nil, false
	}
	e.holders++
	return e, true
}

// release ends one hold. Now is when the entry was used last.
func (s *Store) release(e *entry) {
	now := time.Now()
	s.mu.Lock()
	e.holders--
	s.order.MoveToBack(e.at)
	touch := now.Sub(e.touched) >= touchEach && !s.closed
	if touch {
		e.touched = now
	}
	s.mu.Unlock()
	if touch {
		_ = s.root.Chtimes(dated(e.name), now, now) // only the order of a later start depends on it
	}
}

// put adds an entry that has just come into its place. The caller has the lock.
func (s *Store) put(e *entry) {
	s.here[e.name] = e
	e.at = s.order.PushBack(e)
	s.blocks.entries += e.disk
	if isBuild(e.name) {
		s.builds++
	}
}

// drop takes an entry out of its place and returns its name in staging, from where discard removes it. The caller has the lock.
func (s *Store) drop(e *entry) (string, error) {
	staged := s.stage()
	if err := s.root.Rename(e.name, staged); err != nil {
		return "", fmt.Errorf("removing %s from the store of previews: %w", e.name, err)
	}
	delete(s.here, e.name)
	s.order.Remove(e.at)
	s.blocks.entries -= e.disk
	s.blocks.leaving += e.disk
	if isBuild(e.name) {
		s.builds--
	}
	return staged, nil
}

// discard removes what drop returned. It may take seconds: the caller does not have the lock.
func (s *Store) discard(e *entry, staged string) error {
	err := s.root.RemoveAll(staged)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blocks.leaving -= e.disk
	if err != nil {
		s.blocks.stuck += e.disk
		err = fmt.Errorf("removing %s from the store of previews: %w", e.name, err)
	}
	s.measure()
	s.emptied.Broadcast()
	return err
}

// Discard removes the builds for which stale returns true: an earlier start has made them in another way than this one would. It is called
// before all else.
func (s *Store) Discard(stale func(Meta) bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*entry
	for _, e := range s.here {
		if isBuild(e.name) && stale(e.meta) {
			all = append(all, e)
		}
	}
	for _, e := range all {
		if err := s.remove(e); err != nil {
			return err
		}
	}
	return nil
}

// remove removes an entry that nobody holds. The caller has the lock, and has it again afterwards: it is given up while the files
// are removed, when the entry is no longer here.
func (s *Store) remove(e *entry) error {
	staged, err := s.drop(e)
	if err != nil {
		return err
	}
	s.mu.Unlock()
	defer s.mu.Lock()
	return s.discard(e, staged)
}

// stage returns a new name in staging. The caller has the lock.
func (s *Store) stage() string {
	s.staged++
	return stagingDirectory + "/" + strconv.FormatUint(s.staged, 10)
}
