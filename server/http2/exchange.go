package http2

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/stack"
)

// exchange is a request and its answer.
type exchange struct {
	request message.Request
	content content
	answer  answer
	seen    message.Exchange
}

// ServeHTTP answers one request, and reports the exchange when the last of its content is handed over: what
// net/http still has in a buffer then, 4 KiB at most, leaves together with the end of the stream.
func (c *Conn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	stack.Grow()
	c.asked.Store(true)
	e, start := c.engine, time.Now()
	x := new(exchange)
	a := &x.answer
	a.conn, a.w, a.control, a.request = c, w, http.NewResponseController(w), &x.request
	c.begin(a)
	defer c.end(a)
	if e.Started != nil {
		e.Started()
	}
	x.ask(c, r)
	x.request.Informer = a
	var resp message.Response
	var held int64
	refused, room := true, e.streams.TryAcquire(streamCost)
	if room {
		resp, held, refused = c.respond(r, &x.request)
	} else {
		resp = full
		r.Header = nil
		e.makeRoom(start)
	}
	a.send(resp)
	c.large.Store(a.sent >= largeAnswer)
	if e.Observe != nil {
		x.seen = message.Exchange{Request: &x.request, Status: a.status, Sent: a.sent, Start: start,
			Duration: time.Since(start), Refused: refused, Via: a.via, Failure: a.failure, Err: a.err}
		e.Observe(&x.seen)
	}
	// net/http holds its request until the client has made room for what is buffered of the answer.
	r.URL, r.RequestURI, r.Header = nil, "", nil
	e.heads.Release(held)
	if room {
		defer e.streams.Release(streamCost)
	}
	if a.broken {
		// The stream is reset, so that content that broke off does not look complete.
		panic(http.ErrAbortHandler)
	}
	if r.ContentLength != 0 && room {
		a.skip(r.Body)
	}
}

// skip reads content away that nobody has read, once the answer has been sent but for its end. The end of a stream
// of which content is still coming is followed by a reset, and clients are known to lose the answer by that,
// though they must not (RFC 9113, section 8.1).
func (a *answer) skip(body io.Reader) {
	// An error of any of these means that the stream has ended.
	if a.flush() != nil {
		return
	}
	buf := buffers.Get().(*[skipPiece]byte)
	defer buffers.Put(buf)
	end := time.Now().Add(skipTimeout)
	for n := 0; n < skipBytes && time.Now().Before(end); {
		if a.control.SetReadDeadline(time.Now().Add(skipPause)) != nil {
			return
		}
		m, err := body.Read(buf[:])
		if err != nil {
			return
		}
		n += m
	}
}

// skipPiece is how many bytes skip reads at a time.
const skipPiece = 16 << 10

var buffers = sync.Pool{New: func() any { return new([skipPiece]byte) }}

// beyondFree is how many bytes of a head are more than freeHead.
func beyondFree(r *message.Request) int64 {
	size := len(r.Line)
	for _, f := range r.Fields {
		size += len(f.Name) + len(f.Value)
	}
	return int64(max(0, size-freeHead))
}

// full is what is answered where there is no memory: without content, which would wait for room that the client makes.
var full = message.Response{Status: 503, Fields: message.Fields{{Name: "Retry-After", Value: "1"}}}

// respond asks the handler, unless two hosts are named, or the head is too large for itself or together
// with all that are held; held is what it has of the budget. A panic is answered with 500, and its stack goes to the
// operator.
func (c *Conn) respond(asked *http.Request, r *message.Request) (resp message.Response, held int64, refused bool) {
	if hasOtherHost(asked) {
		return (&message.Failure{Status: 400, Message: "The Host field and :authority differ"}).Response(), 0, true
	}
	if c.engine.Bounds != nil {
		if failure := c.engine.Bounds(r); failure != nil {
			return failure.Response(), 0, true
		}
	}
	if held = beyondFree(r); held > 0 && !c.engine.heads.TryAcquire(held) {
		return (&message.Failure{Status: 503, Message: "Too many unfinished requests"}).Response(), 0, true
	}
	defer func() {
		if p := recover(); p != nil {
			resp = (&message.Failure{Status: 500, Cause: fmt.Errorf("panic in the handler: %v\n%s", p, debug.Stack())}).Response()
		}
	}()
	return c.engine.Handler(asked.Context(), r), held, false
}

// ask notes what the client asked. HTTP/2 has no request line; the one here is as it would stand in HTTP/1.x, and
// fields are in the order of their names, since that in which they came is not known.
func (x *exchange) ask(c *Conn, r *http.Request) {
	x.request = message.Request{
		Line:   r.Method + " " + r.RequestURI + " " + r.Proto,
		Method: r.Method,
		Target: message.OneSlash(r.RequestURI),
		Proto:  r.Proto, Version: message.Version{Major: 2},
		Fields:        fields(r),
		Content:       message.NoContent{},
		ContentLength: r.ContentLength,
		Peer:          c.peer, Local: c.local, Client: c.peer.Addr(),
		Scheme: "https", TLS: &c.state,
	}
	if r.ContentLength != 0 {
		x.content = content{r.Body, x.answer.control}
		x.request.Content = &x.content
	}
}

// hasOtherHost says whether a request has a Host field that differs from :authority: "a server SHOULD treat [it] as
// malformed" (RFC 9113, section 8.3.1).
func hasOtherHost(r *http.Request) bool {
	return slices.ContainsFunc(r.Header["Host"], func(host string) bool { return !strings.EqualFold(host, r.Host) })
}

// fields is the header section. What HTTP/2 says in :authority is the Host field (RFC 9113, section 8.3.1).
func fields(r *http.Request) message.Fields {
	list := make(message.Fields, 0, len(r.Header)+1)
	if r.Host != "" {
		list = append(list, message.Field{Name: "Host", Value: r.Host})
	}
	for name, values := range r.Header {
		if name == "Host" {
			continue // it says the same
		}
		for _, value := range values {
			list = append(list, message.Field{Name: name, Value: value})
		}
	}
	slices.SortStableFunc(list[min(1, len(list)):], func(a, b message.Field) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// content is the content of a request. Each read may wait contentTimeout for a byte.
type content struct {
	body    io.ReadCloser
	control *http.ResponseController
}

func (c *content) Read(p []byte) (int, error) {
	// An error means that the stream has ended: the read reports it.
	_ = c.control.SetReadDeadline(time.Now().Add(contentTimeout))
	n, err := c.body.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, err)
	}
	return n, err
}

// Close ends a Read that waits. What was not read is refused with the end of the answer.
func (c *content) Close() error { return c.body.Close() }
