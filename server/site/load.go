package site

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/previewd/previewd/server/message"
)

// loaded is one state of a file: its content, and the status and entity-tag that go with it.
type loaded struct {
	body message.Body
	st   status
	etag string
}

// load turns an open file into content: one state of it, whole, or an error. A file of up to MaxFile
// bytes is read into memory while there is room, a larger one is sent from the file. encoding is set if it is
// wanted in memory. It takes over f.
func (s *Site) load(ctx context.Context, f file, st status, encoding bool) (loaded, error) {
	l := loading{site: s, ctx: ctx, f: f, start: s.now()}
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
			f.close()
			return loaded{}, err
		}
		if found.body != nil {
			return found, nil
		}
		st = found.st
	}
}

// room returns an empty content for a file, nil if the file is to be sent from the disk: it is too large, or
// nothing would be gained as the content is not kept, its entity-tag is known, and it is not for encoding.
func (s *Site) room(st status, encoding bool) *content {
	if st.size > s.opts.MaxFile {
		return nil
	}
	if s.cache == nil && !encoding {
		if _, known := s.digests.get(st); known {
			return nil
		}
	}
	return s.memory.lend(st.size)
}

// loadWhole reads the file into c. There is no body if it has outgrown the buffer.
func (l *loading) loadWhole(c *content, st status) (loaded, error) {
	st, err := l.fill(c, st)
	if err != nil || c.data == nil {
		_ = c.Close()
		return loaded{st: st}, err
	}
	l.f.close()
	return loaded{c, st, l.site.etagOf(st, c.data, l.start)}, nil
}

// loadSection waits for the file to come to rest, and leaves it open. There is no body if it is not the one
// any more that was asked for.
func (l *loading) loadSection(st status) (loaded, error) {
	s := l.site
	found, settled, err := s.settle(l.ctx, l.f, st, l.start.Add(recent))
	if err != nil || found.size != st.size {
		return loaded{st: found}, err
	}
	if !settled && st.size == 0 {
		return loaded{}, errRestless // no last bytes to hold back
	}
	if st.size > s.opts.MaxFile {
		return loaded{s.section(l.f, found), found, sizeETag(found, s.now())}, nil
	}
	etag, known := s.digests.get(found)
	if !known {
		if etag, err = digest(l.f, found.size); err != nil {
			return loaded{}, fmt.Errorf("reading: %w", err)
		}
		after, err := l.f.status()
		if err == nil && after != found && l.site.now().Sub(l.start) > recent {
			err = errRestless
		}
		if err != nil || after != found {
			return loaded{st: after}, err
		}
		if isOld(found, l.start) {
			s.digests.put(found, etag)
		}
	}
	return loaded{s.section(l.f, found), found, etag}, nil
}

// section answers with a file that stays open. Its end is held back until it is seen to be unchanged.
func (s *Site) section(f file, st status) message.Body {
	unchanged := func() error {
		now, err := f.status()
		if err == nil && (now != st || f.unrest(st, s.now()) > 0) {
			err = message.ErrChanged
		}
		return err
	}
	return &message.FileSection{File: f.osFile(), Length: st.size, Unchanged: unchanged, Disk: s.opts.Disk}
}

// loading is what is remembered while a file is read.
type loading struct {
	site  *Site
	ctx   context.Context
	f     file
	start time.Time
	// early is the file as it was when it was first seen to change, nil if it was not.
	early   *content
	earlySt status
}

func (l *loading) forget() {
	if l.early != nil {
		l.early.Close()
	}
}

// fill reads the file between two equal statuses, the first of them at rest, and returns the status that
// goes with c.data. That stays nil if the file has outgrown the buffer.
func (l *loading) fill(c *content, st status) (status, error) {
	for st.size <= int64(len(c.buf)) {
		settled, err := l.settle(c, &st)
		if err != nil || c.data != nil {
			return l.earlySt, err
		}
		if !settled || st.size > int64(len(c.buf)) {
			continue
		}
		n, err := l.f.readAt(c.buf[:st.size], 0)
		if err != nil {
			return st, fmt.Errorf("reading: %w", err)
		}
		after, err := l.f.status()
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
func (l *loading) settle(c *content, st *status) (settled bool, err error) {
	if l.f.unrest(*st, l.site.now()) == 0 {
		return true, nil
	}
	if err = l.remember(c.memory, *st); err != nil {
		return false, err
	}
	until := l.start.Add(patience)
	if now := l.site.now(); now.After(until) {
		until = now.Add(quiet)
	}
	if *st, settled, err = l.site.settle(l.ctx, l.f, *st, until); err != nil || settled {
		return settled, err
	}
	if isLog, err := l.isLog(c, *st); isLog || err != nil {
		return false, err
	}
	if l.site.now().Sub(l.start) > recent {
		err = errRestless
	}
	return false, err
}

// remember reads what there is of the file at first, if there is memory for it. Nothing tells nothing.
func (l *loading) remember(m *memory, st status) error {
	if l.early != nil && len(l.early.data) > 0 {
		return nil
	}
	l.forget()
	if l.early = m.lend(st.size); l.early == nil {
		return nil
	}
	n, err := l.f.readAt(l.early.buf[:st.size], 0)
	l.early.data, l.earlySt = l.early.buf[:n], st
	return err
}

// isLog says whether the file is only ever appended to: it has grown, and what was there at first stands.
// That is then the content of c.
func (l *loading) isLog(c *content, st status) (bool, error) {
	if l.early == nil {
		return false, nil
	}
	size := len(l.early.data)
	if size == 0 || int64(size) < l.earlySt.size || st.size <= int64(size) || size > len(c.buf) {
		return false, nil
	}
	n, err := l.f.readAt(c.buf[:size], 0)
	if err != nil || !bytes.Equal(c.buf[:n], l.early.data) {
		return false, err
	}
	c.data = c.buf[:n]
	return true, nil
}
