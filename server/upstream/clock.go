package upstream

import (
	"sync/atomic"
	"time"

	"github.com/previewd/previewd/server/message"
)

// clock calls over when a server has neither sent nor taken a byte for limit. While the client is waited for, the server
// has time. The timer is not touched by what happens: it looks when it comes.
type clock struct {
	limit   time.Duration
	over    func()
	later   func() // is called each time that the timer comes
	timer   *time.Timer
	since   atomic.Int64 // when the server was last heard of, a message.Instant
	client  atomic.Int32 // how many wait for the client
	stopped atomic.Bool
}

// begin starts it. The timer comes after first at the latest.
func (c *clock) begin(now time.Time, first time.Duration) {
	c.since.Store(message.Instant(now))
	c.timer = time.AfterFunc(time.Hour, c.look)
	c.timer.Reset(min(first, c.limit)) // look uses the timer, which it now finds
}

func (c *clock) look() {
	if c.stopped.Load() {
		return
	}
	c.later()
	left := c.limit
	if c.client.Load() == 0 {
		left -= time.Since(message.TimeOf(c.since.Load()))
	}
	if left <= 0 {
		c.over()
		return
	}
	c.timer.Reset(left)
	if c.stopped.Load() {
		c.timer.Stop()
	}
}

// awaitClient says that the client is waited for, or that it no longer is.
func (c *clock) awaitClient(yes bool) {
	if yes {
		c.client.Add(1)
		return
	}
	c.heard()
	c.client.Add(-1)
}

// heard says that the server has sent or taken something.
func (c *clock) heard() { c.since.Store(message.Instant(time.Now())) }

// stop stops it for good.
func (c *clock) stop() {
	c.stopped.Store(true)
	c.timer.Stop()
}
