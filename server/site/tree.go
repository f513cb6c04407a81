package site

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync/atomic"
)

// tree is an open directory and all below it. Names are relative, clean and have slashes between their
// parts; "." is the directory itself. How far symbolic links are followed is settled when it is opened.
type tree interface {
	// open opens a file or directory for reading. It does not wait for the other end of a FIFO.
	open(name string) (file, status, error)
	// stat looks at a file or directory, which need not be readable.
	stat(name string) (status, error)
	// look is stat in the fastest way, wherever links lead: what is seen is only to be compared with what was
	// opened. follow is unset for a link itself at the end of a name.
	look(name string, follow bool) (status, error)
	// unchanged says whether a file has the status that it is kept with, by one look below the path that was
	// opened, wherever that leads by now; the tree may be closed. Where it cannot tell it says no.
	unchanged(name string, kept *status) bool
	close()
}

// The links that a tree does not follow, and what they may not lead to.
var (
	errLeadsOut = errors.New("a symbolic link leads out of the directory")
	errLink     = errors.New("symbolic links are not followed")
	errHidden   = errors.New("a symbolic link leads to a hidden file")
)

// isRefused says whether a look-up failed for a policy, so that what was asked for may well exist.
func isRefused(err error) bool {
	return errors.Is(err, errLeadsOut) || errors.Is(err, errLink) || errors.Is(err, errHidden)
}

// hidesPart says whether a name that a link leads to is hidden. Names that start with two dots are
// Kubernetes' own (..data in a ConfigMap): what links there is not.
func hidesPart(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if isHidden(part) && !strings.HasPrefix(part, "..") {
			return true
		}
	}
	return false
}

// status is what is known of a file. Two are equal if nothing was written to it in between, but for
// writes within the granularity of the clock, see settled.
type status struct {
	dev, ino     uint64
	mode         fs.FileMode
	uid, gid     uint32
	size         int64
	mtime, ctime instant
}

// entry is a name in a directory. mode holds its type only, fs.ModeIrregular if that is not known.
type entry struct {
	name string
	mode fs.FileMode
}

// sharedTree is a tree that requests use until it is closed by the last of them, after it was replaced.
type sharedTree struct {
	tree
	id    identity
	users atomic.Int64 // the Site counts as one
}

// retain is false if the tree is closed already.
func (t *sharedTree) retain() bool {
	for {
		n := t.users.Load()
		if n == 0 {
			return false
		}
		if t.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (t *sharedTree) release() {
	if t.users.Add(-1) == 0 {
		t.close()
	}
}

// acquire returns the tree that Directory names at this moment; the caller releases it. A link that was
// switched (git-sync, a ConfigMap) or a directory that came back is another tree.
func (s *Site) acquire() (*sharedTree, error) {
	id, err := identify(s.opts.Directory)
	if err != nil {
		return nil, err
	}
	if t := s.current.Load(); t != nil && t.id.same(id) && t.retain() {
		return t, nil
	}
	return s.replace()
}

// replace opens Directory anew, unless another goroutine has just done so.
func (s *Site) replace() (*sharedTree, error) {
	s.reopen.Lock()
	defer s.reopen.Unlock()
	id, err := identify(s.opts.Directory)
	if err != nil {
		return nil, err
	}
	if t := s.current.Load(); t != nil && t.id.same(id) && t.retain() {
		return t, nil
	}
	opened, id, err := openTree(&s.opts)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", s.opts.Directory, err)
	}
	t := &sharedTree{tree: opened, id: id}
	t.users.Store(2)
	if old := s.current.Swap(t); old != nil {
		old.release()
	}
	return t, nil
}

// Close gives back the directory and what is kept for it once no request uses it. A Site may be used
// again afterwards.
func (s *Site) Close() error {
	s.reopen.Lock()
	defer s.reopen.Unlock()
	if old := s.current.Swap(nil); old != nil {
		old.release()
	}
	s.cache.Clear()
	return nil
}
