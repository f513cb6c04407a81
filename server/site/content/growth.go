package content

import (
	"context"
	"errors"
	"hash/maphash"
	"time"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/tree"
)

// A file that is only appended to, a log, may never come to rest. It is answered with what was there when it was asked
// for. That it only grows is never taken on trust: what was there is read at first and once more at the end. Of a
// file in memory all of it is compared (isLog in load.go). Of one that is sent from the disk both ends are read when it
// is asked for, and what is sent before and after.

// lively is how long ago a file was written to, at most, to be taken for one that may grow while it is sent: then
// what is sent of it is read once more before.
const lively = time.Minute

// mayGrow says whether a file is one that is written to now and then.
func mayGrow(f tree.File, st tree.Status, now time.Time) bool {
	return st.Size > 0 && (now.Sub(st.Mtime.Time()) < lively || f.IsBeingWritten())
}

// growth is what has been seen of a file that does not come to rest.
type growth struct {
	// st is the file as it was first seen, evidence its ends then, nil if it was not seen yet.
	st       tree.Status
	evidence *evidence
	since    time.Time
	// size is the latest, grown when it was last seen to have become more.
	size  int64
	grown time.Time
	isLog bool
}

// watch waits for the file to come to rest, and returns its status and whether it has. It gives up when recent is
// over, or as soon as l.growth is a log.
func (l *loading) watch(st tree.Status) (tree.Status, bool, error) {
	s := l.store
	for {
		now := s.now()
		wait := unrest(l.f, st, now)
		if wait == 0 {
			return st, true, nil
		}
		if err := l.growth.note(l.ctx, l.f, st, now); err != nil {
			return st, false, err
		}
		if now.Sub(l.start) >= patience {
			if err := l.growth.judge(); err != nil || l.growth.isLog {
				return st, false, err
			}
		}
		if now.Sub(l.start) > recent {
			return st, false, nil
		}
		if err := s.sleep(l.ctx, min(wait, quiet)); err != nil {
			return st, false, err
		}
		var err error
		if st, err = l.f.Status(); err != nil {
			return st, false, err
		}
	}
}

// note takes another look at the file into account. One that has become shorter is another one.
func (g *growth) note(ctx context.Context, f tree.File, st tree.Status, now time.Time) error {
	if g.evidence == nil || st.Size < g.size {
		*g = growth{st: st, since: now, size: st.Size}
		if st.Size == 0 {
			return nil
		}
		var err error
		if g.evidence, err = endsOf(ctx, f, st.Size); errors.Is(err, message.ErrChanged) {
			return nil // it has been cut down since
		}
		return err
	}
	if st.Size > g.size {
		g.size, g.grown = st.Size, now
	}
	return nil
}

// judge says whether the file is a log: it goes on growing, and what was there at first stands. Who has just begun to
// watch may see the end of a single write.
func (g *growth) judge() error {
	if g.evidence == nil || g.grown.Sub(g.since) < patience/2 {
		return nil
	}
	stands, err := g.evidence.stands(nil)
	g.isLog = stands
	if err == nil && !stands {
		*g = growth{}
	}
	return err
}

// evidence is what has been read of a file, to be compared with what is there later.
type evidence struct {
	f     tree.File
	seed  maphash.Seed
	spans []span
}

// span is a part of a file, with a checksum of what was read there. A change goes unnoticed once in 2^64 times.
type span struct {
	offset, length int64
	sum            uint64
}

// endsOf reads both ends of a file that has this size. It is message.ErrChanged if the file has become shorter.
func endsOf(ctx context.Context, f tree.File, size int64) (*evidence, error) {
	e := &evidence{f: f, seed: maphash.MakeSeed()}
	end := min(size, pieceSize)
	if err := e.add(ctx, 0, end, nil); err != nil {
		return nil, err
	}
	if size == end {
		return e, nil
	}
	if err := e.add(ctx, size-end, end, nil); err != nil {
		return nil, err
	}
	return e, nil
}

// add reads a part of the file, passing the gate for each piece, while ctx lasts. It is message.ErrChanged if the file has
// become shorter.
func (e *evidence) add(ctx context.Context, offset, length int64, disk message.Gate) error {
	sum, whole, err := e.read(ctx, offset, length, disk)
	if err == nil && !whole {
		err = message.ErrChanged
	}
	if err == nil {
		e.spans = append(e.spans, span{offset, length, sum})
	}
	return err
}

// stands says whether all that was read is still there.
func (e *evidence) stands(disk message.Gate) (bool, error) {
	for _, s := range e.spans {
		if sum, whole, err := e.read(context.Background(), s.offset, s.length, disk); err != nil || !whole || sum != s.sum {
			return false, err
		}
	}
	return true, nil
}

// read returns the checksum of a part of the file, and whether all of it is there.
func (e *evidence) read(ctx context.Context, offset, length int64, disk message.Gate) (sum uint64, whole bool, err error) {
	buf := buffers.Get().(*[pieceSize]byte)
	defer buffers.Put(buf)
	var hash maphash.Hash
	hash.SetSeed(e.seed)
	for end := offset + length; offset < end; {
		if err := ctx.Err(); err != nil {
			return 0, false, err
		}
		piece := buf[:min(pieceSize, end-offset)]
		disk.Enter()
		n, err := e.f.ReadAt(piece, offset)
		disk.Leave()
		if err != nil || n < len(piece) {
			return 0, false, err
		}
		_, _ = hash.Write(piece) // never fails: hash.Hash
		offset += int64(n)
	}
	return hash.Sum64(), true, nil
}
