package content

import (
	"context"
	"errors"
	"time"

	"github.com/previewd/previewd/server/site/tree"
)

// quiet is how long a file must have been left alone before it is read. The kernel stamps files with the
// time of its last tick, 10 ms ago at most (CONFIG_HZ=100): a second write within the tick does not show.
// The rest is for a writer that is interrupted between two writes: with 64 readers on two cores 20 ms gave
// ten times the mixed answers of 50 ms.
const quiet = 50 * time.Millisecond

// recent is how long a file must have been left alone by someone who still has it open for writing. One
// write of many bytes is stamped when it starts and may be held up for long. A request does not wait longer
// than this for a file to come to rest. What is kept must be that old.
const recent = 2 * time.Second

// patience is how long a file must have been empty, as it may have been cut down only to be written again,
// and how long one is watched before it is taken for a log: a slow upload grows as a log does.
const patience = 500 * time.Millisecond

// ErrRestless is reported when a file was written to all the time that there was patience for.
var ErrRestless = errors.New("the file kept changing while it was read")

// unrest is how long it will take, if nothing is written any more, until every write shows in st's ctime
// and none is likely to be in progress. A ctime in the future (the clock was set back) differs from any that
// a write sets now.
func unrest(f tree.File, st tree.Status, now time.Time) time.Duration {
	age := now.Sub(st.Ctime.Time())
	need := quiet
	switch {
	case age >= recent || age <= -quiet:
		return 0
	case f.IsBeingWritten():
		need = recent
	case st.Size == 0:
		need = patience
	}
	return max(need-max(age, 0), 0)
}

// settle waits until f has come to rest, but not beyond the deadline, and returns its status then and
// whether it has.
func (s *Store) settle(ctx context.Context, f tree.File, st tree.Status, deadline time.Time) (tree.Status, bool, error) {
	for {
		now := s.now()
		wait := unrest(f, st, now)
		if wait == 0 || now.After(deadline) {
			return st, wait == 0, nil
		}
		if err := s.sleep(ctx, min(wait, quiet)); err != nil {
			return st, false, err
		}
		var err error
		if st, err = f.Status(); err != nil {
			return st, false, err
		}
	}
}

// sleep waits outside the gate, where it keeps nobody from the disk.
func (s *Store) sleep(ctx context.Context, d time.Duration) error {
	s.opts.Disk.Leave()
	defer s.opts.Disk.Enter()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
