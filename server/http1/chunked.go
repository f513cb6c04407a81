package http1

import (
	"bytes"

	"github.com/previewd/previewd/server/message"
)

const (
	// maxChunkDigits is the longest chunk size, in hexadecimal digits.
	maxChunkDigits = 16
	// maxChunkExtensions bounds the chunk extensions of one request in all, in bytes. RFC 9112, section
	// 7.1.1: a recipient "ought to limit the total length of chunk extensions".
	maxChunkExtensions = 4 << 10
)

// chunkState is what a chunkedDecoder expects next.
type chunkState int

const (
	chunkSize chunkState = iota
	chunkData
	chunkDataEnd // the CRLF behind the data
	chunkTrailer
	chunkDone
)

// chunkedDecoder takes chunked transfer coding apart (RFC 9112, section 7.1). The zero value is ready.
// Lines end in CRLF only; the trailer section obeys the rules of a header section and is discarded.
type chunkedDecoder struct {
	state      chunkState
	left       int64 // bytes of the present chunk's data still to come
	extensions int   // bytes of chunk extensions seen
	trailer    headParser
}

// next steps over the lines at the beginning of buf, up to the data of a chunk, and returns how many bytes
// they have. It takes nothing where it needs to see more. In state chunkData it takes nothing either: the
// next d.left bytes are content, and took is told when they have been used.
func (d *chunkedDecoder) next(buf []byte) (taken int, failure *message.Failure) {
	for d.state != chunkData && d.state != chunkDone {
		var n int
		if d.state == chunkTrailer {
			n, failure = d.trailerSection(buf[taken:])
		} else {
			n, failure = d.chunkLine(buf[taken:])
		}
		taken += n
		if failure != nil || n == 0 {
			break
		}
	}
	return taken, failure
}

// took notes that n bytes of a chunk's data have been used.
func (d *chunkedDecoder) took(n int) {
	if d.left -= int64(n); d.left == 0 {
		d.state = chunkDataEnd
	}
}

// chunkLine reads the line with a chunk's size, or the empty one behind its data.
func (d *chunkedDecoder) chunkLine(buf []byte) (taken int, failure *message.Failure) {
	i := bytes.IndexByte(buf, '\n')
	// Without its end a line may already be too long: nothing is held beyond the limit.
	limit := maxChunkDigits + maxChunkExtensions - d.extensions + len("\r\n")
	if d.state == chunkDataEnd {
		limit = len("\r\n")
	}
	switch {
	case i < 0 && len(buf) < limit:
		return 0, nil
	case (i < 0 || i >= limit) && d.state == chunkSize:
		return 0, badRequest("Chunk line too long")
	case i < 1 || i >= limit || buf[i-1] != '\r':
		return 0, badRequest("Bad chunk line")
	}
	if d.state == chunkDataEnd {
		d.state = chunkSize
		return 2, nil
	}
	line := buf[:i-1]
	digits := 0
	for digits < len(line) && hexDigit(line[digits]) >= 0 {
		digits++
	}
	if digits == 0 || digits > maxChunkDigits || digits == maxChunkDigits && hexDigit(line[0]) > 7 {
		return 0, badRequest("Bad chunk size")
	}
	d.left = 0
	for _, c := range line[:digits] {
		d.left = d.left<<4 | int64(hexDigit(c))
	}
	if failure := d.extension(line[digits:]); failure != nil {
		return 0, failure
	}
	d.state = chunkData
	if d.left == 0 {
		d.state = chunkTrailer
		d.trailer.reset()
		d.trailer.hasLine = true // there is no request line before the fields
	}
	return i + 1, nil
}

// extension checks and counts what follows a chunk's size: nothing, or blanks and a semicolon first.
func (d *chunkedDecoder) extension(ext []byte) *message.Failure {
	if d.extensions += len(ext); d.extensions > maxChunkExtensions {
		return badRequest("Chunk line too long")
	}
	for _, c := range ext {
		if c < ' ' && c != '\t' || c == 0x7f {
			return badRequest("Bad chunk extension")
		}
	}
	if ext = bytes.TrimLeft(ext, " \t"); len(ext) > 0 && ext[0] != ';' {
		return badRequest("Bad chunk size")
	}
	return nil
}

// trailerSection takes the trailer section when all of it is there.
func (d *chunkedDecoder) trailerSection(buf []byte) (taken int, failure *message.Failure) {
	state, failure := d.trailer.parse(buf, false)
	if failure != nil || state != complete {
		return 0, failure
	}
	if !bytes.HasSuffix(buf[:d.trailer.size], []byte("\r\n")) {
		return 0, badRequest("Bad chunk line")
	}
	d.state = chunkDone
	return d.trailer.size, nil
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
