package coding

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/andybalholm/brotli/matchfinder"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// The window is how far back in bytes a match may lie: what an encoder remembers, and a client must. gzip's is
// 32 KiB. A brotli window is 16 bytes short of a power of two (RFC 7932, section 9.1).
const (
	windowBits = 20
	window     = 1 << windowBits
	brWindow   = window - 16
)

// gzipLevel and the level of newZstd are where more time stops to pay; see BenchmarkEncode.
const gzipLevel = 6

// errMismatch is what is reported when a result does not decode to what was encoded.
var errMismatch = errors.New("the result does not decode to the source")

// Encoders makes content codings, at most so many at once. What an encoder needs to work is kept for the next
// and left to the garbage collector when idle. Its methods may be called by any number of goroutines.
type Encoders struct {
	turns chan struct{}
	// idle has encoders of any coding: one of another gives way, so that there are no more than ever ran at once.
	idle sync.Pool
}

// encoder is one that is used again and again.
type encoder interface {
	coding() Coding
	// encode appends src to dst.
	encode(src, dst []byte) ([]byte, error)
}

func newEncoder(c Coding) encoder {
	switch c {
	case Gzip:
		return newGzip()
	case Zstd:
		return newZstd()
	}
	return newBr()
}

// New returns Encoders of which at most limit run at once. Each takes, beside source and result, up to
// 1.2 MiB for gzip, 3 MiB for zstd and 5 MiB for br, however large the source is.
func New(limit int) *Encoders {
	return &Encoders{turns: make(chan struct{}, limit)}
}

// Encode appends src in a coding to dst. The same source gives the same bytes, on every machine. It waits for
// its turn while ctx lasts and returns its error otherwise; any other error is of the coding, and the answer
// is to be sent without it.
func (e *Encoders) Encode(ctx context.Context, c Coding, src, dst []byte) ([]byte, error) {
	if c == Identity {
		return append(dst, src...), nil
	}
	select {
	case e.turns <- struct{}{}:
	case <-ctx.Done():
		return dst, ctx.Err()
	}
	defer func() { <-e.turns }()
	if dst == nil { // those who wait hold none
		dst = make([]byte, 0, len(src)/2)
	}
	enc, found := e.idle.Get().(encoder)
	if !found || enc.coding() != c {
		enc = newEncoder(c)
	}
	out, err := enc.encode(src, dst)
	if err != nil {
		return dst, fmt.Errorf("encoding as %v: %w", c, err) // and enc is not used again
	}
	e.idle.Put(enc)
	return out, nil
}

// appender is a Writer that appends.
type appender struct{ b []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.b = append(a.b, p...)
	return len(p), nil
}

// take returns what was appended and forgets it.
func (a *appender) take() []byte {
	b := a.b
	a.b = nil
	return b
}

type gzipEncoder struct {
	out appender
	w   *gzip.Writer
}

func newGzip() *gzipEncoder { return &gzipEncoder{w: newGzipWriter(nil, gzipLevel)} }

// noTime is written as no time (RFC 1952, section 2.3.1); the zero time.Time is not.
var noTime = time.Unix(0, 0)

func newGzipWriter(w io.Writer, level int) *gzip.Writer {
	z, err := gzip.NewWriterLevel(w, level)
	if err != nil {
		panic(err) // the level is a constant
	}
	z.ModTime = noTime
	return z
}

func (g *gzipEncoder) coding() Coding { return Gzip }

// encode leaves the header without a name and a time (RFC 1952, section 2.3.1), so that it depends on src alone.
func (g *gzipEncoder) encode(src, dst []byte) ([]byte, error) {
	g.out.b = dst
	g.w.Reset(&g.out)
	g.w.ModTime = noTime
	_, err := g.w.Write(src)
	if err == nil {
		err = g.w.Close()
	}
	return g.out.take(), err
}

type zstdEncoder struct{ w *zstd.Encoder }

func newZstd() *zstdEncoder {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithWindowSize(window),
		zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithZeroFrames(true))
	if err != nil {
		panic(err) // the options are constants
	}
	return &zstdEncoder{w}
}

func (z *zstdEncoder) coding() Coding { return Zstd }

func (z *zstdEncoder) encode(src, dst []byte) ([]byte, error) { return z.w.EncodeAll(src, dst), nil }

// brEncoder takes the newer of the library's two encoders: a third faster than the older at the same ratio.
// As it is young and has had silent corruption, its result is decoded and compared. Together they still
// take less time.
type brEncoder struct {
	out   appender
	w     matchfinder.Writer
	in    *bytes.Reader
	r     *brotli.Reader
	piece [brBlock]byte // of what was decoded
}

// brBlock is how many bytes the brotli encoder takes at a time.
const brBlock = 1 << 16

func newBr() *brEncoder {
	in := new(bytes.Reader)
	return &brEncoder{
		w:  matchfinder.Writer{MatchFinder: &matchfinder.ZM{MaxDistance: brWindow}, Encoder: new(brotli.Encoder), BlockSize: brBlock},
		in: in,
		r:  brotli.NewReader(in),
	}
}

func (b *brEncoder) coding() Coding { return Br }

func (b *brEncoder) encode(src, dst []byte) ([]byte, error) {
	b.out.b = dst
	b.w.Reset(&b.out)
	for rest := src; len(rest) > 0; { // in pieces, as it keeps a copy of what it is given
		n := min(len(rest), brBlock)
		if _, err := b.w.Write(rest[:n]); err != nil {
			return b.out.take(), err
		}
		rest = rest[n:]
	}
	err := b.w.Close()
	out := b.out.take()
	if err == nil {
		err = declareWindow(out[len(dst):])
	}
	if err == nil {
		err = b.verify(out[len(dst):], src)
	}
	return out, err
}

// declareWindow has a stream say that it needs a window of 2^windowBits, not the 2^24 that the encoder
// writes whatever its distances are: WBITS is the first four bits, a one and three of WBITS-17 (RFC 7932,
// section 9.1).
func declareWindow(stream []byte) error {
	const mask, written, wanted = 0xf, (24-17)<<1 | 1, (windowBits-17)<<1 | 1
	if len(stream) == 0 || stream[0]&mask != written {
		return errMismatch
	}
	stream[0] = stream[0]&^mask | wanted
	return nil
}

// verify decodes stream and compares it with src.
func (b *brEncoder) verify(stream, src []byte) error {
	b.in.Reset(stream)
	defer b.in.Reset(nil)
	if err := b.r.Reset(b.in); err != nil {
		return err
	}
	for {
		n, err := b.r.Read(b.piece[:])
		if !bytes.HasPrefix(src, b.piece[:n]) {
			return errMismatch
		}
		src = src[n:]
		if err == io.EOF && len(src) == 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errMismatch, err)
		}
	}
}
