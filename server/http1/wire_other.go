//go:build !linux

package http1

import "net"

// newWire returns the wire of a connection: the connection's own methods.
func newWire(conn net.Conn) wire { return streamWire{conn} }

// lendMargin is of no use here: streamWire copies.
func lendMargin() int64 { return 0 }

// inKernel cannot tell here.
func inKernel(net.Conn) bool { return false }
