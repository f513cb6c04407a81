package reload

import (
	"context"
	"time"

	"github.com/previewd/previewd/server/message"
)

const (
	// period is how often names are looked at while that costs no more than a share of a processor: one part in costs.
	// The whole process stays below 1.5 % with what it takes to wake up, which is half as much again.
	period = 50 * time.Millisecond
	costs  = 110
	// second is how soon what a look has found changed is looked at again, alone.
	second = 35 * time.Millisecond
)

// Run looks at what pages use, until ctx ends; then it ends their streams. While nobody listens it waits, and no clock runs.
func (rl *Reload) Run(ctx context.Context) {
	defer rl.stop()
	var l looker
	for {
		select {
		case <-ctx.Done():
			return
		case <-rl.arrived:
		}
		for pause := period; rl.listened(); {
			if !sleep(ctx, pause) {
				return
			}
			l.look(rl, false)
			cost := l.cost
			if l.moving {
				if !sleep(ctx, second) {
					return
				}
				l.look(rl, true)
				cost += l.cost
			}
			pause = max(period, cost*costs*time.Duration(rl.opts.Together()))
		}
	}
}

// sleep waits, and says whether ctx goes on.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (rl *Reload) listened() bool {
	rl.mu.Lock()
	defer rl.mu.Unlock()
	return len(rl.pages)+len(rl.waiters) > 0
}

// stop ends all streams and waits; none begins any more.
func (rl *Reload) stop() {
	rl.mu.Lock()
	defer rl.mu.Unlock()
	rl.stopped = true
	for p := range rl.pages {
		close(p.wake)
		rl.leave(p)
	}
	for w := range rl.waiters {
		w.end(rl)
	}
}

// looker has the room that looks need.
type looker struct {
	names  []*name
	paths  []string
	states []message.FileState
	sights []sight
	cost   time.Duration // of the last look
	moving bool          // it has found a change
}

// look looks at all names that somebody holds, once, or only at those that have changed.
func (l *looker) look(rl *Reload, moving bool) {
	l.cost = rl.spent(func() {
		l.gather(rl, moving)
		rl.opts.Site.See(l.paths, func(i int, state message.FileState) { l.states[i] = state })
		rl.mu.Lock()
		defer rl.mu.Unlock()
		l.compare(rl, time.Now())
	})
	rl.opts.Count.Looked(l.cost)
}

// gather takes the names that are to be looked at.
func (l *looker) gather(rl *Reload, moving bool) {
	l.names, l.paths = l.names[:0], l.paths[:0]
	rl.mu.Lock()
	for _, n := range rl.known.names {
		if rl.known.watches(n) && (!moving || !n.agreed) {
			l.names, l.paths = append(l.names, n), append(l.paths, n.path)
		}
	}
	rl.mu.Unlock()
	if cap(l.states) < len(l.names) {
		l.states = make([]message.FileState, len(l.names))
	}
	l.states = l.states[:len(l.names)]
}

// compare compares what was found with what was known, and tells the pages.
func (l *looker) compare(rl *Reload, now time.Time) {
	l.moving = false
	moved := false // something is not as the look before has found it, or has come to rest
	for i, n := range l.names {
		state := l.states[i]
		if state.Found {
			n.found = now
		}
		if state == n.seen {
			moved = moved || !n.agreed
			n.agreed = true
			continue
		}
		moved, l.moving = true, true
		rl.opts.Count.Changed()
		rl.opts.Report(n.path, howChanged(n.seen, state))
		if !state.Found && rl.build.IsZero() && !rl.opts.AtOnce {
			rl.build = now
		}
		n.seen, n.changed, n.agreed, rl.changed = state, now, false, now
	}
	for p := range rl.pages {
		if moved || p.verdict != same {
			p.weigh(rl, now, &l.sights)
		}
	}
	if !rl.build.IsZero() && rl.isBuilt(now) {
		rl.build = time.Time{}
		moved = true
	}
	if moved || !rl.build.IsZero() {
		for w := range rl.waiters {
			w.awaken()
		}
	}
}

// howChanged names what has changed, for the log.
func howChanged(before, after message.FileState) string {
	switch {
	case !after.Found:
		return "gone"
	case !before.Found:
		return "new"
	case before.Dir != after.Dir:
		return "type"
	case before.Inode != after.Inode:
		return "inode"
	case before.Size != after.Size:
		return "size"
	case before.Modified != after.Modified:
		return "mtime"
	}
	return "ctime"
}
