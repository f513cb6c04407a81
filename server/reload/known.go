package reload

import (
	"container/list"
	"slices"
	"strings"
	"time"

	"github.com/previewd/previewd/server/message"
)

const (
	// maxNames is how many names are known, and maxSize how many bytes these and the paths that depend on them have.
	// Beyond, those of the path that was asked for longest ago are dropped.
	maxNames = 4000
	maxSize  = 4 << 20
	// maxPath is how long a path may be of which something is noted: PATH_MAX of Linux, so that no file has a longer one.
	maxPath = 4096
)

// name is a file, or what was looked for in vain, that answers depend on.
type name struct {
	path    string
	seen    message.FileState // as it was found last
	changed time.Time         // when a look found it changed
	agreed  bool              // the look after that found the same
	found   time.Time         // when it was there last; zero is never
	targets int               // paths that depend on it
	holders int               // pages and requests for which it is looked at
	// document says that a page depends on it: it is looked at while requests wait for a build.
	document bool
	dropped  bool // there were too many
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
	size    int        // bytes of the names and paths
	waits   int        // requests that wait for a build
	dropped func(n int)
}

func newKnown(dropped func(int)) known {
	return known{names: map[string]*name{}, targets: map[string]*target{}, order: list.New(), dropped: dropped}
}

// name returns the name of that path, which is new if it is not known.
func (k *known) name(path string) *name {
	n := k.names[path]
	if n == nil {
		path = strings.Clone(path)
		n = &name{path: path, agreed: true}
		k.names[path] = n
		k.size += len(path)
	}
	return n
}

// watches says whether a name is looked at.
func (k *known) watches(n *name) bool { return n.holders > 0 || n.document && k.waits > 0 }

func (k *known) remove(n *name) {
	delete(k.names, n.path)
	k.size -= len(n.path)
}

// forget forgets a name that nothing depends on any more.
func (k *known) forget(n *name) {
	if n.targets == 0 && n.holders == 0 && k.names[n.path] == n {
		k.remove(n)
	}
}

// note notes what an answer to a path has depended on, and says whether that is something new.
func (k *known) note(path string, files []message.File, now time.Time) (t *target, fresh bool) {
	t = k.target(path)
	given := serving{last: now}
	for _, f := range files {
		n := k.name(f.Name)
		if slices.Contains(given.names, n) {
			continue
		}
		if !k.watches(n) { // else the looks tell
			n.seen, n.agreed = f.State, true
		}
		if f.State.Found {
			n.found = now
		}
		given.names, given.versions = append(given.names, n), append(given.versions, versionOf(f.State))
	}
	if given.equal(&t.served) {
		t.served.last = now
		return t, false
	}
	gone := t.before
	for _, n := range given.names {
		n.targets++
	}
	t.before, t.served = t.served, given
	k.release(&gone)
	k.trim()
	return t, true
}

// target returns what is known of a path, new if that is nothing, as the one that was asked for last.
func (k *known) target(path string) *target {
	t := k.targets[path]
	if t == nil {
		path = strings.Clone(path)
		t = &target{path: path}
		t.element = k.order.PushFront(t)
		k.targets[path] = t
		k.size += len(path)
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

// trim drops the oldest until there are no more than maxNames, as many paths, and maxSize.
func (k *known) trim() {
	for len(k.names) > maxNames || k.order.Len() > maxNames || k.size > maxSize {
		t := k.order.Back().Value.(*target)
		before := len(k.names)
		k.order.Remove(t.element)
		delete(k.targets, t.path)
		k.size -= len(t.path)
		for _, s := range []*serving{&t.served, &t.before} {
			for _, n := range s.names {
				if n.targets--; n.targets == 0 {
					n.dropped = true
					k.remove(n)
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
