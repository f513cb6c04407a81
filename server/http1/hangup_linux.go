package http1

import (
	"crypto/tls"
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// awaitHangup waits until the socket beneath a connection is closed in both directions or in error, which
// is a reset and not the end of what the client sends. It returns nil then, and an error when the deadline
// of reads is over, the connection is closed, or it is not one of the kernel's.
//
// The goroutine is parked like one that reads: the kernel wakes it for each segment that arrives, and it
// asks poll(2), which tells a hang-up without being asked for it.
func awaitHangup(conn net.Conn) error {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return errors.ErrUnsupported
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Read(func(fd uintptr) bool {
		n, err := ignoringEINTR(func() (int, error) { return unix.Poll([]unix.PollFd{{Fd: int32(fd)}}, 0) })
		return n > 0 || err != nil
	})
}
