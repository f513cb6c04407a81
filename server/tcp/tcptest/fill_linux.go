package tcptest

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// Fill writes as many bytes as the kernel takes, without waiting, and returns how many these are.
func Fill(t *testing.T, conn *net.TCPConn) (size int) {
	t.Helper()
	if err := conn.SetWriteBuffer(1 << 20); err != nil {
		t.Fatal(err)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64<<10)
	failed := raw.Write(func(fd uintptr) bool {
		for {
			n, full := unix.Write(int(fd), buf)
			if full != nil {
				err = full
				return true
			}
			size += n
		}
	})
	if failed != nil || err != unix.EAGAIN {
		t.Fatal(failed, err)
	}
	return size
}
