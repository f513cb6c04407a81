package http2

import (
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"runtime/debug"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/previewd/previewd/server/message"
)

var (
	errTooShort = errors.New("the content ended before its length")
	errTooLong  = errors.New("the content is longer than its length")
	errTunnel   = errors.New("the handler answered with a tunnel, which HTTP/2 does not have")
)

const (
	// unlimited is how much content a body of unknown length may have.
	unlimited = -1
	// pieceSize is how many bytes are handed to net/http at a time: the client has writeTimeout to make room for them.
	pieceSize = 64 << 10
	// smallPiece is how many bytes of a file are read for a client of which it is not known that it makes room for
	// more, or when largePieces are under way. It is as large as net/http's buffer.
	smallPiece = 4 << 10
	// largePieces is how many pieces of pieceSize all streams may hold of files.
	largePieces = 64
)

// answer sends one answer. It is the io.Writer that a message.Body writes to, and a message.PieceWriter.
type answer struct {
	conn    *Conn
	w       http.ResponseWriter
	control *http.ResponseController
	request *message.Request

	left     int64 // bytes of content that may still come
	headSent bool  // net/http has been given the head
	large    bool  // it has one of largePieces

	status  int
	sent    int64 // bytes of content handed to net/http
	failure *message.Failure
	via     string
	err     error
	broken  bool // the content broke off

	// since when net/http has content that the client may have to make room for, a message.Instant; 0 if it has none.
	since atomic.Int64
}

// send sends the answer and closes its body.
func (a *answer) send(resp message.Response) {
	if _, ok := resp.Body.(*message.Tunnel); ok { // RFC 9113, section 8.6: there is no 101
		resp.Discard()
		resp = (&message.Failure{Status: 500, Cause: errors.Join(errTunnel, resp.Err)}).Response()
	}
	resp = a.conn.engine.Profile.Settle(a.request, resp)
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
	if err != nil {
		return err
	}
	a.sendHead()
	if trailed, ok := resp.Body.(message.Trailed); ok {
		for _, f := range trailed.Trailer() {
			a.w.Header().Add(http.TrailerPrefix+f.Name, f.Value)
		}
	}
	return nil
}

// Inform makes an answer the message.Informer of its request.
func (a *answer) Inform(status int, fields message.Fields) error {
	header := a.w.Header()
	clear(header)
	for _, f := range fields {
		header.Add(f.Name, f.Value)
	}
	a.w.WriteHeader(status)
	clear(header)
	return nil
}

// callBody lets the body write itself. A panic resets the stream and reaches the operator.
func (a *answer) callBody(body message.Body) (err error) {
	defer a.giveBack()
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
	header, e := a.w.Header(), a.conn.engine
	clear(header)
	header["Server"] = e.server
	header["Date"] = e.date.At(time.Now()).Values
	// Without a value they keep net/http from finding one itself.
	header["Content-Type"], header["Content-Length"] = nil, nil
	values := make([]string, len(resp.Fields)+1)
	for i, f := range resp.Fields {
		name := textproto.CanonicalMIMEHeaderKey(f.Name)
		if slices.Contains(ofTheConnection, name) {
			continue
		}
		if before := header[name]; len(before) > 0 {
			header[name] = append(before, f.Value)
			continue
		}
		values[i] = f.Value
		header[name] = values[i : i+1 : i+1]
	}
	if a.left >= 0 && message.AllowsContent(resp.Status) && !(a.failure != nil && resp.Status == 205) {
		last := values[len(resp.Fields):]
		last[0] = strconv.FormatInt(a.left, 10)
		header["Content-Length"] = last
	}
	if e.draining.Load() {
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
	a.sendHead()
	a.since.Store(message.Instant(time.Now()))
	n, err = a.w.Write(p)
	a.sent += int64(n)
	if a.left != unlimited {
		a.left -= int64(n)
	} else if err == nil {
		err = a.control.Flush()
	}
	a.since.Store(0)
	a.giveBack()
	return n, err
}

// Flush sends the head before there is content.
func (a *answer) Flush() error {
	a.sendHead()
	return a.flush()
}

// flush waits until the client has made room for all that was written.
func (a *answer) flush() error {
	a.since.Store(message.Instant(time.Now()))
	defer a.since.Store(0)
	return a.control.Flush()
}

// NextPiece is for message.FileSection: a stream whose client makes no room holds smallPiece of a file.
func (a *answer) NextPiece() (size int, err error) {
	if a.sent == 0 {
		return smallPiece, nil
	}
	if a.sent == smallPiece { // which net/http may have in its buffer
		if err := a.flush(); err != nil {
			return 0, err
		}
	}
	if !a.conn.engine.pieces.TryAcquire(pieceSize) {
		return smallPiece, nil
	}
	a.large = true
	return pieceSize, nil
}

func (a *answer) giveBack() {
	if a.large {
		a.large = false
		a.conn.engine.pieces.Release(pieceSize)
	}
}
