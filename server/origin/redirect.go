package origin

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/previewd/previewd/server/message"
)

// RedirectToHTTPS answers requests that came by http with 308 and the same URL by https, on the port given.
// next answers those that came by https, to this server or to a trusted proxy before it. What that took away of the path
// is put before it again.
func RedirectToHTTPS(port int, next message.Handler) message.Handler {
	return func(ctx context.Context, r *message.Request) message.Response {
		if r.TLS != nil || r.Scheme == "https" {
			return next(ctx, r)
		}
		host, target := r.Fields.Get("Host"), r.Target
		if authority, rest, absolute := message.CutAbsolute(target); absolute {
			host, target = authority, rest // RFC 9112, section 3.2.2: the Host field is ignored
		}
		location := "https://" + authority(host, r.Local.Addr(), port) + r.Prefix + originForm(target)
		return message.Response{Status: 308, Fields: message.Fields{{Name: "Location", Value: location}}}
	}
}

const httpsPort = 443 // RFC 9110, section 4.2.2

// authority is the host that the client asked, with another port. A client that names none, or nothing that
// can be one, is sent to the address that it has reached.
func authority(host string, reached netip.Addr, port int) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && strings.Trim(host[i+1:], "0123456789") == "" {
		host = host[:i]
	}
	if !isHost(host) {
		host = reached.WithZone("").String()
		if reached.Is6() {
			host = "[" + host + "]"
		}
	}
	if port == httpsPort {
		return host
	}
	return host + ":" + strconv.Itoa(port)
}

// isHost says whether s is the host of a URL: an IPv6 address in brackets, or what of a reg-name can be a
// name or an IPv4 address (RFC 3986, section 3.2.2).
func isHost(s string) bool {
	if address, found := strings.CutPrefix(s, "["); found {
		a, err := netip.ParseAddr(strings.TrimSuffix(address, "]"))
		return err == nil && a.Is6() && a.Zone() == "" && s[len(s)-1] == ']'
	}
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._~", r))
	}) < 0
}

// originForm returns path and query of a request target (RFC 9112, section 3.2.1), with what cannot stand in a
// URL percent-encoded.
func originForm(target string) string {
	if strings.HasPrefix(target, "?") {
		target = "/" + target
	}
	if !strings.HasPrefix(target, "/") {
		return "/"
	}
	var b strings.Builder
	for i := 0; i < len(target); i++ {
		if c := target[i]; c <= ' ' || c >= 0x7f {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
