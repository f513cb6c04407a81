package upstream

import (
	"errors"
	"io"
	"sync"

	"github.com/previewd/previewd/server/budget"
)

// Bytes are moved through small buffers as long as few come at a time, so that what waits holds little.
const smallBuffer, largeBuffer = 4 << 10, 64 << 10

var (
	small = sync.Pool{New: func() any { return new([smallBuffer]byte) }}
	large = sync.Pool{New: func() any { return new([largeBuffer]byte) }}
)

// writeError is an error of who was written to.
type writeError struct{ error }

func (e *writeError) Unwrap() error { return e.error }

// move copies each piece that comes to w, up to the end of r, and returns how many bytes were taken. An error of w is a
// *writeError. A large buffer is taken from room, where it has one.
func move(w io.Writer, r io.Reader, room *budget.Budget) (n int64, err error) {
	for much := false; err == nil; {
		var m int
		if much && room.TryAcquire(largeBuffer) {
			m, much, err = movePiece(w, r, large.Get().(*[largeBuffer]byte)[:])
			room.Release(largeBuffer)
		} else {
			m, much, err = movePiece(w, r, small.Get().(*[smallBuffer]byte)[:])
		}
		n += int64(m)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

// movePiece reads once and writes what has come. more is reported where a small buffer was filled, or a large one by half.
func movePiece(w io.Writer, r io.Reader, buf []byte) (taken int, more bool, err error) {
	defer func() {
		if len(buf) == largeBuffer {
			large.Put((*[largeBuffer]byte)(buf))
		} else {
			small.Put((*[smallBuffer]byte)(buf))
		}
	}()
	m, readErr := r.Read(buf)
	if m > 0 {
		if taken, err = w.Write(buf[:m]); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrClosedPipe
			}
			return taken, false, &writeError{err}
		}
	}
	return taken, m == smallBuffer || m >= largeBuffer/2, readErr
}
