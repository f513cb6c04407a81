//go:build !linux

package tcp

import (
	"context"
	"net"
)

// Listen listens on a TCP address, in the form of net.Listen. There are no keep-alive probes, as every wait of
// the server has a deadline of its own.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	config := net.ListenConfig{KeepAlive: -1}
	return config.Listen(ctx, "tcp", address)
}
