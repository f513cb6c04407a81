package tags

import (
	"sync/atomic"
	"time"

	"github.com/previewd/previewd/server/previews/store"
)

// Build is one that is held: by the tags that show it, and by those who have got it and have not left it yet. So it is not
// deleted while a request is in it, however often its tag moves.
type Build struct {
	*store.Build

	tags *Tags
	// holders grows with Tags.mu held, or while another hold lasts. Whoever takes the last one away looks again with the lock held.
	holders atomic.Int64
}

// use returns a build that is here, which the caller lets go. The lock is held.
func (t *Tags) use(digest string) (b *Build, here bool) {
	if b = t.builds[digest]; b == nil {
		stored, here := t.opts.Store.Use(digest)
		if !here {
			return nil, false
		}
		b = &Build{Build: stored, tags: t}
		t.builds[digest] = b
	}
	b.holders.Add(1)
	return b, true
}

// letGo ends one hold. The lock is held.
func (t *Tags) letGo(b *Build) {
	if b.holders.Add(-1) == 0 {
		t.free(b)
	}
}

// Hold holds it once more, until leave is called. The caller has got it, and has not left it yet.
func (b *Build) Hold() (leave func()) {
	b.holders.Add(1)
	return b.leave
}

// leave ends one hold. The lock is not held.
func (b *Build) leave() {
	if b == nil || b.holders.Add(-1) > 0 {
		return
	}
	b.tags.mu.Lock()
	defer b.tags.mu.Unlock()
	b.tags.free(b)
}

// free lets the store delete a build that nobody holds. The lock is held.
func (t *Tags) free(b *Build) {
	if b.holders.Load() > 0 || t.builds[b.Digest] != b {
		return
	}
	delete(t.builds, b.Digest)
	t.opts.Left(b.Directory)
	b.Release()
}

// held is what is shown, held for somebody who leaves it. The lock is held.
func (s Shown) held() Shown {
	for _, b := range []*Build{s.Build, s.Before} {
		if b != nil {
			b.holders.Add(1)
		}
	}
	return s
}

// Leave lets the builds go that were shown.
func (s Shown) Leave() {
	s.Build.leave()
	s.Before.leave()
}

// show has a tag show another build, of which it takes over the hold. The lock is held.
func (t *Tags) show(g *tag, b *Build, now time.Time) {
	if g.shown != nil {
		if g.before != nil {
			t.letGo(g.before)
		}
		g.before, g.until = g.shown, now.Add(keepsBefore)
	}
	g.shown, g.pulls = b, attempts{}
	if t.infos[b.Digest] == nil {
		t.infos[b.Digest] = recall(b.Digest, b.Meta)
	}
	t.unsaved = true
}

// release gives up the builds of a tag. The lock is held.
func (t *Tags) release(g *tag) {
	for _, b := range []*Build{g.shown, g.before} {
		if b != nil {
			t.letGo(b)
		}
	}
	g.shown, g.before = nil, nil
}
