package content

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/tree"
)

// loaded is one state of a file: its content, and the status and tag that go with it.
type loaded struct {
	body message.Body
	st   tree.Status
	tag  string // "" where none tells
}

// load turns an open file into content: one state of it, whole, or an error. A file of up to MaxFile
// bytes is read into memory while there is room, a larger one is sent from the file. name is the file's name in t.
// encoding is set if it is wanted in memory. It takes over f.
func (s *Store) load(ctx context.Context, t *tree.Tree, name string, f tree.File, st tree.Status, encoding bool) (loaded, error) {
	l := loading{store: s, ctx: ctx, t: t, name: name, f: f, start: s.now()}
	defer l.forget()
	for {
		var found loaded
		var err error
		c := s.room(st, encoding)
		if c != nil {
			found, err = l.loadWhole(c, st)
		} else {
			found, err = l.loadSection(st)
		}
		if err != nil {
			f.Close()
			return loaded{}, err
		}
		if found.body != nil {
			return found, nil
		}
		st = found.st
	}
}

// Section opens a file to be sent from the disk, whatever its size, once it is at rest. One that only grows then has changed
// too. An error is one of t.Open, or a *ReadError. The caller closes it.
func (s *Store) Section(ctx context.Context, t *tree.Tree, name string) (*message.FileSection, tree.Status, error) {
	f, st, err := t.Open(name)
	if err != nil {
		return nil, st, err
	}
	l := loading{store: s, ctx: ctx, t: t, name: name, f: f, start: s.now(), still: true}
	defer l.forget()
	for {
		found, err := l.loadSection(st)
		if err != nil {
			f.Close()
			return nil, st, &ReadError{err}
		}
		if found.body != nil {
			return found.body.(*message.FileSection), found.st, nil
		}
		st = found.st
	}
}

// room returns an empty content for a file, nil if the file is to be sent from the disk: it is too large, or
// nothing would be gained as the content is not kept, its tag is known, and it is not for encoding.
func (s *Store) room(st tree.Status, encoding bool) *buffer {
	if st.Size > s.opts.MaxFile {
		return nil
	}
	if s.cache == nil && !encoding {
		if _, known := s.digests.get(st); known {
			return nil
		}
	}
	return s.memory.lend(st.Size)
}

// loadWhole reads the file into c. There is no body if it has outgrown the buffer.
func (l *loading) loadWhole(c *buffer, st tree.Status) (loaded, error) {
	st, err := l.fill(c, st)
	if err != nil || c.data == nil {
		_ = c.Close()
		return loaded{st: st}, err
	}
	l.f.Close()
	return loaded{c, st, l.store.tagOf(st, c.data, l.start)}, nil
}

// loadSection waits for the file to come to rest, and leaves it open. There is no body if it is not the one
// any more that was asked for.
func (l *loading) loadSection(st tree.Status) (loaded, error) {
	s := l.store
	found, settled, err := l.watch(st)
	if err != nil {
		return loaded{st: found}, err
	}
	if l.growth.isLog && l.still {
		return loaded{}, ErrRestless
	}
	if l.growth.isLog {
		first := l.growth.st
		return loaded{body: l.section(first, false, l.growth.evidence), st: first}, nil
	}
	if found.Size != st.Size {
		return loaded{st: found}, nil
	}
	if !settled && st.Size == 0 {
		return loaded{}, ErrRestless // no last bytes to hold back
	}
	var seen *evidence
	if settled && !l.still && mayGrow(l.f, found, s.now()) {
		if seen, err = endsOf(l.ctx, l.f, found.Size); err != nil {
			return loaded{}, fmt.Errorf("reading: %w", err)
		}
		if after, err := l.f.Status(); err != nil || after != found {
			return loaded{st: after}, err
		}
	}
	if s.opts.Untagged || l.still {
		return loaded{l.section(found, settled, seen), found, ""}, nil
	}
	tag, known := s.digests.get(found)
	if !known && st.Size > s.opts.MaxFile {
		if tag, err = l.largeTag(found, settled); err != nil {
			return loaded{}, err
		}
		return loaded{l.section(found, settled, seen), found, tag}, nil
	}
	if !known {
		var after tree.Status
		if tag, after, err = l.digest(found); err != nil {
			return loaded{}, err
		}
		if after != found {
			if s.now().Sub(l.start) > recent {
				return loaded{}, ErrRestless
			}
			return loaded{st: after}, nil
		}
	}
	return loaded{l.section(found, settled, seen), found, tag}, nil
}

// digest reads the file through for its tag, and returns its status afterwards. The tag is remembered if no later write
// can look the same.
func (l *loading) digest(st tree.Status) (tag string, after tree.Status, err error) {
	read := l.store.now()
	if tag, err = digest(l.ctx, l.f, st.Size); err != nil {
		return "", st, fmt.Errorf("reading: %w", err)
	}
	after, err = l.f.Status()
	if err == nil && after == st && isOld(st, read) {
		l.store.digests.put(st, tag)
	}
	return tag, after, err
}

// maxDigested is the size in bytes up to which a file beyond MaxFile is read through for its tag, once for each version:
// a tenth of a second, and then it is the same on every replica, so that a download can go on at another.
const maxDigested = 64 << 20

// largeTag is the tag of a file that is too large to be kept: that of its content where this can be had, else one that
// tells which version of which file it is; none for a file that has just changed or has no identity.
func (l *loading) largeTag(st tree.Status, settled bool) (string, error) {
	if st.Size > maxDigested {
		return versionTag(st, l.store.now()), nil
	}
	if !settled {
		return "", nil
	}
	// Of many who want the same one reads it at a time, as reading takes a processor. Where it has just changed, what one
	// finds is not for the next.
	for alone := false; !alone; {
		done, err := l.store.loads.alone(l.ctx, key{of: l.t.Of(), name: l.name, digest: true}, l.store.opts.Disk)
		if err != nil {
			return "", err
		}
		if alone = done != nil; alone {
			defer done()
		}
		if tag, known := l.store.digests.get(st); known {
			return tag, nil
		}
	}
	tag, after, err := l.digest(st)
	if err != nil || after != st {
		return "", err // what became of it shows when it is sent
	}
	return tag, nil
}

// section answers with the file, which stays open.
func (l *loading) section(st tree.Status, rested bool, seen *evidence) message.Body {
	w := &sent{ctx: l.ctx, store: l.store, f: l.f, st: st, rested: rested, seen: seen}
	t, name := l.t, l.name
	w.isElsewhere = func() bool { return t.LeadsElsewhere(name, st) }
	return &message.FileSection{File: l.f.OSFile(), Length: st.Size, Begin: w.begin, Unchanged: w.unchanged, Disk: l.store.opts.Disk}
}

// loading is what is remembered while a file is read.
type loading struct {
	store *Store
	ctx   context.Context
	t     *tree.Tree
	name  string
	f     tree.File
	start time.Time
	// early is the file as it was when it was first seen to change, nil if it was not.
	early   *buffer
	earlySt tree.Status
	// still is set where a file may not even grow while it is sent, and nobody asks for a tag.
	still bool
	// growth is that of a file that is sent from the disk.
	growth growth
}

func (l *loading) forget() {
	if l.early != nil {
		l.early.Close()
	}
}

// fill reads the file between two equal statuses, the first of them when it has been unchanged for a while, and returns the status that
// goes with c.data. That stays nil if the file has outgrown the buffer.
func (l *loading) fill(c *buffer, st tree.Status) (tree.Status, error) {
	for st.Size <= int64(len(c.buf)) {
		settled, err := l.settle(c, &st)
		if err != nil || c.data != nil {
			return l.earlySt, err
		}
		if !settled || st.Size > int64(len(c.buf)) {
			continue
		}
		n, err := l.f.ReadAt(c.buf[:st.Size], 0)
		if err != nil {
			return st, fmt.Errorf("reading: %w", err)
		}
		after, err := l.f.Status()
		if err != nil {
			return st, err
		}
		if after == st {
			c.data = c.buf[:n] // n is below the size only where sizes are fictions, as in sysfs
			return st, nil
		}
		st = after
	}
	return st, nil
}

// settle waits a while for the file to come to rest and says whether it has. It fills c with what there
// was at first if that turns out to be a log.
func (l *loading) settle(c *buffer, st *tree.Status) (settled bool, err error) {
	if unrest(l.f, *st, l.store.now()) == 0 {
		return true, nil
	}
	if err = l.remember(c.memory, *st); err != nil {
		return false, err
	}
	until := l.start.Add(patience)
	if now := l.store.now(); now.After(until) {
		until = now.Add(quiet)
	}
	if *st, settled, err = l.store.settle(l.ctx, l.f, *st, until); err != nil || settled {
		return settled, err
	}
	if isLog, err := l.isLog(c, *st); isLog || err != nil {
		return false, err
	}
	if l.store.now().Sub(l.start) > recent {
		err = ErrRestless
	}
	return false, err
}

// remember reads what there is of the file at first, if there is memory for it. Nothing tells nothing.
func (l *loading) remember(m *memory, st tree.Status) error {
	if l.early != nil && len(l.early.data) > 0 {
		return nil
	}
	l.forget()
	if l.early = m.lend(st.Size); l.early == nil {
		return nil
	}
	n, err := l.f.ReadAt(l.early.buf[:st.Size], 0)
	l.early.data, l.earlySt = l.early.buf[:n], st
	return err
}

// isLog says whether the file is only ever appended to: it has grown, and what was there at first stands.
// That is then the content of c.
func (l *loading) isLog(c *buffer, st tree.Status) (bool, error) {
	if l.early == nil {
		return false, nil
	}
	size := len(l.early.data)
	if size == 0 || int64(size) < l.earlySt.Size || st.Size <= int64(size) || size > len(c.buf) {
		return false, nil
	}
	n, err := l.f.ReadAt(c.buf[:size], 0)
	if err != nil || !bytes.Equal(c.buf[:n], l.early.data) {
		return false, err
	}
	c.data = c.buf[:n]
	return true, nil
}
