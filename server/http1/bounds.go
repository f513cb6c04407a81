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
	for _, f := range r.Fields {
		if len(f.Name)+len(": \r\n")+len(f.Value) > maxLine {
			return p.lineTooLong()
		}
	}
	return nil
}
