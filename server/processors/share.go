package processors

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"time"
)

const (
	// interval lies between two looks. /proc/stat counts 20 ticks of a processor in it.
	interval = 200 * time.Millisecond
	// anew is how long a number below the default lasts, then it is decided from the default again: the runtime
	// follows the limits of the control group only while it has the default. The default lasts as long after a
	// crowd, which may show only when a processor is left to it.
	anew = 10 * time.Second
)

// Sharer shares the processors with other programs while the server works. An idle server is not woken: to
// look costs 165 µs with what the runtime does when a timer ends its sleep.
type Sharer struct {
	asleep    atomic.Bool
	began     atomic.Uint32 // requests, while asleep
	wake      chan struct{} // gets one for each time that asleep ends
	saturated atomic.Bool
}

// New returns a Sharer that does nothing before Run.
func New() *Sharer { return &Sharer{wake: make(chan struct{}, 1)} }

// Saturated says whether the process works, and has hardly waited for work lately. It is false until that is known.
func (s *Sharer) Saturated() bool { return s.saturated.Load() }

// waking is how many requests wake a Sharer. To be woken and find little to do costs more than a request.
const waking = 16

// Started is to be called for each request that begins.
func (s *Sharer) Started() {
	if s.asleep.Load() && s.began.Add(1)%waking == 0 && s.asleep.CompareAndSwap(true, false) {
		s.wake <- struct{}{}
	}
}

// Run shares the processors until ctx ends, then takes them back: it sets GOMAXPROCS below its default, and to
// the default again. Nobody else may set it meanwhile. A change stops the program for some 10 µs, once in an
// interval at most. changed is told of each new number. Run is called once.
//
// If GOMAXPROCS is fixed or one, or /proc/stat is not a true one, only Saturated is kept up to date. On systems other than
// Linux nothing happens.
func (s *Sharer) Run(ctx context.Context, fixed bool, changed func(n int)) {
	if !measurable {
		return
	}
	g, end := newGovernor(fixed || runtime.GOMAXPROCS(0) == 1)
	defer end()
	g.changed = changed
	g.run(ctx, s)
}

// newGovernor returns the governor of this process, to be used until end is called. What is fixed it does not set: it
// does not see what others use.
func newGovernor(fixed bool) (g *governor, end func()) {
	g = &governor{
		used:       used,
		read:       func() (usage, error) { return usage{}, errors.ErrUnsupported },
		procs:      runtime.GOMAXPROCS,
		setDefault: runtime.SetDefaultGOMAXPROCS,
	}
	if !fixed {
		if m, err := newMeter(); err == nil {
			g.read = m.read
			return g, m.close
		}
	}
	return g, func() {}
}

// governor decides again and again how many processors are used.
type governor struct {
	used       func() use // by this process so far
	read       func() (usage, error)
	procs      func(n int) int // runtime.GOMAXPROCS
	setDefault func()          // runtime.SetDefaultGOMAXPROCS
	changed    func(n int)

	full, n int       // the default, and what is set
	lowered time.Time // since when n is below full
	crowded time.Time // when others were last too many

	saturated bool // see Sharer.Saturated

	// At the last look; usage counts where it could be read then.
	at    time.Time
	own   use
	usage usage
	known bool
}

// run waits for work, and looks every interval while there is some, until ctx ends.
func (g *governor) run(ctx context.Context, s *Sharer) {
	for {
		s.asleep.Store(true)
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		}
		g.begin()
		for busy := true; busy; {
			select {
			case <-ctx.Done():
				g.setFull()
				return
			// Not a ticker: a tick that comes late is followed by one that has too little to see.
			case <-time.After(interval):
			}
			before := g.n
			busy = g.look()
			if g.n != before {
				g.changed(g.n)
			}
			s.saturated.Store(g.saturated)
		}
	}
}

// begin is the look that the first one is compared with.
func (g *governor) begin() {
	g.full = g.procs(0)
	g.n = g.full
	g.at, g.own = time.Now(), g.used()
	g.measure()
}

// measure reads the usage.
func (g *governor) measure() {
	var err error
	g.usage, err = g.read()
	g.known = err == nil
}

// look sets the number by what was used since the last look. Without enough work it is the default.
func (g *governor) look() (busy bool) {
	now, own := time.Now(), g.used()
	elapsed := now.Sub(g.at)
	l := load{own: rate(own.time-g.own.time, elapsed), waits: float64(own.waits-g.own.waits) / elapsed.Seconds()}
	g.at, g.own = now, own
	if g.n == g.full {
		g.full = g.procs(0) // the runtime may have changed it
		g.n = g.full
	}
	busy = l.matters(g.n < g.full)
	g.saturated = busy && l.saturated(g.saturated)
	if !busy {
		g.setFull()
		return false
	}
	last, known := g.usage, g.known
	g.measure()
	switch {
	case !g.known:
		g.setFull()
	case known:
		if g.n < g.full && now.Sub(g.lowered) >= anew {
			g.setFull()
		}
		l.measure(last, g.usage, elapsed)
		if l.crowded(g.full) {
			g.crowded = now
		}
		if now.Sub(g.crowded) < anew {
			g.setFull()
			break
		}
		g.set(wanted(l, g.full, g.n))
	}
	return true
}

// set sets the number of processors, at most full.
func (g *governor) set(n int) {
	switch {
	case n == g.full:
		g.setFull()
		return
	case n == g.n:
		return
	case g.n == g.full:
		g.lowered = g.at
	}
	g.procs(n)
	g.n = n
}

// setFull returns to the default, whatever that is now.
func (g *governor) setFull() {
	if g.n == g.full {
		return
	}
	g.setDefault()
	g.full = g.procs(0)
	g.n = g.full
}
