package coding

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/andybalholm/brotli"
	"github.com/andybalholm/brotli/matchfinder"
	"github.com/klauspost/compress/zstd"
)

// The levels at which content is coded while it is sent, see BenchmarkStream: as fast as a network takes it. The brotli
// encoder is the older of the library's two, as what it makes cannot be looked at before it is sent.
const (
	gzipStreamLevel = 3
	brStreamLevel   = 2
	brStreamWindow  = 17 // the logarithm of its size
)

// StreamMemory is how many bytes an encoder of NewStream takes at most.
const StreamMemory = 1280 << 10

// NewStream returns a writer that writes what it is given to w in a coding, as soon as it can. Close writes the end.
func NewStream(c Coding, w io.Writer) (io.WriteCloser, error) {
	switch c {
	case Gzip:
		return newGzipWriter(w, gzipStreamLevel), nil
	case Zstd:
		return zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(window/2),
			zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithZeroFrames(true))
	case Br:
		return brotli.NewWriterOptions(w, brotli.WriterOptions{Quality: brStreamLevel, LGWin: brStreamWindow}), nil
	}
	return nil, fmt.Errorf("encoding as %v: there is nothing to do", c)
}

// ErrTooLarge is reported when a result is larger than what was allowed.
var ErrTooLarge = errors.New("the result is too large")

// BetterMemory is how many bytes EncodeFrom takes at most, its result aside.
const BetterMemory = 8 << 20

// EncodeFrom codes size bytes of src at level 6 of each coding's library, without holding them in memory. It takes up to
// 8 MiB itself. A result of more than limit bytes is ErrTooLarge. It waits for its turn while ctx lasts, and ends when that does.
func (e *Encoders) EncodeFrom(ctx context.Context, c Coding, src io.ReaderAt, size int64, limit int) ([]byte, error) {
	select {
	case e.turns <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-e.turns }()
	out := &limited{limit: limit}
	var w io.WriteCloser
	var err error
	switch c {
	case Gzip:
		w = newGzipWriter(out, gzipLevel)
	case Zstd:
		w, err = zstd.NewWriter(out, zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithWindowSize(window),
			zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithZeroFrames(true))
	case Br:
		w = &matchfinder.Writer{Dest: out, MatchFinder: &matchfinder.Bargain1{MaxDistance: brWindow}, Encoder: new(brotli.Encoder), BlockSize: brBlock}
	default:
		return nil, fmt.Errorf("encoding as %v: there is nothing to do", c)
	}
	if err != nil {
		return nil, err
	}
	if err = copyFrom(ctx, w, src, size); err != nil {
		return nil, err
	}
	if err = w.Close(); err != nil {
		return nil, err
	}
	if c == Br {
		if err = declareWindow(out.b); err != nil {
			return nil, err
		}
		err = sameAs(ctx, out.b, src, size)
	}
	return out.b, err
}

// copyFrom writes size bytes of src to w in pieces.
func copyFrom(ctx context.Context, w io.Writer, src io.ReaderAt, size int64) error {
	piece := make([]byte, brBlock)
	for at := int64(0); at < size; {
		n, err := src.ReadAt(piece[:min(brBlock, size-at)], at)
		if n == 0 {
			return errors.Join(io.ErrUnexpectedEOF, err)
		}
		if _, err = w.Write(piece[:n]); err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		at += int64(n)
	}
	return nil
}

// sameAs decodes a brotli stream and compares it with size bytes of src.
func sameAs(ctx context.Context, stream []byte, src io.ReaderAt, size int64) error {
	r := brotli.NewReader(bytes.NewReader(stream))
	compare := &comparing{r: r, piece: make([]byte, brBlock)}
	if err := copyFrom(ctx, compare, src, size); err != nil {
		return err
	}
	if n, err := io.ReadFull(r, compare.piece[:1]); n != 0 || err != io.EOF {
		return errMismatch
	}
	return nil
}

// comparing is a Writer of what is to be read from r.
type comparing struct {
	r     io.Reader
	piece []byte
}

func (c *comparing) Write(p []byte) (int, error) {
	n, err := io.ReadFull(c.r, c.piece[:len(p)])
	if err != nil || !bytes.Equal(c.piece[:n], p) {
		return n, errMismatch
	}
	return n, nil
}

// limited is a Writer that appends up to a limit.
type limited struct {
	b     []byte
	limit int
}

func (l *limited) Write(p []byte) (int, error) {
	if len(l.b)+len(p) > l.limit {
		return 0, ErrTooLarge
	}
	l.b = append(l.b, p...)
	return len(p), nil
}
