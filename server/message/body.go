package message

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// Body is the content of an answer. WriteTo is called at most once, Close always, exactly once. An error of WriteTo
// cuts the answer; before its first byte it is answered with FailureOf.
type Body interface {
	// Len is the length in bytes, -1 if it is not known before the end.
	Len() int64
	io.WriterTo
	io.Closer
}

// Bytes is content in memory. It is not copied and must not change until it is closed. A *Bytes is a Body
// too: returning one that exists already allocates nothing.
type Bytes []byte

// Len returns the number of bytes.
func (b Bytes) Len() int64 { return int64(len(b)) }

// WriteTo writes all bytes in one call.
func (b Bytes) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(b)
	return int64(n), err
}

// Close does nothing.
func (b Bytes) Close() error { return nil }

// InMemory returns the content of a body that is wholly in memory, and whether it is.
func InMemory(body Body) ([]byte, bool) {
	switch b := body.(type) {
	case *Bytes:
		return *b, true
	case Bytes:
		return b, true
	case interface{ InMemory() []byte }:
		return b.InMemory(), true
	}
	return nil, false
}

// Stream is content that is produced while it is sent. If its length is unknown, it is chunked in HTTP/1.1, and ends
// with the connection in HTTP/1.0. Each Write reaches the client at once.
type Stream struct {
	length int64
	write  func(io.Writer) error
}

// NewStream returns a Body of unknown length, written by write. If write fails, the connection is closed, so
// that the client can tell that the content is not complete.
func NewStream(write func(w io.Writer) error) *Stream { return &Stream{-1, write} }

// NewSizedStream returns a Body of length bytes, written by write. If write writes more or fewer, the connection is closed.
func NewSizedStream(length int64, write func(w io.Writer) error) *Stream {
	return &Stream{length, write}
}

// Len returns the length in bytes, -1 if it is unknown.
func (s *Stream) Len() int64 { return s.length }

// WriteTo calls the function that makes the content.
func (s *Stream) WriteTo(w io.Writer) (int64, error) {
	counter := &countingWriter{w: w}
	err := s.write(counter)
	return counter.n, err
}

// Close does nothing.
func (s *Stream) Close() error { return nil }

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// Flusher is a writer that can send the head of an answer before there is content.
type Flusher interface{ Flush() error }

// ErrChanged is reported when a file changed while it was sent.
var ErrChanged = errors.New("the file changed while it was sent")

// heldBack is how many bytes of a file are sent only after Unchanged agreed: a client that gets the last
// byte has the file whole.
const heldBack = 64 << 10

// FileSection is a part of an open file. Close closes the file.
type FileSection struct {
	File *os.File
	// Offset and Length delimit the section, in bytes.
	Offset, Length int64
	// Begin, if set, is called before the first byte is sent, with Offset and Length.
	Begin func(offset, length int64) error
	// Unchanged is called before the last bytes are sent; an error (ErrChanged) cuts the connection
	// instead. Nil means that nothing is checked.
	Unchanged func() error
	// Disk is passed for each read of the file.
	Disk Gate
}

// Len returns the length of the section in bytes.
func (s *FileSection) Len() int64 { return s.Length }

// Close closes the file.
func (s *FileSection) Close() error { return s.File.Close() }

// FileSender is a writer that can send a part of a file without copying it, by sendfile.
type FileSender interface {
	// LendMargin is how many of length bytes are to be sent by Write behind those that SendFile sent, for the
	// pages that it lent to the socket to be out of use. Until a receiver on the same machine has read them,
	// they show what is written to the file meanwhile.
	LendMargin(length int64) int64
	// AwaitReturned waits until they are, with so many bytes, at least LendMargin, sent behind them.
	AwaitReturned(behind int64) error
	// SendFile sends length bytes from offset on, and returns how many were taken.
	SendFile(f *os.File, offset, length int64) (int64, error)
}

// WriteTo sends the section: with sendfile if w is a FileSender, else by copying. It returns ErrChanged if the file has
// become too short, or fails Unchanged before its last bytes are sent.
func (s *FileSection) WriteTo(w io.Writer) (n int64, err error) {
	if s.Begin != nil {
		if err := s.Begin(s.Offset, s.Length); err != nil {
			return 0, err
		}
	}
	check := s.check
	if sender, ok := w.(FileSender); ok {
		// The last bytes are held back until the margin is behind them, so that the check comes after all use.
		lent := max(0, s.Length-sender.LendMargin(s.Length)-heldBack)
		if lent > 0 {
			n, err = sender.SendFile(s.File, s.Offset, lent)
			check = func() error {
				if err := sender.AwaitReturned(n - lent); err != nil {
					return err
				}
				return s.check()
			}
		}
		if err == nil && n < lent {
			err = ErrChanged
		}
		if err != nil {
			return n, err
		}
	}
	part, _ := w.(PartWriter)
	for n < s.Length {
		m, full, err := s.writePiece(w, n, check)
		n += m
		if err == nil && full {
			err = part.AwaitWritable()
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (s *FileSection) check() error {
	if s.Unchanged == nil {
		return nil
	}
	return s.Unchanged()
}

// PartWriter is a writer that does not wait: what it does not take at once is read from the file again
// later, so that a slow client holds no memory.
type PartWriter interface {
	// TryWrite writes what can be written without waiting.
	TryWrite(p []byte) (int, error)
	// AwaitWritable waits until TryWrite will take bytes.
	AwaitWritable() error
}

// PieceWriter is a writer that says how much of a file it takes at a time.
type PieceWriter interface {
	// NextPiece returns how many bytes the next Write may have: more than none, heldBack at most.
	NextPiece() (int, error)
}

// pieces and smallPieces are the buffers through which files are copied.
var (
	pieces      = sync.Pool{New: func() any { return new([heldBack]byte) }}
	smallPieces = sync.Pool{New: func() any { return new([smallPiece]byte) }}
)

// smallPiece is how many bytes a small buffer has.
const smallPiece = 4 << 10

// writePiece copies the bytes from n on, a piece at most, and returns how many were written; full is
// reported when a PartWriter took fewer, and can take no more now. The last piece is not sent before check
// agrees.
func (s *FileSection) writePiece(w io.Writer, n int64, check func() error) (written int64, full bool, err error) {
	size := min(heldBack, s.Length-n)
	if measured, ok := w.(PieceWriter); ok {
		next, err := measured.NextPiece()
		if err != nil {
			return 0, false, err
		}
		size = min(size, int64(next))
	}
	s.Disk.Enter() // who waits for that holds no buffer
	var piece []byte
	if size <= smallPiece {
		buf := smallPieces.Get().(*[smallPiece]byte)
		defer smallPieces.Put(buf)
		piece = buf[:size]
	} else {
		buf := pieces.Get().(*[heldBack]byte)
		defer pieces.Put(buf)
		piece = buf[:size]
	}
	_, err = s.File.ReadAt(piece, s.Offset+n)
	s.Disk.Leave()
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = ErrChanged
		}
		return 0, false, fmt.Errorf("reading at byte %d of %d: %w", n, s.Length, err)
	}
	if n+int64(len(piece)) == s.Length {
		if err := check(); err != nil {
			return 0, false, err
		}
	}
	var m int
	if part, ok := w.(PartWriter); ok {
		m, err = part.TryWrite(piece)
		return int64(m), m < len(piece), err
	}
	m, err = w.Write(piece)
	return int64(m), false, err
}
