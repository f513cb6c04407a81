package server

import (
	"slices"
	"sync"
	"time"

	"github.com/previewd/previewd/server/tcp"
)

const (
	// waitTime is how long a connection has to have waited before it gives way, so that a new one can ask.
	waitTime = 100 * time.Millisecond
	// stillTime is how long the client of an answer has to have made no room for it before the connection gives way, and deafTime
	// how long where it is known that this is not the network's fault. Whoever waits in the backlog waits for as many as come
	// before.
	stillTime = time.Second
	deafTime  = 200 * time.Millisecond
	// unsent is how many bytes the kernel holds of an answer beyond what the client has room for, where slots are scarce.
	unsent = 64 << 10
	// slotPause is how long a connection that gives way may take to end before another one is looked for.
	slotPause = 10 * time.Millisecond
)

// slots bounds how many connections are open at once, of all listeners together. The zero value has no bound.
type slots struct {
	taken chan struct{} // has an element for each that is open; nil if there is no bound

	mu   sync.Mutex
	sets []*connections
}

// join adds the connections of a listener to those that may have to give way.
func (s *slots) join(set *connections) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sets = append(s.sets, set)
}

// take waits until another connection may be open, and makes room for it where it can. It reports false if the server
// has ended before.
func (s *slots) take(ended <-chan struct{}) bool {
	if s.taken == nil {
		return true
	}
	for {
		select {
		case s.taken <- struct{}{}:
			return true
		default:
		}
		s.makeRoom(time.Now())
		select {
		case s.taken <- struct{}{}:
			return true
		case <-ended:
			return false
		case <-time.After(slotPause):
		}
	}
}

// scarce says whether a quarter of the connections are open that may be.
func (s *slots) scarce() bool { return s.taken != nil && len(s.taken) > cap(s.taken)/4 }

// give gives back what take took.
func (s *slots) give() {
	if s.taken != nil {
		<-s.taken
	}
}

// makeRoom ends the connection that has waited longest. Where there is none, or it has waited for less than stillTime, it ends the
// one whose client has longest taken nothing: else such would take more and more of the room that the others leave each other.
func (s *slots) makeRoom(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var waiting aged
	var still []aged
	for _, set := range s.sets {
		w, st := set.oldest(now)
		waiting, still = waiting.older(w), append(still, st...)
	}
	waits := waiting.lasts(now, waitTime)
	if waits {
		waiting.giveWay()
	}
	if waiting.lasts(now, stillTime) {
		return
	}
	slices.SortFunc(still, func(a, b aged) int { return a.since.Compare(b.since) })
	for _, a := range still {
		if a.lasts(now, stillTime) || !waits && tcp.Deaf(a.socket) {
			a.Cut()
			return
		}
	}
}
