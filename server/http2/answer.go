package http2

import (
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"github.com/previewd/previewd/server/message"
)

var (
	errTooShort = errors.New("the content ended before its length")
	errTooLong  = errors.New("the content is longer than its length")
)

const (
	// unlimited is how much content a body of unknown length may have.
	unlimited = -1
	// pieceSize is how many bytes the client has writeTimeout to make room for.
	pieceSize = 16 << 10
)

// answer sends one answer. It is the io.Writer that a message.Body writes to.
type answer struct {
	engine  *Engine
	w       http.ResponseWriter
	control *http.ResponseController
	request *message.Request

	left     int64 // bytes of content that may still come
	headSent bool  // net/http has been given the head

	status  int
	sent    int64 // bytes of content handed to net/http
	failure *message.Failure
	via     string
	err     error
	broken  bool // the content broke off
}

// send sends the answer and closes its body.
func (a *answer) send(resp message.Response) {
	resp = a.engine.Profile.Settle(a.request, resp)
	a.status, a.failure, a.via = resp.Status, resp.Failure(), resp.Via
	if a.failure == nil {
		a.err = resp.Err
	}
	err := a.sendBody(&resp)
	if resp.Body != nil {
		err = errors.Join(err, resp.Body.Close())
	}
	if err != nil && !a.headSent && a.failure == nil {
		// Nothing has left yet: the client can be told.
		a.send(message.FailureOf(err).Response())
		return
	}
	a.err = errors.Join(a.err, err)
	a.broken = err != nil
}

// sendBody sends head and content. Of an answer to HEAD the content is left out.
func (a *answer) sendBody(resp *message.Response) error {
	a.left = 0
	if resp.Body != nil {
		a.left = max(resp.Body.Len(), unlimited)
	}
	a.setFields(resp)
	if resp.Body == nil || a.request.Method == "HEAD" || !message.AllowsContent(resp.Status) {
		a.sendHead()
		return nil
	}
	if content, ok := message.InMemory(resp.Body); ok {
		_, err := a.Write(content)
		a.sendHead() // of content that is empty
		return err
	}
	err := a.callBody(resp.Body)
	if err == nil && a.left > 0 {
		err = fmt.Errorf("%w: %d bytes are missing", errTooShort, a.left)
	}
	if err == nil {
		a.sendHead()
		// What is buffered still has to leave, when this handler has returned.
		err = a.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	}
	return err
}

// callBody lets the body write itself. A panic resets the stream and reaches the operator.
func (a *answer) callBody(body message.Body) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in the body: %v\n%s", p, debug.Stack())
		}
	}()
	_, err = body.WriteTo(a)
	return err
}

// ofTheConnection are fields that say something of an HTTP/1.x connection, which HTTP/2 forbids (RFC 9113,
// section 8.2.2).
var ofTheConnection = []string{"Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade"}

// setFields puts the header section where net/http finds it.
func (a *answer) setFields(resp *message.Response) {
	header := a.w.Header()
	clear(header)
	header["Server"] = []string{a.engine.Profile.Server}
	header["Date"] = a.engine.dateNow(time.Now())
	// Without a value they keep net/http from finding one itself.
	header["Content-Type"], header["Content-Length"] = nil, nil
	for _, f := range resp.Fields {
		name := textproto.CanonicalMIMEHeaderKey(f.Name)
		if !slices.Contains(ofTheConnection, name) {
			header[name] = append(header[name], f.Value)
		}
	}
	if a.left >= 0 && message.AllowsContent(resp.Status) && !(a.failure != nil && resp.Status == 205) {
		header["Content-Length"] = []string{strconv.FormatInt(a.left, 10)}
	}
	if a.engine.draining.Load() {
		// net/http sends GOAWAY in place of this field.
		header["Connection"] = []string{"close"}
	}
}

func (a *answer) sendHead() {
	if !a.headSent {
		a.headSent = true
		a.w.WriteHeader(a.status)
	}
}

// Write hands content to net/http, and waits as long as the client leaves no room for it.
func (a *answer) Write(p []byte) (n int, err error) {
	if a.left != unlimited && int64(len(p)) > a.left {
		return 0, errTooLong
	}
	for len(p) > 0 && err == nil {
		var m int
		m, err = a.writePiece(p[:min(len(p), pieceSize)])
		n += m
		p = p[m:]
	}
	return n, err
}

func (a *answer) writePiece(p []byte) (n int, err error) {
	if err = a.control.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	a.sendHead()
	n, err = a.w.Write(p)
	a.sent += int64(n)
	if a.left == unlimited {
		if err == nil {
			err = a.control.Flush()
		}
	} else {
		a.left -= int64(n)
	}
	if a.left != 0 && err == nil {
		// The next piece may take its time.
		err = a.control.SetWriteDeadline(time.Time{})
	}
	return n, err
}
