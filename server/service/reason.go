package service

import (
	"context"
	"net"
	"net/netip"
	"strings"

	"github.com/previewd/previewd/server/message"
)

// withReasons tells a client on the server's own machine why it gets an error, in the words for the operator.
func withReasons(next message.Handler) message.Handler {
	return func(ctx context.Context, r *message.Request) message.Response {
		resp := next(ctx, r)
		if f := resp.Failure(); f != nil && f.Cause != nil && resp.Body == nil && isHere(r) {
			if f.Help == nil {
				f.Help = new(message.Help)
			}
			f.Help.Reason, _, _ = strings.Cut(f.Cause.Error(), "\n")
		}
		return resp
	}
}

// isHere says whether a request comes from this machine. One that a proxy passes on does not, even if the proxy is not
// trusted and so counts as the client; nor does one for a name that a page elsewhere may have been given (DNS rebinding).
func isHere(r *message.Request) bool {
	if !r.Client.IsLoopback() || !r.Peer.Addr().IsLoopback() {
		return false
	}
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via"} {
		if _, sent := r.Fields.Lookup(name); sent {
			return false
		}
	}
	host := r.Fields.Get("Host")
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if address, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return address.IsLoopback()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}
