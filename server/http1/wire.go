package http1

import (
	"net"
	"os"
	"sync"
	"time"

	"github.com/previewd/previewd/server/tcp"
)

// wire moves bytes between a connection's loop and the kernel. It holds no buffer while it waits.
type wire interface {
	// readFirst waits for bytes and returns them in a buffer from the pool (released by putBuffer).
	readFirst() ([]byte, error)
	// read waits for bytes and reads them into p.
	read(p []byte) (int, error)
	// tryRead is read without waiting: no bytes and no error if there are none.
	tryRead(p []byte) (int, error)
	// unread says whether bytes have come that nobody has read, as far as it can be told without reading.
	unread() bool
	// write writes all of head and then content, together where it can; its deadline is renewed by every
	// byte that the kernel takes.
	write(head, content []byte) (int, error)
	// tryWrite writes what the kernel takes without waiting.
	tryWrite(p []byte) (int, error)
	// awaitWritable waits until the kernel takes bytes again, writeTimeout at most.
	awaitWritable() error
	// underWay returns how many bytes the kernel has taken and the receiver has not read, or tcp.ErrNoReceiver.
	underWay() (int64, error)
	// reset makes the close of the connection abortive, so that no client takes it for the end of content.
	reset()
}

// lendingWire is a wire that sends a file without copying it.
type lendingWire interface {
	// sendFile sends length bytes of f from offset on.
	sendFile(f *os.File, offset, length int64) (int64, error)
}

// bufferSize is the size of a pooled read buffer in bytes: more than the head of most requests.
const bufferSize = 4 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

func getBuffer() []byte { return buffers.Get().(*[bufferSize]byte)[:] }

// putBuffer gives a buffer of getBuffer back; any other is left to the garbage collector.
func putBuffer(b []byte) {
	if cap(b) == bufferSize {
		buffers.Put((*[bufferSize]byte)(b[:bufferSize]))
	}
}

// streamWire is a wire over any connection.
type streamWire struct{ conn net.Conn }

func (w streamWire) readFirst() ([]byte, error) {
	buf := getBuffer()
	n, err := w.read(buf)
	if err != nil {
		putBuffer(buf)
		return nil, err
	}
	return buf[:n], nil
}

// read returns bytes or an error, never neither: io.Reader allows both to be missing.
func (w streamWire) read(p []byte) (n int, err error) {
	for n == 0 && err == nil {
		n, err = w.conn.Read(p)
	}
	if n > 0 {
		return n, nil
	}
	return 0, err
}

// tryRead reads with a deadline that is almost over, as not every connection can be asked what it has.
func (w streamWire) tryRead(p []byte) (int, error) {
	if err := w.conn.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		return 0, err
	}
	n, err := w.read(p)
	if isTimeout(err) {
		err = nil
	}
	return n, err
}

func (w streamWire) unread() bool { return false }

func (w streamWire) write(head, content []byte) (n int, err error) {
	if len(content) > 0 && len(head)+len(content) <= bufferSize {
		head, content = append(head, content...), nil
	}
	for _, p := range [2][]byte{head, content} {
		// Each piece renews the deadline.
		for len(p) > 0 && err == nil {
			if err = w.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
				return n, err
			}
			var m int
			m, err = w.conn.Write(p[:min(len(p), 64<<10)])
			n += m
			p = p[m:]
		}
	}
	return n, err
}

func (w streamWire) tryWrite(p []byte) (int, error) { return w.write(p, nil) }

func (w streamWire) awaitWritable() error { return nil }

func (w streamWire) underWay() (int64, error) { return 0, tcp.ErrNoReceiver }

func (w streamWire) reset() { tcp.ResetOnClose(w.conn) }
