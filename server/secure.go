package server

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/previewd/previewd/server/http1"
)

// Secure makes Serve speak TLS on the connections of a listener. The config has the certificate and the
// protocols to offer (NextProtos): h2 and http/1.1. Where http/1.1 is offered, a client of http/1.0 alone is
// served too, as it is without TLS: curl --http1.0 names nothing else.
func Secure(l net.Listener, config *tls.Config) net.Listener {
	if slices.Contains(config.NextProtos, "http/1.1") {
		config = config.Clone()
		config.NextProtos = append(slices.Clip(config.NextProtos), "http/1.0") // the least preferred
	}
	return &secureListener{l, config}
}

type secureListener struct {
	net.Listener
	config *tls.Config
}

// tlsHandshakeGrace is how long a TLS handshake may still take once the server drains.
const tlsHandshakeGrace = time.Second

// secure is a connection of TLS: its handshake, and then what ALPN has chosen. In http.server the handshake
// happens within accept, and one silent client keeps all others out.
type secure struct {
	server *Server
	socket *socket
	conn   *tls.Conn
	opened time.Time

	mu       sync.Mutex
	speaking connection // nil until the handshake is over
	woken    bool
}

func (s *Server) secure(conn net.Conn, config *tls.Config) *secure {
	beneath := &socket{Conn: conn, greeting: true}
	return &secure{server: s, socket: beneath, conn: tls.Server(beneath, config), opened: time.Now()}
}

// Serve makes the handshake, answers requests until the connection ends, and closes it.
func (c *secure) Serve(ctx context.Context) {
	if err := c.handshake(); err != nil {
		c.failed(ctx, err)
		return
	}
	if c.conn.ConnectionState().NegotiatedProtocol == "h2" {
		h2 := c.server.engine2.NewConn(c.conn)
		c.speak(h2)
		h2.Serve(ctx)
		return
	}
	h1 := http1.NewConn(&c.server.engine, c.conn)
	c.speak(h1)
	h1.Serve(ctx)
}

// handshake bounds the handshake as a whole, as a request head is.
func (c *secure) handshake() error {
	c.mu.Lock()
	limit := c.server.engine.HeaderTimeout
	if c.woken {
		limit = min(limit, tlsHandshakeGrace)
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
func (c *secure) inTheClear(err error) error {
	var local *net.OpError
	alert, found := c.socket.incoming.alert()
	if !found || !errors.As(err, &local) || local.Op != "local error" {
		return err
	}
	return &net.OpError{Op: "remote error", Err: alert}
}

// speak notes what the connection speaks once its handshake is over.
func (c *secure) speak(as connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.socket.greeting = false
	// An error means that the connection is closed: what comes next reports it.
	_ = c.socket.SetDeadline(time.Time{})
	c.speaking = as
	if c.woken {
		as.Wake()
	}
}

// failed reports a handshake that failed, and closes the connection. Who speaks HTTP where TLS is spoken is
// told so.
func (c *secure) failed(ctx context.Context, err error) {
	reason := reasonOf(err)
	if c.server.HandshakeFailed != nil {
		c.server.HandshakeFailed(reason, c.socket.RemoteAddr(), err)
	}
	if reason != plainHTTP {
		// Not of TLS: what there was to say was said as an alert. An error means that it is closed already.
		_ = c.socket.Close()
		return
	}
	c.socket.greeting = false
	plain := http1.NewConn(&c.server.refusing, c.socket.again())
	c.speak(plain)
	plain.Serve(ctx)
}

// Wake makes the connection close if it waits for a request. A handshake gets tlsHandshakeGrace.
func (c *secure) Wake() {
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
	_ = c.socket.SetDeadline(time.Now().Add(tlsHandshakeGrace))
}

// Waiting returns since when the connection waits for a request; a handshake is none.
func (c *secure) Waiting() (since time.Time, waiting bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.speaking == nil {
		return c.opened, true
	}
	return c.speaking.Waiting()
}

// Cut closes the connection at once, beneath TLS: a goodbye could have to wait for the client.
func (c *secure) Cut() {
	// An error means that it is closed already.
	_ = c.socket.Close()
}
