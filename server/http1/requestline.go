package http1

import (
	"bytes"
	"strconv"

	"github.com/previewd/previewd/server/message"
)

// span is a range of bytes in the buffer that holds a head.
type span struct{ start, end int }

func (s span) of(buf []byte) []byte { return buf[s.start:s.end] }

func (s span) in(text string) string { return text[s.start:s.end] }

// requestLine is a parsed request line (RFC 9112, section 3), its parts as places in the buffer.
type requestLine struct {
	line                  span // without the line end
	method, target, proto span // proto is empty in a line of two words, the simple request of HTTP/0.9
	version               message.Version
}

// simple says whether this is the request of HTTP/0.9: two words, no fields follow.
func (l *requestLine) simple() bool { return l.proto.end == 0 }

// parseRequestLine mirrors parse_request of CPython 3.14 on the line at buf[at.start:at.end], without its
// line end. blank is reported for a line without words: the connection is closed without an answer.
func parseRequestLine(buf []byte, at span) (l requestLine, blank bool, failure *message.Failure) {
	l.line = at
	var words [3]span
	count := 0
	for word := range eachWord(buf, at) {
		if count < len(words) {
			words[count] = word
		} else {
			words[2] = word // the last word is the version, however many there are
		}
		count++
	}
	if count == 0 {
		return l, true, nil
	}
	if count >= 3 {
		if l.version, failure = parseVersion(words[2].of(buf)); failure != nil {
			return l, false, failure
		}
	}
	if count != 2 && count != 3 {
		return l, false, badRequest("Bad request syntax (" + repr(at.of(buf)) + ")")
	}
	if count == 2 {
		if string(words[0].of(buf)) != "GET" {
			return l, false, badRequest("Bad HTTP/0.9 request type (" + repr(words[0].of(buf)) + ")")
		}
		l.version = message.Version{Major: 0, Minor: 9}
	}
	l.method, l.target, l.proto = words[0], words[1], words[2]
	// gh-87389: a target that begins with // would become a network-path reference in a redirect.
	for l.target.end-l.target.start > 1 && buf[l.target.start] == '/' && buf[l.target.start+1] == '/' {
		l.target.start++
	}
	return l, false, nil
}

// eachWord yields the words of a line, as str.split does on its text.
func eachWord(buf []byte, at span) func(yield func(span) bool) {
	return func(yield func(span) bool) {
		for i := at.start; i < at.end; {
			if isSpace(buf[i]) {
				i++
				continue
			}
			word := span{i, i + 1}
			for word.end < at.end && !isSpace(buf[word.end]) {
				word.end++
			}
			if !yield(word) {
				return
			}
			i = word.end
		}
	}
}

// isSpace is str.isspace for a character of Latin-1: the blanks of ASCII, 1C to 1F, NEL and NBSP.
func isSpace(c byte) bool {
	if c > ' ' && c < 0x85 {
		return false
	}
	return c == ' ' || '\t' <= c && c <= '\r' || 0x1c <= c && c <= 0x1f || c == 0x85 || c == 0xa0
}

// maxVersionDigits bounds each number of a version: "if any(len(component) > 10 ...)" in parse_request.
const maxVersionDigits = 10

// parseVersion reads the last word of a request line.
func parseVersion(word []byte) (v message.Version, failure *message.Failure) {
	if string(word) == "HTTP/1.1" {
		return message.Version{Major: 1, Minor: 1}, nil
	}
	number, found := bytes.CutPrefix(word, []byte("HTTP/"))
	major, minor, dotted := bytes.Cut(number, []byte("."))
	var okMajor, okMinor bool
	v.Major, okMajor = versionNumber(major)
	v.Minor, okMinor = versionNumber(minor)
	if !found || !dotted || !okMajor || !okMinor {
		return v, badRequest("Bad request version (" + repr(word) + ")")
	}
	if v.AtLeast(2, 0) {
		return v, &message.Failure{Status: 505, Message: "Invalid HTTP version (" + message.Latin1(string(number)) + ")"}
	}
	return v, nil
}

func versionNumber(digits []byte) (n int64, ok bool) {
	if len(digits) == 0 || len(digits) > maxVersionDigits {
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false // str.isdigit also takes ², ³ and ¹, but int() does not
		}
	}
	n, err := strconv.ParseInt(string(digits), 10, 64)
	return n, err == nil
}

func badRequest(text string) *message.Failure {
	return &message.Failure{Status: 400, Message: text}
}

func repr(raw []byte) string { return message.Repr(message.Latin1(string(raw))) }
