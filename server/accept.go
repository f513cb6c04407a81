package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/previewd/previewd/server/http1"
	"github.com/previewd/previewd/server/stack"
	"github.com/previewd/previewd/server/tcp"
)

// acceptor is the accept loop of one listener.
type acceptor struct {
	server      *Server
	listener    net.Listener
	tls         *tls.Config // nil on a plain listener
	connections connections
	handlers    context.Context // of the handlers
	finishing   bool            // guarded by connections.mu
	graceOver   bool            // the handshakes that had begun at finish have had handshakeGrace
	silentBy    time.Time       // when the connections of which no byte has come are in the backlog
	trouble     time.Time       // when accept failed last, for a reason that passes
	backoff     time.Duration
}

// run accepts until the listener fails, or, once finish was called, until the backlog is empty. One accepted connection
// may wait for its slot, further ones wait in the backlog.
func (a *acceptor) run() error {
	for {
		conn, err := a.listener.Accept()
		if err != nil {
			if done, err := a.failed(err); done {
				return err
			}
			continue
		}
		a.backoff = 0
		if !a.server.slots.take(a.handlers.Done()) {
			return conn.Close()
		}
		if a.server.slots.scarce() {
			tcp.LimitUnsent(conn, unsent)
		}
		a.start(conn)
		if a.graceOver && a.backlogEmpty() {
			return nil
		}
	}
}

// start has a goroutine serve a connection.
func (a *acceptor) start(conn net.Conn) {
	var c served
	if a.tls == nil {
		c = http1.NewConn(&a.server.http1, conn)
	} else {
		c = a.server.secure.NewConn(conn, a.tls)
	}
	a.connections.add(c, conn)
	go a.work(c)
}

// served is a connection with what its goroutine does.
type served interface {
	connection
	Serve(ctx context.Context)
}

// work serves a connection to its end.
func (a *acceptor) work(c served) {
	stack.Grow()
	defer a.connections.remove(c)
	defer a.server.slots.give()
	if a.server.Opened != nil {
		a.server.Opened()
	}
	if a.server.Closed != nil {
		defer a.server.Closed()
	}
	c.Serve(a.handlers)
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
		a.server.slots.makeRoom(time.Now())
	}
	a.pause(err)
	return false, nil
}

const (
	// quietTime is how long accept must have worked for its next failure to be reported.
	quietTime = time.Minute
	// minBackoff and maxBackoff bound the pause after accept failed because there were no descriptors left.
	minBackoff = 5 * time.Millisecond
	maxBackoff = time.Second
)

// pause reports trouble that passes, once for as long as it comes back, and waits a little.
func (a *acceptor) pause(err error) {
	now := time.Now()
	if a.server.Report != nil && now.Sub(a.trouble) > quietTime {
		a.server.Report(fmt.Errorf("accepting connections: %w; trying again, and closing idle connections to free descriptors and memory", err))
	}
	a.trouble = now
	a.backoff = min(max(2*a.backoff, minBackoff), maxBackoff)
	select {
	case <-time.After(a.backoff):
	case <-a.handlers.Done():
	}
}

// silentGrace is how long connections that are kept out of the backlog may take to get there.
const silentGrace = 1200 * time.Millisecond

// deferring is a listener of tcp.Listen, which keeps connections out until their first byte comes.
type deferring interface {
	// Undefer has them accepted without it, within a second.
	Undefer()
	// Deferring says whether some are still kept out.
	Deferring() bool
}

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
	tcp.RefuseNew(a.listener)
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
	return !tcp.Pending(a.listener) || d.SetDeadline(time.Now().Add(time.Second)) != nil
}
