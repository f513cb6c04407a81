package http1

import (
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/tcp"
)

// lendMargin is how many bytes may lie between the kernel taking a page by sendfile and a receiver on this
// machine having read it: a full send buffer and a full receive buffer, of which the kernel has the bounds
// (tcp(7)). Without them it is more than any kernel's default.
func lendMargin() int64 {
	margin := int64(0)
	for _, name := range []string{"/proc/sys/net/ipv4/tcp_rmem", "/proc/sys/net/ipv4/tcp_wmem"} {
		text, err := os.ReadFile(name)
		bounds := strings.Fields(string(text)) // minimum, default, maximum
		if err != nil || len(bounds) != 3 {
			return 64 << 20
		}
		maximum, err := strconv.ParseInt(bounds[2], 10, 64)
		if err != nil {
			return 64 << 20
		}
		margin += maximum
	}
	return margin
}

// newWire returns the wire of a connection: system calls on a TCP socket, else the connection's methods.
func newWire(conn net.Conn, disk message.Gate, still *atomic.Int64) wire {
	var raw syscall.RawConn
	var err error
	switch c := conn.(type) {
	case *tcp.Conn:
		raw, err = c.SyscallConn()
	case *net.TCPConn:
		raw, err = c.SyscallConn()
	default:
		return streamWire{conn}
	}
	if err != nil {
		return streamWire{conn}
	}
	w := &tcpWire{conn: conn, raw: raw, disk: disk, still: still}
	w.readStep, w.readFirstStep, w.writeStep = w.stepRead, w.stepReadFirst, w.stepWrite
	return w
}

// tcpWire does its own system calls, so that a kept-alive connection needs no buffer while it waits, and
// progress is seen after each partial write. A cached file takes, on a connection that is kept:
//
//	read     EAGAIN if the client was not faster, then once more when the socket is readable
//	write    head and small content in one, or writev for larger content
//
// The steps run inside syscall.RawConn, which parks the goroutine when one reports false. They take their arguments
// from its fields, and those of every request are bound once a connection, so that a call allocates nothing.
type tcpWire struct {
	conn  net.Conn
	raw   syscall.RawConn
	disk  message.Gate
	still *atomic.Int64 // since when awaitWritable waits, a message.Instant; 0 if it does not

	readStep, readFirstStep, writeStep func(fd uintptr) bool

	// A handler may read content while its answer is written, so the two directions share nothing.
	in      []byte
	wait    bool // whether a read waits for the kernel or reports what it has at once
	got     int
	readErr error

	out    [2][]byte
	n      int
	err    error
	file   int
	offset int64
	left   int64
}

func (w *tcpWire) stepRead(fd uintptr) bool {
	w.got, w.readErr = tcp.Read(fd, w.in)
	return w.readErr != unix.EAGAIN || !w.wait
}

// stepReadFirst takes a buffer only for as long as there may be bytes for it.
func (w *tcpWire) stepReadFirst(fd uintptr) bool {
	w.in = getBuffer()
	w.got, w.readErr = tcp.Read(fd, w.in)
	if w.got > 0 {
		return true
	}
	putBuffer(w.in)
	w.in = nil
	return w.readErr != unix.EAGAIN
}

func (w *tcpWire) readFirst() ([]byte, error) {
	w.in, w.got, w.readErr = nil, 0, nil
	err := w.raw.Read(w.readFirstStep)
	buf := w.in
	w.in = nil
	if err == nil {
		err = readError(w.got, w.readErr)
	}
	if err != nil {
		return nil, err
	}
	return buf[:w.got], nil
}

func (w *tcpWire) read(p []byte) (int, error) { return w.readWith(p, true) }

func (w *tcpWire) tryRead(p []byte) (int, error) {
	if err := w.conn.SetReadDeadline(time.Time{}); err != nil {
		return 0, err
	}
	n, err := w.readWith(p, false)
	if errors.Is(err, unix.EAGAIN) {
		err = nil
	}
	return n, err
}

func (w *tcpWire) readWith(p []byte, wait bool) (int, error) {
	w.in, w.wait, w.got, w.readErr = p, wait, 0, nil
	err := w.raw.Read(w.readStep)
	w.in = nil
	if err != nil {
		return 0, err
	}
	return max(w.got, 0), readError(w.got, w.readErr)
}

// readError is the error of read(2) in Go's terms.
func readError(n int, err error) error {
	if err != nil {
		return os.NewSyscallError("read", err)
	}
	if n == 0 {
		return io.EOF
	}
	return nil
}

func (w *tcpWire) stepUnread(fd uintptr) { w.n, w.err = tcp.Unread(fd) }

func (w *tcpWire) unread() bool {
	return w.raw.Control(w.stepUnread) == nil && w.err == nil && w.n > 0
}

func (w *tcpWire) write(head, content []byte) (int, error) {
	w.out = [2][]byte{head, content}
	return w.writeAll()
}

// writeAll writes what is in w.out. The first attempt costs no deadline: only a wait needs one.
func (w *tcpWire) writeAll() (total int, err error) {
	for {
		w.n, w.err = 0, nil
		if err = w.raw.Write(w.writeStep); err == nil {
			err = w.err
		}
		total += w.n
		if err != nil && err != unix.EAGAIN {
			w.out = [2][]byte{}
			return total, os.NewSyscallError("write", err)
		}
		if len(w.out[0])+len(w.out[1]) == 0 {
			return total, nil
		}
		if err = w.awaitWritable(); err != nil {
			w.out = [2][]byte{}
			return total, err
		}
	}
}

// stepWrite writes until all is written or the kernel takes no more.
func (w *tcpWire) stepWrite(fd uintptr) bool {
	for len(w.out[0])+len(w.out[1]) > 0 {
		var n int
		if n, w.err = tcp.Writev(fd, w.out[0], w.out[1]); w.err != nil {
			return true
		}
		w.n += n
		m := min(n, len(w.out[0]))
		w.out[0], w.out[1] = w.out[0][m:], w.out[1][n-m:]
	}
	return true
}

func (w *tcpWire) tryWrite(p []byte) (int, error) {
	w.out, w.n, w.err = [2][]byte{p}, 0, nil
	err := w.raw.Write(w.writeStep)
	if err == nil && w.err != unix.EAGAIN {
		err = os.NewSyscallError("write", w.err)
	}
	w.out = [2][]byte{}
	return w.n, err
}

// stepWritable asks whether the kernel takes bytes. It has to ask before it lets the poller wait: an event
// between the write that found no room and the wait is not told again.
func (w *tcpWire) stepWritable(fd uintptr) bool {
	ready, err := tcp.Writable(fd)
	return ready || err != nil
}

func (w *tcpWire) awaitWritable() error {
	now := time.Now()
	w.still.Store(message.Instant(now))
	defer w.still.Store(0)
	if err := w.conn.SetWriteDeadline(now.Add(writeTimeout)); err != nil {
		return err
	}
	err := w.raw.Write(w.stepWritable)
	// The next attempt must not meet this deadline, which may be over by then.
	if err == nil {
		err = w.conn.SetWriteDeadline(time.Time{})
	}
	return err
}

func (w *tcpWire) reset() { tcp.ResetOnClose(w.conn) }

// mostSent is how much one sendfile is asked for, in bytes: about what the socket's buffer takes. While the
// receiver reads, the call would go on, and keep its thread and the gate: a container may have 64 tasks. It is no gain
// in speed: a file of 100 MiB takes 1.3 of the processor time that one call takes.
const mostSent = 2 << 20

func (w *tcpWire) stepSendFile(fd uintptr) bool {
	w.disk.Enter()
	defer w.disk.Leave()
	w.n, w.err = ignoringEINTR(func() (int, error) {
		return unix.Sendfile(int(fd), w.file, &w.offset, int(min(w.left, mostSent)))
	})
	return true
}

func (w *tcpWire) sendFile(f *os.File, offset, length int64) (sent int64, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	controlErr := raw.Control(func(fd uintptr) { sent, err = w.sendDescriptor(int(fd), offset, length) })
	return sent, errors.Join(controlErr, err)
}

// sendDescriptor returns early, without an error, where the file is shorter than asked.
func (w *tcpWire) sendDescriptor(fd int, offset, length int64) (sent int64, err error) {
	w.file, w.offset, w.left = fd, offset, length
	for w.left > 0 {
		if err = w.raw.Write(w.stepSendFile); err != nil {
			return sent, err
		}
		if w.n > 0 {
			sent += int64(w.n)
			w.left -= int64(w.n)
		}
		switch {
		case w.err == unix.EAGAIN:
			if err = w.awaitWritable(); err != nil {
				return sent, err
			}
		case w.err != nil:
			return sent, os.NewSyscallError("sendfile", w.err)
		case w.n == 0:
			return sent, nil
		}
	}
	return sent, nil
}

// underWay adds what has not been acknowledged to what the receiver's socket has and its program has not read.
// The two are asked in this order: a byte that is between them is counted twice and not missed.
func (w *tcpWire) underWay() (int64, error) {
	unacknowledged := 0
	var err error
	if closed := w.raw.Control(func(fd uintptr) { unacknowledged, err = unix.IoctlGetInt(int(fd), unix.TIOCOUTQ) }); closed != nil {
		return 0, closed
	}
	if err != nil {
		return 0, os.NewSyscallError("ioctl", err)
	}
	unread, err := tcp.UnreadAt(tcp.AddrPort(w.conn.RemoteAddr()), tcp.AddrPort(w.conn.LocalAddr()))
	return int64(unacknowledged) + unread, err
}

// ignoringEINTR repeats a system call that a signal interrupted.
func ignoringEINTR(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR {
			return n, err
		}
	}
}
