package http1

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/previewd/previewd/server/message"
)

// oneWrite is up to how many bytes a chunk is copied behind what is to be sent before it, so that its end goes out with
// it.
const oneWrite = 8 << 10

// unlimited is how much content a body of unknown length may have.
const unlimited = -1

var (
	errTooShort = errors.New("the content ended before its length")
	errTooLong  = errors.New("the content is longer than its length")
)

// answerWriter sends one answer: the head, and the content in its framing. It is the io.Writer that a
// message.Body writes to, and a message.FileSender.
type answerWriter struct {
	conn    *Conn
	engine  *Engine
	wire    wire
	request *message.Request

	head     []byte // rendered and not yet sent; it goes out together with the first content
	left     int64  // bytes of content that may still come
	chunked  bool   // each Write becomes a chunk
	headSent bool   // the kernel has taken bytes of the head
	seen     bool   // the receiver's socket can be seen; set by LendMargin
	still    *atomic.Int64
	held     bool // a piece of pieceSize is, of the engine's budget

	status  int
	sent    int64 // bytes of content that the kernel took
	failure *message.Failure
	via     string
	err     error
	broken  bool // the connection cannot be used any more
}

func (w *answerWriter) begin(c *Conn, r *message.Request) {
	*w = answerWriter{conn: c, engine: c.engine, wire: c.wire, still: &c.still, request: r, head: w.head[:0]}
}

// send sends the answer and closes its body. It reports whether the connection stays, which it does at
// most if keep is set.
func (w *answerWriter) send(resp message.Response, keep bool) bool {
	resp = w.settle(resp)
	keep = w.renderHead(&resp, keep)
	err := w.sendBody(&resp)
	if resp.Body != nil {
		err = errors.Join(err, resp.Body.Close())
	}
	if err != nil && !w.headSent && !w.broken && w.failure == nil {
		// Nothing has left yet: the client can be told.
		w.head, w.chunked = w.head[:0], false
		return w.send(message.FailureOf(err).Response(), false)
	}
	w.err = errors.Join(w.err, err)
	w.broken = w.broken || err != nil
	return keep && !w.broken
}

// settle makes the answer one that can be sent, and notes what it is.
func (w *answerWriter) settle(resp message.Response) message.Response {
	resp = w.engine.Profile.Settle(w.request, resp)
	w.status, w.failure, w.via = resp.Status, resp.Failure(), resp.Via
	if w.failure == nil {
		w.err = resp.Err
	}
	return resp
}

// renderHead renders the head into w.head and decides on framing and persistence (RFC 9112, section 6.3).
func (w *answerWriter) renderHead(resp *message.Response, keep bool) bool {
	e := w.engine
	draining := e.draining.Load()
	length := int64(0)
	if resp.Body != nil {
		length = resp.Body.Len()
	}
	w.left = length
	allowed := message.AllowsContent(resp.Status)
	if length < 0 && allowed {
		w.left = unlimited
		w.chunked = e.persistent() && w.request.Version.AtLeast(1, 1)
		keep = keep && w.chunked
	}
	tunnel, _ := resp.Body.(*message.Tunnel)
	keep = keep && !resp.Close && !draining && tunnel == nil
	if w.request.Proto == "HTTP/0.9" {
		return keep // the content alone: section 2 of RFC 1945
	}

	w.renderStart(resp)
	w.head = append(w.head, e.date.At(time.Now()).Line...)
	if tunnel != nil {
		w.head = appendField(append(w.head, "Connection: Upgrade\r\n"...), "Upgrade", tunnel.Protocol)
	} else {
		w.head = append(w.head, w.connection(keep, draining)...)
	}
	framed := !allowed || w.failure != nil && resp.Status == 205
	for _, f := range resp.Fields {
		w.head = appendField(w.head, f.Name, f.Value)
		if !framed && len(f.Name) == len("Content-Type") && strings.EqualFold(f.Name, "Content-Type") {
			w.renderFraming(length)
			framed = true
		}
	}
	if !framed {
		w.renderFraming(length)
	}
	w.head = append(w.head, "\r\n"...)
	return keep
}

func (w *answerWriter) renderStart(resp *message.Response) {
	e := w.engine
	if resp.Status < len(e.starts) && (resp.Reason == "" || resp.Reason == e.Profile.Reason(resp.Status)) {
		w.head = append(w.head, e.starts[resp.Status]...)
		return
	}
	reason := resp.Reason
	if reason == "" {
		reason = e.Profile.Reason(resp.Status)
	}
	w.head = append(w.head, e.start(resp.Status, reason)...)
}

// connection returns the Connection field. http.server sends one with errors only, and so does
// PROTOCOL=HTTP/1.0; HTTP/1.1 announces what the client would not expect (RFC 9112, section 9.6).
func (w *answerWriter) connection(keep, draining bool) string {
	switch {
	case w.failure != nil || draining || !keep && w.engine.persistent():
		return "Connection: close\r\n"
	case keep && !w.request.Version.AtLeast(1, 1):
		return "Connection: keep-alive\r\n"
	}
	return ""
}

func (w *answerWriter) renderFraming(length int64) {
	switch {
	case w.chunked:
		w.head = append(w.head, "Transfer-Encoding: chunked\r\n"...)
	case length >= 0:
		w.head = append(w.head, "Content-Length: "...)
		w.head = strconv.AppendInt(w.head, length, 10)
		w.head = append(w.head, "\r\n"...)
	}
}

func appendField(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, ": "...)
	b = append(b, value...)
	return append(b, "\r\n"...)
}

// sendBody sends head and content. Of an answer to HEAD, here and nowhere else, the content is left out.
func (w *answerWriter) sendBody(resp *message.Response) (err error) {
	if tunnel, ok := resp.Body.(*message.Tunnel); ok {
		return w.sendTunnel(tunnel)
	}
	if resp.Body == nil || w.request.Method == "HEAD" || !message.AllowsContent(w.status) {
		return w.flush(nil)
	}
	if content, ok := message.InMemory(resp.Body); ok {
		return w.flush(content)
	}
	if err = w.callBody(resp.Body); err == nil && w.left > 0 {
		err = fmt.Errorf("%w: %d bytes are missing", errTooShort, w.left)
	}
	if err != nil {
		w.cut()
		return err
	}
	if w.chunked {
		w.head = append(w.head, "0\r\n"...)
		if trailed, ok := resp.Body.(message.Trailed); ok {
			for _, f := range trailed.Trailer() {
				w.head = appendField(w.head, f.Name, f.Value)
			}
		}
		w.head = append(w.head, "\r\n"...)
	}
	return w.flush(nil)
}

// callBody lets the body write itself. A panic cuts the connection and reaches the operator.
func (w *answerWriter) callBody(body message.Body) (err error) {
	defer w.giveBack()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in the body: %v\n%s", p, debug.Stack())
		}
	}()
	_, err = body.WriteTo(w)
	return err
}

// cut makes sure that an answer whose content broke off does not look complete: where only the end of the
// connection ends it, the connection is reset.
func (w *answerWriter) cut() {
	if !w.headSent && !w.broken {
		return
	}
	w.broken = true
	if w.left != unlimited || w.chunked {
		return
	}
	w.wire.reset()
}

// flush sends the head, if it has not been sent, and content.
func (w *answerWriter) flush(content []byte) error {
	head := len(w.head)
	if head+len(content) == 0 {
		return nil
	}
	n, err := w.wire.write(w.head, content)
	w.head = w.head[:0]
	w.took(n, n-head, err)
	return err
}

// took notes that the kernel took n bytes, the last of which are content.
func (w *answerWriter) took(n, content int, err error) {
	w.headSent = w.headSent || n > 0
	w.broken = w.broken || err != nil
	w.sent += int64(max(0, content))
	if w.left != unlimited {
		w.left -= int64(max(0, content))
	}
}

// Flush sends the head before there is content.
func (w *answerWriter) Flush() error { return w.flush(nil) }

// Write sends content at once, as a chunk if the answer is chunked.
func (w *answerWriter) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil // an empty chunk would be the last
	}
	if w.left != unlimited && int64(len(p)) > w.left {
		return 0, errTooLong
	}
	if w.chunked {
		return w.writeChunk(p)
	}
	before := w.sent
	err := w.flush(p)
	return int(w.sent - before), err
}

// writeChunk sends a chunk (RFC 9112, section 7.1): its size, the data, and behind it CRLF, which for a
// large chunk goes out with whatever comes next.
func (w *answerWriter) writeChunk(p []byte) (int, error) {
	w.head = strconv.AppendInt(w.head, int64(len(p)), 16)
	w.head = append(w.head, "\r\n"...)
	if len(w.head)+len(p) > oneWrite {
		before := w.sent
		err := w.flush(p)
		w.head = append(w.head, "\r\n"...)
		return int(w.sent - before), err
	}
	w.head = append(append(w.head, p...), "\r\n"...)
	if err := w.flush(nil); err != nil {
		return 0, err
	}
	w.sent += int64(len(p))
	return len(p), nil
}

// TryWrite is Write without waiting: it sends what the kernel takes at once. It is for content of known
// length; see message.FileSection.
func (w *answerWriter) TryWrite(p []byte) (int, error) {
	if w.chunked || len(w.head) > 0 {
		return w.Write(p)
	}
	if int64(len(p)) > w.left && w.left != unlimited {
		return 0, errTooLong
	}
	n, err := w.wire.tryWrite(p)
	w.took(n, n, err)
	return n, err
}

// NextPiece is for message.FileSection: what is sent over TLS is held until the client has made room for it.
func (w *answerWriter) NextPiece() (int, error) {
	w.giveBack() // of the piece before
	if _, lends := w.wire.(lendingWire); lends {
		return pieceSize, nil
	}
	if w.held = w.engine.pieces.TryAcquire(pieceCost); w.held {
		return pieceSize, nil
	}
	return bufferSize, nil
}

func (w *answerWriter) giveBack() {
	if w.held {
		w.held = false
		w.engine.pieces.Release(pieceCost)
	}
}

// AwaitWritable waits until TryWrite will take bytes.
func (w *answerWriter) AwaitWritable() error {
	err := w.wire.awaitWritable()
	w.broken = w.broken || err != nil
	return err
}

// SendFile sends a part of a file without copying it. It is called where LendMargin is less than all.
func (w *answerWriter) SendFile(f *os.File, offset, length int64) (int64, error) {
	if length > w.left && w.left != unlimited {
		return 0, errTooLong
	}
	if err := w.flush(nil); err != nil {
		return 0, err
	}
	n, err := w.wire.(lendingWire).sendFile(f, offset, length)
	w.took(int(n), int(n), err)
	return n, err
}
