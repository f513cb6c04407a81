//go:build !linux

package server

import "net"

// refuseNew does nothing: see its twin for Linux.
func refuseNew(net.Listener) {}

// pending cannot tell here, and says that no connection waits in the backlog of l.
func pending(net.Listener) bool { return false }
