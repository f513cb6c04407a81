package upstream

import (
	"net/http"
	"strings"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/origin"
)

// forwarded tells the server who asks (RFC 7239, and the X- fields before it): what is believed, and nothing that a client
// says of itself. What a trusted proxy was believed stays before the hop to it.
func (x *exchange) forwarded(header http.Header, trusted bool) {
	r := x.request
	prefix := r.Prefix
	if x.route.path != "" {
		prefix += x.route.prefix
	}
	hops := hops(r, trusted)
	first := &origin.Hop{}
	addresses := make([]string, len(hops))
	for i := range hops {
		addresses[i] = hops[i].Client.String()
	}
	if len(hops) > 0 {
		first = &hops[0]
	}
	first.Host, first.Scheme = host(r, hops, header["X-Forwarded-Host"]), r.Scheme
	values := [...]string{strings.Join(addresses, ", "), first.Host, r.Scheme, prefix, standard(hops, addresses)}
	for i, name := range [...]string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix", "Forwarded"} {
		if delete(header, name); values[i] != "" {
			header[name] = values[i : i+1 : i+1]
		}
	}
}

// host is the one that was asked for: by Forwarded, by X-Forwarded-Host, of which the nearest proxy's is the last, and else
// by the Host field. Where the two say something else neither is believed.
func host(r *message.Request, hops []origin.Hop, common []string) (host string) {
	for i := range hops {
		if host = hops[i].Host; host != "" {
			break
		}
	}
	said := strings.Join(common, ",")
	said = strings.TrimSpace(said[strings.LastIndexByte(said, ',')+1:])
	switch {
	case host == "":
		host = said
	case said != "" && !strings.EqualFold(said, host):
		host = ""
	}
	if host == "" {
		host = r.Fields.Get("Host")
	}
	return host
}

// standard is the value of Forwarded.
func standard(hops []origin.Hop, addresses []string) string {
	var b strings.Builder
	for i, hop := range hops {
		if i > 0 {
			b.WriteString(", ")
		}
		if hop.Client.Is6() {
			b.WriteString(`for="[` + addresses[i] + `]"`)
		} else {
			b.WriteString("for=" + addresses[i])
		}
		if hop.Host != "" {
			b.WriteString(";host=")
			writeQuoted(&b, hop.Host)
		}
		if hop.Scheme == "http" || hop.Scheme == "https" {
			b.WriteString(";proto=" + hop.Scheme)
		}
	}
	return b.String()
}

// hops are who asked, from the client on as far as it is believed, to the one that is connected here.
func hops(r *message.Request, trusted bool) (list []origin.Hop) {
	own := origin.Hop{Client: r.Peer.Addr().WithZone("")}
	if !own.Client.IsValid() {
		return nil
	}
	if trusted {
		for _, hop := range origin.Hops(r) {
			switch {
			case hop.Client.IsValid():
				list = append(list, hop)
			case own.Host == "": // of the request that it passed on
				own.Host = hop.Host
			}
		}
	}
	if len(list) == 0 && r.Client.IsValid() && r.Client != r.Peer.Addr() {
		list = append(list, origin.Hop{Client: r.Client})
	}
	return append(list, own)
}

// writeQuoted writes a host as the value of a parameter: a token, or a quoted-string (RFC 7239, section 4).
func writeQuoted(b *strings.Builder, host string) {
	if isToken(host) {
		b.WriteString(host)
		return
	}
	b.WriteByte('"')
	for i := range len(host) {
		if host[i] == '"' || host[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(host[i])
	}
	b.WriteByte('"')
}
