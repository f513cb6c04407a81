package tcp

import (
	"net"
	"time"
)

// HasUnacknowledged says whether the kernel has bytes that the peer's has not taken. Beyond Linux it cannot tell.
func HasUnacknowledged(conn net.Conn) bool { return unacknowledged(conn) > 0 }

// tailStep is how many bytes a peer has to take, or the rest, for it to have moved.
const tailStep = 32 << 10

// Tail follows what the kernel has still to deliver when all of an answer was written. The zero value is ready for one
// connection.
type Tail struct {
	left  int // bytes, when the peer moved
	moved time.Time
}

// Still returns since when the peer has taken none of it, and false if it has everything. What happened between two calls
// counts as of the second.
func (t *Tail) Still(conn net.Conn, now time.Time) (since time.Time, left bool) {
	n := unacknowledged(conn)
	if t.left == 0 || n > t.left || n <= t.left-tailStep {
		t.left, t.moved = n, now
	}
	if n == 0 {
		t.left = 0
	}
	return t.moved, n > 0
}
