package server

import (
	"context"
	"net"

	"github.com/previewd/previewd/server/tcp"
)

// Listen listens on a TCP address, in the form of net.Listen, for Serve: with what Serve needs to know and do of
// its sockets, which package tcp describes.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	return tcp.Listen(ctx, address)
}

// deferring is a listener of tcp.Listen, which keeps connections out until their first byte comes.
type deferring interface {
	// Undefer has them accepted without it, within a second.
	Undefer()
	// Deferring says whether some are still kept out.
	Deferring() bool
}
