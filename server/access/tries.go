package access

import (
	"net/netip"
	"sync"
	"time"
)

const (
	// burst is how many tries a client has at once, and pace how long it waits for each further one: a person who
	// mistypes does not notice, a program gets 43,000 a day.
	burst = 10
	pace  = 2 * time.Second
	// maxClients bounds the table: some 512 KiB.
	maxClients = 4096
)

// tries counts the tries of each client that were wrong. The zero value is ready.
type tries struct {
	mu      sync.Mutex
	clients map[netip.Prefix]*client
}

// client has what is left of its tries.
type client struct {
	// full is when it has all of them again. Each one used moves it on by pace.
	full time.Time
	// wrong is the pair that was wrong last: a page that is open with an old password goes on asking with it.
	wrong digest
}

// prefixOf is what counts as one client: an IPv4 address, or the network that a provider gives a customer at least.
func prefixOf(a netip.Addr) netip.Prefix {
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // the zero Prefix for the zero Addr
	return p
}

// begin takes one try. With wait it has none now; wrong says that the pair is known to be wrong, and takes none.
func (t *tries) begin(from netip.Prefix, d digest, now time.Time) (wait time.Duration, wrong bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.clients[from]
	if c == nil {
		c = t.add(from)
	}
	if c.wrong == d {
		return 0, true
	}
	full := c.full
	if full.Before(now) {
		full = now
	}
	full = full.Add(pace)
	if over := full.Sub(now) - burst*pace; over > 0 {
		return over, false
	}
	c.full = full
	return 0, false
}

// end gives back a try that was right, and remembers a pair that was not.
func (t *tries) end(from netip.Prefix, d digest, right bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.clients[from]
	switch {
	case c == nil: // it had to make room
	case right:
		c.full = c.full.Add(-pace)
	default:
		c.wrong = d
	}
}

// sampled is how many clients are looked at to find the one that makes room.
const sampled = 16

// add adds a client. In a full table, of some that are looked at, the one goes that has most of its tries again.
func (t *tries) add(from netip.Prefix) *client {
	if t.clients == nil {
		t.clients = make(map[netip.Prefix]*client)
	}
	if len(t.clients) >= maxClients {
		var oldest netip.Prefix
		n := 0
		for p, c := range t.clients {
			if n == 0 || c.full.Before(t.clients[oldest].full) {
				oldest = p
			}
			if n++; n == sampled {
				break
			}
		}
		delete(t.clients, oldest)
	}
	c := &client{}
	t.clients[from] = c
	return c
}
