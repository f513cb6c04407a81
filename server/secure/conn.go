package secure

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/previewd/previewd/server/http1"
	"github.com/previewd/previewd/server/message"
)

// handshakeGrace is how long a TLS handshake may still take once the server drains.
const handshakeGrace = time.Second

// speaking is a connection of http1 or http2.
type speaking interface {
	Wake()
	GiveWay()
	Waiting() (since time.Time, waiting bool)
	Still() (since time.Time, still bool)
}

// Conn is a connection of TLS: its handshake, and then what ALPN has chosen. In http.server the handshake
// happens within accept, and one silent client keeps all others out.
type Conn struct {
	engine *Engine
	socket *socket
	conn   *tls.Conn
	opened time.Time

	mu       sync.Mutex
	speaking speaking // nil until the handshake is over
	woken    bool
	givesWay bool
}

// NewConn returns a connection that uses the settings of e, with a configuration of Config. It does not yet read.
func (e *Engine) NewConn(conn net.Conn, config *tls.Config) *Conn {
	e.prepare()
	beneath := &socket{Conn: conn, shaking: true, left: maxGreeting, greeting: true}
	return &Conn{engine: e, socket: beneath, conn: tls.Server(beneath, config), opened: time.Now()}
}

// Serve makes the handshake, answers requests until the connection ends, and closes it.
func (c *Conn) Serve(ctx context.Context) {
	defer c.leaveRoom()
	if err := c.handshake(); err != nil {
		c.failed(ctx, err)
		return
	}
	if c.conn.ConnectionState().NegotiatedProtocol == "h2" {
		h2 := c.engine.HTTP2.NewConn(c.conn, *c.socket.room)
		c.speak(h2)
		h2.Serve(ctx)
		return
	}
	c.leaveRoom()
	h1 := http1.NewConn(c.engine.HTTP1, c.conn)
	c.speak(h1)
	h1.Serve(ctx)
}

// leaveRoom gives back what the handshake has taken for HTTP/2.
func (c *Conn) leaveRoom() {
	if c.socket.room != nil {
		c.socket.room.Release()
		c.socket.room = nil
	}
}

// handshake bounds the handshake as a whole, as a request head is.
func (c *Conn) handshake() error {
	c.mu.Lock()
	limit := c.engine.Timeout
	if c.woken {
		limit = min(limit, handshakeGrace)
	}
	if c.givesWay {
		limit = 0
	}
	err := c.socket.SetDeadline(c.opened.Add(limit))
	c.mu.Unlock()
	if err != nil {
		return err
	}
	return c.inTheClear(c.conn.Handshake())
}

// inTheClear returns the error of a handshake, or the alert for which there is one. OpenSSL's clients refuse a
// certificate of TLS 1.3 by an alert that is not encrypted yet, which crypto/tls takes for a damaged record.
func (c *Conn) inTheClear(err error) error {
	var local *net.OpError
	alert, found := c.socket.incoming.alert()
	if !found || !errors.As(err, &local) || local.Op != "local error" {
		return err
	}
	return &net.OpError{Op: "remote error", Err: alert}
}

// speak notes what the connection speaks once its handshake is over.
func (c *Conn) speak(as speaking) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.socket.greeting, c.socket.shaking = false, false
	// An error means that the connection is closed: what comes next reports it.
	_ = c.socket.SetDeadline(time.Time{})
	c.speaking = as
	if c.woken {
		as.Wake()
	}
	if c.givesWay {
		as.GiveWay()
	}
}

// failed reports a handshake that failed, and closes the connection. Who speaks HTTP where TLS is spoken is
// told so.
func (c *Conn) failed(ctx context.Context, err error) {
	reason := reasonOf(err)
	if c.engine.Failed != nil {
		c.engine.Failed(reason, c.socket.RemoteAddr(), err)
	}
	if reason != PlainHTTP {
		// Not of TLS: what there was to say was said as an alert. An error means that it is closed already.
		_ = c.socket.Close()
		return
	}
	c.socket.greeting = false
	plain := http1.NewConn(c.engine.refusing, c.socket.again())
	c.speak(plain)
	plain.Serve(ctx)
}

// Wake makes the connection close if it waits for a request. A handshake gets handshakeGrace.
func (c *Conn) Wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.woken {
		return
	}
	c.woken = true
	if c.speaking != nil {
		c.speaking.Wake()
		return
	}
	_ = c.socket.SetDeadline(time.Now().Add(handshakeGrace))
}

// GiveWay ends a connection that waits, or is in its handshake, to make room for another.
func (c *Conn) GiveWay() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.givesWay = true
	if c.speaking != nil {
		c.speaking.GiveWay()
		return
	}
	// An error means that the connection is closed, which is what was wanted.
	_ = c.socket.SetDeadline(time.Unix(1, 0))
}

// Still returns since when the client has made no room for what is sent to it, and false while it does.
func (c *Conn) Still() (since time.Time, still bool) {
	if ns := c.socket.still.Load(); ns != 0 {
		return message.TimeOf(ns), true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.speaking == nil {
		return time.Time{}, false
	}
	return c.speaking.Still()
}

// Waiting returns since when the connection waits for a request; a handshake is none.
func (c *Conn) Waiting() (since time.Time, waiting bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.speaking == nil {
		return c.opened, true
	}
	return c.speaking.Waiting()
}

// Cut resets the connection, beneath TLS: a goodbye, and the end of the connection, could have to wait for the client.
func (c *Conn) Cut() {
	// An error means that the connection is gone.
	_ = c.socket.SetLinger(0)
	// An error means that it is closed already.
	_ = c.socket.Close()
}
