package site

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/cache"
	"github.com/previewd/previewd/server/site/coding"
)

// key names what is kept: the content of a file in a coding, or a listing.
type key struct {
	name   string
	coding coding.Coding
	// made is set where the server did the coding, unset where there is a file that has it.
	made bool
	// listing is set for the page of a directory.
	listing bool
}

// source is a state of a file and its content. Whoever has one closes the body, or sends it.
type source struct {
	*resource
	body message.Body
}

func (src source) close() {
	// What was only read has nothing left to say when it is closed.
	_ = src.body.Close()
}

// kept returns what is kept for a key if it is true of the file's status st, which was asked for after the
// request came.
func (s *Site) kept(k key, st status) (source, bool) {
	src, found := s.find(k, st)
	if found {
		s.cache.Hit()
	}
	return src, found
}

// glance returns what is kept of a file if it has not changed, by a single look at its path. Nothing else has to be
// asked, not even whether Directory is still the one that is open: what makes a kept content true is the status
// alone. Device, inode and ctime are those of the file that was opened by this name, within the confinement, and
// unchanged since; through which directory the name leads to it now makes no difference. An answer that takes more
// than one look makes all of them in one tree.
func (s *Site) glance(name string) (source, bool) {
	t := s.current.Load()
	if t == nil {
		return source{}, false
	}
	e := s.cache.Get(key{name: name})
	if e == nil {
		return source{}, false
	}
	if !t.unchanged(name, &e.Value.st) {
		_ = e.Close()
		return source{}, false
	}
	s.cache.Hit()
	return source{e.Value, e}, true
}

// find is kept, uncounted.
func (s *Site) find(k key, st status) (source, bool) {
	e := s.cache.Get(k)
	if e == nil {
		return source{}, false
	}
	if e.Value.st != st {
		s.cache.Drop(e)
		_ = e.Close()
		return source{}, false
	}
	return source{e.Value, e}, true
}

// keep puts what was read at some time into the cache, if no later write can look the same. It returns the
// source to send instead, which may be the same.
func (s *Site) keep(k key, src source, read time.Time) source {
	data, inMemory := message.InMemory(src.body)
	// As in sysfs and proc, where the times are fictions too. Their directories have no size.
	fiction := !k.made && !k.listing && int64(len(data)) != src.st.size || k.listing && src.st.size == 0
	if !inMemory || fiction || !isOld(src.st, read) {
		return src
	}
	e := s.cache.Put(k, src.resource, data, len(k.name)+sizeOf(src.links))
	if e == nil {
		return src
	}
	src.close()
	return source{src.resource, e}
}

// source returns the content of a file as it is: kept, or else read. st is its status, which the caller has
// asked for; a name may lead elsewhere or nowhere by the time that it is opened. The key's name is what the
// client asked for, file where the content is. encoding is set if the content is wanted in memory.
func (s *Site) source(ctx context.Context, t tree, k key, file string, st status, encoding bool) (source, error) {
	if src, found := s.kept(k, st); found {
		return src, nil
	}
	if st.size <= s.opts.MaxFile {
		s.cache.Miss()
		done, err := s.loads.alone(ctx, k, s.opts.Disk)
		if err != nil {
			return source{}, &unreadError{err}
		}
		if done == nil { // another has just read it: what there is now may have been kept
			if st, err = t.look(file, true); err == nil {
				if src, found := s.kept(k, st); found {
					return src, nil
				}
			}
		} else {
			defer done()
		}
	}
	read := s.now()
	f, st, err := t.open(file)
	if err == nil && !st.mode.IsRegular() {
		f.close()
		err = notRegularError{st.mode}
	}
	if err != nil {
		return source{}, err
	}
	found, err := s.load(ctx, f, st, encoding)
	if err != nil {
		return source{}, &unreadError{err}
	}
	res := s.describe(k.name, s.guessType(k.name), k.coding, found.st, found.etag)
	return s.keep(k, source{res, found.body}, read), nil
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

var _ message.Body = (*cache.Entry[key, *resource])(nil)

// etagOf is the entity-tag of content that has been read.
func (s *Site) etagOf(st status, data []byte, read time.Time) string {
	// The size is a fiction where the kernel makes the content up, as in sysfs; so are the times then.
	known := isOld(st, read) && int64(len(data)) == st.size
	if known {
		if etag, found := s.digests.get(st); found {
			return etag
		}
	}
	etag := contentETag(sha256.Sum256(data))
	if known {
		s.digests.put(st, etag)
	}
	return etag
}
