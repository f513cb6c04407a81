package server

import (
	"context"
	"crypto/tls"
	"net"

	"github.com/previewd/previewd/server/secure"
	"github.com/previewd/previewd/server/tcp"
)

// Listen listens on a TCP address, in the form of net.Listen. Serve takes any listener; what it can do better with
// this one is described in package tcp.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	return tcp.Listen(ctx, address)
}

// Secure makes Serve use TLS on the connections of a listener. The config has the certificate and the
// protocols to offer (NextProtos): h2 and http/1.1.
func Secure(l net.Listener, config *tls.Config) net.Listener { return secure.Listen(l, config) }
