package tcp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Listen listens on a TCP address, in the form of net.Listen. The sockets are plain TCP, not multipath TCP, so
// that the kernel can be told to keep off new connections while the listener closes; and there are no
// keep-alive probes, as every wait of the server has a deadline of its own.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	config := net.ListenConfig{}
	config.SetMultipathTCP(false)
	l, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	listener, err := newListener(l.(*net.TCPListener))
	return listener, errors.Join(err, l.Close())
}

// newListener returns a listener on the same socket. Connections inherit its TCP_NODELAY.
func newListener(tcp *net.TCPListener) (*Listener, error) {
	file, err := tcp.File()
	if err != nil {
		return nil, err
	}
	raw, err := file.SyscallConn()
	if err == nil {
		noDelay := error(nil)
		err = raw.Control(func(fd uintptr) { noDelay = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) })
		err = errors.Join(err, os.NewSyscallError("setsockopt", noDelay))
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	l := &Listener{file: file, raw: raw, addr: tcp.Addr()}
	l.step = l.accept
	if ip := AddrPort(l.addr); !ip.Addr().IsUnspecified() {
		l.local = ip
	}
	l.deferTo(deferral)
	return l, nil
}

// Listener is a net.Listener whose connections are each a *Conn.
type Listener struct {
	file   *os.File
	raw    syscall.RawConn
	addr   net.Addr
	local  netip.AddrPort // of every connection; zero if each has to be asked
	closed atomic.Bool
	// reserve has the descriptors of connections; nil if they take any. Set by Reserve.
	reserve *reserve

	// mu is held by the Accept under way, to which the rest belongs.
	mu    sync.Mutex
	step  func(fd uintptr) bool
	fd    uintptr
	peer  address
	zones zones
	err   error
}

func (l *Listener) accept(fd uintptr) bool {
	l.fd, l.err = accept(fd, &l.peer)
	if l.reserve != nil && (l.err == nil || l.err == unix.EMFILE) {
		l.acceptReserved(fd)
	}
	return l.err != unix.EAGAIN
}

// acceptReserved takes a descriptor of the reserve for the connection that was accepted, or could not be.
func (l *Listener) acceptReserved(fd uintptr) {
	l.reserve.take()
	if l.err == nil {
		return
	}
	if l.fd, l.err = accept(fd, &l.peer); l.err != nil {
		l.reserve.give()
	}
}

// Accept waits for the next connection: accept(2).
func (l *Listener) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.raw.Read(l.step); err != nil {
		if l.closed.Load() {
			err = net.ErrClosed
		}
		return nil, l.opError("accept", err)
	}
	if l.err != nil {
		return nil, l.opError("accept", os.NewSyscallError("accept4", l.err))
	}
	c := &Conn{fd: l.fd, peer: l.peer.addrPort(&l.zones), local: l.local, reserve: l.reserve}
	if !c.local.IsValid() {
		var local address
		if err := getsockname(c.fd, &local); err == nil { // it does not fail for a socket
			c.local = local.addrPort(&l.zones)
		}
	}
	return c, nil
}

func (l *Listener) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Addr: l.addr, Err: err}
}

// Addr is the address that the listener listens on.
func (l *Listener) Addr() net.Addr { return l.addr }

// deferral is for how long a connection of which no byte has come stays out of the backlog, in seconds. The
// kernel counts it by repetitions of its SYN+ACK, of which the first comes after a second.
const deferral = 1

// deferTo sets TCP_DEFER_ACCEPT, 0 switches it off: tcp(7). A connection comes with its first request and does not
// have to be waited for: with a connection for each request the server takes 0.84 of the processor time that it takes
// without (0.66 to 1.02; 0.71 to 0.87 in another run; in a network namespace of its own, with cubic).
func (l *Listener) deferTo(seconds int) {
	// Where the kernel does not do this, connections come as they are.
	_ = l.raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, seconds)
	})
}

// Undefer has connections accepted whether or not a byte has come: new ones at once, those that are kept out
// within the next second.
func (l *Listener) Undefer() { l.deferTo(0) }

// Deferring says whether connections are kept out, or in their handshake, as far as the kernel tells.
func (l *Listener) Deferring() bool {
	port := l.addr.(*net.TCPAddr).Port
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if err == nil && handshaking(text, port) {
			return true
		}
	}
	return false
}

// handshaking looks for a socket of a local port in state TCP_SYN_RECV in a table of proc_net(5).
func handshaking(table []byte, port int) bool {
	const synReceived = "03"
	local := fmt.Sprintf(":%04X", port)
	for line := range bytes.Lines(table) {
		fields := bytes.Fields(line) // number, local address, remote address, state
		if len(fields) > 3 && string(fields[3]) == synReceived && bytes.HasSuffix(fields[1], []byte(local)) {
			return true
		}
	}
	return false
}

// Close ends the listener, and an Accept under way with net.ErrClosed.
func (l *Listener) Close() error {
	if l.closed.Swap(true) {
		return l.opError("close", net.ErrClosed)
	}
	err := l.file.Close()
	if l.reserve != nil {
		err = errors.Join(err, l.reserve.empty())
	}
	return err
}

// SetDeadline is that of net.TCPListener.
func (l *Listener) SetDeadline(t time.Time) error { return l.file.SetDeadline(t) }

// SyscallConn gives access to the socket.
func (l *Listener) SyscallConn() (syscall.RawConn, error) { return l.raw, nil }
