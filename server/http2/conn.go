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

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/tcp"
)

// Conn is one connection, on which ALPN has chosen h2. Serve is its goroutine; Wake, GiveWay, Waiting, Still and
// Cut may be called from others.
type Conn struct {
	engine *Engine
	room   Room
	conn   *tls.Conn
	server http.Server
	ended  chan struct{} // closed when net/http has done with the connection

	peer, local netip.AddrPort
	state       tls.ConnectionState
	opened      time.Time
	idle        atomic.Int64 // since when there is no request, a message.Instant; 0 while there is one
	asked       atomic.Bool  // there has been a request
	large       atomic.Bool  // the last answer was, and the client may not have all of it
	tail        tcp.Tail     // of the engine's lock

	mu       sync.Mutex
	speaking bool        // the client has begun to speak HTTP/2
	woken    bool        // Wake was called
	looker   *time.Timer // calls look while there are requests
	looking  bool        // it will
	rester   *time.Timer // ends an idle connection

	// answers has its own lock, which is held while net/http is told something: net/http calls changed, which takes mu.
	answersMu sync.Mutex
	answers   map[*answer]struct{} // that are being made or sent
	none      sync.Cond            // there has become none
	changedAt time.Time            // when one came or went last
}

// NewConn returns a connection that uses the settings of e. Its handshake is over, and it does not yet read. The Room stays
// the caller's.
func (e *Engine) NewConn(conn *tls.Conn, room Room) *Conn {
	e.prepare()
	c := &Conn{engine: e, room: room, conn: conn, ended: make(chan struct{}), opened: time.Now(), state: conn.ConnectionState(),
		answers: make(map[*answer]struct{})}
	c.none.L = &c.answersMu
	c.peer, c.local = tcp.AddrPort(conn.RemoteAddr()), tcp.AddrPort(conn.LocalAddr())
	c.idle.Store(message.Instant(c.opened))
	if beneath, ok := conn.NetConn().(interface{ WaitOnClose(func() time.Time) }); ok {
		beneath.WaitOnClose(c.patience)
	}
	return c
}

// patience is until when a close waits for the client's end: in a drain, behind a large answer, as what stands between
// may hold it, and goes when this process does. It asks once.
func (c *Conn) patience() (until time.Time) {
	if c.engine.draining.Load() && c.large.Swap(false) {
		until = message.TimeOf(c.engine.patience.Load())
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
	c.server.MaxHeaderBytes = c.room.head
	errors := complaints{conn: c}
	c.server.HTTP2 = &http.HTTP2Config{MaxReadFrameSize: maxFrame, MaxConcurrentStreams: c.room.streams,
		MaxReceiveBufferPerStream: streamWindow, MaxReceiveBufferPerConnection: c.room.window, CountError: errors.count}
	c.server.ErrorLog = errors.logger()
	// Of a stream whose handler has returned, look does not see what is left.
	c.server.WriteTimeout = writeTimeout
	c.server.ConnState = c.changed
	c.server.BaseContext = func(net.Listener) context.Context { return ctx }
	c.engine.add(c)
	defer c.engine.remove(c)
	// It ends with an error at the latest when the connection has, which is no news.
	_ = c.server.Serve(&listener{conn: c.conn, ended: c.ended, closed: make(chan struct{})})
	<-c.ended
	c.answersMu.Lock()
	defer c.answersMu.Unlock()
	for len(c.answers) > 0 {
		c.none.Wait()
	}
}

// begin and end note that a request is being answered, and that it no longer is.
func (c *Conn) begin(a *answer) {
	c.answersMu.Lock()
	defer c.answersMu.Unlock()
	c.answers[a] = struct{}{}
	c.changedAt = time.Now()
}

func (c *Conn) end(a *answer) {
	c.answersMu.Lock()
	defer c.answersMu.Unlock()
	delete(c.answers, a)
	c.changedAt = time.Now()
	if len(c.answers) == 0 {
		c.none.Broadcast()
	}
}

// look comes by every lookTime as long as there are requests. It closes a connection that stands still, resets
// streams that do, and moves the deadline of those that do not.
func (c *Conn) look() {
	c.mu.Lock()
	c.looking = c.idle.Load() == 0
	if c.looking {
		c.looker.Reset(lookTime)
	}
	c.mu.Unlock()
	now := time.Now()
	if since, still := c.Still(); still && now.Sub(since) >= writeTimeout {
		c.Cut()
		return
	}
	c.answersMu.Lock()
	defer c.answersMu.Unlock()
	for a := range c.answers {
		waited := time.Duration(0)
		if since := a.since.Load(); since != 0 {
			waited = now.Sub(message.TimeOf(since))
		}
		// An error means that the stream has ended.
		switch {
		case waited >= writeTimeout:
			_ = a.control.SetWriteDeadline(now.Add(-1))
		case waited < lookTime:
			_ = a.control.SetWriteDeadline(now.Add(writeTimeout))
		}
	}
}

// Still returns since when the client has made no room for anything, and false if no stream waits for it.
func (c *Conn) Still() (since time.Time, still bool) {
	if c.idle.Load() != 0 {
		return time.Time{}, false
	}
	c.answersMu.Lock()
	defer c.answersMu.Unlock()
	since = c.changedAt
	for a := range c.answers {
		ns := a.since.Load()
		if ns == 0 {
			return time.Time{}, false
		}
		if t := message.TimeOf(ns); t.After(since) {
			since = t
		}
	}
	return since, !since.IsZero()
}

// changed is told by net/http what the connection is doing: the first news of one that speaks HTTP/2 is
// that it is active.
func (c *Conn) changed(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateActive:
		c.idle.Store(0)
	case http.StateIdle:
		c.idle.Store(message.Instant(time.Now()))
		c.startResting()
	case http.StateClosed:
		c.idle.Store(message.Instant(time.Now()))
		c.stopTimers()
		close(c.ended)
		return
	default:
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.speaking {
		c.startLooking()
		return
	}
	c.speaking = true
	if c.woken {
		c.part()
	}
}

// startLooking makes look come by. Once begun, it goes on by itself until the connection is idle when it looks.
func (c *Conn) startLooking() {
	switch {
	case c.looking || c.idle.Load() != 0:
	case c.looker == nil:
		c.looking, c.looker = true, time.AfterFunc(lookTime, c.look)
	default:
		c.looking = true
		c.looker.Reset(lookTime)
	}
}

// startResting makes an idle connection end when IdleTimeout is over. http.Server has the same, but its timer keeps a
// connection that ended amid requests in memory until it comes.
func (c *Conn) startResting() {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.engine.IdleTimeout <= 0:
	case c.rester == nil:
		c.rester = time.AfterFunc(c.engine.IdleTimeout, c.endResting)
	default:
		c.rester.Reset(c.engine.IdleTimeout)
	}
}

// endResting says goodbye to a connection that has been idle for IdleTimeout.
func (c *Conn) endResting() {
	if since, idle := c.Waiting(); idle && time.Since(since) >= c.engine.IdleTimeout {
		c.goAway()
	}
}

// stopTimers is for the end of a connection, which they would keep in memory until they come.
func (c *Conn) stopTimers() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, timer := range []*time.Timer{c.looker, c.rester} {
		if timer != nil {
			timer.Stop()
		}
	}
}

// Waiting returns since when the connection has no request, and false while it has one.
func (c *Conn) Waiting() (since time.Time, waiting bool) {
	ns := c.idle.Load()
	return message.TimeOf(ns), ns != 0
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
	time.AfterFunc(firstRequestGrace, c.cutSilent)
}

// cutSilent closes a connection on which the client has not begun to speak.
func (c *Conn) cutSilent() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.speaking {
		c.Cut()
	}
}

// GiveWay ends a connection to make room for another: at once if it has no requests, and none is on its way. It waits for
// nothing, as its caller has locks that others want: in a drain, where a close may wait for the client's end, the connection
// parts as all others do.
func (c *Conn) GiveWay() {
	if c.idle.Load() == 0 || c.hasUnread() || c.engine.draining.Load() {
		c.Wake()
		return
	}
	c.large.Store(false) // should the drain begin now
	// Beneath TLS, as in Cut. An error means that it is closed already.
	_ = c.conn.NetConn().Close()
}

// hasUnread says whether something has come that was not read yet, or the beginning of a record of TLS.
func (c *Conn) hasUnread() bool {
	beneath, ok := c.conn.NetConn().(interface{ MidRecord() bool })
	return ok && beneath.MidRecord() || tcp.HasUnread(c.conn)
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
	tcp.ResetOnClose(c.conn.NetConn())
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
