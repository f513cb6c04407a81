package http2

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/previewd/previewd/server/tcp"
)

// Conn is one connection, on which ALPN has chosen h2. Serve is its goroutine; Wake, Waiting and Cut may be
// called from others.
type Conn struct {
	engine *Engine
	conn   *tls.Conn
	server http.Server
	ended  chan struct{} // closed when net/http has done with the connection

	peer, local netip.AddrPort
	state       tls.ConnectionState
	opened      time.Time
	idle        atomic.Int64 // since when there is no request, Unix nanoseconds; 0 while there is one
	asked       atomic.Bool  // there has been a request
	large       atomic.Bool  // the last answer was, and the client may not have all of it

	mu       sync.Mutex
	speaking bool      // the client has begun to speak HTTP/2
	woken    bool      // Wake was called
	handlers int       // requests that are being answered
	none     sync.Cond // handlers has become 0
}

// NewConn returns a connection that uses the settings of e. Its handshake is over, and it does not yet read.
func (e *Engine) NewConn(conn *tls.Conn) *Conn {
	e.prepare()
	c := &Conn{engine: e, conn: conn, ended: make(chan struct{}), opened: time.Now(), state: conn.ConnectionState()}
	c.none.L = &c.mu
	c.peer, c.local = tcp.AddrPort(conn.RemoteAddr()), tcp.AddrPort(conn.LocalAddr())
	c.idle.Store(c.opened.UnixNano())
	if beneath, ok := conn.NetConn().(interface{ WaitOnClose(func() time.Time) }); ok {
		beneath.WaitOnClose(c.patience)
	}
	return c
}

// patience is until when a close waits for the client's end: in a drain, behind a large answer, as what stands between
// may hold it, and goes when this process does. It asks once.
func (c *Conn) patience() (until time.Time) {
	if c.engine.draining.Load() && c.large.Swap(false) {
		until = time.Unix(0, c.engine.patience.Load())
	}
	return until
}

// Serve answers requests until the connection ends, and closes it. ctx is handed to the Handler.
func (c *Conn) Serve(ctx context.Context) {
	// An error of setting can only be a mistake here, and then no connection speaks HTTP/2: tests show it.
	c.server.Protocols = new(http.Protocols)
	c.server.Protocols.SetHTTP2(true)
	c.server.Handler = c
	c.server.DisableGeneralOptionsHandler = true // "OPTIONS *" is asked of the Handler as all else
	c.server.MaxHeaderBytes = readHead
	c.server.HTTP2 = &http.HTTP2Config{MaxReadFrameSize: maxFrame, MaxConcurrentStreams: maxStreams,
		MaxReceiveBufferPerStream: streamWindow, MaxReceiveBufferPerConnection: connectionWindow}
	c.server.IdleTimeout = c.engine.IdleTimeout
	c.server.ErrorLog = c.engine.errorLog
	c.server.ConnState = c.changed
	c.server.BaseContext = func(net.Listener) context.Context { return ctx }
	// It ends with an error at the latest when the connection has, which is no news.
	_ = c.server.Serve(&listener{conn: c.conn, ended: c.ended, closed: make(chan struct{})})
	<-c.ended
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.handlers > 0 {
		c.none.Wait()
	}
}

// count notes that n more requests are being answered.
func (c *Conn) count(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.handlers += n; c.handlers == 0 {
		c.none.Broadcast()
	}
}

// changed is told by net/http what the connection is doing: the first news of one that speaks HTTP/2 is
// that it is active.
func (c *Conn) changed(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateActive:
		c.idle.Store(0)
	case http.StateIdle:
		c.idle.Store(time.Now().UnixNano())
	case http.StateClosed:
		close(c.ended)
		return
	default:
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.speaking {
		return
	}
	c.speaking = true
	if c.woken {
		// An error means that the connection is closed, which is what was wanted.
		_ = c.conn.SetReadDeadline(time.Time{})
		c.part()
	}
}

// Waiting returns since when the connection has no request, and false while it has one.
func (c *Conn) Waiting() (since time.Time, waiting bool) {
	ns := c.idle.Load()
	return time.Unix(0, ns), ns != 0
}

// Wake makes the connection end when every request that has come is answered. A new one that was never
// asked anything is given firstRequestGrace.
func (c *Conn) Wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.woken {
		return
	}
	c.woken = true
	if c.speaking {
		c.part()
		return
	}
	_ = c.conn.SetReadDeadline(time.Now().Add(firstRequestGrace))
}

// part says goodbye, at once or when the grace of the first request is over.
func (c *Conn) part() {
	grace := time.Until(c.opened.Add(firstRequestGrace))
	if grace > 0 && !c.asked.Load() {
		time.AfterFunc(grace, c.goAway)
		return
	}
	go c.goAway()
}

// goAway makes net/http send GOAWAY (RFC 9113, section 6.8), and close when all streams have ended. A
// request that crosses it on its way is not answered, and the client knows that it may ask again elsewhere.
func (c *Conn) goAway() {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	// It is not waited for here: the error says so.
	_ = c.server.Shutdown(over)
}

// Cut resets the connection, whatever it is doing.
func (c *Conn) Cut() {
	// Beneath TLS: a goodbye could have to wait for the client. An error means that it is closed already.
	if t, ok := c.conn.NetConn().(interface{ SetLinger(seconds int) error }); ok {
		_ = t.SetLinger(0)
	}
	_ = c.conn.NetConn().Close()
}

// listener is a net.Listener of one connection.
type listener struct {
	conn          *tls.Conn
	accepted      bool
	ended, closed chan struct{}
	once          sync.Once
}

// Accept returns the connection the first time, and then waits for its end.
func (l *listener) Accept() (net.Conn, error) {
	if !l.accepted {
		l.accepted = true
		return l.conn, nil
	}
	select {
	case <-l.ended:
	case <-l.closed:
	}
	return nil, net.ErrClosed
}

// Close ends Accept.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr is the local address of the connection.
func (l *listener) Addr() net.Addr { return l.conn.LocalAddr() }
