package site

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"sync"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/coding"
	"github.com/previewd/previewd/server/site/content"
	"github.com/previewd/previewd/server/site/listing"
	"github.com/previewd/previewd/server/site/tree"
)

// One of many who ask for the same directory at the same time reads it for all. A page of some names is made once and
// sent to all. The names of a larger one are in memory once, and each answer makes the page while it is sent.

// sharedKey is what one reading is for.
type sharedKey struct {
	tree   *tree.Tree
	name   string
	form   content.Form
	coding coding.Coding
	// loose is set for a page that is made while it is sent whatever its size: one for an unusual spelling of the path.
	loose bool
}

// shared is what was read for all who asked.
type shared struct {
	all *sharing
	key sharedKey
	dir *listing.Directory // nil where the page is all that is needed
	// readme is the name of the file whose text is shown below the names, "" if there is none. sum tells what a rich page
	// shows from anything else that might be.
	readme, text string
	sum          [sha256.Size]byte
	page         content.Source // its Body is nil where it is made while it is sent
	// free gives back what both take; it may be nil.
	free    func()
	settled bool
	users   int // guarded by all.mu
}

// sharing lets those who ask for the same share it. The zero value is ready for use.
type sharing struct {
	mu sync.Mutex
	// running are rounds that have begun, waiting those that begin when the running one of the same key has ended. Who
	// comes during a round waits for the next: what that sees is not older than the question.
	running, waiting map[sharedKey]*round
	// large are the names in use, which others may use too as long as they are true.
	large map[sharedKey]*shared
}

// round is one reading for all who have asked before it began.
type round struct {
	done   chan struct{}
	users  int // guarded by sharing.mu
	result *shared
	err    error
}

// errGivenUp is reported to those who waited for a reading that did not end.
var errGivenUp = errors.New("reading the directory failed")

// get returns what read reads, which the caller gives back by leave. It is called by one of those who ask at the same
// time. disk is left while another reads.
func (s *sharing) get(ctx context.Context, key sharedKey, disk message.Gate, read func() (*shared, error)) (*shared, error) {
	s.mu.Lock()
	if r := s.waiting[key]; r != nil {
		r.users++
		s.mu.Unlock()
		return s.await(ctx, r, disk)
	}
	r := &round{done: make(chan struct{}), users: 1}
	if s.running == nil {
		s.running, s.waiting, s.large = map[sharedKey]*round{}, map[sharedKey]*round{}, map[sharedKey]*shared{}
	}
	if before := s.running[key]; before != nil {
		s.waiting[key] = r
		s.mu.Unlock()
		disk.Leave()
		<-before.done
		disk.Enter()
		s.mu.Lock()
		delete(s.waiting, key)
	}
	s.running[key] = r
	s.mu.Unlock()
	return s.run(r, key, read)
}

// run reads, for all who have joined the round.
func (s *sharing) run(r *round, key sharedKey, read func() (*shared, error)) (*shared, error) {
	r.err = errGivenUp // if read panics
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.running, key)
		if found := r.result; found != nil {
			found.all, found.key, found.users = s, key, r.users
			if found.dir != nil && found.page.Body == nil && found.settled {
				s.large[key] = found
			}
		}
		close(r.done)
	}()
	r.result, r.err = read()
	return r.result, r.err
}

// await waits for the end of a round that another leads.
func (s *sharing) await(ctx context.Context, r *round, disk message.Gate) (*shared, error) {
	disk.Leave()
	defer disk.Enter()
	select {
	case <-r.done:
		return r.result, r.err
	case <-ctx.Done():
	}
	s.mu.Lock()
	select {
	case <-r.done:
		s.mu.Unlock()
		if r.err == nil {
			r.result.leave()
		}
	default:
		r.users--
		s.mu.Unlock()
	}
	return nil, ctx.Err()
}

// join returns the names of a large directory that others use, if isTrue says that they are true.
func (s *sharing) join(key sharedKey, isTrue func(*listing.Directory) bool) (*shared, bool) {
	s.mu.Lock()
	found := s.large[key]
	if found == nil {
		s.mu.Unlock()
		return nil, false
	}
	found.users++
	s.mu.Unlock()
	if isTrue(found.dir) {
		return found, true
	}
	found.leave()
	return nil, false
}

// leave gives back what get returned.
func (f *shared) leave() {
	f.all.mu.Lock()
	f.users--
	last := f.users == 0
	if last && f.all.large[f.key] == f {
		delete(f.all.large, f.key)
	}
	f.all.mu.Unlock()
	if !last {
		return
	}
	if f.page.Body != nil {
		f.page.Close()
	}
	if f.free != nil {
		f.free()
	}
}

// sharedPage is a message.Body: a page in memory that many are sent.
type sharedPage struct {
	of   *shared
	data []byte
}

// Len returns the length in bytes.
func (p *sharedPage) Len() int64 { return int64(len(p.data)) }

// InMemory returns the content, see message.InMemory. It may be used until Close.
func (p *sharedPage) InMemory() []byte { return p.data }

// WriteTo writes the page in one call.
func (p *sharedPage) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(p.data)
	return int64(n), err
}

// Close gives the page back.
func (p *sharedPage) Close() error {
	p.of.leave()
	return nil
}

// madePage is a message.Body: a page that is made while it is sent.
type madePage struct {
	message.Body
	close func()
}

// Close gives back what the page is made of.
func (p *madePage) Close() error {
	p.close()
	return p.Body.Close()
}
