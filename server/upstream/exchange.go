package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/previewd/previewd/server/budget"
	"github.com/previewd/previewd/server/message"
)

// watchAfter is how long an exchange lasts before the client is watched: most have ended by then.
const watchAfter = time.Second

// exchange is a request that a server is asked for a client, up to the end of the answer.
type exchange struct {
	upstreams *Upstreams
	request   *message.Request
	route     *route
	ctx       context.Context
	cancel    context.CancelCauseFunc
	kept      string   // the client's Host field, where the server gets it; "" where it gets its own
	content   *content // of the request; nil if it has none
	began     time.Time
	outcome   Outcome

	clock clock
	head  head

	attempts int     // how often it got a connection
	last     attempt // the last of them

	watching sync.Mutex
	closed   bool          // nobody may begin to watch the client
	watched  chan struct{} // closed when nobody watches any more; nil while nobody has begun

	informing sync.Mutex // held while an interim answer is passed on
	interim   int        // bytes of them
	answered  bool       // no more of them may be
}

// ask asks the server of a route for target, and answers with what it answers.
func (u *Upstreams) ask(ctx context.Context, r *message.Request, route *route, target string) message.Response {
	if !strings.HasPrefix(target, "/") || strings.ContainsFunc(target, notInTarget) || !isToken(r.Method) {
		return message.Fail(400, "Bad request line")
	}
	where, exact := urlOf(route.server, target)
	if !exact {
		return message.Fail(400, "Two slashes are followed by characters that a URL cannot have")
	}
	trusted := u.opts.Trusted != nil && u.opts.Trusted(r.Peer.Addr())
	x := &exchange{upstreams: u, request: r, route: route, began: time.Now(), outcome: Outcome{Server: route.server.name}}
	asked := &http.Request{Method: r.Method, URL: where, Header: header(r.Fields, trusted), Host: route.server.host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	if via(asked.Header, r) {
		return x.tell(&message.Failure{Status: http.StatusLoopDetected, Explain: "The request has come by here before: " + route.server.name + " leads back"})
	}
	if u.opts.Budget.Acquire(ctx, cost) != nil {
		return budget.Full()
	}
	if u.opts.KeepHost {
		if host := r.Fields.Get("Host"); host != "" {
			asked.Host, x.kept = host, host
		}
	}
	protocol := upgrade(r)
	if protocol != "" {
		asked.Header["Connection"], asked.Header["Upgrade"] = []string{"Upgrade"}, []string{protocol}
	}
	x.forwarded(asked.Header, trusted)
	x.ctx, x.cancel = context.WithCancelCause(ctx)
	x.closed = protocol != "" || r.Watcher == nil // who watches reads from the connection, which may become a tunnel
	x.head.budget = u.opts.Budget
	x.clock.limit, x.clock.over, x.clock.later = u.opts.Timeout, x.timeout, x.watch
	if r.ContentLength != 0 {
		x.content = &content{exchange: x, from: r.Content, done: make(chan struct{})}
		asked.Body, asked.ContentLength = x.content, r.ContentLength
	}
	x.clock.begin(x.began, watchAfter)
	r.Upstream.Name = route.server.name
	if u.opts.Started != nil {
		u.opts.Started(route.server.name)
	}
	return x.answer(asked, protocol)
}

// answer asks, and makes an answer of what comes.
func (x *exchange) answer(asked *http.Request, protocol string) message.Response {
	trace := &httptrace.ClientTrace{GotConn: x.gotConnection, Got1xxResponse: x.inform}
	resp, err := x.upstreams.transport.RoundTrip(asked.WithContext(httptrace.WithClientTrace(x.ctx, trace)))
	x.informing.Lock()
	x.answered = true
	x.informing.Unlock()
	if x.last.conn != nil {
		x.last.conn.head.CompareAndSwap(&x.head, nil) // it may be another exchange's already
	}
	x.clock.heard()
	if err != nil {
		return x.refuse(err, nil)
	}
	x.outcome.Status = resp.StatusCode
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return x.tunnel(resp, protocol)
	}
	if protocol != "" && x.request.Watcher != nil {
		x.watching.Lock()
		x.closed = false
		x.watching.Unlock()
	}
	answer, err := x.response(resp)
	if err != nil {
		return x.refuse(err, resp)
	}
	answer.Body = &body{exchange: x, resp: resp}
	return answer
}

// refuse ends the exchange with an answer in place of the server's; resp may be nil.
func (x *exchange) refuse(err error, resp *http.Response) message.Response {
	answer := x.fail(err)
	x.end(resp)
	return answer
}

// inform passes an interim answer on. 100 is the engine's own (RFC 9110, section 15.2: a proxy may have asked for it). All of
// them together are bounded as a head is, as net/http bounds each alone.
func (x *exchange) inform(status int, header textproto.MIMEHeader) error {
	x.informing.Lock()
	defer x.informing.Unlock()
	x.clock.heard()
	x.interim += len("HTTP/1.1 100 \r\n\r\n")
	for name, values := range header {
		for _, value := range values {
			x.interim += len(name) + len(value)
		}
	}
	if x.interim > maxHead {
		return errInterim
	}
	if x.answered || status <= 101 || x.request.Informer == nil {
		return nil
	}
	list, err := fields(http.Header(header))
	if err != nil {
		return err
	}
	return x.tellClient(status, list)
}

// tellClient sends an interim answer. The caller holds informing.
func (x *exchange) tellClient(status int, list message.Fields) error {
	x.clock.awaitClient(true)
	defer x.clock.awaitClient(false)
	return x.request.Informer.Inform(status, list)
}

// end gives everything back. It is called once; resp may be nil.
func (x *exchange) end(resp *http.Response) {
	if resp != nil {
		// An error means that the connection is not used again.
		_ = resp.Body.Close()
	}
	x.clock.stop()
	x.cancel(nil)
	x.content.end()
	x.watching.Lock()
	x.closed = true
	x.watching.Unlock()
	if x.watched != nil {
		<-x.watched
	}
	x.upstreams.opts.Budget.Release(cost)
	x.head.release()
	x.outcome.Duration = time.Since(x.began)
	x.outcome.Received += x.content.read()
	x.request.Upstream.Duration, x.request.Upstream.Received = x.outcome.Duration, x.outcome.Received
	if x.upstreams.opts.Ended != nil {
		x.upstreams.opts.Ended(x.outcome)
	}
}

func (x *exchange) timeout() { x.cancel(errTimeout) }

// watch sees to it that a server is not asked any more for a client that is gone. Over HTTP/2 the context ends.
func (x *exchange) watch() {
	x.watching.Lock()
	defer x.watching.Unlock()
	if !x.closed && x.watched == nil {
		x.watched = make(chan struct{})
		go x.awaitGone()
	}
}

func (x *exchange) awaitGone() {
	defer close(x.watched)
	if x.content != nil {
		select {
		case <-x.content.done:
		case <-x.ctx.Done():
			return
		}
	}
	if !x.request.Watcher.AwaitEnd(x.ctx) {
		return
	}
	x.probe()
	if x.request.Watcher.AwaitGone(x.ctx) {
		x.cancel(errGone)
	}
}

// probe finds out what became of a client that has closed its sending side, by 102 (Processing), which says nothing: the
// system of a client that is gone answers with a reset, and one that waits for its answer goes on waiting. Once the answer
// has begun, its next byte does the same.
func (x *exchange) probe() {
	x.informing.Lock()
	defer x.informing.Unlock()
	if !x.answered && x.request.Informer != nil {
		// An error means that it is gone, which the wait for that reports.
		_ = x.tellClient(http.StatusProcessing, nil)
	}
}

// content is a request's content on its way to a server.
type content struct {
	exchange *exchange
	from     io.Reader
	done     chan struct{} // closed when nobody reads any more

	mu    sync.Mutex // held while it is read
	ended bool
	count int64
	err   error // of the client

	closing sync.Mutex // held while from is closed
	over    bool       // it has been, or is the engine's again
	aborted atomic.Bool
}

var errEnded = errors.New("the exchange is over")

// Read reads from the client. The Transport may go on reading while the answer comes.
func (c *content) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || c.aborted.Load() {
		return 0, errEnded
	}
	c.exchange.clock.awaitClient(true)
	n, err := c.from.Read(p)
	c.exchange.clock.awaitClient(false)
	c.count += int64(n)
	if err != nil {
		if !errors.Is(err, io.EOF) {
			if c.aborted.Load() {
				err = errEnded // not the client's fault
			} else {
				c.err = err
			}
		}
		c.finish()
	}
	return n, err
}

// Close is for the Transport. What is not read is the engine's to skip.
func (c *content) Close() error { return nil }

// end ends a Read that waits, and lets no other begin: the content belongs to the engine again.
func (c *content) end() {
	if c == nil {
		return
	}
	c.abort()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		c.finish()
	}
}

// abort ends a Read that waits, and lets no other begin. It may come late, when the content is the engine's again.
func (c *content) abort() {
	c.closing.Lock()
	defer c.closing.Unlock()
	if c.over {
		return
	}
	c.over = true
	select {
	case <-c.done:
		return
	default:
	}
	c.aborted.Store(true)
	if closer, ok := c.from.(io.Closer); ok {
		// An error means that the connection is closed, which ends a Read as well.
		_ = closer.Close()
	}
}

func (c *content) finish() {
	c.ended = true
	close(c.done)
}

// problem is what the client did wrong with its content, nil if nothing.
func (c *content) problem() error {
	if c == nil {
		return nil
	}
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

func (c *content) read() int64 {
	if c == nil {
		return 0
	}
	return c.count
}

// body is the content of an answer.
type body struct {
	exchange *exchange
	resp     *http.Response
}

// Len returns the Content-Length, -1 without one.
func (b *body) Len() int64 { return b.resp.ContentLength }

// WriteTo passes the content on as it comes.
func (b *body) WriteTo(w io.Writer) (n int64, err error) {
	x := b.exchange
	if f, ok := w.(message.Flusher); ok && b.Len() < 0 { // such as an event stream, whose first event may come late
		x.clock.awaitClient(true)
		err = f.Flush()
		x.clock.awaitClient(false)
		if err != nil {
			return 0, err
		}
	}
	n, err = move(clientEnd{w, &x.clock}, b.resp.Body, x.upstreams.room)
	x.outcome.Sent += n
	var taken *writeError
	if err != nil && !errors.As(err, &taken) {
		return n, x.failure(err)
	}
	return n, err
}

// Trailer makes a body a message.Trailed.
func (b *body) Trailer() (list message.Fields) {
	list, err := fields(b.resp.Trailer)
	if err != nil {
		return nil
	}
	for i := len(list) - 1; i >= 0; i-- {
		if strings.EqualFold(list[i].Name, "Set-Cookie") {
			list = append(list[:i], list[i+1:]...) // RFC 9110, section 6.5.1
		}
	}
	return list
}

// Close ends the exchange.
func (b *body) Close() error {
	b.exchange.end(b.resp)
	return nil
}

// clientEnd is a client that takes content. The server's clock stands still meanwhile.
type clientEnd struct {
	io.Writer
	clock *clock
}

func (c clientEnd) Write(p []byte) (int, error) {
	c.clock.awaitClient(true)
	defer c.clock.awaitClient(false)
	return c.Writer.Write(p)
}
