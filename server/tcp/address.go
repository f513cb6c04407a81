package tcp

import (
	"net"
	"net/netip"
)

// AddrPort returns a TCP address with an IPv4 address in its own form: a dual-stack socket has it mapped. It is
// zero for an address of something else.
func AddrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	p := t.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}
