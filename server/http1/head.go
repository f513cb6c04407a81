package http1

import (
	"bytes"
	"fmt"

	"github.com/previewd/previewd/server/message"
)

const (
	// maxLine is the longest request line or field line read, in bytes with its line end:
	// readline(65537) in handle_one_request, _MAXLINE in http.client.
	maxLine = 65536
	// maxFieldLines is how many lines a header section may have, the empty one at its end included:
	// _MAXHEADERS in http.client.
	maxFieldLines = 100
	// maxHead bounds the whole head in bytes, which CPython does not.
	maxHead = 1 << 20
)

// progress is how far a head has come.
type progress int

const (
	more     progress = iota // the head is not complete: more bytes are needed
	complete                 // the head is complete
	blank                    // the request line has no words: close without an answer
)

// headParser reads a request head (RFC 9112, section 2.1) from a buffer that grows. Its result does not
// depend on how the bytes arrived. The zero value is ready; reset makes it so again.
type headParser struct {
	requestLine
	fields []fieldSpan
	size   int // bytes that belong to the lines parsed so far

	hasLine bool // the request line has been parsed
	scanned int  // bytes already searched for the end of the line that begins at size
	lines   int  // field lines parsed, the empty one included
}

func (p *headParser) reset() { *p = headParser{fields: p.fields[:0]} }

// parse goes on in buf, which holds the head from its first byte. At the end of the input a line needs
// no end, and the header section no empty line, as for Python's readline.
func (p *headParser) parse(buf []byte, eof bool) (progress, *message.Failure) {
	for {
		at, found, tooLong := p.nextLine(buf, eof)
		if tooLong {
			return more, p.lineTooLong()
		}
		if !found {
			if len(buf) > maxHead {
				return more, headTooLarge("bytes", maxHead)
			}
			return more, nil
		}
		if !p.hasLine {
			p.hasLine = true
			var isBlank bool
			var failure *message.Failure
			p.requestLine, isBlank, failure = parseRequestLine(buf, at)
			switch {
			case failure != nil:
				return more, failure
			case isBlank:
				return blank, nil
			case p.simple():
				return complete, nil
			}
			continue
		}
		if done, failure := p.fieldLine(buf, at); done || failure != nil {
			return complete, failure
		}
	}
}

// nextLine finds the line that begins at p.size, steps over it, and returns its place without the line end.
func (p *headParser) nextLine(buf []byte, eof bool) (at span, found, tooLong bool) {
	start := p.size
	i := bytes.IndexByte(buf[start+p.scanned:], '\n')
	length := p.scanned + i + 1
	if i < 0 {
		length = len(buf) - start
	}
	if length > maxLine {
		return at, false, true
	}
	if i < 0 && !eof {
		p.scanned = length
		return at, false, false
	}
	p.size, p.scanned = start+length, 0
	return span{start, start + length}.withoutLineEnd(buf, !p.hasLine), true, false
}

// withoutLineEnd leaves out LF or CRLF. Of the request line, any number of CR and LF: rstrip('\r\n').
func (s span) withoutLineEnd(buf []byte, all bool) span {
	if s.end > s.start && buf[s.end-1] == '\n' {
		s.end--
		if s.end > s.start && buf[s.end-1] == '\r' {
			s.end--
		}
	}
	for all && s.end > s.start && (buf[s.end-1] == '\r' || buf[s.end-1] == '\n') {
		s.end--
	}
	return s
}

// fieldLine takes one line of the header section; done is reported for the empty one.
func (p *headParser) fieldLine(buf []byte, at span) (done bool, failure *message.Failure) {
	p.lines++
	if p.lines > maxFieldLines {
		return false, tooManyFields()
	}
	if at.start == at.end {
		return true, nil
	}
	if p.size > maxHead {
		return false, headTooLarge("bytes", maxHead)
	}
	f, failure := parseFieldLine(buf, at)
	if failure != nil {
		return false, failure
	}
	p.fields = append(p.fields, f)
	return false, nil
}

func (p *headParser) lineTooLong() *message.Failure {
	if !p.hasLine {
		return &message.Failure{Status: 414}
	}
	return &message.Failure{Status: 431, Message: "Line too long",
		Explain: fmt.Sprintf("got more than %d bytes when reading header line", maxLine)}
}

func tooManyFields() *message.Failure {
	return &message.Failure{Status: 431, Message: "Too many headers",
		Explain: fmt.Sprintf("got more than %d headers", maxFieldLines)}
}

func headTooLarge(unit string, limit int) *message.Failure {
	return &message.Failure{Status: 431, Message: "Header section too large",
		Explain: fmt.Sprintf("got more than %d %s of request head", limit, unit)}
}

// fill writes into r what has been read of the head in buf, all of it as parts of one string.
func (p *headParser) fill(r *message.Request, buf []byte) {
	if !p.hasLine {
		return
	}
	text := string(buf[:p.size])
	r.Line = p.line.in(text)
	if p.method.end == 0 {
		return // the line is not a request line
	}
	r.Method, r.Target, r.Version = p.method.in(text), p.target.in(text), p.version
	r.Proto = "HTTP/0.9"
	if !p.simple() {
		r.Proto = p.proto.in(text)
	}
	r.Fields = r.Fields[:0]
	for _, f := range p.fields {
		r.Fields = append(r.Fields, message.Field{Name: f.name.in(text), Value: f.value.in(text)})
	}
}
