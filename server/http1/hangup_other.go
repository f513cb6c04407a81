//go:build !linux

package http1

import (
	"errors"
	"net"
)

// awaitHangup cannot tell here: see its twin for Linux.
func awaitHangup(net.Conn) error { return errors.ErrUnsupported }
