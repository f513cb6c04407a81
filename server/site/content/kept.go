package content

import (
	"context"
	"sync"
	"time"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/cache"
	"github.com/previewd/previewd/server/site/coding"
	"github.com/previewd/previewd/server/site/tree"
)

// key names what is kept: the content of a file in a coding, or the page of a directory.
type key struct {
	of     *tree.Directory
	name   string
	coding coding.Coding
	// made is set where the server did the coding, unset where there is a file that has it.
	made bool
	// page is set for the page of a directory.
	page Form
	// digest is set for the reading of a large file for its tag. Nothing is kept for it.
	digest bool
}

var _ message.Body = (*cache.Entry[key, *State])(nil)

// Counts returns what the cache has done and holds.
func (s *Store) Counts() cache.Counts { return s.cache.Counts() }

// Clear forgets what is kept, and waits for what is being made to be kept.
func (s *Store) Clear() {
	s.better.stop()
	s.cache.Clear()
}

// Forget forgets what is kept of a directory.
func (s *Store) Forget(d *tree.Directory) { s.cache.Forget(d) }

// ownerOf says whose a kept content is: directories that share a Store have the same share of the cache, see package cache.
func ownerOf(k key) any { return k.of }

// Glance returns what is kept of a file as it is, if it has not changed, by a single look at its path. Nothing else
// has to be asked, not even whether the directory is still the one that is open: what makes a kept content true is
// the status alone. Device, inode and ctime are those of the file that was opened by this name, within the
// confinement, and unchanged since; through which directory the name leads to it now makes no difference. An answer
// that takes more than one look makes all of them in one tree.
func (s *Store) Glance(d *tree.Directory, name string) (Source, bool) {
	e := s.cache.Get(key{of: d, name: name})
	if e == nil {
		return Source{}, false
	}
	if !d.Unchanged(name, &e.Value.Status) {
		_ = e.Close()
		return Source{}, false
	}
	s.cache.Hit()
	return Source{e.Value, e}, true
}

// IsKept says whether Glance finds a file.
func (s *Store) IsKept(d *tree.Directory, name string) bool {
	e := s.cache.Get(key{of: d, name: name})
	if e == nil {
		return false
	}
	defer e.Close()
	return d.Unchanged(name, &e.Value.Status)
}

// keptOr returns what is kept for a key, or else what load returns, with the latest status that is known. One of many
// who want the same loads it, the others wait. A file that is not kept for its size is loaded by each.
func (s *Store) keptOr(ctx context.Context, t *tree.Tree, k key, file string, st tree.Status,
	load func(tree.Status) (Source, error)) (Source, error) {
	if src, found := s.kept(k, st); found {
		return src, nil
	}
	if st.Size <= s.opts.MaxFile {
		s.cache.Miss()
		done, err := s.loads.alone(ctx, k, s.opts.Disk)
		if err != nil {
			return Source{}, &ReadError{err}
		}
		if done != nil {
			defer done()
		} else if st, err = t.Look(file, true); err == nil { // another has just read it, and may have kept it
			if src, found := s.kept(k, st); found {
				return src, nil
			}
		}
	}
	return load(st)
}

// kept returns what is kept for a key if it is true of the file's status st.
func (s *Store) kept(k key, st tree.Status) (Source, bool) {
	src, found := s.find(k, st)
	if found {
		s.cache.Hit()
	}
	return src, found
}

// holds says whether what is kept for a key is true of the file's status st.
func (s *Store) holds(k key, st tree.Status) bool {
	src, found := s.find(k, st)
	if found {
		src.Close()
	}
	return found
}

// find is kept, uncounted.
func (s *Store) find(k key, st tree.Status) (Source, bool) {
	e := s.cache.Get(k)
	if e == nil {
		return Source{}, false
	}
	if e.Value.Status != st {
		s.cache.Drop(e)
		_ = e.Close()
		return Source{}, false
	}
	return Source{e.Value, e}, true
}

// keep puts what was read at some time into the cache, if no later write can look the same. It returns the
// source to send instead, which may be the same.
func (s *Store) keep(k key, src Source, read time.Time) Source {
	data, inMemory := message.InMemory(src.Body)
	// As in sysfs and proc, where the times are fictions too.
	if fiction := !k.made && int64(len(data)) != src.Status.Size; !inMemory || fiction {
		return src
	}
	return s.put(k, src, data, 0, read)
}

func (s *Store) put(k key, src Source, data []byte, beside int, read time.Time) Source {
	if !isOld(src.Status, read) || !k.of.IsOpen() { // nobody would ask for what came after Forget
		return src
	}
	e := s.cache.Put(k, src.State, data, len(k.name)+beside)
	if e == nil {
		return src
	}
	src.Close()
	return Source{src.State, e}
}

// loads lets one of many who want the same read it, and the others wait.
type loads struct {
	mu      sync.Mutex
	running map[key]chan struct{}
}

// alone returns a function to call when the load of k is done, or nil after another's load of it. It waits
// outside the gate.
func (l *loads) alone(ctx context.Context, k key, disk message.Gate) (done func(), err error) {
	l.mu.Lock()
	running, found := l.running[k]
	if !found {
		defer l.mu.Unlock()
		if l.running == nil {
			l.running = make(map[key]chan struct{})
		}
		ended := make(chan struct{})
		l.running[k] = ended
		return func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			delete(l.running, k)
			close(ended)
		}, nil
	}
	l.mu.Unlock()
	disk.Leave()
	defer disk.Enter()
	select {
	case <-running:
		return nil, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
