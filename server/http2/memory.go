package http2

import (
	"context"
	"time"

	"github.com/previewd/previewd/server/budget"
)

const (
	// baseCost is what a connection holds in bytes beside what any TLS connection does, askedCost what a request that has
	// been asked and is not looked at yet, streamCost what one holds while it is answered: net/http's buffer of 4 KiB, a
	// piece of a file, its head, a stack.
	baseCost   = 16 << 10
	askedCost  = 8 << 10
	streamCost = 16 << 10
	// waitTime and stillTime are how long a connection has to have had no requests, or to have stood still, before it makes
	// room for another where memory is short.
	waitTime  = 100 * time.Millisecond
	stillTime = 5 * time.Second
)

// Room is what a connection may make the server hold before anything of it can be refused, as net/http has it. All of it
// is taken from the Budget when the connection begins.
type Room struct {
	// streams is how many requests may be under way: RFC 9113, section 6.5.2, recommends that it is no smaller than 100.
	streams int
	// window is how many bytes of content may have come that nobody has read, head the size of a head that is read.
	window, head int

	budget *budget.Budget
	taken  int64
}

// Without a Budget, all content of a connection that nobody has read yet fits into its window: else requests whose content
// waits would keep that of all others from coming.
var unbounded = Room{streams: maxStreams, window: connectionWindow, head: readHead}

// With one, a connection is given much while half of what connections may take is left, and then little.
var (
	much   = Room{streams: maxStreams, window: 4 * streamWindow, head: 4 * streamWindow}
	little = Room{streams: 10, window: streamWindow, head: streamWindow}
)

func (r Room) cost() int64 { return baseCost + int64(r.streams)*askedCost + int64(r.window+r.head) }

// TakeRoom returns the Room of a connection that begins, to be given back by Release. Where there is none, one is looked for
// that can end; insist waits for that.
func (e *Engine) TakeRoom(ctx context.Context, insist bool) (r Room, ok bool) {
	e.prepare()
	if e.Budget == nil {
		return unbounded, true
	}
	r = much
	r.budget, r.taken = e.rooms, r.cost()
	if used, limit := e.rooms.Use(); used+r.taken <= limit/2 && e.rooms.TryAcquire(r.taken) {
		return r, true
	}
	r = little
	r.budget, r.taken = e.rooms, r.cost()
	if e.rooms.TryAcquire(r.taken) {
		return r, true
	}
	e.makeRoom(time.Now())
	return r, insist && e.rooms.Acquire(ctx, r.taken) == nil
}

// Release gives a Room back.
func (r Room) Release() { r.budget.Release(r.taken) }

// makeRoom ends the connection that has had no requests longest, or else the one that has stood still longest. One whose
// client has not taken all of the last answer stands still, or moves.
func (e *Engine) makeRoom(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var idle, still *Conn
	idleSince, stillSince := now.Add(-waitTime), now.Add(-stillTime)
	for c := range e.conns {
		t, waits := c.Waiting()
		if waits && !t.Before(idleSince) {
			continue
		}
		stands := false
		if !waits {
			t, stands = c.Still()
		} else if moved, left := c.tail.Still(c.conn, now); left {
			t, waits, stands = moved, false, true
		}
		switch {
		case waits:
			idle, idleSince = c, t
		case stands && t.Before(stillSince):
			still, stillSince = c, t
		}
	}
	switch {
	case idle != nil:
		delete(e.conns, idle) // it is not looked at again
		idle.GiveWay()
	case still != nil:
		delete(e.conns, still)
		still.Cut()
	}
}
