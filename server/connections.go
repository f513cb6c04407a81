package server

import (
	"net"
	"sync"
	"time"

	"github.com/previewd/previewd/server/tcp"
)

// connection is one that is open: of http1, or a secure one.
type connection interface {
	// Wake makes it close if it waits for a request, unless one has begun to come.
	Wake()
	// GiveWay makes it end at once unless a request is being answered, or has come.
	GiveWay()
	// Waiting returns since when it waits for a request or the rest of one, or a TLS handshake goes on, and false while a
	// request is being answered.
	Waiting() (since time.Time, waiting bool)
	// Still returns since when the client has made no room for the answer, and false while it does or there is none.
	Still() (since time.Time, still bool)
	// Cut closes it at once.
	Cut()
}

// connections is the set of open connections of one listener.
type connections struct {
	mu    sync.Mutex
	set   map[connection]*held
	empty chan struct{} // closed when the set becomes empty, if someone waits for it
	// cancel tells handlers that their connections are about to be cut.
	cancel func()
}

// held is what is known of a connection beside what it says itself.
type held struct {
	socket net.Conn
	tail   tcp.Tail
	told   bool // to give way
	cut    bool // for another; its goroutine may not have noticed
}

func (s *connections) add(c connection, socket net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.set == nil {
		s.set = make(map[connection]*held)
	}
	s.set[c] = &held{socket: socket}
}

func (s *connections) remove(c connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.set, c)
	if len(s.set) == 0 && s.empty != nil {
		close(s.empty)
		s.empty = nil
	}
}

// wake closes the connections that wait for a request and find none when they look once more.
func (s *connections) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.set {
		c.Wake()
	}
}

// oldest returns the connection that has been waiting longest, of those that were not told to give way, and those that have
// stood still for deafTime. One that waits while its client has not taken all of the last answer stands still, or moves.
func (s *connections) oldest(now time.Time) (waiting aged, still []aged) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c, of := range s.set {
		since, waits := c.Waiting()
		if of.cut || waits && waiting.connection != nil && !since.Before(waiting.since) {
			continue // before the kernel is asked, which costs more
		}
		stands := false
		if !waits {
			since, stands = c.Still()
		} else if moved, left := of.tail.Still(of.socket, now); left {
			since, waits, stands = moved, false, true
		}
		a := aged{c, s, of.socket, since}
		switch {
		case waits && !of.told:
			waiting = a
		case stands && now.Sub(since) >= deafTime:
			still = append(still, a)
		}
	}
	return waiting, still
}

// aged is a connection of a set and since when it has been in a state; the zero value is none.
type aged struct {
	connection
	set    *connections
	socket net.Conn
	since  time.Time
}

// giveWay tells the connection to give way, once.
func (a aged) giveWay() {
	a.set.mu.Lock()
	defer a.set.mu.Unlock()
	if of, open := a.set.set[a.connection]; open {
		of.told = true
		a.GiveWay()
	}
}

// cut closes the connection at once. It is not looked at again.
func (a aged) cut() {
	a.set.mu.Lock()
	defer a.set.mu.Unlock()
	if of, open := a.set.set[a.connection]; open {
		of.cut = true
		a.Cut()
	}
}

func (a aged) older(b aged) aged {
	if a.connection == nil || b.connection != nil && b.since.Before(a.since) {
		return b
	}
	return a
}

// lasts says whether it is one, and has been in its state for d.
func (a aged) lasts(now time.Time, d time.Duration) bool {
	return a.connection != nil && now.Sub(a.since) >= d
}

// drain wakes the connections and waits until all have ended, or cuts them when timeout fires.
func (s *connections) drain(timeout <-chan time.Time) error {
	s.wake()
	s.mu.Lock()
	if len(s.set) == 0 {
		s.mu.Unlock()
		return nil
	}
	empty := make(chan struct{})
	s.empty = empty
	s.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-timeout:
		return s.cut(s.tell())
	}
}

const (
	// lastWord is how long handlers that were told of the cut may take to say so to their clients: a script
	// is killed and answered for.
	lastWord = 500 * time.Millisecond
	// cutGrace is how long connections that were cut may take to report their last exchange.
	cutGrace = time.Second
)

// tell tells the handlers that their connections are about to be cut, and returns how many there are.
func (s *connections) tell() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancel()
	return len(s.set)
}

// cut ends all connections: after lastWord it closes those that are left, and waits until they have reported.
// It reports how many there were when their handlers were told.
func (s *connections) cut(n int) error {
	s.mu.Lock()
	n = max(n, len(s.set))
	if len(s.set) == 0 {
		s.mu.Unlock()
		if n == 0 {
			return nil
		}
		return &CutError{n}
	}
	empty := make(chan struct{})
	s.empty = empty
	s.mu.Unlock()
	select {
	case <-empty:
		return &CutError{n}
	case <-time.After(lastWord):
	}
	s.mu.Lock()
	for c := range s.set {
		c.Cut()
	}
	s.mu.Unlock()
	select {
	case <-empty:
	case <-time.After(cutGrace):
	}
	return &CutError{n}
}
