//go:build !linux

package http1

import "net"

// newWire returns the wire of a connection: the connection's own methods.
func newWire(conn net.Conn) wire { return streamWire{conn} }
