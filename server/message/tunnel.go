package message

import (
	"errors"
	"io"
)

// Trailed is a Body with a trailer section (RFC 9110, section 6.5). It is sent where the content is chunked, and in
// HTTP/2.
type Trailed interface {
	Body
	// Trailer is called after WriteTo.
	Trailer() Fields
}

// Tunnel is the Body of an answer with the status code 101 (Switching Protocols), in HTTP/1.1 only. Once the head is
// sent, the connection is the tunnel's.
type Tunnel struct {
	// Protocol is what the connection is switched to: the Upgrade field.
	Protocol string
	// Serve moves bytes between the client and whatever is at the other end. The connection is closed when it returns.
	Serve func(client TunnelEnd) error
	// End is Close.
	End func() error
}

// TunnelEnd is a connection in a tunnel: one goroutine reads, and one writes.
type TunnelEnd interface {
	io.ReadWriter
	// CloseWrite tells the other side that nothing more comes.
	CloseWrite() error
	// Cut ends a read and a write that wait, and resets the connection.
	Cut()
}

// Len returns -1.
func (t *Tunnel) Len() int64 { return -1 }

// WriteTo calls Serve. w is a TunnelEnd.
func (t *Tunnel) WriteTo(w io.Writer) (int64, error) {
	end, ok := w.(TunnelEnd)
	if !ok {
		return 0, errors.New("a tunnel needs a connection of HTTP/1.1")
	}
	return 0, t.Serve(end)
}

// Close calls End.
func (t *Tunnel) Close() error { return t.End() }
