package unpack

import (
	"bufio"
	"bytes"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// decompress reads what a layer is compressed from, by its first bytes. gzip and zstd are compressed; bzip2 and xz, which
// Docker's engine can load from a file, but no registry has, are refused; all else is taken as it is. Trailing bytes that are
// no compressed stream are an error, as they are in Docker.
func (i *image) decompress(r *bufio.Reader) (io.Reader, error) {
	start, err := r.Peek(6)
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(start, []byte{0x1f, 0x8b}):
		return gzip.NewReader(r)
	case isZstd(start):
		return i.decoder(r)
	case bytes.HasPrefix(start, []byte("BZh")):
		return nil, refuse("is compressed by bzip2: gzip, zstd and no compression are possible")
	case bytes.HasPrefix(start, []byte("\xfd7zXZ\x00")):
		return nil, refuse("is compressed by xz: gzip, zstd and no compression are possible")
	}
	return r, nil
}

// decoder reads zstd. All readings of an image have the same one: it keeps one window, and less than 1 MiB beside it,
// and has no goroutine.
func (i *image) decoder(r io.Reader) (io.Reader, error) {
	if i.zstd != nil {
		return i.zstd, i.zstd.Reset(r)
	}
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(uint64(i.window())))
	if err != nil {
		return nil, err
	}
	i.zstd = z
	return z, nil
}

// window is the largest window that is decoded.
func (i *image) window() int64 {
	if i.options.Window == 0 {
		return maxWindow
	}
	return min(max(i.options.Window, minWindow), maxWindow)
}

// free gives back what reading took.
func (i *image) free() {
	if i.zstd != nil {
		i.zstd.Close()
	}
}

// isZstd says whether bytes begin a frame, or one that is skipped (RFC 8878, section 3.1).
func isZstd(start []byte) bool {
	if len(start) < 4 {
		return false
	}
	frame := bytes.HasPrefix(start, []byte{0x28, 0xb5, 0x2f, 0xfd})
	skipped := start[0]&0xf0 == 0x50 && bytes.HasPrefix(start[1:], []byte{0x2a, 0x4d, 0x18})
	return frame || skipped
}
