package server

import (
	"slices"
	"sync"
	"sync/atomic"
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

	relieving atomic.Bool
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

// relieve ends the connection whose client has longest taken nothing of its answer, for stillTime at least: it holds memory that
// others are in want of. One is ended each slotPause at most, and nothing is waited for.
func (s *slots) relieve() {
	if s.relieving.Swap(true) {
		return
	}
	go func() {
		defer s.relieving.Store(false)
		if a := s.oldestStill(time.Now()); a.connection != nil {
			a.cut()
		}
		time.Sleep(slotPause)
	}()
}

// oldestStill returns the connection that has stood still for the longest time, stillTime at least.
func (s *slots) oldestStill(now time.Time) (oldest aged) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, set := range s.sets {
		_, still := set.oldest(now)
		for _, a := range still {
			if a.lasts(now, stillTime) {
				oldest = oldest.older(a)
			}
		}
	}
	return oldest
}

// makeRoom ends the connection that has been longest without a move: that waits for waitTime at least, or whose client has taken
// nothing for stillTime. Where there is none, it ends one whose client does not read.
func (s *slots) makeRoom(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var waiting aged
	var still []aged
	for _, set := range s.sets {
		w, st := set.oldest(now)
		waiting, still = waiting.older(w), append(still, st...)
	}
	slices.SortFunc(still, func(a, b aged) int { return a.since.Compare(b.since) })
	waits := waiting.lasts(now, waitTime)
	for _, a := range still {
		if waits && !a.since.Before(waiting.since) {
			break
		}
		if a.lasts(now, stillTime) || !waits && tcp.Deaf(a.socket) {
			a.cut()
			return
		}
	}
	if waits {
		waiting.giveWay()
	}
}
