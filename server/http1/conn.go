package http1

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/tcp"
)

// Conn is one connection. Serve is its goroutine; Wake, GiveWay, Waiting and Still may be called from others.
type Conn struct {
	engine  *Engine
	conn    net.Conn
	wire    wire
	store   []byte // the read buffer: of the pool, or larger; nil while the connection waits
	buf     []byte // the part of store received and not yet used
	held    int64  // bytes of the engine's head budget that store takes
	served  bool   // a request has been answered
	lingers bool   // what still comes has to be read before the connection is closed
	large   bool   // the last answer was, and the client may not have all of it

	peer, local netip.AddrPort
	tls         *tls.ConnectionState
	opened      time.Time
	deadline    time.Time    // of reads, as the kernel's poller has it; zero if there is none
	waiting     atomic.Int64 // since when it answers nothing, a message.Instant; 0 while it does
	still       atomic.Int64 // since when the kernel takes nothing of the answer, likewise
	woken       atomic.Bool  // Wake or GiveWay was called
	givesWay    atomic.Bool  // GiveWay was called
}

// NewConn returns a connection that uses the settings of e. It does not yet read. A *tls.Conn has had its
// handshake, and the connection beneath it bounds how long a write may take.
func NewConn(e *Engine, conn net.Conn) *Conn {
	e.prepare()
	c := &Conn{engine: e, conn: conn, opened: time.Now()}
	c.wire = wireOf(conn, e.Disk, &c.still)
	if known, ok := conn.(interface {
		Ends() (peer, local netip.AddrPort)
	}); ok {
		c.peer, c.local = known.Ends()
	} else {
		c.peer, c.local = tcp.AddrPort(conn.RemoteAddr()), tcp.AddrPort(conn.LocalAddr())
	}
	if t, ok := conn.(*tls.Conn); ok {
		state := t.ConnectionState()
		c.tls = &state
	}
	return c
}

// Waiting returns since when the connection waits for a request, for the rest of its head, or for the end of what is
// thrown away behind an answer, and false while a request is being answered.
func (c *Conn) Waiting() (since time.Time, waiting bool) { return instant(&c.waiting) }

// Still returns since when the client has made no room for the answer, and false while it does or there is none. Over TLS
// the connection beneath tells.
func (c *Conn) Still() (since time.Time, still bool) { return instant(&c.still) }

func instant(ns *atomic.Int64) (t time.Time, set bool) {
	n := ns.Load()
	return message.TimeOf(n), n != 0
}

// Wake makes a connection that waits for a request close, unless bytes have come already. A new one that
// was never asked anything is given firstRequestGrace.
func (c *Conn) Wake() {
	if !c.woken.Swap(true) { // else it has its moment
		c.look()
	}
}

// GiveWay ends a connection that waits, to make room for another. A request whose head has come is answered, and is the
// last; the rest of one is not waited for.
func (c *Conn) GiveWay() {
	c.givesWay.Store(true)
	c.woken.Store(true)
	c.look()
}

// look ends a read that waits.
func (c *Conn) look() {
	// An error means that the connection is closed, which is what was wanted.
	_ = c.conn.SetReadDeadline(time.Unix(1, 0))
}

// Serve answers requests until the connection ends, and closes it: handle in BaseHTTPRequestHandler.
// A request that is in progress when ctx ends is answered in full; ctx is handed to the Handler.
func (c *Conn) Serve(ctx context.Context) {
	defer func() {
		c.setStore(nil)
		// What could not be sent has been reported with its exchange.
		_ = c.conn.Close()
	}()
	c.waiting.Store(message.Instant(c.opened))
	for c.awaitRequest() {
		x := c.engine.exchange.Get().(*exchange)
		keep := x.serve(ctx, c)
		x.release()
		c.served = true
		if !keep {
			break
		}
	}
	switch {
	case c.large:
		c.awaitEnd()
	case c.lingers:
		c.linger()
	}
}

// awaitRequest waits for the first byte of a request, IdleTimeout at most.
func (c *Conn) awaitRequest() bool {
	if len(c.buf) > 0 {
		return true
	}
	c.setStore(nil)
	since := c.opened
	if c.served {
		since = time.Now()
		c.waiting.Store(message.Instant(since))
	}
	limit := since.Add(c.engine.IdleTimeout)
	for {
		// The deadline is moved only when it is over, so that a busy connection does not pay for it.
		if c.deadline.IsZero() || c.deadline.After(limit) {
			c.setReadDeadline(limit)
		}
		buf, err := c.wire.readFirst()
		switch {
		case err == nil:
			c.setStore(buf)
			return true
		case !isTimeout(err):
			return false
		case c.woken.Load():
			return c.lastLook()
		case !time.Now().Before(limit):
			c.large = false // it has had its time
			return false
		}
		c.setReadDeadline(limit)
	}
}

// lastLook decides on a connection that waits while the server drains: a request whose first byte is
// there is answered, and a connection that was never asked anything gets a moment to ask. Over TLS the first
// byte is that of its record.
func (c *Conn) lastLook() bool {
	buf := getBuffer()
	n, err := c.wire.tryRead(buf)
	c.deadline = time.Time{}
	if grace := time.Until(c.opened.Add(firstRequestGrace)); n == 0 && err == nil && !c.served && grace > 0 && !c.givesWay.Load() {
		c.setDeadline(time.Now().Add(grace))
		if n, err = c.wire.read(buf); isTimeout(err) {
			err = nil
		}
	}
	if n == 0 && err == nil && c.wire.unread() {
		n, _ = c.readUntil(buf, time.Now().Add(c.engine.HeaderTimeout))
	}
	if n == 0 {
		putBuffer(buf)
		return false
	}
	c.setStore(buf[:n])
	return true
}

// setStore replaces the read buffer by another, whose bytes have all still to be used.
func (c *Conn) setStore(buf []byte) {
	if c.store != nil {
		putBuffer(c.store)
		if c.held > 0 {
			c.engine.heads.Release(c.held)
			c.held = 0
		}
	}
	c.store, c.buf = buf, buf
}

// consume steps over n bytes of the buffer.
func (c *Conn) consume(n int) { c.buf = c.buf[n:] }

// grow makes room behind the bytes of the buffer if there is none. What exceeds a buffer of the pool comes from what all
// connections share: twice, as a head becomes a text of the request.
func (c *Conn) grow() *message.Failure {
	if len(c.buf) < cap(c.buf) {
		return nil
	}
	size := max(bufferSize, 2*len(c.buf))
	if len(c.buf) < maxHead {
		size = min(size, maxHead+bufferSize)
	}
	held := 2 * int64(size-bufferSize)
	if held > 0 && !c.engine.heads.TryAcquire(held) {
		return &message.Failure{Status: 503, Message: "Too many unfinished requests"}
	}
	var grown []byte
	if size == bufferSize {
		grown = getBuffer()
	} else {
		grown = make([]byte, size)
	}
	c.setStore(grown[:copy(grown, c.buf)])
	c.held = held
	return nil
}

// setReadDeadline arms the deadline of reads, but not over a call of Wake.
func (c *Conn) setReadDeadline(t time.Time) {
	c.setDeadline(t)
	if c.woken.Load() {
		_ = c.conn.SetReadDeadline(time.Unix(1, 0))
	}
}

// setDeadline arms the deadline of reads whether or not Wake was called.
func (c *Conn) setDeadline(t time.Time) {
	c.deadline = t
	// An error means that the connection is closed: the read that follows reports it.
	_ = c.conn.SetReadDeadline(t)
}

// readUntil reads into p, until the deadline or GiveWay. Wake does not end it: it is for idle connections only.
func (c *Conn) readUntil(p []byte, deadline time.Time) (int, error) {
	for {
		c.setDeadline(deadline)
		if c.givesWay.Load() { // GiveWay sets it and then moves the deadline: here one of the two is seen
			c.setDeadline(time.Unix(1, 0))
		}
		n, err := c.wire.read(p)
		if n > 0 || !isTimeout(err) || !time.Now().Before(deadline) || c.givesWay.Load() {
			return n, err
		}
	}
}

// AwaitGone makes a Conn the message.Watcher of its requests, AwaitEnd too.
func (c *Conn) AwaitGone(ctx context.Context) bool { return c.await(ctx, tcp.AwaitHangup) }
func (c *Conn) AwaitEnd(ctx context.Context) bool  { return c.await(ctx, tcp.AwaitEnd) }

func (c *Conn) await(ctx context.Context, what func(net.Conn) error) bool {
	// An error means that the connection is closed, which the wait reports.
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	tcp.KeepAlive(c.conn)
	for {
		c.setDeadline(time.Time{})
		// ctx ends and then moves the deadline: here one of the two is seen.
		if ctx.Err() != nil {
			return false
		}
		err := what(c.conn)
		if errors.Is(err, errors.ErrUnsupported) {
			<-ctx.Done()
			return false
		}
		if !isTimeout(err) { // Wake moves the deadline too
			return true
		}
	}
}

// linger closes the sending side and discards what still comes, so that the peer can read the answer. Nothing of the
// request is held meanwhile.
func (c *Conn) linger() {
	c.setStore(nil)
	if tcp.CloseWrite(c.conn) != nil {
		return
	}
	c.waiting.Store(message.Instant(time.Now()))
	buf := getBuffer()
	defer putBuffer(buf)
	for range lingerTime / lingerTimeout {
		n, err := c.discard(buf, time.Now().Add(lingerTimeout))
		if !isTimeout(err) || n < lingerBytes || c.engine.draining.Load() {
			return
		}
	}
}

// awaitEnd closes the sending side and waits until the client closes its own, which says that it has the answer: while
// the server drains until the time that Drain was told, else IdleTimeout at most. Where it is to give way, it is enough that
// the client's kernel has all. A client that has not taken all by then is told by a reset, as the end of the connection would
// wait behind what it has not taken.
func (c *Conn) awaitEnd() {
	c.setStore(nil)
	if tcp.CloseWrite(c.conn) != nil {
		return
	}
	since := time.Now()
	c.waiting.Store(message.Instant(since))
	buf := getBuffer()
	defer putBuffer(buf)
	for {
		now, limit := time.Now(), since.Add(c.engine.IdleTimeout)
		draining, woken := c.engine.draining.Load(), c.woken.Load()
		if draining {
			limit = message.TimeOf(c.engine.patience.Load())
		}
		left, yields := tcp.HasUnacknowledged(c.conn), woken && !draining
		switch over := !now.Before(limit); {
		case over && left:
			c.wire.reset()
			return
		case over, yields && !left:
			return
		case yields:
			limit = now.Add(tailPause)
		}
		c.setDeadline(limit)
		// Drain comes first and then Wake, which moves the deadline: here one of the two is seen.
		if c.engine.draining.Load() != draining || c.woken.Load() != woken {
			continue
		}
		if _, err := c.wire.read(buf); err != nil && !isTimeout(err) {
			return
		}
	}
}

// discard reads until the deadline, or another error, and returns how many bytes came.
func (c *Conn) discard(buf []byte, deadline time.Time) (n int, err error) {
	for {
		m, err := c.readUntil(buf, deadline)
		n += m
		if err != nil {
			return n, err
		}
	}
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// Cut resets the connection, whatever it is doing: its end would wait behind what the client has not taken, and is
// lost where the network goes with the process.
func (c *Conn) Cut() {
	tcp.ResetOnClose(c.conn)
	// An error means that it is closed already.
	_ = c.conn.Close()
}
