package tcp

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// socketOf returns the socket of a connection, that beneath it where it is one of TLS.
func socketOf(conn net.Conn) (syscall.RawConn, error) {
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = t.NetConn()
	}
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return socket.SyscallConn()
}

// HasUnread says whether the kernel has bytes of a connection that nobody has read.
func HasUnread(conn net.Conn) bool {
	raw, err := socketOf(conn)
	if err != nil {
		return false
	}
	n := 0
	err = raw.Control(func(fd uintptr) { n, _ = Unread(fd) })
	return err == nil && n > 0
}

// unacknowledged is how many bytes the kernel has that the peer's has not taken: SIOCOUTQ in tcp(7).
func unacknowledged(conn net.Conn) int {
	raw, err := socketOf(conn)
	if err != nil {
		return 0
	}
	n := 0
	err = raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.TIOCOUTQ) })
	if err != nil || n == 1 { // the end of what is sent counts as one
		return 0
	}
	return n
}

// AwaitHangup waits until the socket of a connection is closed in both directions or in error, which
// is a reset and not the end of what the client sends. It returns nil then, and an error when the deadline
// of reads is over, the connection is closed, or it is not one of the kernel's (errors.ErrUnsupported).
//
// The goroutine is parked like one that reads: the kernel wakes it for each segment that arrives, and it
// asks poll(2), which tells a hang-up without being asked for it.
func AwaitHangup(conn net.Conn) error { return await(conn, 0) }

// AwaitEnd is AwaitHangup that returns also when the peer has closed its sending side. It may have bytes before that which
// nobody has read.
func AwaitEnd(conn net.Conn) error { return await(conn, unix.POLLRDHUP) }

// await waits for events of poll(2), or a hang-up.
func await(conn net.Conn, events int16) error {
	raw, err := socketOf(conn)
	if err != nil {
		return err
	}
	return raw.Read(func(fd uintptr) bool {
		n, err := uninterrupted(func() (int, error) { return unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: events}}, 0) })
		return n > 0 || err != nil
	})
}

// The kernel asks a peer of which nothing is heard for probeAfter seconds whether it is there, and again each
// probeInterval, probes times: tcp(7).
const probeAfter, probeInterval, probes = 30, 15, 4

// KeepAlive makes the kernel notice when the peer of a connection has vanished: the connection is then in error.
func KeepAlive(conn net.Conn) {
	raw, err := socketOf(conn)
	if err != nil {
		return
	}
	// An error means that the connection is closed, or that the kernel has no such option.
	_ = raw.Control(func(fd uintptr) {
		for _, o := range [][3]int{{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, probeAfter}, {unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, probeInterval},
			{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, probes}, {unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1}} {
			_ = unix.SetsockoptInt(int(fd), o[0], o[1], o[2])
		}
	})
}

// Deaf says whether there is something to be sent to a peer whose window is closed: all that was sent has arrived, and nothing
// reads it.
func Deaf(conn net.Conn) bool {
	raw, err := socketOf(conn)
	if err != nil {
		return false
	}
	deaf := false
	err = raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			deaf = info.Unacked == 0 && info.Notsent_bytes > 0
		}
	})
	return err == nil && deaf
}

// LimitUnsent has the kernel take no more of what is written than the peer has room for, and so many bytes beside. Else it takes
// megabytes, and a peer with a small window makes it divide them into thousands of packets.
func LimitUnsent(conn net.Conn, bytes int) {
	raw, err := socketOf(conn)
	if err != nil {
		return
	}
	// Where the kernel does not do this, it takes what it takes.
	_ = raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, bytes) })
}
