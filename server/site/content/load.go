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
	tag  string
	weak bool
}

// load turns an open file into content: one state of it, whole, or an error. A file of up to MaxFile
// bytes is read into memory while there is room, a larger one is sent from the file. encoding is set if it is
// wanted in memory. It takes over f.
func (s *Store) load(ctx context.Context, f tree.File, st tree.Status, encoding bool) (loaded, error) {
	l := loading{store: s, ctx: ctx, f: f, start: s.now()}
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
	return loaded{c, st, l.store.tagOf(st, c.data, l.start), false}, nil
}

// loadSection waits for the file to come to rest, and leaves it open. There is no body if it is not the one
// any more that was asked for.
func (l *loading) loadSection(st tree.Status) (loaded, error) {
	s := l.store
	found, settled, err := s.settle(l.ctx, l.f, st, l.start.Add(recent))
	if err != nil || found.Size != st.Size {
		return loaded{st: found}, err
	}
	if !settled && st.Size == 0 {
		return loaded{}, ErrRestless // no last bytes to hold back
	}
	if st.Size > s.opts.MaxFile {
		tag, weak := sizeTag(found, s.now())
		return loaded{s.section(l.f, found), found, tag, weak}, nil
	}
	tag, known := s.digests.get(found)
	if !known {
		if tag, err = digest(l.f, found.Size); err != nil {
			return loaded{}, fmt.Errorf("reading: %w", err)
		}
		after, err := l.f.Status()
		if err == nil && after != found && l.store.now().Sub(l.start) > recent {
			err = ErrRestless
		}
		if err != nil || after != found {
			return loaded{st: after}, err
		}
		if isOld(found, l.start) {
			s.digests.put(found, tag)
		}
	}
	return loaded{s.section(l.f, found), found, tag, false}, nil
}

// section answers with a file that stays open. Its end is held back until it is seen to be unchanged.
func (s *Store) section(f tree.File, st tree.Status) message.Body {
	unchanged := func() error {
		now, err := f.Status()
		if err == nil && (now != st || unrest(f, st, s.now()) > 0) {
			err = message.ErrChanged
		}
		return err
	}
	return &message.FileSection{File: f.OSFile(), Length: st.Size, Unchanged: unchanged, Disk: s.opts.Disk}
}

// loading is what is remembered while a file is read.
type loading struct {
	store *Store
	ctx   context.Context
	f     tree.File
	start time.Time
	// early is the file as it was when it was first seen to change, nil if it was not.
	early   *buffer
	earlySt tree.Status
}

func (l *loading) forget() {
	if l.early != nil {
		l.early.Close()
	}
}

// fill reads the file between two equal statuses, the first of them at rest, and returns the status that
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
