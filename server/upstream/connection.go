package upstream

import (
	"context"
	"net"
	"net/http/httptrace"
	"sync"
	"sync/atomic"

	"github.com/previewd/previewd/server/budget"
)

// connection is a connection to a server. net/http reports the end of one only when all is written, and so not before the
// client has sent its content: the end of the connection ends the reading of that too.
type connection struct {
	*net.TCPConn
	closed atomic.Bool
	taken  atomic.Pointer[content] // what is sent on it, or was sent last; nil for none
	head   atomic.Pointer[head]    // of the answer that is awaited; nil for none

	written atomic.Int64 // bytes, without content that the kernel moves
}

// dialing makes connections for the Transport. A name is looked up for each, so that a server may move.
func dialing(d *net.Dialer) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := d.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &connection{TCPConn: conn.(*net.TCPConn)}, nil
	}
}

func (c *connection) Close() error {
	c.closed.Store(true)
	err := c.TCPConn.Close()
	if content := c.taken.Load(); content != nil {
		content.abort()
	}
	return err
}

func (c *connection) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	if head := c.head.Load(); head != nil && !head.take(int64(n)) {
		return 0, errMemory
	}
	return n, err
}

func (c *connection) Write(p []byte) (int, error) {
	n, err := c.TCPConn.Write(p)
	c.written.Add(int64(n))
	return n, err
}

// attempt is a connection that a request got, and what had been written on it before.
type attempt struct {
	conn   *connection
	before int64
}

// gotConnection is called before a request is sent. The Transport repeats requests where the server has closed a kept
// connection: also one that it may have acted on, and again and again. Here it gets no connection for that.
func (x *exchange) gotConnection(info httptrace.GotConnInfo) {
	conn := info.Conn
	if secured, ok := conn.(interface{ NetConn() net.Conn }); ok { // of TLS
		conn = secured.NetConn()
	}
	taker := conn.(*connection)
	last := x.last
	x.attempts++
	x.last = attempt{taker, taker.written.Load()}
	if x.attempts > 1 && !mayRepeat(x.request.Method, x.attempts, last.conn.written.Load() != last.before) {
		x.cancel(errEnded)
		// An error means that it is closed already.
		_ = taker.Close()
		return
	}
	taker.head.Store(&x.head)
	if x.content == nil {
		return
	}
	// Close sets closed and then looks at taken: here one of the two is seen.
	if taker.taken.Store(x.content); taker.closed.Load() {
		x.content.abort()
	}
}

// mayRepeat says whether a request may be sent for the nth time: once more, if it is safe (RFC 9110, section 9.2.1) and
// nothing of it was sent.
func mayRepeat(method string, n int, sent bool) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "TRACE":
		return n <= 2 && !sent
	}
	return false
}

// head is what the interim answers and the head of an answer take from the budget, beyond what cost has for them.
type head struct {
	budget *budget.Budget

	mu          sync.Mutex
	read, taken int64
	over        bool
}

// headCost is what a byte of a head costs while it is read and parsed, freeHead how many of them cost has.
const headCost, freeHead = 3, 4 << 10

// take is called for each piece that comes. It reports false where there is no memory.
func (h *head) take(n int64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.read += n
	more := headCost*(h.read-freeHead) - h.taken
	if more <= 0 {
		return true
	}
	if h.over || !h.budget.TryAcquire(more) {
		return false
	}
	h.taken += more
	return true
}

// release gives back all that was taken, once the answer is over.
func (h *head) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = true
	if h.taken > 0 {
		h.budget.Release(h.taken)
	}
}
