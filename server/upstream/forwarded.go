package upstream

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/previewd/previewd/server/message"
)

// forwarded tells the server who asks (RFC 7239, and the X- fields before it): what is believed, and nothing that a client
// says of itself. Where a trusted proxy was believed, its hops stay before the one to it.
func (x *exchange) forwarded(header http.Header) {
	r := x.request
	trusted := x.upstreams.opts.Trusted != nil && x.upstreams.opts.Trusted(r.Peer.Addr())
	for name := range header {
		if !trusted && strings.HasPrefix(name, "X-Forwarded-") {
			delete(header, name)
		}
	}
	hops := hops(r)
	host := r.Fields.Get("Host")
	if said := header.Get("X-Forwarded-Host"); said != "" { // a trusted proxy's
		host = said
	}
	set := func(name, value string) {
		delete(header, name)
		if value != "" {
			header[name] = []string{value}
		}
	}
	set("X-Forwarded-For", strings.Join(hops, ", "))
	set("X-Forwarded-Host", host)
	set("X-Forwarded-Proto", r.Scheme)
	prefix := r.Prefix
	if x.route.path != "" {
		prefix += x.route.prefix
	}
	set("X-Forwarded-Prefix", prefix)
	for i, hop := range hops {
		if strings.Contains(hop, ":") {
			hop = `"[` + hop + `]"`
		}
		hops[i] = "for=" + hop
	}
	if len(hops) > 0 {
		if host != "" {
			hops[0] += ";host=" + quoted(host)
		}
		hops[0] += ";proto=" + r.Scheme
	}
	set("Forwarded", strings.Join(hops, ", "))
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
			address := strings.TrimSpace(said[i])
			if a, err := netip.ParseAddr(strings.Trim(address, "[]")); err != nil || a.Unmap() != r.Client {
				continue
			}
			for _, hop := range said[i+1:] {
				if a, err := netip.ParseAddr(strings.Trim(strings.TrimSpace(hop), "[]")); err == nil {
					list = append(list, a.Unmap().String())
				}
			}
			break
		}
	}
	return append(list, peer.WithZone("").String())
}

// quoted is a host as the value of a parameter: a token, or a quoted-string (RFC 7239, section 4).
func quoted(host string) string {
	for i := range len(host) {
		if !message.IsToken(host[i]) {
			return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(host) + `"`
		}
	}
	return host
}
