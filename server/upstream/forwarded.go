package upstream

import (
	"net/http"
	"strings"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/origin"
)

// forwarded tells the server who asks (RFC 7239, and the X- fields before it): what is believed, and nothing that a client
// says of itself. Where a trusted proxy was believed, its hops stay before the one to it.
func (x *exchange) forwarded(header http.Header) {
	r := x.request
	host := r.Fields.Get("Host")
	said := strings.Join(header["X-Forwarded-Host"], ",") // a trusted proxy's: the nearest is the last
	if said = strings.TrimSpace(said[strings.LastIndexByte(said, ',')+1:]); said != "" {
		host = said
	}
	prefix := r.Prefix
	if x.route.path != "" {
		prefix += x.route.prefix
	}
	hops := hops(r)
	values := [...]string{strings.Join(hops, ", "), host, r.Scheme, prefix, standard(hops, host, r.Scheme)}
	for i, name := range [...]string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix", "Forwarded"} {
		if delete(header, name); values[i] != "" {
			header[name] = values[i : i+1 : i+1]
		}
	}
}

// standard is the value of Forwarded: the first hop has what is said of the request.
func standard(hops []string, host, scheme string) string {
	var b strings.Builder
	for i, hop := range hops {
		if i > 0 {
			b.WriteString(", ")
		}
		if strings.IndexByte(hop, ':') >= 0 {
			b.WriteString(`for="[` + hop + `]"`)
		} else {
			b.WriteString("for=" + hop)
		}
		if i > 0 {
			continue
		}
		if host != "" {
			b.WriteString(";host=")
			writeQuoted(&b, host)
		}
		b.WriteString(";proto=" + scheme)
	}
	return b.String()
}

// hops are the addresses from the client, as far as it is believed, to the one that is connected here.
func hops(r *message.Request) (list []string) {
	peer := r.Peer.Addr()
	if !peer.IsValid() {
		return nil
	}
	if r.Client.IsValid() && r.Client != peer {
		list = []string{r.Client.String()}
		said := strings.Split(strings.Join(r.Fields.Values("X-Forwarded-For"), ","), ",")
		for i := len(said) - 1; i >= 0; i-- {
			if origin.ParseNode(strings.TrimSpace(said[i])) != r.Client {
				continue
			}
			for _, hop := range said[i+1:] {
				if a := origin.ParseNode(strings.TrimSpace(hop)); a.IsValid() {
					list = append(list, a.String())
				}
			}
			break
		}
	}
	return append(list, peer.WithZone("").String())
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
