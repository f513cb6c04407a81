package tcp

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// RefuseNew makes the kernel drop the first packet (SYN) of new connections to l, while those whose
// handshake has begun still get through. A client repeats its SYN and is refused in order once l is
// closed; without this, one whose handshake ends between the last accept and the close is reset. Where it
// is not allowed nothing happens: the window is then as short as it can be.
func RefuseNew(l net.Listener) {
	socket, ok := l.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return
	}
	const (
		flagsOffset = 13 // of the byte with the flags in a TCP header (RFC 9293, section 3.1)
		flagSYN     = 0x02
		flagACK     = 0x10
		takeAll     = 0xffffffff
	)
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: flagsOffset},
		{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: flagSYN | flagACK},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: flagSYN, Jt: 0, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
		{Code: unix.BPF_RET | unix.BPF_K, K: takeAll},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &program)
	})
}

// Pending says whether connections wait in the backlog of l.
func Pending(l net.Listener) bool {
	socket, ok := l.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return false
	}
	n := 0
	err = raw.Control(func(fd uintptr) {
		n, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
	})
	return err == nil && n > 0
}
