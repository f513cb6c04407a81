//go:build !linux

package tcp

import "net"

// RefuseNew does nothing: see its twin for Linux.
func RefuseNew(net.Listener) {}

// Pending cannot tell here, and says that no connection waits in the backlog of l.
func Pending(net.Listener) bool { return false }
