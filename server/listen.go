package server

import (
	"context"
	"net"
)

// Listen listens on a TCP address, in the form of net.Listen, for Serve. It differs from net.Listen in two
// ways: the sockets are plain TCP, not multipath TCP, so that the kernel can be told to keep off new
// connections while the listener closes; and there are no keep-alive probes, whose set-up costs four system
// calls a connection, as every wait has a deadline of its own.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	config := net.ListenConfig{KeepAlive: -1}
	config.SetMultipathTCP(false)
	return config.Listen(ctx, "tcp", address)
}
