package http1

import (
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/tcp"
)

// wireOf returns the wire of a connection. still is where it notes since when the kernel takes nothing, a message.Instant.
func wireOf(conn net.Conn, disk message.Gate, still *atomic.Int64) wire {
	if t, ok := conn.(*tls.Conn); ok {
		follower, _ := t.NetConn().(recordFollower)
		return tlsWire{streamWire{t}, t, follower}
	}
	return newWire(conn, disk, still)
}

// recordFollower is a connection beneath TLS that knows where its records end.
type recordFollower interface {
	// MidRecord says whether what was read ends within a record.
	MidRecord() bool
}

// tlsWire is a wire over TLS. The deadlines of writing are the business of the connection beneath, which
// sees each byte that the kernel takes. A deadline of reading that is over does no harm: what has come of a
// record is kept for the next read.
type tlsWire struct {
	streamWire
	conn    *tls.Conn
	beneath recordFollower // nil if the connection is none
}

// maxRecord is how many bytes a record of TLS carries at most (RFC 8446, section 5.1).
const maxRecord = 16 << 10

var records = sync.Pool{New: func() any { return new([maxRecord]byte) }}

// write puts the head into one record with the beginning of the content.
func (w tlsWire) write(head, content []byte) (n int, err error) {
	if len(head) > 0 && len(content) > 0 && len(head) < maxRecord {
		record := records.Get().(*[maxRecord]byte)
		size := copy(record[:], head)
		taken := copy(record[size:], content)
		n, err = w.conn.Write(record[:size+taken])
		records.Put(record)
		head, content = nil, content[taken:]
	}
	for _, p := range [2][]byte{head, content} {
		if len(p) > 0 && err == nil {
			var m int
			m, err = w.conn.Write(p)
			n += m
		}
	}
	return n, err
}

// tryRead reads again where the kernel has bytes that were not read: on a busy machine its deadline may be over before it begins.
func (w tlsWire) tryRead(p []byte) (n int, err error) {
	for {
		if n, err = w.streamWire.tryRead(p); n > 0 || err != nil || !tcp.HasUnread(w.conn) {
			return n, err
		}
	}
}

// unread asks the connection beneath and the kernel: a record that has come, or the beginning of one, may be more
// input.
func (w tlsWire) unread() bool {
	return w.beneath != nil && w.beneath.MidRecord() || tcp.HasUnread(w.conn)
}

func (w tlsWire) tryWrite(p []byte) (int, error) { return w.conn.Write(p) }

// pieceSize is how many bytes of a file are sent at a time, while there is memory for pieceCost: a piece and a record of it.
const (
	pieceSize = 64 << 10
	pieceCost = pieceSize + maxRecord
)

// reset closes the connection beneath at once. Without it the close of a TLS connection sends a
// close_notify, by which the client would take the content for complete (RFC 9112, section 9.8).
func (w tlsWire) reset() {
	tcp.ResetOnClose(w.conn.NetConn())
	// An error means that it is closed already.
	_ = w.conn.NetConn().Close()
}
