package http1

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/previewd/previewd/server/message"
)

// content is the Content of a Request: what the framing says belongs to it (RFC 9112, section 6). The
// zero value is no content.
type content struct {
	conn    *Conn
	chunked bool
	left    int64 // bytes still to come, without chunks
	decoder chunkedDecoder
	open    bool      // the end has not been reached
	err     error     // what ended it early; a *message.Failure if the client broke the syntax
	limit   time.Time // when reading must be over; zero: each read has contentTimeout
	closed  atomic.Bool
	reading sync.Mutex // held by Read: a handler may read in one goroutine while another answers
}

var errContentClosed = errors.New("reading content that was closed")

func (b *content) begin(c *Conn, length int64) {
	b.conn, b.open = c, true
	b.left, b.chunked = length, length == chunkedLength
}

// abandon forgets the content of a request that is refused: nobody knows where it ends.
func (b *content) abandon() { *b = content{} }

// finished says whether all content has been read.
func (b *content) finished() bool { return !b.open }

// Close makes a Read that waits, and all later ones, fail. The content stays where it is: the engine skips
// it afterwards.
func (b *content) Close() error {
	b.closed.Store(true)
	return b.conn.conn.SetReadDeadline(time.Unix(1, 0))
}

// Read reads decoded content. io.ErrUnexpectedEOF means that the client went away before its end.
func (b *content) Read(p []byte) (n int, err error) {
	b.reading.Lock()
	defer b.reading.Unlock()
	for n == 0 && len(p) > 0 {
		if b.err != nil {
			return 0, b.err
		}
		if !b.open {
			return 0, io.EOF
		}
		if b.chunked {
			n, err = b.readChunked(p)
		} else {
			n, err = b.readPlain(p)
		}
		if errors.Is(err, errContentClosed) {
			return 0, err
		}
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		b.err = err
	}
	return n, nil
}

func (b *content) readPlain(p []byte) (int, error) {
	n, err := b.readRaw(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	b.open = b.left > 0
	return n, err
}

func (b *content) readChunked(p []byte) (int, error) {
	c := b.conn
	if b.decoder.state == chunkData {
		n, err := b.readRaw(p[:min(int64(len(p)), b.decoder.left)])
		b.decoder.took(n)
		return n, err
	}
	taken, failure := b.decoder.next(c.buf)
	c.consume(taken)
	if failure != nil {
		return 0, failure
	}
	b.open = b.decoder.state != chunkDone
	if taken > 0 || !b.open {
		return 0, nil
	}
	if failure := c.grow(); failure != nil {
		return 0, failure
	}
	n, err := b.receive(c.buf[len(c.buf):cap(c.buf)])
	c.buf = c.buf[:len(c.buf)+n]
	return 0, err
}

// readRaw reads bytes that need no decoding: those that came with the head, then from the kernel.
func (b *content) readRaw(p []byte) (int, error) {
	c := b.conn
	if len(c.buf) > 0 {
		n := copy(p, c.buf)
		c.consume(n)
		return n, nil
	}
	return b.receive(p)
}

// receive reads from the connection, until the deadline or Close.
func (b *content) receive(p []byte) (int, error) {
	for deadline := b.deadline(); ; {
		b.conn.setDeadline(deadline)
		// Close sets the flag and then moves the deadline: here one of the two is seen.
		if b.closed.Load() || !b.limit.IsZero() && b.conn.givesWay.Load() { // there is a limit in skip
			return 0, errContentClosed
		}
		n, err := b.conn.wire.read(p)
		if n > 0 || !isTimeout(err) || !time.Now().Before(deadline) {
			return n, err
		}
	}
}

func (b *content) deadline() time.Time {
	if !b.limit.IsZero() {
		return b.limit
	}
	return time.Now().Add(contentTimeout)
}

// peek looks at what has come already, consuming nothing, for a break of the syntax.
func (b *content) peek() *message.Failure {
	if !b.reading.TryLock() {
		return nil // the handler reads on, and will see it
	}
	defer b.reading.Unlock()
	// Content of known length has no syntax to break, and may be being read at this moment.
	if !b.chunked {
		return nil
	}
	var failure *message.Failure
	if errors.As(b.err, &failure) {
		return failure
	}
	if !b.open {
		return nil
	}
	decoder, rest := b.decoder, b.conn.buf
	for {
		if n := min(int64(len(rest)), decoder.left); decoder.state == chunkData {
			decoder.took(int(n))
			rest = rest[n:]
		}
		taken, failure := decoder.next(rest)
		if rest = rest[taken:]; failure != nil || taken == 0 {
			return failure
		}
	}
}

// mayBeSkipped says whether what is left of the content, as far as it is known, is not too much for skip.
func (b *content) mayBeSkipped() bool {
	if !b.reading.TryLock() {
		return true // the handler reads on
	}
	defer b.reading.Unlock()
	return b.left <= skipBytes
}

// skip discards the rest of the content, and reports whether the connection can be used for another
// request: the end was reached within skipBytes and skipTimeout.
func (b *content) skip() bool {
	b.closed.Store(false)
	if !b.open {
		return b.err == nil
	}
	now := time.Now()
	b.limit = now.Add(skipTimeout)
	b.conn.waiting.Store(message.Instant(now))
	defer b.conn.waiting.Store(0)
	buf := getBuffer()
	defer putBuffer(buf)
	for n := 0; n <= skipBytes; {
		m, err := b.Read(buf)
		if err != nil {
			return errors.Is(err, io.EOF)
		}
		n += m
	}
	return false
}
