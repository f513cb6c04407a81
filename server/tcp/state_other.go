//go:build !linux

package tcp

import (
	"errors"
	"net"
)

// HasUnread cannot tell here: see its twin for Linux.
func HasUnread(net.Conn) bool { return false }

// unacknowledged is not known here.
func unacknowledged(net.Conn) int { return 0 }

// AwaitHangup cannot tell here.
func AwaitHangup(net.Conn) error { return errors.ErrUnsupported }

// AwaitEnd cannot tell here.
func AwaitEnd(net.Conn) error { return errors.ErrUnsupported }

// KeepAlive does what package net knows of it.
func KeepAlive(conn net.Conn) {
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = t.NetConn()
	}
	if t, ok := conn.(interface{ SetKeepAlive(bool) error }); ok {
		_ = t.SetKeepAlive(true)
	}
}

// Deaf is not known here.
func Deaf(net.Conn) bool { return false }

// LimitUnsent does nothing here.
func LimitUnsent(net.Conn, int) {}
