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
func decompress(r *bufio.Reader) (io.Reader, func(), error) {
	start, err := r.Peek(6)
	if err != nil && err != io.EOF {
		return nil, nil, err
	}
	nothing := func() {}
	switch {
	case bytes.HasPrefix(start, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(r)
		return z, nothing, err
	case isZstd(start):
		// One goroutine and one copy of the window: a decoder takes the window and 1 MiB.
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, nil, err
		}
		return z, z.Close, nil
	case bytes.HasPrefix(start, []byte("BZh")):
		return nil, nil, refuse("is compressed by bzip2: gzip, zstd and no compression are possible")
	case bytes.HasPrefix(start, []byte("\xfd7zXZ\x00")):
		return nil, nil, refuse("is compressed by xz: gzip, zstd and no compression are possible")
	}
	return r, nothing, nil
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
