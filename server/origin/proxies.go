package origin

import (
	"context"
	"net/netip"
	"path"
	"strings"

	"github.com/previewd/previewd/server/message"
)

// TrustedProxies are the networks whose forwarding fields are believed.
type TrustedProxies []netip.Prefix

// Contain says whether an address is in one of the networks.
func (t TrustedProxies) Contain(a netip.Addr) bool {
	for _, p := range t {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// Handler sets Client, Scheme, Host, Prefix and RequestID of each request before next sees it.
func (t TrustedProxies) Handler(next message.Handler) message.Handler {
	if len(t) == 0 {
		return next
	}
	return func(ctx context.Context, r *message.Request) message.Response {
		t.identify(r)
		return next(ctx, r)
	}
}

// identify sets r.Client, r.Scheme and r.Host to what the last hop that is not a trusted proxy is said to be: by
// Forwarded (RFC 7239), or by X-Forwarded-For and X-Forwarded-Proto. Each hop appends to the right, so
// everything left of an untrusted hop is that hop's claim and ignored. Most proxies write one kind and pass on
// the other as the client sent it: where there are both they must agree, or neither is believed.
func (t TrustedProxies) identify(r *message.Request) {
	if !t.Contain(r.Client) {
		return
	}
	r.Prefix, r.RequestID = forwardedPrefix(r.Fields), requestID(r.Fields)
	standard, common := forwarded(r.Fields), xForwarded(r.Fields)
	if len(standard)+len(common) == 0 {
		common = withoutClient(r.Fields)
	}
	client, scheme, host := t.resolve(r, standard)
	if len(standard) == 0 {
		client, scheme, host = t.resolve(r, common)
	} else if c, s, h := t.resolve(r, common); len(common) > 0 {
		if c != client || s != scheme {
			return
		}
		host = agreed(host, h)
	}
	r.Client, r.Scheme, r.Host = client, scheme, host
}

// agreed is the host that is said by one kind of field, or by both alike.
func agreed(one, other string) string {
	switch {
	case one == "" || one == other:
		return other
	case other == "":
		return one
	}
	return ""
}

// resolve goes from the peer back along the hops, as far as they can be trusted.
func (t TrustedProxies) resolve(r *message.Request, hops []Hop) (client netip.Addr, scheme, host string) {
	client, scheme = r.Client, r.Scheme
	for i := len(hops) - 1; i >= 0 && t.Contain(client); i-- {
		if p := hops[i].Scheme; p == "http" || p == "https" {
			scheme = p
		}
		if h := hops[i].Host; h != "" {
			host = h
		}
		if !hops[i].Client.IsValid() {
			break // "unknown", an obfuscated name, or not said: who came before cannot be trusted
		}
		client = hops[i].Client
	}
	return client, scheme, host
}

// forwardedPrefix returns what X-Forwarded-Prefix says: the nearest proxy's, which is the last. Nothing but a plain path
// is believed, as it becomes the beginning of a Location.
func forwardedPrefix(fields message.Fields) string {
	prefixes := list(fields.Values("X-Forwarded-Prefix"))
	if len(prefixes) == 0 {
		return ""
	}
	prefix := strings.TrimRight(prefixes[len(prefixes)-1], "/")
	if prefix == "" || path.Clean(prefix) != prefix || prefix[0] != '/' || strings.HasPrefix(prefix, "//") || strings.ContainsFunc(prefix, notInPath) {
		return ""
	}
	return prefix
}

// maxRequestID is how many bytes of an X-Request-Id are a name and not a text.
const maxRequestID = 128

// requestID is what X-Request-Id says, if it is a name: visible characters of ASCII.
func requestID(fields message.Fields) string {
	id := fields.Get("X-Request-Id")
	if len(id) > maxRequestID || strings.ContainsFunc(id, func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
		return ""
	}
	return id
}

// notInPath says whether a character cannot stand in the path of a URL (RFC 3986, section 3.3).
func notInPath(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/-._~%!$&'()*+,;=:@", r))
}

// Hop is what one proxy said of the request that it got.
type Hop struct {
	// Client is who asked it; not valid where that is not said.
	Client netip.Addr
	// Host is what it was asked for, and Scheme how; "" where that is not said.
	Host, Scheme string
}

// Hops returns what proxies said of a request from its Client on, the nearest last, where all of them are believed. It is
// for requests that Handler has seen, and whose peer is a trusted proxy.
func Hops(r *message.Request) []Hop {
	standard, common := forwarded(r.Fields), xForwarded(r.Fields)
	hops := standard
	if len(standard) == 0 {
		hops = common
		for i := range hops {
			hops[i].Scheme, hops[i].Host = "", "" // X-Forwarded-Proto and X-Forwarded-Host need not have one for each
		}
	}
	for i := len(hops) - 1; i >= 0; i-- {
		if hops[i].Client == r.Client && hops[i].Client.IsValid() {
			return hops[i:]
		}
	}
	if last := len(hops) - 1; last >= 0 && r.Client == r.Peer.Addr() && (len(standard) == 0 || len(common) == 0) {
		return hops[last:] // it does not say who asked
	}
	return nil
}

// forwarded returns the hops of the Forwarded fields, the nearest last. Each line is read by itself: a quote
// that a client leaves open cannot swallow what a proxy adds in a line of its own, and in the same line makes
// all of it one hop that says nothing.
func forwarded(fields message.Fields) (hops []Hop) {
	for _, line := range fields.Values("Forwarded") {
		elements, complete := splitQuoted(line, ',')
		if !complete {
			hops = append(hops, Hop{})
			continue
		}
		for _, element := range elements {
			hops = append(hops, forwardedElement(element))
		}
	}
	return hops
}

// xForwarded returns the hops of X-Forwarded-For, the nearest last, with the schemes of X-Forwarded-Proto and the hosts of
// X-Forwarded-Host.
func xForwarded(fields message.Fields) []Hop {
	clients := list(fields.Values("X-Forwarded-For"))
	schemes := list(fields.Values("X-Forwarded-Proto"))
	names := list(fields.Values("X-Forwarded-Host"))
	hops := make([]Hop, len(clients))
	for i, client := range clients {
		hops[i].Client = ParseNode(client)
		switch {
		case len(schemes) == len(clients):
			hops[i].Scheme = strings.ToLower(schemes[i])
		case len(schemes) == 1:
			hops[i].Scheme = strings.ToLower(schemes[0])
		}
		switch {
		case len(names) == len(clients):
			hops[i].Host = names[i]
		case len(names) > 0: // the nearest proxy's
			hops[i].Host = names[len(names)-1]
		}
	}
	return hops
}

// withoutClient returns the hop of a proxy that says by X-Forwarded-Proto or X-Forwarded-Host how it was asked, and not by
// whom.
func withoutClient(fields message.Fields) []Hop {
	schemes, names := list(fields.Values("X-Forwarded-Proto")), list(fields.Values("X-Forwarded-Host"))
	if len(schemes)+len(names) == 0 {
		return nil
	}
	var h Hop
	if len(schemes) > 0 {
		h.Scheme = strings.ToLower(schemes[len(schemes)-1])
	}
	if len(names) > 0 {
		h.Host = names[len(names)-1]
	}
	return []Hop{h}
}

// list splits the values of a comma separated field.
func list(values []string) []string {
	if len(values) == 0 {
		return nil
	}
	items := strings.Split(strings.Join(values, ","), ",")
	for i := range items {
		items[i] = strings.Trim(items[i], " \t")
	}
	return items
}

// forwardedElement reads forwarded-element = [ forwarded-pair ] *( ";" [ forwarded-pair ] ) (RFC 7239,
// section 4).
func forwardedElement(element string) (h Hop) {
	pairs, _ := splitQuoted(element, ';')
	for _, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		value = unquote(strings.Trim(value, " \t"))
		switch strings.ToLower(strings.Trim(name, " \t")) {
		case "for":
			h.Client = ParseNode(value)
		case "host":
			if isHostText(value) {
				h.Host = value
			}
		case "proto":
			h.Scheme = strings.ToLower(value)
		}
	}
	return h
}

// isHostText says whether a text can be a host with its port, so that it can stand in other fields.
func isHostText(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c >= 0x7f || strings.ContainsRune(`"(),/;<=>?@\{}`, c) })
}

// splitQuoted splits at a separator outside quoted strings (RFC 9110, section 5.6.4). It is not complete if
// the text ends inside one.
func splitQuoted(s string, separator byte) (parts []string, complete bool) {
	quoted, start := false, 0
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == '\\' && quoted:
			i++
		case s[i] == separator && !quoted:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:]), !quoted
}

func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	var b strings.Builder
	for i := 1; i < len(s)-1; i++ {
		if s[i] == '\\' && i+1 < len(s)-1 {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// ParseNode reads an address with or without a port, an IPv6 one in brackets or, in X-Forwarded-For,
// bare (RFC 7239, section 6). The zone of a link-local address means nothing here and is not accepted.
func ParseNode(s string) netip.Addr {
	if p, err := netip.ParseAddrPort(s); err == nil {
		return p.Addr().Unmap().WithZone("")
	}
	s = strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}
