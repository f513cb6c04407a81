package conditional

import (
	"crypto/rand"
	"fmt"
	"io"
)

// Multipart is the content of a 206 with several ranges, multipart/byteranges (RFC 9110, section 14.6).
type Multipart struct {
	ranges                []Range
	size                  int64
	contentType, boundary string
	length                int64
}

// NewBoundary returns a boundary: 130 random bits. No content holds it, as nobody knows it before the content
// is chosen, and in a content of 2^40 bytes it is found with a probability of 2^-90.
func NewBoundary() string { return rand.Text() }

// NewMultipart returns the content for two ranges or more of a representation of size bytes. contentType is
// the representation's own, "" if it has none; boundary is a NewBoundary. ranges must not change any more.
func NewMultipart(ranges []Range, size int64, contentType, boundary string) *Multipart {
	m := &Multipart{ranges: ranges, size: size, contentType: contentType, boundary: boundary}
	var buf []byte
	for i, r := range ranges {
		buf = m.appendHead(buf[:0], i)
		m.length += int64(len(buf)) + r.Length
	}
	m.length += int64(len(m.appendEnd(buf[:0])))
	return m
}

// ContentType is the Content-Type of the answer.
func (m *Multipart) ContentType() string { return "multipart/byteranges; boundary=" + m.boundary }

// Len is the length of the content in bytes: the answer's Content-Length.
func (m *Multipart) Len() int64 { return m.length }

// Write writes Len bytes to w. content writes a part of the representation, exactly length bytes.
func (m *Multipart) Write(w io.Writer, content func(w io.Writer, offset, length int64) error) error {
	var buf []byte
	for i, r := range m.ranges {
		buf = m.appendHead(buf[:0], i)
		if _, err := w.Write(buf); err != nil {
			return err
		}
		if err := content(w, r.Offset, r.Length); err != nil {
			return err
		}
	}
	_, err := w.Write(m.appendEnd(buf[:0]))
	return err
}

// appendHead appends what stands before a part: the delimiter and the part's fields.
func (m *Multipart) appendHead(b []byte, part int) []byte {
	if part > 0 {
		b = append(b, "\r\n"...)
	}
	b = fmt.Appendf(b, "--%s\r\n", m.boundary)
	if m.contentType != "" {
		b = fmt.Appendf(b, "Content-Type: %s\r\n", m.contentType)
	}
	return fmt.Appendf(b, "Content-Range: %s\r\n\r\n", ContentRange(m.ranges[part], m.size))
}

// appendEnd appends what stands behind the last part.
func (m *Multipart) appendEnd(b []byte) []byte { return fmt.Appendf(b, "\r\n--%s--\r\n", m.boundary) }
