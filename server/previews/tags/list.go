package tags

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/previewd/previewd/server/previews/registry"
)

const (
	// listEvery is how often the list of tags is read, and listAtMost how often on names that are not in it.
	listEvery  = time.Minute
	listAtMost = time.Second
)

// list is what is known of the list of tags. Tags.mu guards it.
type list struct {
	begun   time.Time     // when it was last begun to be read
	reading chan struct{} // closed when the reading under way is over; nil where none is
	read    bool          // it has been read once
	more    bool          // there are more tags than are listed
	version uint64        // another one whenever there are other tags
}

// Names returns the names of all tags, sorted, and a number that is another one whenever they are others. missed is a name
// that is looked for and not among those that are known: then the list is read once more. That is waited for, as it is where
// nothing is known yet, for patience at most.
func (t *Tags) Names(ctx context.Context, missed string) (names []string, version uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := time.Now(); missed != "" || !t.list.read && len(t.tags) == 0 {
		if t.list.reading == nil && now.Sub(t.list.begun) >= listAtMost && !now.Before(t.paused) {
			t.readList(now)
		}
		t.await(ctx, t.list.reading)
	}
	if missed != "" && t.list.more && t.tags[missed] == nil && registry.IsTag(missed) {
		t.await(ctx, t.find(missed))
	}
	names = make([]string, 0, len(t.tags))
	for name := range t.tags {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, t.list.version
}

// Version is that of Names.
func (t *Tags) Version() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.list.version
}

// readList begins to read the list. The lock is held.
func (t *Tags) readList(now time.Time) {
	done := make(chan struct{})
	t.list.begun, t.list.reading = now, done
	t.running.Go(func() {
		ctx, cancel := context.WithTimeout(t.ctx, questionTimeout)
		defer cancel()
		names, more, err := t.opts.Registry.Tags(ctx)
		if errors.Is(err, registry.ErrNotFound) { // nothing has been pushed yet
			names, more, err = nil, false, nil
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		defer close(done)
		t.list.reading = nil
		if t.answered(err); err == nil {
			t.list.read, t.list.more = true, more
			t.listed(names)
		}
	})
}

// listed takes over which tags there are. The lock is held.
func (t *Tags) listed(names []string) {
	now := time.Now()
	is := make(map[string]bool, len(names))
	for _, name := range names {
		is[name] = true
		t.add(name, now)
	}
	for name, g := range t.tags {
		if !is[name] && !t.list.more {
			t.drop(g)
		}
	}
	digests := map[string]bool{}
	for _, g := range t.tags {
		digests[g.digest] = true
	}
	for digest := range t.infos {
		if !digests[digest] {
			delete(t.infos, digest)
		}
	}
	for digest := range t.refusals {
		if !digests[digest] {
			delete(t.refusals, digest)
		}
	}
}

// add makes a tag known. The lock is held.
func (t *Tags) add(name string, now time.Time) *tag {
	g := t.tags[name]
	if g == nil {
		g = &tag{name: name, first: now}
		t.tags[name] = g
		t.list.version++
	}
	return g
}

// drop forgets a tag that is no longer there. The lock is held.
func (t *Tags) drop(g *tag) {
	if t.tags[g.name] != g {
		return
	}
	delete(t.tags, g.name)
	delete(t.used, g)
	t.list.version++
	t.unsaved = t.unsaved || g.digest != ""
	t.release(g)
}

// find asks for a tag that is not in the list, as that has more tags than are listed. The lock is held.
func (t *Tags) find(name string) (done chan struct{}) {
	if time.Now().Before(t.paused) || t.asking >= maxAsking {
		return nil
	}
	done = make(chan struct{})
	t.asking++
	t.running.Go(func() {
		digest, err := t.head(name)
		t.mu.Lock()
		defer t.mu.Unlock()
		defer close(done)
		t.asking--
		if t.answered(err); err == nil {
			now := time.Now()
			g := t.add(name, now)
			g.digest, g.checked = digest, now
		}
	})
	return done
}
