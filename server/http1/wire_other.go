//go:build !linux

package http1

import (
	"net"
	"sync/atomic"

	"github.com/previewd/previewd/server/message"
)

// newWire returns the wire of a connection: the connection's own methods.
func newWire(conn net.Conn, _ message.Gate, _ *atomic.Int64) wire { return streamWire{conn} }

// lendMargin is of no use here: streamWire copies.
func lendMargin() int64 { return 0 }
