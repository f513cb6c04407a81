package http1

import (
	"fmt"
	"runtime/debug"
	"time"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/tcp"
)

// tunnelEnd is the connection in a message.Tunnel. A write may wait writeTimeout for the client to take a byte; a read
// waits as long as the client is there.
type tunnelEnd struct{ *answerWriter }

// serveTunnel sends the head and hands the connection over.
func (w *answerWriter) serveTunnel(t *message.Tunnel) (err error) {
	if err := w.flush(nil); err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in the tunnel: %v\n%s", p, debug.Stack())
		}
	}()
	w.left = unlimited
	tcp.KeepAlive(w.conn.conn)
	w.conn.setDeadline(time.Time{})
	return t.Serve(tunnelEnd{w})
}

// Read returns first what came with the head.
func (t tunnelEnd) Read(p []byte) (int, error) {
	c := t.conn
	if len(c.buf) > 0 {
		n := copy(p, c.buf)
		c.consume(n)
		return n, nil
	}
	for {
		n, err := c.wire.read(p)
		if !isTimeout(err) {
			return n, err
		}
		c.setDeadline(time.Time{}) // Wake moved it
	}
}

// CloseWrite tells the client that nothing more comes.
func (t tunnelEnd) CloseWrite() error { return halfClose(t.conn.conn) }

// Cut resets the connection.
func (t tunnelEnd) Cut() { t.conn.Cut() }
