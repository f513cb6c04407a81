package site

import (
	"io"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/conditional"
)

// sendRanges answers a request whose Range counts: 206 with one part or several, 416 if there is none, and
// the whole if the field makes no sense (RFC 9110, section 14.2).
func sendRanges(of message.Fields, body message.Body, value string) message.Response {
	size := body.Len()
	ranges, selection := conditional.ParseRange(value, size)
	switch {
	case selection == conditional.Unsatisfiable:
		_ = body.Close() // nothing of it was sent
		resp := (&message.Failure{Status: 416}).Response()
		resp.Fields = message.Fields{{Name: "Content-Range", Value: conditional.Unsatisfied(size)}}
		return resp
	case selection == conditional.Whole:
		return message.Response{Status: 200, Fields: of, Body: body}
	case len(ranges) == 1:
		fields := append(message.Fields(nil), of...)
		fields = append(fields, message.Field{Name: "Content-Range", Value: conditional.ContentRange(ranges[0], size)})
		return message.Response{Status: 206, Fields: fields, Body: partOf(body, ranges[0])}
	}
	multipart := conditional.NewMultipart(ranges, size, of.Get("Content-type"), conditional.NewBoundary())
	fields := append(message.Fields(nil), of...)
	fields[0].Value = multipart.ContentType() // describe puts it first
	return message.Response{Status: 206, Fields: fields, Body: &parts{multipart, body, len(ranges)}}
}

// partOf returns a part of a body, which is in memory or a FileSection. It takes the body over.
func partOf(body message.Body, r conditional.Range) message.Body {
	if data, inMemory := message.InMemory(body); inMemory {
		return &part{body, data[r.Offset:][:r.Length]}
	}
	section := *body.(*message.FileSection)
	section.Offset += r.Offset
	section.Length = r.Length
	return &section
}

// part is a part of a content in memory.
type part struct {
	whole message.Body
	data  []byte
}

// Len returns the length in bytes.
func (p *part) Len() int64 { return int64(len(p.data)) }

// InMemory returns the content, see message.InMemory. It may be used until Close.
func (p *part) InMemory() []byte { return p.data }

// WriteTo writes the content in one call.
func (p *part) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(p.data)
	return int64(n), err
}

// Close closes the whole.
func (p *part) Close() error { return p.whole.Close() }

// parts are several parts of a content.
type parts struct {
	multipart *conditional.Multipart
	whole     message.Body
	left      int // how many are still to be written
}

// Len returns the length in bytes, with the heads of the parts.
func (p *parts) Len() int64 { return p.multipart.Len() }

// WriteTo writes the parts. Of a file only the last one ends with the check that it is still the same: it vouches for
// all.
func (p *parts) WriteTo(w io.Writer) (int64, error) {
	stream := message.NewSizedStream(p.Len(), func(w io.Writer) error {
		return p.multipart.Write(w, func(w io.Writer, offset, length int64) error {
			part := partOf(p.whole, conditional.Range{Offset: offset, Length: length})
			p.left--
			if section, isFile := part.(*message.FileSection); isFile && p.left > 0 {
				section.Unchanged = nil
			}
			_, err := part.WriteTo(w)
			return err
		})
	})
	return stream.WriteTo(w)
}

// Close closes the whole.
func (p *parts) Close() error { return p.whole.Close() }
