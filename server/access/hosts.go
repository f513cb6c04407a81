package access

import (
	"context"
	"net/netip"
	"strings"

	"github.com/previewd/previewd/server/message"
)

// Hosts are the names that a request may ask for. A page elsewhere whose name is made to lead here (DNS rebinding) asks
// for its own, and so cannot read what is served. By name and value: whether all names below are allowed too.
type Hosts map[string]bool

// NewHosts takes names as the setting has them: example.org, or .example.org with all below it.
func NewHosts(names []string) Hosts {
	h := Hosts{}
	for _, name := range names {
		name, below := strings.CutPrefix(canonical(name), ".")
		h[name] = h[name] || below
	}
	return h
}

// canonical is a name as it is compared: case and a dot at the end do not count (RFC 4343; RFC 1034, section 3.1).
func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// Allow says whether a request may name this host, as it stands in a Host field: with or without a port. Addresses are
// always allowed, as no name is made to lead to them, and so are localhost and all below it, which lead nowhere else
// (RFC 6761, section 6.3).
func (h Hosts) Allow(host string) bool {
	name, _, ok := message.SplitHost(host)
	if !ok {
		return false
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	name = canonical(name)
	if _, exactly := h[name]; exactly || name == "localhost" {
		return true
	}
	for {
		_, parent, found := strings.Cut(name, ".")
		switch {
		case !found:
			return false
		case h[parent] || parent == "localhost":
			return true
		}
		name = parent
	}
}

// maxShown is how many bytes of a host an answer shows: a name has no more (RFC 1035, section 2.3.4).
const maxShown = 255

// Handler answers with 403 what asks for another host, and the rest by next. A request without a Host field, as
// HTTP/1.0 has it, names none: browsers always do.
func (h Hosts) Handler(next message.Handler) message.Handler {
	return func(ctx context.Context, r *message.Request) message.Response {
		for _, host := range hostsOf(r) {
			if host == "" || h.Allow(host) {
				continue
			}
			shown := message.Repr(message.Latin1(host[:min(len(host), maxShown)]))
			return (&message.Failure{Status: 403, Message: "Host " + shown + " is not in ALLOWED_HOSTS",
				Explain: "Add it to the setting ALLOWED_HOSTS to have it answered"}).Response()
		}
		return next(ctx, r)
	}
}

// hostsOf returns what a request names: the authority of a target in absolute-form (RFC 9112, section 3.2.2: the Host
// field is ignored), else all its Host fields.
func hostsOf(r *message.Request) []string {
	if scheme, rest, absolute := strings.Cut(r.Target, "://"); absolute && !strings.ContainsAny(scheme, "/?#") {
		if i := strings.IndexAny(rest, "/?#"); i >= 0 {
			rest = rest[:i]
		}
		return []string{rest}
	}
	return r.Fields.Values("Host")
}
