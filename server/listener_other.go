//go:build !linux

package server

import "net"

// refuseNew does nothing: see its twin for Linux.
func refuseNew(net.Listener) {}
