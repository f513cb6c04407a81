package http1

import (
	"time"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/tcp"
)

// sendTunnel sends the head and hands the connection over. A write may wait writeTimeout for the client to take a byte; a
// read waits as long as the client is there.
func (w *answerWriter) sendTunnel(t *message.Tunnel) error {
	if err := w.flush(nil); err != nil {
		return err
	}
	w.left = unlimited
	tcp.KeepAlive(w.conn.conn)
	w.conn.setDeadline(time.Time{})
	return w.callBody(t)
}

// Read makes an answerWriter a message.TunnelEnd. What came with the head is first.
func (w *answerWriter) Read(p []byte) (int, error) {
	c := w.conn
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
func (w *answerWriter) CloseWrite() error { return tcp.CloseWrite(w.conn.conn) }

// Cut resets the connection.
func (w *answerWriter) Cut() { w.conn.Cut() }
