package http1

import "github.com/previewd/previewd/server/message"

// Bounds refuses a request whose head is larger than what is read in HTTP/1.x: for requests that came
// another way.
func Bounds(r *message.Request) *message.Failure {
	p := headParser{hasLine: len(r.Line) < maxLine}
	if !p.hasLine {
		return p.lineTooLong()
	}
	if len(r.Fields) >= maxFieldLines {
		return tooManyFields()
	}
	size := len(r.Line)
	for _, f := range r.Fields {
		line := len(f.Name) + len(": \r\n") + len(f.Value)
		if line > maxLine {
			return p.lineTooLong()
		}
		size += line
	}
	if size > maxHead {
		return headTooLarge("bytes", maxHead)
	}
	return nil
}
