package service

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/previewd/previewd/config"
)

// start is what a server says of itself when it has begun to listen.
type start struct {
	// directory is the full path of the directory that is served.
	directory string
	// addresses are URLs of the site as clients ask for it: the first is for this machine.
	addresses []string
	// admin is the URL of the admin port.
	admin string
	// authority is the SHA-256 of the development CA; empty without one.
	authority string
	// special are the settings that change what a visitor sees or may do.
	special []note
}

// note is a line about one thing: what it is, and what is said of it.
type note struct{ name, text string }

// newStart says what is true of a server. interfaces are the addresses of this machine.
func newStart(c config.Config, main listeners, admin net.Addr, authority string, interfaces []netip.Addr) start {
	s := start{directory: c.Directory, authority: authority, special: special(c)}
	if full, err := filepath.Abs(c.Directory); err == nil {
		s.directory = full
	}
	for _, l := range main {
		for _, host := range hosts(l.address().Addr(), interfaces) {
			s.addresses = append(s.addresses, siteURL(l.scheme, host, l.address().Port(), c.BasePath))
		}
	}
	at := netip.MustParseAddrPort(admin.String())
	s.admin = siteURL("http", hosts(at.Addr(), nil)[0], at.Port(), "/")
	return s
}

// siteURL is the URL of a path that begins with a slash, with a slash at its end.
func siteURL(scheme, host string, port uint16, path string) string {
	return scheme + "://" + net.JoinHostPort(host, strconv.Itoa(int(port))) + strings.TrimSuffix(path, "/") + "/"
}

// hosts are the names and addresses under which a listener is reached: localhost, where it can be, comes first. A
// wildcard stands for the interfaces of its family; that of IPv6 is for both, as server.Listen makes it.
func hosts(listening netip.Addr, interfaces []netip.Addr) []string {
	switch listening = listening.Unmap(); {
	case listening == netip.AddrFrom4([4]byte{127, 0, 0, 1}) || listening == netip.IPv6Loopback():
		return []string{"localhost"}
	case !listening.IsUnspecified():
		return []string{listening.String()}
	}
	list := []string{"localhost"}
	for _, a := range interfaces {
		if a.Is4() || listening.Is6() {
			list = append(list, a.String())
		}
	}
	return list
}

// maxInterfaces bounds the addresses that are shown: a machine with containers may have hundreds.
const maxInterfaces = 8

// interfaceAddresses are the addresses that other machines can know this one by, IPv4 first. Addresses that mean
// something on one link only are left out.
func interfaceAddresses() []netip.Addr {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil // there is localhost
	}
	var list []netip.Addr
	for _, a := range all {
		prefix, err := netip.ParsePrefix(a.String())
		if err == nil && prefix.Addr().IsGlobalUnicast() {
			list = append(list, prefix.Addr().Unmap())
		}
	}
	slices.SortStableFunc(list, func(a, b netip.Addr) int { return a.BitLen() - b.BitLen() })
	return list[:min(len(list), maxInterfaces)]
}

// special lists the settings that change what a visitor sees or may do. Of the kernel's confinement, confineProcess tells
// what is in force.
func special(c config.Config) (list []note) {
	add := func(is bool, name, text string) {
		if is {
			list = append(list, note{name, text})
		}
	}
	add(c.HasPreviews(), "previews", previewHosts(c))
	add(c.Exact, "exact", "answers are http.server's, nothing is added")
	add(len(c.Auth)+len(c.AuthFile) > 0, "password", "every request needs one")
	add(len(c.AllowedHosts) > 0, "hosts", "only "+strings.Join(c.AllowedHosts, ", ")+", localhost and IP addresses")
	add(c.Fallback != "", "fallback", c.Fallback+" for pages that are not there")
	for _, p := range c.Proxies {
		add(true, "proxy", p.Prefix+" to "+p.Target)
	}
	add(c.Reload, "reload", "open pages reload when what they show has changed")
	add(c.CGI, "scripts", "files below "+strings.Join(c.CGIDirectories, ", ")+" are run")
	return list
}

// notes are the lines of a start, each about one thing.
func (s start) notes() []note {
	list := []note{{"directory", s.directory}}
	for i, url := range s.addresses {
		name := "network"
		if i == 0 || strings.Contains(url, "://localhost:") {
			name = "open"
		}
		list = append(list, note{name, url})
	}
	if s.authority != "" {
		list = append(list, note{"CA", s.admin + "ca.pem"}, note{"SHA-256", s.authority})
	}
	return append(append(list, note{"admin port", s.admin}), s.special...)
}

// print writes the notes for someone at a terminal.
func (s start) print(w io.Writer) {
	for _, n := range s.notes() {
		fmt.Fprintf(w, "  %-10s  %s\n", n.name, printable(n.text))
	}
}

// printable is text in which nothing steers a terminal, as the name of a directory may: that is quoted.
func printable(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return !strconv.IsPrint(r) }) || !utf8.ValidString(text) {
		return strconv.Quote(text)
	}
	return text
}
