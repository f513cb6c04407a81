package previews

import (
	"errors"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/previewd/previewd/server/site/tree"
)

const (
	// maxNames bounds the memory for the names of directories, in bytes: some 20,000 of them.
	maxNames = 1 << 20
	// settled is how long ago a directory must have changed for its status to tell that it has not changed since.
	settled = 2 * time.Second
	// stale is how old names may be before one that is not among them is looked for again, on a mount whose directories
	// have no times.
	stale = time.Second
)

// errTooMany is reported where there are more names than there is memory for.
var errTooMany = errors.New("there are too many names in the directory of the previews")

// names are the directories, or the tags, that there are. They do not change.
type names struct {
	kind  string // what they are names of: "directory" or "tag"
	round uint64
	read  time.Time
	// status is that of the directory, before they were read; version that of the list of tags.
	status  tree.Status
	version uint64
	// all are in the order of their names. labels has those that a label leads to.
	all    []*entry
	labels map[string]*entry
	served int // how many are not refused
}

// entry is a directory, or a tag.
type entry struct {
	name, label string
	// refused is why it is no preview; "" where it is one.
	refused string
	// twins are all who have the label, where these are several.
	twins []string
}

// find returns the entry that a label leads to, nil where there is none. A directory that is called so needs no other names
// to be known. The caller has entered the gate of the disk.
func (p *Previews) find(label string) (*entry, error) {
	if p.open.has(label) { // whoever uses it finds out whether it is there
		return &entry{name: label, label: label}, nil
	}
	t, err := p.opts.Directory.Acquire()
	if err != nil {
		return nil, err
	}
	defer t.Release()
	if st, err := t.Stat(label); err == nil && st.Mode.IsDir() {
		return &entry{name: label, label: label}, nil
	}
	n, err := p.names(t, false)
	if err == nil && n.labels[label] == nil {
		n, err = p.names(t, true)
	}
	if err != nil {
		return nil, err
	}
	return n.labels[label], nil
}

// names returns the names as they are now. missed is set where one is looked for that is not among those that are known.
func (p *Previews) names(t *tree.Tree, missed bool) (*names, error) {
	round := p.rounds.Load()
	st, err := t.LookHere(".")
	if err != nil {
		return nil, err
	}
	if n := p.current.Load(); n != nil && n.status == st && n.read.Sub(st.Ctime.Time()) >= settled && !(missed && time.Since(n.read) >= stale) {
		return n, nil
	}
	p.reading.Lock()
	defer p.reading.Unlock()
	before := p.current.Load()
	if before != nil && before.round > round { // another has begun to read them after this was asked for
		return before, nil
	}
	n := &names{kind: "directory", round: p.rounds.Add(1), read: time.Now()}
	left := int64(maxNames)
	list, st, err := t.ReadDir(".", func(bytes int64) bool { left -= bytes; return left >= 0 })
	if errors.Is(err, tree.ErrNoRoom) {
		return nil, errTooMany
	}
	if err != nil {
		return nil, err
	}
	n.status = st
	for _, e := range list {
		if is, refused := isDirectory(t, e); is {
			n.all = append(n.all, &entry{name: e.Name, refused: refused})
		}
	}
	n.label()
	p.replace(before, n)
	return n, nil
}

// replace makes names those that are known, and remembers which were there before.
func (p *Previews) replace(before, n *names) {
	p.current.Store(n)
	if before == nil {
		return
	}
	for label, e := range before.labels {
		if n.labels[label] == nil && e.refused == "" {
			p.gone.add(label, n.read)
		}
	}
}

// lostAndFound is a directory that ext4 has at the top of each volume.
const lostAndFound = "lost+found"

// isDirectory says whether an entry is a directory, or a link to one, and why that is not served.
func isDirectory(t *tree.Tree, e tree.Entry) (is bool, refused string) {
	if e.Mode.IsDir() || e.Mode&(fs.ModeSymlink|fs.ModeIrregular) == 0 {
		return e.Mode.IsDir() && e.Name != lostAndFound, ""
	}
	st, err := t.Stat(e.Name)
	if tree.IsRefused(err) {
		st, lookErr := t.Look(e.Name, true)
		return lookErr != nil || st.Mode.IsDir(), err.Error()
	}
	return err == nil && st.Mode.IsDir(), ""
}

// label gives each name its label. One that is called so has it before any that has it by the slug rule; of several
// that have it by that rule none has it.
func (n *names) label() {
	n.labels = map[string]*entry{}
	slices.SortFunc(n.all, func(a, b *entry) int { return strings.Compare(a.name, b.name) })
	for _, e := range n.all {
		if isLabel(e.name) {
			e.label = e.name
			n.labels[e.label] = e
		}
	}
	bySlug := map[string][]*entry{}
	for _, e := range n.all {
		if e.label != "" {
			continue
		}
		e.label = slug(e.name)
		switch exact := n.labels[e.label]; {
		case e.label == "":
			e.refused = "its name has no letter and no digit for a host name"
		case exact != nil:
			e.refused = "the " + n.kind + " that is called " + e.label + " has this name"
		default:
			bySlug[e.label] = append(bySlug[e.label], e)
		}
	}
	for label, all := range bySlug {
		n.labels[label] = all[0]
		if len(all) == 1 {
			continue
		}
		var twins []string
		for _, e := range all {
			twins = append(twins, e.name)
		}
		for _, e := range all {
			e.twins, e.refused = twins, enumerate(twins)+" have the same host name"
		}
	}
	for _, e := range n.all {
		if e.refused == "" {
			n.served++
		}
	}
}

// maxTwins is how many names a message has.
const maxTwins = 5

// enumerate is a list of names in a sentence.
func enumerate(list []string) string {
	var b strings.Builder
	for i, name := range list {
		switch {
		case i == maxTwins:
			return b.String() + " and others"
		case i > 0 && i == len(list)-1:
			b.WriteString(" and ")
		case i > 0:
			b.WriteString(", ")
		}
		b.WriteString(strconv.Quote(name))
	}
	return b.String()
}

// maxGone is how many previews are remembered that are gone.
const maxGone = 1000

// gone are previews that were there.
type gone struct {
	mu    sync.Mutex
	since map[string]time.Time // when that was seen, by label
}

func (g *gone) add(label string, at time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for other := range g.since {
		if len(g.since) < maxGone {
			break
		}
		delete(g.since, other)
	}
	g.since[label] = at
}

func (g *gone) seen(label string) (at time.Time, is bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	at, is = g.since[label]
	return at, is
}
