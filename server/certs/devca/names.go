package devca

import (
	"crypto/x509"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// names are what a certificate is for: DNS names in lower case without the root's dot, and addresses. Each
// is there once. below are those with a * in place of a label.
type names struct {
	dns       []string
	below     []string
	addresses []netip.Addr
}

// namesOf sorts the hosts of opts into names and addresses, behind localhost and the loopback addresses. What is
// neither is left out.
func namesOf(opts Options) names {
	n := names{
		dns:       []string{"localhost"},
		addresses: []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()},
	}
	for _, host := range slices.Concat([]string{opts.Hostname}, opts.Hosts, opts.Below) {
		if address, err := netip.ParseAddr(host); err == nil {
			if address = address.Unmap().WithZone(""); !slices.Contains(n.addresses, address) {
				n.addresses = append(n.addresses, address)
			}
			continue
		}
		host = strings.ToLower(strings.TrimSuffix(host, "."))
		if isName(host) && !slices.Contains(n.dns, host) {
			n.dns = append(n.dns, host)
		}
	}
	for _, above := range opts.Below {
		n.below = append(n.below, "*."+above)
	}
	return n
}

// isName says whether s can be a dNSName: an IA5String of labels (RFC 5280, section 4.2.1.6).
func isName(s string) bool {
	if s == "" || len(s) > 253 || strings.Contains(s, "..") || s[0] == '.' {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.')
	}) < 0
}

// ips are the addresses as crypto/x509 takes them.
func (n names) ips() []net.IP {
	var list []net.IP
	for _, a := range n.addresses {
		list = append(list, a.AsSlice())
	}
	return list
}

// ranges are the addresses as constraints: each alone, but for the whole of 127.0.0.0/8.
func (n names) ranges() []*net.IPNet {
	var list []*net.IPNet
	for _, a := range n.addresses {
		bits := a.BitLen()
		if a.Is4() && a.IsLoopback() {
			bits = 8
		}
		prefix := netip.PrefixFrom(a, bits).Masked()
		list = append(list, &net.IPNet{IP: prefix.Addr().AsSlice(), Mask: net.CIDRMask(bits, a.BitLen())})
	}
	return list
}

// constraints are the names as a CA may vouch for them.
func (n names) constraints() string { return constraints(n.dns, n.ranges()) }

// constraints is a text by which constraints can be compared: in order, addresses last.
func constraints(dns []string, ranges []*net.IPNet) string {
	list := slices.Sorted(slices.Values(dns))
	var addresses []string
	for _, r := range ranges {
		addresses = append(addresses, r.String())
	}
	slices.Sort(addresses)
	return strings.Join(append(list, addresses...), " ")
}

// within says whether a CA may vouch for all of the names.
func (n names) within(ca *x509.Certificate) bool {
	for _, name := range n.dns {
		if !slices.ContainsFunc(ca.PermittedDNSDomains, func(domain string) bool {
			return name == domain || strings.HasSuffix(name, "."+domain)
		}) {
			return false
		}
	}
	for _, ip := range n.ips() {
		if !slices.ContainsFunc(ca.PermittedIPRanges, func(r *net.IPNet) bool { return r.Contains(ip) }) {
			return false
		}
	}
	return true
}

// list is all of the names as text.
func (n names) list() []string {
	list := slices.Concat(n.dns, n.below)
	for _, a := range n.addresses {
		list = append(list, a.String())
	}
	return list
}
