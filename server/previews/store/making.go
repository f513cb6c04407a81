package store

import (
	"context"
	"errors"
	"fmt"
	"path"
)

// making is something that one caller makes in staging, and others wait for. All but staged and claim belongs to the store's
// lock; entry and err are read without it once done is closed.
type making struct {
	staged string // its name until it is whole
	claim  claim

	done    chan struct{}
	waiting int  // those for whom the entry will be held
	left    bool // the one who made it was called off: another goes on
	entry   *entry
	err     error
	watch   map[*watcher]struct{}
}

// watcher is someone who wants to know how much of something is here.
type watcher struct{ progress func(bytes int64) }

// obtain returns an entry, held: the one that is here, or what create makes in staging. Of several callers at once, one makes it.
// If that one is called off, another goes on; all other errors are for all.
func (s *Store) obtain(ctx context.Context, name string, w *watcher, create func(*making) (*entry, error)) (*entry, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			return nil, errClosed
		}
		if e := s.here[name]; e != nil {
			e.holders++
			s.mu.Unlock()
			return e, nil
		}
		m := s.making[name]
		first := m == nil
		if first {
			m = &making{staged: s.stage(), claim: claim{store: s}, done: make(chan struct{}), watch: map[*watcher]struct{}{}}
			s.making[name] = m
			s.makers.Add(1)
		} else {
			m.waiting++
		}
		m.watch[w] = struct{}{}
		s.mu.Unlock()
		if first {
			return s.make(ctx, name, m, create)
		}
		if err := s.await(ctx, m, w); err != nil {
			return nil, err
		}
		if !m.left {
			return m.entry, m.err
		}
	}
}

// make makes it for all who wait, and renames it into place. A panic ends it as an error does.
func (s *Store) make(ctx context.Context, name string, m *making, create func(*making) (*entry, error)) (e *entry, err error) {
	err = errors.New("the making of it has panicked")
	defer func() {
		if err != nil {
			e = nil
			err = errors.Join(err, s.root.RemoveAll(m.staged))
			if isFull(err) {
				err = errors.Join(err, s.relieve(m.claim.bytes))
			}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.making, name)
		m.claim.end()
		if err == nil {
			e.holders = 1 + m.waiting
			s.put(e)
		}
		s.measure()
		m.entry, m.err, m.left = e, err, err != nil && ctx.Err() != nil
		close(m.done)
		s.makers.Done()
	}()
	if e, err = create(m); err != nil {
		return nil, err
	}
	if err = s.root.Rename(m.staged, name); err != nil {
		return nil, fmt.Errorf("putting %s into the store of previews: %w", name, err)
	}
	_ = syncDirectory(s.root, path.Dir(name)) // without it, a machine that fails now forgets the name; it is made again
	return e, nil
}

// await waits until it is made, or ctx ends.
func (s *Store) await(ctx context.Context, m *making, w *watcher) error {
	select {
	case <-m.done:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	delete(m.watch, w)
	select {
	case <-m.done:
		s.mu.Unlock()
		if m.err == nil {
			s.release(m.entry)
		}
	default:
		m.waiting--
		s.mu.Unlock()
	}
	return ctx.Err()
}

// came tells those who watch how many bytes are here.
func (s *Store) came(m *making, bytes int64) {
	s.mu.Lock()
	watchers := make([]*watcher, 0, len(m.watch))
	for w := range m.watch {
		watchers = append(watchers, w)
	}
	s.mu.Unlock()
	for _, w := range watchers {
		if w.progress != nil {
			w.progress(bytes)
		}
	}
}
