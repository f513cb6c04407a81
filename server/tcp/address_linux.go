package tcp

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// address is a struct sockaddr_in or sockaddr_in6: ip(7), ipv6(7).
type address struct {
	bytes [unix.SizeofSockaddrInet6]byte
	size  uint32 // socklen_t
}

// Where the fields are, behind the family.
const (
	atPort  = 2
	at4     = 4
	at6     = 8
	atScope = 24
)

// addrPort returns it. An IPv4 address has its own form: a dual-stack socket has it mapped.
func (a *address) addrPort(zones *zones) netip.AddrPort {
	port := binary.BigEndian.Uint16(a.bytes[atPort:])
	switch binary.NativeEndian.Uint16(a.bytes[:]) {
	case unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(a.bytes[at4:])), port)
	case unix.AF_INET6:
		ip := netip.AddrFrom16([16]byte(a.bytes[at6:])).Unmap()
		if scope := binary.NativeEndian.Uint32(a.bytes[atScope:]); scope != 0 {
			ip = ip.WithZone(zones.name(scope))
		}
		return netip.AddrPortFrom(ip, port)
	}
	return netip.AddrPort{}
}

// zoneAge is how long a zone's name is kept: to find it costs more than an answer.
const zoneAge = time.Minute

// zones knows the names of network interfaces: the last one that it was asked for. The zero value knows none.
type zones struct {
	id   uint32
	last string
	at   time.Time
}

// name returns the name of a network interface, its number if it has none any more.
func (z *zones) name(id uint32) string {
	now := time.Now()
	if z.id == id && now.Sub(z.at) < zoneAge {
		return z.last
	}
	name := strconv.FormatUint(uint64(id), 10)
	if i, err := net.InterfaceByIndex(int(id)); err == nil {
		name = i.Name
	}
	*z = zones{id, name, now}
	return name
}

// accept is accept4(2) on a non-blocking socket. It returns unix.EAGAIN if there is no connection.
func accept(fd uintptr, peer *address) (uintptr, error) {
	for {
		peer.size = uint32(len(peer.bytes))
		conn, _, errno := unix.Syscall6(unix.SYS_ACCEPT4, fd, uintptr(unsafe.Pointer(&peer.bytes)),
			uintptr(unsafe.Pointer(&peer.size)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		switch errno {
		case 0:
			return conn, nil
		case unix.EINTR:
			continue
		}
		return 0, errno
	}
}

// getsockname is getsockname(2).
func getsockname(fd uintptr, local *address) error {
	local.size = uint32(len(local.bytes))
	_, _, errno := unix.Syscall(unix.SYS_GETSOCKNAME, fd, uintptr(unsafe.Pointer(&local.bytes)), uintptr(unsafe.Pointer(&local.size)))
	if errno != 0 {
		return errno
	}
	return nil
}
