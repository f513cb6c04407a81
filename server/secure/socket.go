package secure

import (
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/previewd/previewd/server/http2"
	"github.com/previewd/previewd/server/message"
)

const (
	// writeTimeout is how long the kernel may take no byte of what is sent over TLS.
	writeTimeout = 60 * time.Second
	// renewal is how old the deadline of writing may be before it is set anew, so that a busy connection does
	// not pay for it each time.
	renewal = time.Second
)

// socket is the connection beneath one of TLS. The *tls.Conn itself is never wrapped, as net/http asks for
// its type; what has to be seen of its bytes is seen here.
//
// Unless a deadline for writing is set from above, it is renewed by each byte that the kernel takes.
type socket struct {
	net.Conn
	limited atomic.Bool  // a deadline for writing is set from above
	renewed atomic.Int64 // when the deadline for writing was set here, a message.Instant; 0 if it is not
	still   atomic.Int64 // since when a Write is under way, likewise

	room *http2.Room // for HTTP/2, from the handshake on; nil if there is none

	patience func() time.Time // see WaitOnClose; may be nil
	reset    atomic.Bool      // Close resets the connection
	incoming records
	within   atomic.Bool // what was read ends within a record of TLS

	// While the handshake goes on: how many bytes of it may still come, and what the client has sent, if it is not TLS.
	shaking  bool
	left     int
	greeting bool
	foreign  []byte
}

// maxGreeting is how many bytes a client may send for the handshake. crypto/tls holds a message of 64 KiB, twice, before it
// looks at it; those of clients have some 2 KiB.
const maxGreeting = 16 << 10

var errGreeting = errors.New("the client has sent too much for a handshake")

// recordTypeHandshake begins the first record of TLS (RFC 8446, section 5.1).
const recordTypeHandshake = 22

// Read reads from the kernel, and keeps what a client says that does not speak TLS.
func (s *socket) Read(p []byte) (int, error) {
	if s.shaking {
		if s.left == 0 {
			return 0, errGreeting
		}
		p = p[:min(len(p), s.left)]
	}
	n, err := s.Conn.Read(p)
	if s.shaking {
		s.left -= n
	}
	if n > 0 {
		s.within.Store(!s.incoming.endWith(p[:n]))
	}
	if s.greeting && n > 0 {
		if len(s.foreign) == 0 && p[0] == recordTypeHandshake {
			s.greeting = false
		} else {
			s.foreign = append(s.foreign, p[:n]...)
		}
	}
	return n, err
}

// MidRecord says whether what was read ends within a record: crypto/tls holds the beginning back until the rest
// has come.
func (s *socket) MidRecord() bool { return s.within.Load() }

// Write writes all of p.
func (s *socket) Write(p []byte) (n int, err error) {
	s.still.Store(message.Instant(time.Now()))
	defer s.still.Store(0)
	for {
		if err := s.renew(); err != nil {
			return n, err
		}
		m, err := s.Conn.Write(p[n:])
		n += m
		// A deadline that is over with some bytes taken was no standstill.
		if m == 0 || !errors.Is(err, os.ErrDeadlineExceeded) || s.limited.Load() {
			return n, err
		}
		s.renewed.Store(0)
	}
}

func (s *socket) renew() error {
	if s.limited.Load() {
		return nil
	}
	now := time.Now()
	if message.Instant(now)-s.renewed.Load() < int64(renewal) {
		return nil
	}
	s.renewed.Store(message.Instant(now))
	return s.Conn.SetWriteDeadline(now.Add(writeTimeout))
}

// SetDeadline sets both deadlines. The zero time leaves writing to Write.
func (s *socket) SetDeadline(t time.Time) error {
	return errors.Join(s.Conn.SetReadDeadline(t), s.SetWriteDeadline(t))
}

// SetWriteDeadline sets the deadline of writing. The zero time leaves it to Write.
func (s *socket) SetWriteDeadline(t time.Time) error {
	s.limited.Store(!t.IsZero())
	s.renewed.Store(0)
	return s.Conn.SetWriteDeadline(t)
}

// CloseWrite closes the sending side.
func (s *socket) CloseWrite() error {
	if half, ok := s.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return net.ErrClosed
}

// SyscallConn is that of net.TCPConn.
func (s *socket) SyscallConn() (syscall.RawConn, error) {
	if c, ok := s.Conn.(syscall.Conn); ok {
		return c.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

// WaitOnClose has Close ask until when it is to wait for the client's end, the zero time for not at all. It is called
// before the connection is used by others.
func (s *socket) WaitOnClose(patience func() time.Time) { s.patience = patience }

// Close closes the connection, at once unless WaitOnClose says otherwise.
func (s *socket) Close() error {
	if s.patience != nil && !s.reset.Load() {
		if until := s.patience(); time.Now().Before(until) && s.CloseWrite() == nil {
			// Errors mean that the connection has ended, or the time is over. Others may be reading too.
			_ = s.Conn.SetReadDeadline(until)
			_, _ = io.Copy(io.Discard, s.Conn)
		}
	}
	return s.Conn.Close()
}

// SetLinger is that of net.TCPConn, for zero seconds: Close then resets the connection.
func (s *socket) SetLinger(seconds int) error {
	s.reset.Store(true)
	if c, ok := s.Conn.(interface{ SetLinger(seconds int) error }); ok {
		return c.SetLinger(seconds)
	}
	return errors.ErrUnsupported
}

// again returns the connection with what was read of it in the handshake to be read once more.
func (s *socket) again() net.Conn { return &replayed{s, slices.Clone(s.foreign)} }

// replayed is a connection whose first bytes have been read before.
type replayed struct {
	*socket
	first []byte
}

func (r *replayed) Read(p []byte) (int, error) {
	if len(r.first) > 0 {
		n := copy(p, r.first)
		r.first = r.first[n:]
		return n, nil
	}
	return r.socket.Read(p)
}
