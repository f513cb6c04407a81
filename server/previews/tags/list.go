package tags

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/previewd/previewd/server/previews/registry"
)

const (
	// listEvery is how often the list of tags is read, and listAtMost how often on names that are not in it.
	listEvery  = time.Minute
	listAtMost = time.Second
	// listPause is the longest pause after it could not be read: when the registry is back, all of it is seen by that.
	listPause = 10 * time.Second
	// findEvery is how often a tag is asked for that is not in the list, where the registry has more than are listed.
	findEvery = time.Second / 5
	// findPatience is how long a visit of an unknown name waits for the registry: for the reading that is under way, until the next
	// may begin, and for that.
	findPatience = 5 * time.Second
)

// list is what is known of the list of tags. Tags.mu guards it.
type list struct {
	begun   time.Time     // when it was last begun to be read
	fresh   time.Time     // when the one that is known was begun to be read
	reading chan struct{} // closed when the reading under way is over; nil where none is
	tries   attempts      // to read it
	read    bool          // it has been read once
	more    bool          // there are more tags than are listed

	found   time.Time     // when a tag was last asked for that is not in the list
	finding chan struct{} // closed when that is answered; nil where none is asked for
	name    string        // its name
	problem error         // why that was not answered
}

// Names returns the names of all tags, sorted, and a number that is another one whenever they are others. Where nothing is
// known yet, the first list is waited for, for patience at most.
func (t *Tags) Names(ctx context.Context) (names []string, version uint64) {
	t.mu.Lock()
	if !t.list.read && len(t.tags) == 0 {
		if now := time.Now(); t.list.reading == nil && t.mayAsk(now) && !t.list.tries.wait(now) {
			t.readList(now)
		}
		t.await(ctx, t.list.reading)
	}
	names = make([]string, 0, len(t.tags))
	for name := range t.tags {
		names = append(names, name)
	}
	version = t.version.Load()
	t.mu.Unlock()
	slices.Sort(names)
	return names, version
}

// Version is that of Names.
func (t *Tags) Version() uint64 { return t.version.Load() }

// Find looks for a name that is not among those that are known: in a list that is begun to be read now or as soon as it may be,
// one for all who look, so that a tag is found that has been pushed a moment ago. Where the list does not have all tags, the one
// of that name is asked for. The answer is waited for, for findPatience at most. The error is why it is not known whether there is
// such a tag.
func (t *Tags) Find(ctx context.Context, name string) error {
	begun := time.Now()
	ctx, cancel := context.WithTimeout(ctx, findPatience)
	defer cancel()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.list.more && registry.IsTag(name) {
		return t.find(ctx, name)
	}
	for t.list.fresh.Before(begun) {
		now := time.Now()
		switch {
		case ctx.Err() != nil:
			return errUnanswered
		case !t.mayAsk(now):
			return t.notNow()
		case t.list.reading != nil:
			t.await(ctx, t.list.reading)
		case t.list.tries.wait(now):
			return t.list.tries.problem
		case now.Sub(t.list.begun) >= listAtMost:
			t.readList(now)
		default:
			t.sleep(ctx, t.list.begun.Add(listAtMost).Sub(now))
		}
	}
	return nil
}

var (
	errUnanswered = errors.New("the registry has not answered yet")
	errEnding     = errors.New("the server is about to end")
)

// notNow says why the registry may not be asked. The lock is held.
func (t *Tags) notNow() error {
	if t.ctx.Err() != nil {
		return errEnding
	}
	return fmt.Errorf("%w until %s", errPaused, t.paused.UTC().Format(time.RFC3339))
}

// sleep waits for some time, or until ctx ends, without the lock, which is held before and after.
func (t *Tags) sleep(ctx context.Context, d time.Duration) {
	t.mu.Unlock()
	defer t.mu.Lock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// readList begins to read the list. The lock is held.
func (t *Tags) readList(now time.Time) {
	done := make(chan struct{})
	t.list.begun, t.list.reading = now, done
	t.running.Go(func() {
		names, more, err := t.opts.Registry.Tags(t.ctx)
		if errors.Is(err, registry.ErrNotFound) { // nothing has been pushed yet
			names, more, err = nil, false, nil
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		defer close(done)
		defer t.awaken()
		t.list.reading = nil
		now := time.Now()
		if t.answered(err); err != nil {
			t.list.tries.fail(err, now, listAtMost, listPause)
		} else {
			t.listed(names, more, now)
			t.list.fresh = t.list.begun
		}
		t.tidy()
	})
}

// listed takes over which tags there are. The lock is held.
func (t *Tags) listed(names []string, more bool, now time.Time) {
	first := now
	if !t.list.read {
		first = time.Time{}
	}
	is := make(map[string]bool, len(names))
	for _, name := range names {
		is[name] = true
		t.add(name, first)
	}
	for name, g := range t.tags {
		// One that is not in the list may be there all the same, if that has not all. It is found again when somebody asks for it,
		// so that it need not be remembered.
		if _, used := t.used[g]; !is[name] && !(more && used) {
			t.drop(g)
		}
	}
	if t.list.tries.failed > 0 { // the registry is back, and may be asked for the tags that it did not answer for
		for g := range t.used {
			if g.questions.wait(now) {
				g.questions.due = now.Add(rand.N(t.opts.Check))
			}
		}
	}
	t.list.read, t.list.more, t.list.tries = true, more, attempts{}
}

// tidy forgets what is known of digests that no tag has. The lock is held.
func (t *Tags) tidy() {
	has := make(map[string]bool, len(t.tags))
	for _, g := range t.tags {
		has[g.digest] = true
	}
	for digest := range t.infos {
		if !has[digest] {
			delete(t.infos, digest)
		}
	}
	for digest := range t.refusals {
		if !has[digest] {
			delete(t.refusals, digest)
		}
	}
}

// add makes a tag known, which was seen first at a time. The lock is held.
func (t *Tags) add(name string, first time.Time) *tag {
	g := t.tags[name]
	if g == nil {
		g = &tag{name: name, first: first}
		t.tags[name] = g
		t.version.Add(1)
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
	t.version.Add(1)
	t.unsaved = t.unsaved || g.digest != ""
	t.release(g)
	g.change()
}

// find asks for a tag that is not in the list, as that has not all: one at a time, so that those who ask for names that are not
// there do not take the registry from others. The error is that of Find. The lock is held.
func (t *Tags) find(ctx context.Context, name string) error {
	now := time.Now()
	switch {
	case t.list.finding != nil && t.list.name == name: // another waits for it
	case !t.mayAsk(now):
		return t.notNow()
	case t.list.finding != nil || now.Sub(t.list.found) < findEvery:
		return errors.New("the registry is being asked for other names")
	default:
		t.readTag(name, now)
	}
	finding := t.list.finding
	t.await(ctx, finding)
	switch {
	case t.list.finding == finding:
		return errUnanswered
	case t.list.name == name:
		return t.list.problem
	}
	return nil
}

// readTag begins to ask for a tag that is not in the list. The lock is held.
func (t *Tags) readTag(name string, now time.Time) {
	done := make(chan struct{})
	t.list.found, t.list.finding, t.list.name, t.list.problem = now, done, name, nil
	t.running.Go(func() {
		digest, err := t.head(name)
		t.mu.Lock()
		defer t.mu.Unlock()
		defer close(done)
		t.list.finding = nil
		t.answered(err)
		switch {
		case errors.Is(err, registry.ErrNotFound):
		case err != nil:
			t.list.problem = err
		default:
			now := time.Now()
			g := t.add(name, now)
			g.digest, g.checked = digest, now
		}
	})
}
