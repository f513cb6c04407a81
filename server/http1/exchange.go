package http1

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"time"

	"github.com/previewd/previewd/server/message"
)

// exchange is one request and its answer: all the state that a connection needs only while it has one.
type exchange struct {
	conn    *Conn
	parser  headParser
	request message.Request
	content content
	writer  answerWriter

	start time.Time
	ended bool  // the input ended before the head did
	held  int64 // bytes of the engine's head budget that the text of the request takes
}

// release gives the exchange back to the pool. Nothing of the request is kept alive by it.
func (x *exchange) release() {
	e := x.conn.engine
	e.heads.Release(x.held)
	fields := x.request.Fields
	clear(fields)
	*x = exchange{
		parser:  headParser{fields: x.parser.fields[:0]},
		request: message.Request{Fields: fields[:0]},
		writer:  answerWriter{head: x.writer.head[:0]},
	}
	e.exchange.Put(x)
}

// serve reads one request and answers it: handle_one_request. It reports whether the connection stays.
func (x *exchange) serve(ctx context.Context, c *Conn) (keep bool) {
	x.conn, x.start = c, time.Now()
	r := &x.request
	r.Peer, r.Local, r.Client, r.TLS, r.Scheme = c.peer, c.local, c.peer.Addr(), c.tls, "http"
	if c.tls != nil {
		r.Scheme = "https"
	}
	r.Content, r.Watcher = message.NoContent{}, c

	state, failure, err := x.readHead()
	if failure == nil && err == nil && state == blank {
		return false
	}
	x.parser.fill(r, c.buf)
	x.held = min(c.held, int64(max(0, x.parser.size-bufferSize)))
	c.held -= x.held
	if err == nil && x.ended && r.Method != "GET" && r.Method != "HEAD" && r.Method != "" {
		err = io.ErrUnexpectedEOF // content may have been meant: only these two are answered
	}
	if err != nil {
		x.lost(err)
		return false
	}
	if failure == nil {
		failure = x.admit()
	}
	if failure != nil {
		return x.refuse(failure)
	}
	if r.Version.AtLeast(1, 1) && c.engine.persistent() {
		r.Informer = x
	}
	c.consume(x.parser.size)
	if len(c.buf) == 0 && x.content.finished() {
		c.setStore(nil) // a slow reader of the answer holds no buffer
	}
	return x.answer(ctx, x.keepsAlive() && !c.givesWay.Load())
}

// helloStart begins the record of a ClientHello: its type and its major version (RFC 8446, section 5.1).
const helloStart = "\x16\x03"

// readHead reads until the head is complete, and tells what became of it.
func (x *exchange) readHead() (state progress, failure *message.Failure, err error) {
	c := x.conn
	for {
		if len(c.buf) >= len(helloStart) && string(c.buf[:len(helloStart)]) == helloStart && c.tls == nil && !c.engine.Profile.Exact {
			return more, badRequest("This was TLS on the port for plain HTTP: use http here, or https on TLS_PORT"), nil
		}
		state, failure = x.parser.parse(c.buf, x.ended)
		if failure != nil || state != more {
			c.waiting.Store(0)
			return state, failure, nil
		}
		c.waiting.Store(message.Instant(x.start))
		if failure = c.grow(); failure != nil {
			return state, failure, nil
		}
		free := c.buf[len(c.buf):cap(c.buf)]
		n, err := c.readUntil(free, x.start.Add(c.engine.HeaderTimeout))
		c.buf = c.buf[:len(c.buf)+n]
		switch {
		case isTimeout(err):
			return state, &message.Failure{Status: 408}, nil
		case err != nil && !errors.Is(err, io.EOF):
			return state, nil, err
		case err != nil:
			x.ended = true
		}
	}
}

// admit decides whether the request can be handled: its content must have one clear end, and its target one host.
func (x *exchange) admit() *message.Failure {
	r := &x.request
	length, failure := framing(r.Version, r.Fields)
	if failure != nil {
		return failure
	}
	if !x.conn.engine.Profile.Exact {
		if failure = originForm(r); failure != nil {
			return failure
		}
	}
	r.ContentLength = length
	if length != 0 {
		x.content.begin(x.conn, length)
		r.Content = &x.content
	}
	return nil
}

// keepsAlive decides on the connection: by the two versions and by what the client says.
func (x *exchange) keepsAlive() bool {
	e, r := x.conn.engine, &x.request
	closes, keeps := connectionOptions(r.Fields)
	if e.Profile.Exact {
		closes, keeps = connectionExact(r.Fields)
	} else if !r.Version.AtLeast(1, 0) {
		return false // nothing but the end of the connection ends the answer
	}
	keep := e.persistent() && !closes && (keeps || r.Version.AtLeast(1, 1))
	// The simple request of two words always closes; one that says HTTP/0.9 itself may ask for keep-alive.
	return keep && !x.parser.simple() && !x.ended
}

// connectionOptions reads all Connection fields, lists of options in any case (RFC 9110, section 7.6.1). Close counts
// more than keep-alive (RFC 9112, section 9.3).
func connectionOptions(fields message.Fields) (closes, keeps bool) {
	for _, f := range fields {
		if len(f.Name) != len("Connection") || !strings.EqualFold(f.Name, "Connection") {
			continue
		}
		for option := range strings.SplitSeq(f.Value, ",") {
			option = strings.Trim(option, " \t")
			closes = closes || strings.EqualFold(option, "close")
			keeps = keeps || strings.EqualFold(option, "keep-alive")
		}
	}
	return closes, keeps
}

// connectionExact reads the Connection field as parse_request does: the first one, if it says one thing alone.
func connectionExact(fields message.Fields) (closes, keeps bool) {
	value := fields.Get("Connection")
	return strings.EqualFold(value, "close"), strings.EqualFold(value, "keep-alive")
}

// answer calls the handler and sends what it answers.
func (x *exchange) answer(ctx context.Context, keep bool) bool {
	e := x.conn.engine
	if e.Started != nil {
		e.Started()
	}
	resp, handled := x.expectation(ctx)
	if !handled {
		resp = x.handle(ctx)
	}
	// Content that came with the head and is malformed is a bad request whatever the handler thinks of it.
	if failure := x.content.peek(); failure != nil {
		resp.Discard()
		resp = failure.Response()
	}
	return x.send(resp, keep, false)
}

// expectation answers "Expect: 100-continue" (RFC 9110, section 10.1.1) where both versions, compared as
// strings, are HTTP/1.1 or newer. handled is reported when the answer is a refusal.
func (x *exchange) expectation(ctx context.Context) (resp message.Response, handled bool) {
	e, r := x.conn.engine, &x.request
	value, found := r.Fields.Lookup("Expect")
	if !found || !strings.EqualFold(value, "100-continue") || !e.persistent() || r.Proto < "HTTP/1.1" {
		return resp, false
	}
	if e.Expect != nil {
		if failure := e.Expect(ctx, r); failure != nil {
			return failure.Response(), true
		}
	}
	if _, err := x.conn.wire.write([]byte(e.Profile.Protocol+" 100 Continue\r\n\r\n"), nil); err != nil {
		return message.Response{Status: 500, Close: true, Err: err}, true
	}
	return resp, false
}

// Inform makes an exchange the message.Informer of its request.
func (x *exchange) Inform(status int, fields message.Fields) error {
	e := x.conn.engine
	head := []byte(e.start(status, e.Profile.Reason(status)))
	for _, f := range fields {
		head = appendField(head, f.Name, f.Value)
	}
	_, err := x.conn.wire.write(append(head, "\r\n"...), nil)
	return err
}

// handle calls the handler. A panic is answered with 500, and its stack goes to the operator.
func (x *exchange) handle(ctx context.Context) (resp message.Response) {
	defer func() {
		if p := recover(); p != nil {
			resp = (&message.Failure{Status: 500, Cause: fmt.Errorf("panic in the handler: %v\n%s", p, debug.Stack())}).Response()
		}
	}()
	return x.conn.engine.Handler(ctx, &x.request)
}

// refuse answers a request that no handler will see.
func (x *exchange) refuse(failure *message.Failure) bool {
	if e := x.conn.engine; e.Started != nil {
		e.Started()
	}
	x.content.abandon()
	return x.send(failure.Response(), false, true)
}

// send writes the answer, reports it, and leaves the connection fit for the next request or closed.
func (x *exchange) send(resp message.Response, keep, refused bool) bool {
	c := x.conn
	w := &x.writer
	w.begin(c, &x.request)
	expected := keep
	keep = w.send(resp, keep && !refused && x.content.mayBeSkipped())
	failure := w.failure
	x.observe(w.status, w.sent, refused, failure, w.err)
	c.large = !w.broken && w.sent >= largeAnswer
	if w.broken {
		return false
	}
	if keep && x.content.skip() {
		return true
	}
	// A client that does not expect the close may be sending its next request.
	c.lingers = expected || refused || !x.content.finished() || len(c.buf) > 0 || c.wire.unread()
	return false
}

func (x *exchange) observe(status int, sent int64, refused bool, failure *message.Failure, err error) {
	e := x.conn.engine
	if e.Observe == nil {
		return
	}
	e.Observe(&message.Exchange{Request: &x.request, Status: status, Sent: sent, Start: x.start,
		Duration: time.Since(x.start), Refused: refused, Via: x.writer.via, Failure: failure, Err: err})
}

// lost reports a request whose connection broke before its head was complete.
func (x *exchange) lost(err error) {
	if e := x.conn.engine; e.Started != nil {
		e.Started()
	}
	x.observe(0, 0, true, nil, fmt.Errorf("reading the request head: %w", err))
}
