package http2

import (
	"log"
	"strings"
	"sync/atomic"
)

// complaints reports each error that net/http finds on a connection once. Most are counted by its hook, where they
// have a name of their own; those that end the connection are then logged too, and some are only logged.
type complaints struct {
	conn    *Conn
	counted atomic.Bool // the error that is logged next
}

func (c *complaints) logger() *log.Logger { return log.New(c, "", 0) }

// count is http.HTTP2Config.CountError.
func (c *complaints) count(name string) {
	c.counted.Store(!strings.HasPrefix(name, "stream_"))
	c.report(name)
}

// Write is called with a line of net/http's log.
func (c *complaints) Write(line []byte) (int, error) {
	if !c.counted.Swap(false) {
		c.report(strings.TrimSpace(string(line)))
	}
	return len(line), nil
}

func (c *complaints) report(text string) {
	if complaint := c.conn.engine.Complaint; complaint != nil {
		complaint(c.conn.peer, text)
	}
}
