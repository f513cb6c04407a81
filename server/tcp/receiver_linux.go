package tcp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// What sock_diag(7) and linux/inet_diag.h say, and golang.org/x/sys/unix does not.
const (
	sockDiagByFamily = 20
	stateListen      = 10 // TCP_LISTEN
	// inetDiagRequest is the size of struct inet_diag_req_v2, inetDiagMessage of struct inet_diag_msg.
	inetDiagRequest = 56
	inetDiagMessage = 72
	// Where the fields are behind the header of a message: in the request, and in its answer.
	atStates, atSourcePort, atTargetPort, atSource, atTarget, atCookie = 4, 8, 10, 12, 28, 48
	atState, atUnread                                                  = 1, 56
)

// UnreadAt returns how many bytes the TCP socket of this network namespace with these ends has received that its
// program has not read: idiag_rqueue. It needs no privileges. It returns ErrNoReceiver if there is no such socket.
func UnreadAt(local, remote netip.AddrPort) (int64, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return 0, os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, askFor(local, remote), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, os.NewSyscallError("sendto", err)
	}
	var buf [1024]byte
	n, _, err := unix.Recvfrom(fd, buf[:], 0)
	for err == unix.EINTR {
		n, _, err = unix.Recvfrom(fd, buf[:], 0)
	}
	if err != nil {
		return 0, os.NewSyscallError("recvfrom", err)
	}
	return unreadIn(buf[:n])
}

// askFor makes the request for one socket.
func askFor(local, remote netip.AddrPort) []byte {
	b := make([]byte, unix.SizeofNlMsghdr+inetDiagRequest)
	native := binary.NativeEndian
	native.PutUint32(b, uint32(len(b)))
	native.PutUint16(b[4:], sockDiagByFamily)
	native.PutUint16(b[6:], unix.NLM_F_REQUEST)
	r := b[unix.SizeofNlMsghdr:]
	r[0], r[1] = unix.AF_INET6, unix.IPPROTO_TCP
	if local.Addr().Is4() {
		r[0] = unix.AF_INET
	}
	native.PutUint32(r[atStates:], 0xffffffff)
	binary.BigEndian.PutUint16(r[atSourcePort:], local.Port())
	binary.BigEndian.PutUint16(r[atTargetPort:], remote.Port())
	copy(r[atSource:], local.Addr().AsSlice())
	copy(r[atTarget:], remote.Addr().AsSlice())
	native.PutUint64(r[atCookie:], 0xffffffffffffffff) // INET_DIAG_NOCOOKIE
	return b
}

// unreadIn reads the answer.
func unreadIn(answer []byte) (int64, error) {
	if len(answer) < unix.SizeofNlMsghdr+4 {
		return 0, errors.New("sock_diag: short answer")
	}
	kind, body := binary.NativeEndian.Uint16(answer[4:]), answer[unix.SizeofNlMsghdr:]
	switch {
	case kind == unix.NLMSG_ERROR:
		if errno := unix.Errno(-int32(binary.NativeEndian.Uint32(body))); errno != unix.ENOENT {
			return 0, fmt.Errorf("sock_diag: %w", errno)
		}
		return 0, ErrNoReceiver
	case kind != sockDiagByFamily || len(body) < inetDiagMessage:
		return 0, errors.New("sock_diag: not an answer")
	case body[atState] == stateListen:
		return 0, ErrNoReceiver // a listener on the port that the receiver would have
	}
	return int64(binary.NativeEndian.Uint32(body[atUnread:])), nil
}
