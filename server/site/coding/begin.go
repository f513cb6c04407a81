package coding

import (
	"bytes"
	"io"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxBeginWindow is how far back in bytes a zstd file may look to be decoded: what a browser grants it (RFC 9659).
const maxBeginWindow = 8 << 20

// Begin decodes what content in a coding begins with, up to limit bytes, and says whether that is all. packed may be cut
// anywhere; what is no such coding begins with what could be read of it.
func Begin(c Coding, packed []byte, limit int) (first []byte, whole bool) {
	var r io.Reader = bytes.NewReader(packed)
	switch c {
	case Gzip:
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, false
		}
		r = z
	case Zstd:
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxBeginWindow))
		if err != nil {
			return nil, false
		}
		defer z.Close()
		r = z
	case Br:
		r = brotli.NewReader(r)
	}
	first, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if len(first) > limit {
		return first[:limit], false
	}
	return first, err == nil
}
