package tcp

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/previewd/previewd/server/message"
)

// Conn is a net.Conn, of which one goroutine reads and one writes at a time. Until it has to wait, its system calls
// are made on the socket itself, and counted, so that Close cannot take the descriptor away from under one; from
// then on it is an os.File, which has a poller and a count of its own.
type Conn struct {
	fd          uintptr
	peer, local netip.AddrPort
	polled      atomic.Pointer[polled] // nil until it has to wait
	reserve     *reserve               // that has its descriptor; nil if none has

	mu     sync.Mutex
	calls  int // system calls under way that the os.File does not know of
	closed bool
	// readBy and writeBy are the deadlines until it is polled, each a message.Instant; 0 is none.
	readBy, writeBy int64
}

// polled is a connection that has had to wait.
type polled struct {
	file *os.File
	raw  syscall.RawConn
}

// Ends returns the addresses of both ends.
func (c *Conn) Ends() (peer, local netip.AddrPort) { return c.peer, c.local }

// RemoteAddr returns the address of the peer.
func (c *Conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.peer) }

// LocalAddr returns the address that the peer speaks to.
func (c *Conn) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(c.local) }

// begin begins a system call on the socket; end has to follow. It reports false where the connection is closed
// or polled, or the deadline is over: then poll knows more. A deadline of nil is none.
func (c *Conn) begin(deadline *int64) bool {
	if c.polled.Load() != nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.polled.Load() != nil || c.closed || deadline != nil && *deadline != 0 && message.Instant(time.Now()) >= *deadline {
		return false
	}
	c.calls++
	return true
}

func (c *Conn) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls--
	if c.closed && c.calls == 0 {
		// Close has returned: there is nobody to tell.
		_ = c.release()
	}
}

// poll returns what waits, which it makes if there is none yet.
func (c *Conn) poll() (*polled, error) {
	if p := c.polled.Load(); p != nil {
		return p, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.polled.Load(); p != nil {
		return p, nil
	}
	if c.closed {
		return nil, net.ErrClosed
	}
	file := os.NewFile(c.fd, "tcp")
	raw, err := file.SyscallConn()
	if err == nil && c.readBy != 0 {
		err = file.SetReadDeadline(message.TimeOf(c.readBy))
	}
	if err == nil && c.writeBy != 0 {
		err = file.SetWriteDeadline(message.TimeOf(c.writeBy))
	}
	p := &polled{file, raw}
	c.polled.Store(p) // whatever the error: the file closes the descriptor from now on
	return p, err
}

// release closes the descriptor. The caller holds mu, and nobody else uses it, or the file waits for those.
func (c *Conn) release() error {
	if c.reserve != nil {
		defer c.reserve.give()
	}
	if p := c.polled.Load(); p != nil {
		return p.file.Close()
	}
	return os.NewSyscallError("close", unix.Close(int(c.fd)))
}

// Close closes the connection. Calls that wait end with net.ErrClosed.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.closed = true
	if c.calls > 0 {
		return nil // the last of them closes it
	}
	return c.release()
}

// told returns an error of the file's as package net would: net.ErrClosed if it comes from Close, and a deadline
// that is over as what crypto/tls takes for no damage to the stream, a net.Error that is temporary.
func (c *Conn) told(err error) error {
	switch {
	case err == nil || err == io.EOF:
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return os.ErrDeadlineExceeded
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	return err
}

// Read reads what has come, or waits for it: read(2).
func (c *Conn) Read(b []byte) (n int, err error) {
	if len(b) == 0 {
		return 0, nil
	}
	if c.begin(&c.readBy) {
		n, err = Read(c.fd, b)
		c.end()
		switch {
		case n > 0:
			return n, nil
		case err == nil:
			return 0, io.EOF
		case err != unix.EAGAIN:
			return 0, os.NewSyscallError("read", err)
		}
	}
	p, err := c.poll()
	if err != nil {
		return 0, err
	}
	n, err = p.file.Read(b)
	return n, c.told(err)
}

// Write writes all of b, or waits until the kernel takes it: write(2).
func (c *Conn) Write(b []byte) (n int, err error) {
	if len(b) == 0 {
		return 0, nil
	}
	if c.begin(&c.writeBy) {
		n, err = Write(c.fd, b)
		c.end()
		if err != nil && err != unix.EAGAIN {
			return 0, os.NewSyscallError("write", err)
		}
		if n = max(n, 0); n == len(b) {
			return n, nil
		}
	}
	p, err := c.poll()
	if err != nil {
		return n, err
	}
	m, err := p.file.Write(b[n:])
	return n + m, c.told(err)
}

// SetDeadline sets both deadlines. The zero time is none.
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline sets when a Read that waits ends with os.ErrDeadlineExceeded.
func (c *Conn) SetReadDeadline(t time.Time) error {
	return c.setDeadline(t, &c.readBy, (*os.File).SetReadDeadline)
}

// SetWriteDeadline sets when a Write that waits ends with os.ErrDeadlineExceeded.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	return c.setDeadline(t, &c.writeBy, (*os.File).SetWriteDeadline)
}

func (c *Conn) setDeadline(t time.Time, kept *int64, set func(*os.File, time.Time) error) error {
	if c.polled.Load() == nil && c.keepDeadline(t, kept) {
		return nil
	}
	p, err := c.poll()
	if err != nil {
		return err
	}
	return c.told(set(p.file, t))
}

// keepDeadline notes a deadline for when the connection is polled. It reports false where it is, or is closed.
func (c *Conn) keepDeadline(t time.Time, kept *int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.polled.Load() != nil || c.closed {
		return false
	}
	*kept = 0
	if !t.IsZero() {
		*kept = message.Instant(t)
	}
	return true
}

// CloseWrite closes the sending side: shutdown(2).
func (c *Conn) CloseWrite() error {
	return c.control("shutdown", func(fd uintptr) error { return unix.Shutdown(int(fd), unix.SHUT_WR) })
}

// SetLinger is that of net.TCPConn, for zero seconds only: Close then resets the connection. With more it would
// wait, with its processor.
func (c *Conn) SetLinger(seconds int) error {
	if seconds != 0 {
		return errors.ErrUnsupported
	}
	return c.control("setsockopt", func(fd uintptr) error {
		return unix.SetsockoptLinger(int(fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	})
}

func (c *Conn) control(name string, call func(fd uintptr) error) error {
	var err error
	closed := (*rawConn)(c).Control(func(fd uintptr) { err = call(fd) })
	return errors.Join(closed, os.NewSyscallError(name, err))
}

// SyscallConn gives access to the socket, which is non-blocking. It does not make the connection wait.
func (c *Conn) SyscallConn() (syscall.RawConn, error) { return (*rawConn)(c), nil }

// rawConn is a Conn as a syscall.RawConn.
type rawConn Conn

// Control calls f.
func (r *rawConn) Control(f func(fd uintptr)) error {
	c := (*Conn)(r)
	if c.begin(nil) {
		defer c.end()
		f(c.fd)
		return nil
	}
	p, err := c.poll()
	if err != nil {
		return err
	}
	return c.told(p.raw.Control(f))
}

// Read calls f until it reports true, and before each further call waits until there may be bytes to read.
func (r *rawConn) Read(f func(fd uintptr) bool) error {
	return (*Conn)(r).untilDone(f, &r.readBy, syscall.RawConn.Read)
}

// Write calls f until it reports true, and before each further call waits until the kernel may take bytes.
func (r *rawConn) Write(f func(fd uintptr) bool) error {
	return (*Conn)(r).untilDone(f, &r.writeBy, syscall.RawConn.Write)
}

func (c *Conn) untilDone(f func(fd uintptr) bool, deadline *int64, wait func(syscall.RawConn, func(fd uintptr) bool) error) error {
	if c.begin(deadline) {
		done := f(c.fd)
		c.end()
		if done {
			return nil
		}
	}
	p, err := c.poll()
	if err != nil {
		return err
	}
	return c.told(wait(p.raw, f))
}
