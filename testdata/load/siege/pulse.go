package main

import (
	"context"
	"sync"
	"time"
)

const (
	// beat is how often the pulse is felt.
	beat = 20 * time.Millisecond
	// unread is how long a client may read nothing before the server may cut it, at its limit of connections: deafTime in
	// server/slots.go.
	unread = 200 * time.Millisecond
)

// pulse notes when this program did not run, as on a machine that has other things to do.
type pulse struct {
	mu    sync.Mutex
	stops [][2]time.Time // of unread at least: from, to
}

// keepBeating notes stops until ctx ends.
func (p *pulse) keepBeating(ctx context.Context) {
	for last := time.Now(); ctx.Err() == nil; {
		time.Sleep(beat)
		now := time.Now()
		if now.Sub(last) >= unread {
			p.mu.Lock()
			p.stops = append(p.stops, [2]time.Time{last, now})
			p.mu.Unlock()
		}
		last = now
	}
}

// stopped says whether the program did not run for a while between two times.
func (p *pulse) stopped(from, to time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.stops {
		if s[0].Before(to) && from.Before(s[1]) {
			return true
		}
	}
	return false
}

// report tells how often, and for how long at the most.
func (p *pulse) report() (stops int, longest time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.stops {
		longest = max(longest, s[1].Sub(s[0]))
	}
	return len(p.stops), longest
}
