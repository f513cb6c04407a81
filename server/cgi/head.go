package cgi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/previewd/previewd/server/message"
)

const (
	// maxHead bounds a script's head in bytes, and maxFields its fields; as for the head of a request.
	maxHead   = 65536
	maxFields = 99
)

// head is the head of a script's answer (RFC 3875, section 6.3).
type head struct {
	status   int            // of Status; 0 without one
	reason   string         // of Status, as text
	location string         // of Location; "" without one
	length   int64          // of Content-Length; -1 without one; 0 where there may be no content
	close    bool           // Connection: close
	typed    bool           // there is a Content-Type
	fields   message.Fields // what is sent: without Status, and without those that are the server's business
	count    int            // fields seen
}

var (
	errNoHead   = errors.New("it ended before the empty line after its headers")
	errNoOutput = errors.New("it wrote no answer")
)

// readHead reads the head from the beginning of a script's output. rest is what was read beyond it. The
// first line that no head can have is an error: nothing more is waited for.
func readHead(output io.Reader) (h head, rest []byte, err error) {
	h = head{length: -1}
	buf := make([]byte, 0, 4096)
	parsed := 0
	for {
		for {
			i := bytes.IndexByte(buf[parsed:], '\n')
			if i < 0 {
				break
			}
			line := bytes.TrimSuffix(buf[parsed:parsed+i], []byte("\r"))
			parsed += i + 1
			if len(line) == 0 {
				return h, buf[parsed:], h.check()
			}
			if err := h.field(string(line)); err != nil {
				return h, nil, err
			}
		}
		if len(buf) >= maxHead {
			return h, nil, fmt.Errorf("its headers have more than %d bytes", maxHead)
		}
		if len(buf) == cap(buf) {
			buf = append(buf, make([]byte, len(buf))...)[:len(buf)]
		}
		n, err := output.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case errors.Is(err, io.EOF) && len(buf) == 0:
			return h, nil, errNoOutput
		case errors.Is(err, io.EOF):
			return h, nil, h.incomplete(buf[parsed:])
		case err != nil:
			return h, nil, err
		}
	}
}

// incomplete explains a head that broke off.
func (h *head) incomplete(rest []byte) error {
	if len(rest) > 0 {
		if err := h.field(string(rest)); err != nil {
			return err
		}
	}
	return errNoHead
}

// field takes one field line. What could be read as another field, or as the end of the head, is refused.
func (h *head) field(line string) error {
	if h.count++; h.count > maxFields {
		return fmt.Errorf("it has more than %d header lines", maxFields)
	}
	name, value, found := strings.Cut(line, ":")
	if !found {
		return fmt.Errorf("it has a header line without a colon: %s", shown(line))
	}
	if !isToken(name) {
		return fmt.Errorf("it has a header with an invalid name: %s", shown(line))
	}
	value = strings.Trim(value, " \t")
	for i := 0; i < len(value); i++ {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return fmt.Errorf("it has a control character in the header %s", shown(line))
		}
	}
	return h.take(name, value)
}

// take sorts a field by what it means.
func (h *head) take(name, value string) error {
	twice := false
	switch strings.ToLower(name) {
	case "status":
		twice = h.status != 0
		return errors.Join(ifTwice(twice, name), h.takeStatus(value))
	case "location":
		twice = h.location != ""
		if h.location = value; value == "" {
			return errors.New("its Location is empty")
		}
	case "content-type":
		twice = h.typed
		h.typed = true
	case "content-length":
		twice = h.length >= 0
		n, err := strconv.ParseUint(value, 10, 63)
		if err != nil {
			return fmt.Errorf("its Content-Length is not a number: %s", shown(value))
		}
		h.length = int64(n)
		return ifTwice(twice, name) // the writer makes the field
	case "transfer-encoding":
		return errors.New("it has a Transfer-Encoding, which only the server may set")
	case "connection":
		h.close = h.close || strings.EqualFold(value, "close")
		return nil
	case "keep-alive", "proxy-connection", "te", "trailer", "upgrade", "date", "server":
		// RFC 3875, section 6.3.4: "The script MUST NOT return any header fields that relate to client-side
		// communication issues"; the server "MAY remove" them. Date and Server are the writer's.
		return nil
	}
	h.fields = append(h.fields, message.Field{Name: name, Value: value})
	return ifTwice(twice, name)
}

func ifTwice(twice bool, name string) error {
	if twice {
		return fmt.Errorf("it has %s twice", name)
	}
	return nil
}

// takeStatus reads status-code SP reason-phrase. An informational answer cannot be a script's only one.
func (h *head) takeStatus(value string) error {
	code, reason, _ := strings.Cut(value, " ")
	n, err := strconv.Atoi(code)
	if err != nil || len(code) != 3 || n < 200 || n > 599 {
		return fmt.Errorf("its Status is not a number from 200 to 599: %s", shown(value))
	}
	h.status, h.reason = n, message.Latin1(strings.Trim(reason, " \t"))
	return nil
}

// check wants what RFC 3875, section 6.3, does: "at least one CGI field". RFC 9110, section 15.3.6: "a server
// MUST NOT generate content in a 205 response", which does not go without saying as it does for 204 and 304.
func (h *head) check() error {
	if h.status == 205 {
		h.length = 0
	}
	if h.status == 0 && h.location == "" && !h.typed {
		return errors.New("it has none of the headers Content-Type, Location and Status")
	}
	return nil
}

// isLocal says whether the head is a local redirect (RFC 3875, section 6.2.2): a path of this server, maybe
// with a query, and nothing that only a client could use, as a fragment is. What begins with two slashes
// names another host (RFC 3986, section 4.2).
func (h *head) isLocal() bool {
	if !strings.HasPrefix(h.location, "/") || strings.HasPrefix(h.location, "//") || strings.Contains(h.location, "#") {
		return false
	}
	fields := 1
	if h.typed {
		fields++
	}
	return h.status == 0 && len(h.fields) == fields
}

// response returns the answer that the head asks for, without its content.
func (h *head) response() message.Response {
	resp := message.Response{Status: h.status, Reason: h.reason, Fields: h.fields, Close: h.close}
	switch {
	case h.status != 0:
	case h.location != "":
		resp.Status = 302 // RFC 3875, section 6.2.3
	default:
		resp.Status, resp.Reason = 200, "Script output follows"
	}
	return resp
}

func isToken(name string) bool {
	for i := 0; i < len(name); i++ {
		c := name[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return name != ""
}

// shown makes a line of a script one bounded, printable piece of a log line.
func shown(line string) string {
	const most = 100
	if len(line) > most {
		return fmt.Sprintf("%q...", line[:most])
	}
	return strconv.Quote(line)
}
