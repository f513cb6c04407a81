package cgi

import (
	"sync"
	"time"
)

// clock counts the time for which the server waits for a script, and for nobody else: while a slow client
// sends its content or takes the answer, it stands still. When it has run for the whole timeout, it ends.
type clock struct {
	mu      sync.Mutex
	left    time.Duration
	script  bool // the server waits for the script
	client  bool // the server waits for the client's content
	running bool // it counts, since:
	since   time.Time
	timer   *time.Timer
}

// newClock returns a clock that stands still. It calls end, once, when it has run for timeout.
func newClock(timeout time.Duration, end func()) *clock {
	c := &clock{left: timeout}
	c.timer = time.AfterFunc(timeout, func() {
		if c.isOver() {
			end()
		}
	})
	c.timer.Stop()
	return c
}

// isOver keeps a timer that fired while the clock was stopped from ending it early.
func (c *clock) isOver() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.running && time.Since(c.since) >= c.left
}

// awaitScript says whether the server waits for the script.
func (c *clock) awaitScript(waits bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.script = waits
	c.update()
}

// awaitClient says whether the server waits for the client's content.
func (c *clock) awaitClient(waits bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.client = waits
	c.update()
}

func (c *clock) update() {
	run := c.script && !c.client
	switch {
	case run && !c.running:
		c.since = time.Now()
		c.timer.Reset(c.left)
	case !run && c.running:
		c.timer.Stop()
		c.left -= time.Since(c.since)
	}
	c.running = run
}

// A client that sends content, or takes an answer, is waited for while it keeps a pace, and for a while behind
// it: else a few that dribble would hold all slots. The times are those that the engine gives a client that
// does nothing at all.
const (
	minRate         = 1 << 10 // bytes a second
	contentPatience = 30 * time.Second
	answerPatience  = 60 * time.Second
)

// patience is how far a client may fall behind minRate.
type patience struct {
	most, left time.Duration
	end        func()
}

// newPatience returns a patience of so much. It calls end when it is over.
func newPatience(most time.Duration, end func()) *patience { return &patience{most, most, end} }

// wait calls transfer, which waits for the client, and returns what it does.
func (p *patience) wait(transfer func() (int, error)) (n int, err error) {
	began := time.Now()
	timer := time.AfterFunc(p.left, p.end)
	n, err = transfer()
	timer.Stop()
	p.left = min(p.most, p.left-time.Since(began)+time.Duration(n)*time.Second/minRate)
	return n, err
}
