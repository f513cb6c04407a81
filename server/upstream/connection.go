package upstream

import (
	"context"
	"net"
	"net/http/httptrace"
	"sync/atomic"
)

// connection is a connection to a server. net/http reports the end of one only when all is written, and so not before the
// client has sent its content: the end of the connection ends the reading of that too.
type connection struct {
	*net.TCPConn
	closed atomic.Bool
	taken  atomic.Pointer[content] // what is sent on it, or was sent last; nil for none
}

// dial makes a connection for the Transport.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	// A name is looked up each time, so that a server may move.
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &connection{TCPConn: conn.(*net.TCPConn)}, nil
}

func (c *connection) Close() error {
	c.closed.Store(true)
	err := c.TCPConn.Close()
	if content := c.taken.Load(); content != nil {
		content.abort()
	}
	return err
}

// gotConnection says which connection takes the content.
func (c *content) gotConnection(info httptrace.GotConnInfo) {
	conn := info.Conn
	if secured, ok := conn.(interface{ NetConn() net.Conn }); ok { // of TLS
		conn = secured.NetConn()
	}
	taker, ok := conn.(*connection)
	if !ok {
		return
	}
	// Close sets closed and then looks at taken: here one of the two is seen.
	if taker.taken.Store(c); taker.closed.Load() {
		c.abort()
	}
}
