package http1

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/previewd/previewd/server/budget"
	"github.com/previewd/previewd/server/message"
)

// Engine is what the connections of one server share. Its exported fields are set before the first
// connection and not changed afterwards.
type Engine struct {
	// Handler answers the requests.
	Handler message.Handler
	// Profile is what all answers have in common.
	Profile message.Profile
	// Expect decides on a request with "Expect: 100-continue": nil sends 100 (Continue), a Failure (417)
	// is answered instead and the Handler not called: handle_expect_100. A nil Expect always continues.
	Expect func(ctx context.Context, r *message.Request) *message.Failure
	// Started is called once when a request is about to be answered, before Observe; it may be nil.
	Started func()
	// Observe is called once after each answer; it may be nil.
	Observe func(*message.Exchange)
	// HeaderTimeout bounds the time from the first byte of a head to its last (408). CPython waits for ever.
	HeaderTimeout time.Duration
	// IdleTimeout bounds the time that a connection may wait for a request's first byte.
	IdleTimeout time.Duration
	// Budget is what heads and pieces of files take memory from; nil has no limit of its own.
	Budget *budget.Budget
	// Disk limits how many sendfile calls run at the same time.
	Disk message.Gate

	draining atomic.Bool
	patience atomic.Int64 // of Drain, a message.Instant
	once     sync.Once
	starts   [600]string // by status code: the head's beginning up to the Date, with the table's phrase
	date     message.Date
	heads    *budget.Budget // of heads beyond the first buffer of each
	pieces   *budget.Budget // of files that are sent over TLS
	exchange sync.Pool      // of *exchange
	margin   int64          // LendMargin of the connections, in bytes
}

const (
	// writeTimeout is how long the kernel may take no byte of an answer.
	writeTimeout = 60 * time.Second
	// contentTimeout is how long request content may come without a byte.
	contentTimeout = 30 * time.Second
	// The input of a connection that is to be closed is read and thrown away for lingerTimeout, again and again up
	// to lingerTime while at least lingerBytes come in each and the server does not drain. A close with unread
	// input resets the connection (RFC 9112, section 9.6): a client that sends all before it reads would never
	// see the answer.
	lingerTimeout = 2 * time.Second
	lingerBytes   = 32 << 10
	lingerTime    = 30 * time.Second
	// largeAnswer is how many bytes of content an answer has, at least, behind which the end of the client is waited for
	// before the connection is closed: what stands between may hold them, and goes when this process does, as the relay
	// of a published port of Docker. Buffers hold a smaller one too, but pass it on at once.
	largeAnswer = 64<<10 + 1
	// tailPause is how often the kernel is asked whether the client has all, where the connection is to make room for another.
	tailPause = 20 * time.Millisecond
	// skipTimeout and skipBytes bound the content nobody read that is skipped to keep the connection.
	skipTimeout = 5 * time.Second
	skipBytes   = 256 << 10
	// headBudget is how many bytes all connections may hold of heads, beside bufferSize for each, until they are answered.
	headBudget = 16 << 20
	// pieceBudget is how many bytes all pieces of files may have that are being sent over TLS, beside small ones.
	pieceBudget = 64 * pieceCost
	// firstRequestGrace is how long a new connection may take for its first byte while the server drains.
	firstRequestGrace = time.Second
)

// Answering returns an engine with the same settings and another handler. Others may use e meanwhile.
func (e *Engine) Answering(h message.Handler) *Engine {
	e.prepare()
	return &Engine{Handler: h, Profile: e.Profile, Expect: e.Expect, Started: e.Started, Observe: e.Observe,
		HeaderTimeout: e.HeaderTimeout, IdleTimeout: e.IdleTimeout, Disk: e.Disk, Budget: e.Budget}
}

// Drain makes every further answer carry "Connection: close" and close. Behind a large answer, connections wait until
// patience for the client's end.
func (e *Engine) Drain(patience time.Time) {
	e.patience.Store(message.Instant(patience))
	e.draining.Store(true)
}

func (e *Engine) prepare() {
	e.once.Do(func() {
		e.Profile = e.Profile.WithDefaults()
		for status := range e.starts {
			e.starts[status] = e.start(status, e.Profile.Reason(status))
		}
		e.margin = lendMargin()
		_, limit := e.Budget.Use()
		e.heads, e.pieces = e.Budget.Part(min(headBudget, limit/5)), e.Budget.Part(min(pieceBudget, limit/10))
		e.exchange.New = func() any { return new(exchange) }
	})
}

// start renders the status line (RFC 9112, section 4) and the Server field.
func (e *Engine) start(status int, reason string) string {
	b := append([]byte(e.Profile.Protocol), ' ')
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, ' ')
	b = message.AppendLatin1(b, reason)
	b = append(b, "\r\nServer: "...)
	b = append(b, e.Profile.Server...)
	return string(append(b, "\r\n"...))
}

// persistent says whether the server's own version allows persistent connections: the comparison of
// strings in parse_request.
func (e *Engine) persistent() bool { return e.Profile.Protocol >= "HTTP/1.1" }
