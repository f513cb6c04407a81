//go:build !linux

package tcp

import (
	"errors"
	"net"
)

// Reserve cannot hold descriptors back here.
func Reserve(net.Listener, int) error { return errors.ErrUnsupported }
