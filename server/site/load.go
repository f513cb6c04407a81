package site

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/previewd/previewd/server/message"
)

// granularity is an upper bound of how far the times of files lag behind the clock: the kernel stamps
// them with the time of its last tick, 10 ms ago at most (CONFIG_HZ=100).
const granularity = 20 * time.Millisecond

// patience is how long a request waits for a file that is being written to come to rest.
const patience = 250 * time.Millisecond

// errRestless is reported when a file was written to all the time that there was patience for.
var errRestless = errors.New("the file kept changing while it was read")

// settled says whether every write from now on will show in st's ctime. One within the same tick as the
// last may not. A ctime in the future (the clock was set back) differs from any that a write sets now.
func (st *status) settled(now time.Time) bool {
	age := now.Sub(time.Unix(st.ctime.sec, st.ctime.nsec))
	return age >= granularity || age <= -granularity
}

// settle waits until f is settled, but no longer than until the deadline, and returns its status then.
func settle(ctx context.Context, f file, st status, deadline time.Time) (status, error) {
	for {
		now := time.Now()
		if st.settled(now) || now.After(deadline) {
			return st, nil
		}
		age := now.Sub(time.Unix(st.ctime.sec, st.ctime.nsec))
		if err := sleep(ctx, granularity-max(age, 0)); err != nil {
			return st, err
		}
		var err error
		if st, err = f.status(); err != nil {
			return st, err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// load turns an open file into content: one state of it, whole, or an error. A file of up to MaxFile
// bytes is read into memory while there is room, a larger one is sent from the file. It takes over f
// and returns the status that goes with the content.
func (s *Site) load(ctx context.Context, f file, st status) (message.Body, status, error) {
	deadline := time.Now().Add(patience)
	st, err := settle(ctx, f, st, deadline)
	for err == nil {
		c := s.room(st.size)
		if c == nil {
			return s.section(f, st), st, nil
		}
		if st, err = c.fill(ctx, f, st, deadline); err == nil && c.data != nil {
			f.close()
			return c, st, nil
		}
		c.Close() // it has outgrown its buffer
	}
	f.close()
	return nil, st, err
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
		if err == nil && now != st {
			err = message.ErrChanged
		}
		return err
	}
	return &message.FileSection{File: f.osFile(), Length: st.size, Unchanged: unchanged, Disk: s.opts.Disk}
}

// fill reads the file between two equal statuses, the first of them settled, and returns the status that
// goes with c.data. That stays nil if the file has outgrown the buffer.
func (c *content) fill(ctx context.Context, f file, st status, deadline time.Time) (status, error) {
	for st.size <= int64(len(c.buf)) {
		if !st.settled(time.Now()) {
			return st, c.fillGrowing(ctx, f, st.size)
		}
		n, err := f.read(c.buf[:st.size])
		if err != nil {
			return st, fmt.Errorf("reading: %w", err)
		}
		after, err := f.status()
		if err != nil {
			return st, err
		}
		if after == st {
			c.data = c.buf[:n] // n is below the size only where sizes are fictions, as in sysfs
			return st, nil
		}
		if st, err = settle(ctx, f, after, deadline); err != nil {
			return st, err
		}
	}
	return st, nil
}

// fillGrowing reads a file that does not come to rest. A log is only ever appended to: what was read
// stands if it is still there a while later.
func (c *content) fillGrowing(ctx context.Context, f file, size int64) error {
	again := c.memory.lend(size)
	if again == nil {
		return errRestless
	}
	defer again.Close()
	n, err := f.read(c.buf[:size])
	if err == nil {
		err = sleep(ctx, granularity)
	}
	if err != nil {
		return err
	}
	m, err := f.read(again.buf[:size])
	if err != nil {
		return err
	}
	if int64(n) < size || !bytes.Equal(c.buf[:n], again.buf[:m]) {
		return errRestless
	}
	c.data = c.buf[:n]
	return nil
}
