// Package server serves a message.Handler on listeners: it accepts connections, keeps their set within
// bounds, and drains it. What is said on a connection is the business of http1, http2 and secure.
package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/previewd/previewd/server/budget"
	"github.com/previewd/previewd/server/http1"
	"github.com/previewd/previewd/server/http2"
	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/secure"
)

const (
	defaultHeaderTimeout   = 10 * time.Second
	defaultIdleTimeout     = 60 * time.Second
	defaultShutdownTimeout = 8 * time.Second
	// reserve is how long before the end of ShutdownTimeout connections stop waiting for clients that have been sent
	// all: what is then still being sent may need it.
	reserve = 2 * time.Second
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

	// Started is called before each answer and Observe after it; Opened and Closed for each connection;
	// Report for what the operator should know and no answer shows. Each may be nil. They are called from
	// many goroutines.
	Started        func()
	Observe        func(*message.Exchange)
	Opened, Closed func()
	Report         func(error)
	// HandshakeFailed is called for each TLS handshake that fails, with a reason of a closed set (package
	// secure), and Complaint for each error of HTTP/2 that net/http answers by itself. Either may be nil.
	HandshakeFailed func(reason string, peer net.Addr, err error)
	Complaint       func(peer netip.AddrPort, text string)

	// HeaderTimeout bounds the reading of a request head, IdleTimeout the wait for one. Zero means 10 s
	// and 60 s.
	HeaderTimeout, IdleTimeout time.Duration
	// Budget is what connections and requests take memory from beyond what each connection has; nil has no limit. Where it is
	// used up, a connection is ended whose client has made no room for the answer for stillTime.
	Budget *budget.Budget
	// Disk limits how many connections read from files at the same time; nil is no limit.
	Disk message.Gate
	// MaxConnections is how many connections are open at once; 0 is no limit. For a further one, the one gives way that
	// has not moved for the longest time: it waits for a request or the rest of its head, or is in its TLS handshake, or its
	// client has made no room for the answer for stillTime, or deafTime, be it for what the kernel has of an answer that is
	// written. While there is none, further ones wait.
	MaxConnections int
	// ShutdownDelay is how long the server goes on accepting after ctx ended, ShutdownTimeout how long
	// connections may take to end after that. A zero timeout means 8 s. A connection whose last answer had more than 64
	// KiB is half-closed and waits for the client's end until 2 s before that, as relays between may hold the answer.
	ShutdownDelay, ShutdownTimeout time.Duration

	once   sync.Once
	http1  http1.Engine
	http2  http2.Engine
	secure secure.Engine
	slots  slots
}

// ErrInterrupted is the cause of the end of Serve's ctx where someone waits for it, at a terminal: then connections of which no
// byte has come are not waited for.
var ErrInterrupted = errors.New("interrupted")

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
		headers, idle := orDefault(s.HeaderTimeout, defaultHeaderTimeout), orDefault(s.IdleTimeout, defaultIdleTimeout)
		h1, h2, tls := &s.http1, &s.http2, &s.secure
		handler := s.Handler
		if !s.Profile.Exact {
			handler = generalOptions(handler)
		}
		h1.Handler, h1.Profile, h1.Expect, h1.Disk = handler, s.Profile, s.Expect, s.Disk
		h1.Budget, h2.Budget = s.Budget, s.Budget
		h1.Started, h1.Observe = s.Started, s.Observe
		h1.HeaderTimeout, h1.IdleTimeout = headers, idle
		h2.Handler, h2.Profile, h2.Bounds = handler, s.Profile, http1.Bounds
		h2.Started, h2.Observe, h2.Complaint = s.Started, s.Observe, s.Complaint
		h2.IdleTimeout = idle
		tls.HTTP1, tls.HTTP2, tls.Failed, tls.Timeout = h1, h2, s.HandshakeFailed, headers
		s.Budget.OnShort(s.slots.relieve)
		if s.MaxConnections > 0 {
			s.slots.taken = make(chan struct{}, s.MaxConnections)
		}
	})
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

// Serve accepts connections on the listeners until ctx ends, then drains. It keeps accepting for ShutdownDelay, and
// closes each connection after its answer. It then empties the backlogs, closes the listeners, and waits for the
// requests that have begun, at most ShutdownTimeout. It is serve_forever, and with a ctx the loop that handles requests
// while a condition holds. The cause of ctx may be ErrInterrupted. A listener of Secure uses TLS. If a listener fails, Serve ends.
//
// It returns nil, a *CutError, or a listener's error. It closes the listeners.
func (s *Server) Serve(ctx context.Context, listeners ...net.Listener) error {
	s.prepare()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { ended <- s.serve(ctx, l) }()
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
func (s *Server) serve(ctx context.Context, l net.Listener) error {
	// Handlers outlive ctx by the drain.
	handlers, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	cut := func() { cancel(message.ErrStopping) }
	defer cut()
	a := &acceptor{server: s, listener: l, handlers: handlers, connections: connections{cancel: cut}}
	s.slots.join(&a.connections)
	if secured, ok := l.(*secure.Listener); ok {
		a.listener, a.tls = secured.Listener, s.secure.Config(secured.Config)
		l = secured.Listener
	}
	ended := make(chan error, 1)
	go func() { ended <- a.run() }()

	patience := orDefault(s.ShutdownTimeout, defaultShutdownTimeout)
	var failure error // of the listener
	select {
	case failure = <-ended:
	case <-ctx.Done():
	}
	waitUntil := time.Now().Add(s.ShutdownDelay + patience - reserve)
	s.http1.Drain(waitUntil)
	s.http2.Drain(waitUntil)
	if !errors.Is(context.Cause(ctx), ErrInterrupted) {
		a.acceptSilent()
	}
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
