package reload

import (
	"container/list"
	"slices"
	"time"

	"github.com/previewd/previewd/server/message"
)

// maxNames is how many names are known. Beyond, those of the path that was asked for longest ago are dropped.
const maxNames = 4000

// name is a file, or what was looked for in vain, that answers depend on.
type name struct {
	path    string
	seen    message.FileState // as it was found last
	changed time.Time         // when a look found it changed
	agreed  bool              // the look after that found the same
	found   time.Time         // when it was there last; zero is never
	targets int               // paths that depend on it
	holders int               // pages and requests for which it is looked at
	dropped bool              // there were too many
}

// version tells states apart, also after a restart. 0 is that of a name that leads to nothing.
type version uint64

// versionOf is FNV-1a of what a state has, the device aside, as that may be another one when the same directory is mounted again.
func versionOf(s message.FileState) version {
	if !s.Found {
		return 0
	}
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	dir := int64(0)
	if s.Dir {
		dir = 1
	}
	for _, part := range [...]uint64{uint64(dir), s.Inode, uint64(s.Size), uint64(s.Modified), uint64(s.Changed)} {
		for range 8 {
			h = (h ^ part&0xff) * prime
			part >>= 8
		}
	}
	return version(max(h, 1))
}

// target is a path of the site that was asked for.
type target struct {
	path     string
	document bool // it was asked for as a page
	// served are the names and versions of the last answer, before those of the last one that was different.
	served, before serving
	element        *list.Element
}

// serving is what an answer has depended on, and when it was given last.
type serving struct {
	names    []*name
	versions []version
	last     time.Time
}

func (s *serving) equal(other *serving) bool {
	return slices.Equal(s.names, other.names) && slices.Equal(s.versions, other.versions)
}

// known is all that clients have asked for, within bounds.
type known struct {
	names   map[string]*name
	targets map[string]*target
	order   *list.List // of *target, the one that was asked for last in front
	dropped func(n int)
}

func newKnown(dropped func(int)) known {
	return known{names: map[string]*name{}, targets: map[string]*target{}, order: list.New(), dropped: dropped}
}

// name returns the name of that path, which is new if it is not known.
func (k *known) name(path string) *name {
	n := k.names[path]
	if n == nil {
		n = &name{path: path, agreed: true}
		k.names[path] = n
	}
	return n
}

// forget forgets a name that nothing depends on any more.
func (k *known) forget(n *name) {
	if n.targets == 0 && n.holders == 0 && k.names[n.path] == n {
		delete(k.names, n.path)
	}
}

// note notes what an answer to a path has depended on.
func (k *known) note(path string, files []message.File, now time.Time) *target {
	t := k.target(path)
	given := serving{last: now}
	for _, f := range files {
		n := k.name(f.Name)
		if slices.Contains(given.names, n) {
			continue
		}
		if n.holders == 0 { // else the looks tell
			n.seen, n.agreed = f.State, true
		}
		if f.State.Found {
			n.found = now
		}
		given.names, given.versions = append(given.names, n), append(given.versions, versionOf(f.State))
	}
	if given.equal(&t.served) {
		t.served.last = now
		return t
	}
	gone := t.before
	for _, n := range given.names {
		n.targets++
	}
	t.before, t.served = t.served, given
	k.release(&gone)
	k.trim()
	return t
}

// target returns what is known of a path, new if that is nothing, as the one that was asked for last.
func (k *known) target(path string) *target {
	t := k.targets[path]
	if t == nil {
		t = &target{path: path}
		t.element = k.order.PushFront(t)
		k.targets[path] = t
	}
	k.order.MoveToFront(t.element)
	return t
}

func (k *known) release(s *serving) {
	for _, n := range s.names {
		n.targets--
		k.forget(n)
	}
}

// trim drops the oldest until there are no more than maxNames, and as many paths.
func (k *known) trim() {
	for len(k.names) > maxNames || k.order.Len() > maxNames {
		t := k.order.Back().Value.(*target)
		before := len(k.names)
		k.order.Remove(t.element)
		delete(k.targets, t.path)
		for _, s := range []*serving{&t.served, &t.before} {
			for _, n := range s.names {
				if n.targets--; n.targets == 0 {
					n.dropped = true
					delete(k.names, n.path)
				}
			}
		}
		k.dropped(before - len(k.names))
		if k.order.Len() == 0 {
			return
		}
	}
}

// shown returns what a page shows of a path that it has loaded since a time: what was served last. If something else was
// served since then too, it may be that, and a page that is told of one change too many is better than one that misses it.
func (t *target) shown(since time.Time) *serving {
	if t.before.last.After(since) {
		return &t.before
	}
	return &t.served
}

// shown notes what a page shows of a path, so that its names are known.
func (k *known) shown(path string, s serving) {
	t := k.target(path)
	for _, n := range s.names {
		if !slices.Contains(t.served.names, n) {
			gone := t.before
			for _, n := range s.names {
				n.targets++
			}
			t.before = serving{names: s.names, versions: s.versions} // never: no page is taken to show it
			k.release(&gone)
			return
		}
	}
}
