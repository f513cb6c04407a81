package tcp

import "net"

// ResetOnClose has the close of a connection reset it: what the kernel has still to deliver is dropped, and the peer is told.
func ResetOnClose(conn net.Conn) {
	if t, ok := conn.(interface{ SetLinger(seconds int) error }); ok {
		// An error means that the connection is gone already.
		_ = t.SetLinger(0)
	}
}

// CloseWrite closes the sending side: over TLS with a close_notify, and then that of TCP beneath. The error is net.ErrClosed
// where a connection has no sides.
func CloseWrite(conn net.Conn) error {
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok {
		return net.ErrClosed
	}
	err := half.CloseWrite()
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok && err == nil {
		return CloseWrite(t.NetConn())
	}
	return err
}
