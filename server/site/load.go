package site

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/previewd/previewd/server/message"
)

// load turns an open file into content: one state of it, whole, or an error. A file of up to MaxFile
// bytes is read into memory while there is room, a larger one is sent from the file. It takes over f
// and returns the status that goes with the content.
func (s *Site) load(ctx context.Context, f file, st status) (message.Body, status, error) {
	l := loading{site: s, ctx: ctx, f: f, start: time.Now()}
	defer l.forget()
	for {
		c := s.room(st.size)
		if c == nil {
			found, settled, err := s.settle(ctx, f, st, l.start.Add(recent))
			if err == nil && found.size != st.size {
				st = found
				continue
			}
			if err == nil && !settled && st.size == 0 {
				err = errRestless // no last bytes to hold back
			}
			if err != nil {
				f.close()
				return nil, st, err
			}
			return s.section(f, found), found, nil
		}
		var err error
		if st, err = l.fill(c, st); err == nil && c.data != nil {
			f.close()
			return c, st, nil
		}
		c.Close() // it has outgrown its buffer, or there is an error
		if err != nil {
			f.close()
			return nil, st, err
		}
	}
}

// room returns an empty content for size bytes, nil if the file is to be sent from the disk.
func (s *Site) room(size int64) *content {
	if size > s.opts.MaxFile {
		return nil
	}
	return s.memory.lend(size)
}

// section answers with a file that stays open. Its end is held back until it is seen to be unchanged.
func (s *Site) section(f file, st status) message.Body {
	unchanged := func() error {
		now, err := f.status()
		if err == nil && (now != st || f.unrest(st, time.Now()) > 0) {
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
		n, err := l.f.read(c.buf[:st.size])
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
	if l.f.unrest(*st, time.Now()) == 0 {
		return true, nil
	}
	if err = l.remember(c.memory, *st); err != nil {
		return false, err
	}
	until := l.start.Add(patience)
	if now := time.Now(); now.After(until) {
		until = now.Add(quiet)
	}
	if *st, settled, err = l.site.settle(l.ctx, l.f, *st, until); err != nil || settled {
		return settled, err
	}
	if isLog, err := l.isLog(c, *st); isLog || err != nil {
		return false, err
	}
	if time.Since(l.start) > recent {
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
	n, err := l.f.read(l.early.buf[:st.size])
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
	n, err := l.f.read(c.buf[:size])
	if err != nil || !bytes.Equal(c.buf[:n], l.early.data) {
		return false, err
	}
	c.data = c.buf[:n]
	return true, nil
}
