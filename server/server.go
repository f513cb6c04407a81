// Package server serves a message.Handler on listeners: it accepts connections, keeps their set within
// bounds, and drains it. What is said on a connection is http1's business.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/previewd/previewd/server/http1"
	"github.com/previewd/previewd/server/http2"
	"github.com/previewd/previewd/server/message"
)

const (
	defaultHeaderTimeout   = 10 * time.Second
	defaultIdleTimeout     = 60 * time.Second
	defaultShutdownTimeout = 10 * time.Second
	// minBackoff and maxBackoff bound the pause after accept failed for want of descriptors.
	minBackoff = 5 * time.Millisecond
	maxBackoff = time.Second
)

// Server is a server on one or more listeners. Its fields are set before the first Serve.
type Server struct {
	// Handler answers the requests; required.
	Handler message.Handler
	// Profile is what all answers have in common; its zero value is http.server's, with HTTP/1.1.
	Profile message.Profile
	// Expect may refuse a request with "Expect: 100-continue": handle_expect_100. Nil continues. It is not
	// called over HTTP/2, where net/http keeps the field to itself and continues when content is read.
	Expect func(ctx context.Context, r *message.Request) *message.Failure
	// Proxies are trusted to say for whom they speak.
	Proxies TrustedProxies

	// Started is called before each answer and Observe after it; Opened and Closed for each connection;
	// Report for what the operator should know and no answer shows. Each may be nil. They are called from
	// many goroutines.
	Started        func()
	Observe        func(*message.Exchange)
	Opened, Closed func()
	Report         func(error)
	// HandshakeFailed is called for each TLS handshake that fails, with a reason of a closed set, and
	// Complaint with what net/http says of an HTTP/2 connection. Either may be nil.
	HandshakeFailed func(reason string, peer net.Addr, err error)
	Complaint       func(text string)

	// HeaderTimeout bounds the reading of a request head, IdleTimeout the wait for one. Zero means 10 s
	// and 60 s.
	HeaderTimeout, IdleTimeout time.Duration
	// Disk bounds how many connections read from files at a time; nil is no limit.
	Disk message.Gate
	// MaxConnections is how many connections are served at once, further ones wait in the backlog; 0 is no
	// limit, 1 serves one at a time as HTTPServer does.
	MaxConnections int
	// ShutdownDelay is how long the server goes on accepting after ctx ended, ShutdownTimeout how long
	// connections may take to end after that. A zero timeout means 10 s.
	ShutdownDelay, ShutdownTimeout time.Duration

	once     sync.Once
	engine   http1.Engine
	refusing http1.Engine // of those who speak HTTP where TLS is spoken
	engine2  http2.Engine
	slots    chan struct{}
}

// CutError is returned by Serve when the drain took longer than ShutdownTimeout.
type CutError struct {
	// Connections is how many were cut with an answer unfinished.
	Connections int
}

func (e *CutError) Error() string {
	return fmt.Sprintf("%d connections were cut at the end of the shutdown timeout", e.Connections)
}

func (s *Server) prepare() {
	s.once.Do(func() {
		handler := s.Handler
		if len(s.Proxies) > 0 {
			handler = s.Proxies.wrap(handler)
		}
		headers, idle := orDefault(s.HeaderTimeout, defaultHeaderTimeout), orDefault(s.IdleTimeout, defaultIdleTimeout)
		for engine, handler := range map[*http1.Engine]message.Handler{&s.engine: handler, &s.refusing: useHTTPS} {
			engine.Handler, engine.Profile, engine.Expect = handler, s.Profile, s.Expect
			engine.Started, engine.Observe, engine.Disk = s.Started, s.Observe, s.Disk
			engine.HeaderTimeout, engine.IdleTimeout = headers, idle
		}
		s.engine2.Handler, s.engine2.Profile, s.engine2.Bounds = handler, s.Profile, http1.Bounds
		s.engine2.Started, s.engine2.Observe = s.Started, s.Observe
		s.engine2.IdleTimeout, s.engine2.Complaint = idle, s.Complaint
		if s.MaxConnections > 0 {
			s.slots = make(chan struct{}, s.MaxConnections)
		}
	})
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

// Serve accepts connections on the listeners until ctx ends, then drains: it goes on for ShutdownDelay with
// answers that close, empties the backlogs, closes the listeners, and waits until every request whose first
// byte had come has its answer, ShutdownTimeout at most. It is serve_forever, and with a ctx the loop that
// handles requests while a condition holds. A listener of Secure speaks TLS. One that fails ends all.
//
// It returns nil, a *CutError, or a listener's error. It closes the listeners.
func (s *Server) Serve(ctx context.Context, listeners ...net.Listener) error {
	s.prepare()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { ended <- s.serve(ctx, l, len(listeners) == 1) }()
	}
	var all error
	cut := 0
	for range listeners {
		err := <-ended
		stop()
		var c *CutError
		if errors.As(err, &c) {
			cut += c.Connections
			continue
		}
		all = errors.Join(all, err)
	}
	if all == nil && cut > 0 {
		return &CutError{cut}
	}
	return all
}

// serve is Serve for one listener.
func (s *Server) serve(ctx context.Context, l net.Listener, alone bool) error {
	// Handlers outlive ctx by the drain.
	handlers, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	cut := func() { cancel(message.ErrStopping) }
	defer cut()
	a := &acceptor{server: s, listener: l, cut: handlers.Done(), alone: alone, connections: connections{cancel: cut}}
	a.workers = newWorkers(func(c served) { a.work(handlers, c) })
	defer a.workers.close() // the loop has ended by then
	if secure, ok := l.(*secureListener); ok {
		a.listener, a.tls = secure.Listener, secure.config
		l = secure.Listener
	}
	ended := make(chan error, 1)
	go func() { ended <- a.run() }()

	patience := orDefault(s.ShutdownTimeout, defaultShutdownTimeout)
	var failure error // of the listener
	select {
	case failure = <-ended:
	case <-ctx.Done():
	}
	s.engine.Drain()
	s.engine2.Drain()
	a.acceptSilent()
	if failure == nil {
		select {
		case failure = <-ended:
		case <-time.After(s.ShutdownDelay):
		}
	}
	timeout := time.After(patience)
	for until := time.Now().Add(patience / 2); failure == nil && a.silent() && time.Now().Before(until); {
		a.connections.wake() // those that are idle need not wait as well
		select {
		case failure = <-ended:
		case <-time.After(handshakeGrace):
		}
	}
	if failure != nil {
		return errors.Join(failure, l.Close(), a.connections.drain(timeout))
	}
	a.finish()
	select {
	case <-ended:
	case <-timeout:
		n := a.connections.tell()
		// The loop may wait for a free slot or for a connection: the closed listener ends the latter.
		_ = l.Close()
		<-ended
		return a.connections.cut(n)
	}
	// An error here cannot be acted upon: nothing is accepted any more.
	_ = l.Close()
	return a.connections.drain(timeout)
}

// acceptor is the accept loop of one listener.
type acceptor struct {
	server      *Server
	listener    net.Listener
	tls         *tls.Config // nil on a plain listener
	alone       bool        // there is no other listener
	connections connections
	workers     *workers[served]
	cut         <-chan struct{}
	finishing   bool      // guarded by connections.mu
	graceOver   bool      // the handshakes that had begun at finish have had handshakeGrace
	silentBy    time.Time // when the connections of which no byte has come are in the backlog
	trouble     time.Time // when accept failed last, for a reason that passes
	backoff     time.Duration
}

// run accepts until the listener fails, or, once finish was called, until the backlog is empty. A listener that
// is alone takes the slot first, so that further connections wait in the backlog. Of several, each would keep
// slots from the others while it waits: there, one accepted connection waits for its slot.
func (a *acceptor) run() error {
	for {
		if a.alone && !a.takeSlot() {
			return nil
		}
		conn, err := a.listener.Accept()
		if err != nil {
			if a.alone {
				a.freeSlot()
			}
			if done, err := a.failed(err); done {
				return err
			}
			continue
		}
		a.backoff = 0
		if !a.alone && !a.takeSlot() {
			return conn.Close()
		}
		a.start(conn)
		if a.graceOver && a.backlogEmpty() {
			return nil
		}
	}
}

// start has a worker serve a connection.
func (a *acceptor) start(conn net.Conn) {
	var c served
	if a.tls == nil {
		c = http1.NewConn(&a.server.engine, conn)
	} else {
		c = a.server.secure(conn, a.tls)
	}
	a.connections.add(c)
	a.workers.start(c)
}

// served is a connection with what its worker does.
type served interface {
	connection
	Serve(ctx context.Context)
}

// work serves a connection to its end.
func (a *acceptor) work(ctx context.Context, c served) {
	defer a.connections.remove(c)
	defer a.freeSlot()
	if a.server.Opened != nil {
		a.server.Opened()
	}
	if a.server.Closed != nil {
		defer a.server.Closed()
	}
	c.Serve(ctx)
}

// takeSlot waits until another connection may be served. While the loop finishes, idle connections make
// room for those in the backlog.
func (a *acceptor) takeSlot() bool {
	if a.server.slots == nil {
		return true
	}
	select {
	case a.server.slots <- struct{}{}:
		return true
	default:
	}
	for {
		select {
		case a.server.slots <- struct{}{}:
			return true
		case <-a.cut:
			return false
		case <-time.After(100 * time.Millisecond):
			if a.isFinishing() {
				a.connections.wake()
			}
		}
	}
}

func (a *acceptor) freeSlot() {
	if a.server.slots != nil {
		<-a.server.slots
	}
}

// failed decides on an error of Accept: whether the loop ends, and with which error. Only a listener that is
// none any more ends it; accept(2) hands out errors of the network, which "should be treated like EAGAIN".
func (a *acceptor) failed(err error) (done bool, _ error) {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) && a.isFinishing():
		return a.backlogEmpty(), nil
	case errors.Is(err, net.ErrClosed) && a.isFinishing():
		return true, nil
	case errors.Is(err, net.ErrClosed), errors.Is(err, syscall.EBADF), errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.ENOTSOCK):
		return true, fmt.Errorf("accepting connections on %s: %w", a.listener.Addr(), err)
	case errors.Is(err, syscall.ECONNABORTED), errors.Is(err, syscall.EINTR):
		return false, nil // the client gave up in the backlog
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ENOBUFS), errors.Is(err, syscall.ENOMEM):
		a.connections.wakeOldest()
	}
	a.pause(err)
	return false, nil
}

// quietTime is how long accept must have worked for its next failure to be reported.
const quietTime = time.Minute

// pause reports trouble that passes, once for as long as it comes back, and waits a little.
func (a *acceptor) pause(err error) {
	now := time.Now()
	if a.server.Report != nil && now.Sub(a.trouble) > quietTime {
		a.server.Report(fmt.Errorf("accepting connections: %w; trying again, and closing idle ones for want of descriptors or memory", err))
	}
	a.trouble = now
	a.backoff = min(max(2*a.backoff, minBackoff), maxBackoff)
	select {
	case <-time.After(a.backoff):
	case <-a.cut:
	}
}

// silentGrace is how long connections that are kept out of the backlog may take to get there.
const silentGrace = 1200 * time.Millisecond

// acceptSilent has connections accepted of which no byte has come: they are told of the end, which without it the
// listener's close would do by a reset. It comes before finish.
func (a *acceptor) acceptSilent() {
	if d, ok := a.listener.(deferring); ok {
		d.Undefer()
		a.silentBy = time.Now().Add(silentGrace)
	}
}

// silent says whether connections are still kept out of the backlog, or on their way.
func (a *acceptor) silent() bool {
	d, ok := a.listener.(deferring)
	return ok && time.Now().Before(a.silentBy) && d.Deferring()
}

// handshakeGrace is how long TCP handshakes that have begun may take to reach the backlog.
const handshakeGrace = 20 * time.Millisecond

type deadliner interface{ SetDeadline(time.Time) error }

// finish makes run end when the backlog is empty. Where it can, new connections are kept from beginning:
// one that enters the backlog just before the listener closes would be reset.
func (a *acceptor) finish() {
	a.connections.mu.Lock()
	a.finishing = true
	a.connections.mu.Unlock()
	refuseNew(a.listener)
	d, ok := a.listener.(deadliner)
	if !ok || d.SetDeadline(time.Now().Add(handshakeGrace)) != nil {
		// Without a deadline Accept can only be ended by closing the listener.
		_ = a.listener.Close()
	}
}

func (a *acceptor) isFinishing() bool {
	a.connections.mu.Lock()
	defer a.connections.mu.Unlock()
	return a.finishing
}

// backlogEmpty decides, once the deadline of finish is over, whether the loop ends. After a deadline
// Accept does not look at the backlog any more, so what is there takes it away again.
func (a *acceptor) backlogEmpty() bool {
	a.graceOver = true
	d := a.listener.(deadliner)
	return !pending(a.listener) || d.SetDeadline(time.Now().Add(time.Second)) != nil
}
