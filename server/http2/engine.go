package http2

import (
	"net/netip"
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
	// Profile is what all answers have in common; its Protocol is of no meaning here.
	Profile message.Profile
	// Bounds refuses requests whose head is too large; nil refuses none.
	Bounds func(*message.Request) *message.Failure
	// Started is called once when a request is about to be answered, before Observe; it may be nil.
	Started func()
	// Observe is called once after each answer; it may be nil.
	Observe func(*message.Exchange)
	// Complaint is called once for each error of a connection or a stream that net/http finds and answers by itself;
	// it may be nil.
	Complaint func(peer netip.AddrPort, text string)
	// Budget is what connections and requests take memory from; nil has no limit.
	Budget *budget.Budget
	// IdleTimeout bounds the time that a connection may be without a request.
	IdleTimeout time.Duration

	draining atomic.Bool
	patience atomic.Int64   // of Drain, a message.Instant
	rooms    *budget.Budget // of connections
	streams  *budget.Budget // of requests that are being answered
	heads    *budget.Budget // of their heads beyond freeHead
	pieces   *budget.Budget // of pieces of files
	once     sync.Once
	server   []string // the value of the Server field
	date     message.Date

	mu    sync.Mutex
	conns map[*Conn]struct{} // that are open
}

const (
	// maxHead bounds a request's head in bytes, as in HTTP/1.x. net/http reads readHead, so that what is too
	// large is answered here; beyond that it answers itself, or ends the connection.
	maxHead  = 1 << 20
	readHead = 2 * maxHead
	// maxFrame bounds a frame that a client sends, in bytes: the least that RFC 9113, section 6.5.2, allows. A
	// connection keeps a buffer of the largest that has come.
	maxFrame = 16 << 10
	// maxStreams is how many requests a connection may have under way at the most.
	maxStreams = 100
	// What a client may have sent of each request's content, and of a connection's at the most, before anyone reads it, in
	// bytes. A client may send 65,535 bytes before it hears of a smaller window. net/http is said to take windows below 4
	// MiB and takes larger ones; a test holds that.
	streamWindow     = 64 << 10
	connectionWindow = maxStreams * streamWindow
	// freeHead is how many bytes of head a request may hold, while it is answered, without asking; what all
	// requests hold beyond it shares headBudget.
	freeHead   = 16 << 10
	headBudget = 8 << 20
	// writeTimeout is how long a client may leave no room for content (RFC 9113, section 5.2): then the stream is
	// reset. A connection that stands still as a whole is closed. lookTime is how often that is looked at.
	writeTimeout = 60 * time.Second
	lookTime     = writeTimeout / 6
	// contentTimeout is how long request content may come without a byte.
	contentTimeout = 30 * time.Second
	// skipTimeout and skipBytes bound the content nobody read that is read away behind an answer. A client that
	// sends nothing for skipPause is waiting for the end of the answer.
	skipTimeout = 2 * time.Second
	skipPause   = 200 * time.Millisecond
	skipBytes   = 256 << 10
	// largeAnswer is how many bytes of content an answer has, at least, behind which a drain waits for the client's end.
	largeAnswer = 64<<10 + 1
	// firstRequestGrace is how long a new connection may take for its first request while the server drains.
	firstRequestGrace = time.Second
)

// Drain makes every further answer announce the end of its connection (GOAWAY). Behind a large answer, connections
// wait until patience for the client's end.
func (e *Engine) Drain(patience time.Time) {
	e.patience.Store(message.Instant(patience))
	e.draining.Store(true)
}

func (e *Engine) prepare() {
	e.once.Do(func() {
		e.Profile = e.Profile.WithDefaults()
		e.server = []string{e.Profile.Server}
		e.conns = make(map[*Conn]struct{})
		_, limit := e.Budget.Use()
		if e.Budget != nil {
			e.rooms, e.streams = e.Budget.Part(limit/10*3), e.Budget.Part(limit/10)
		}
		e.heads, e.pieces = e.Budget.Part(min(headBudget, limit/5)), e.Budget.Part(min(largePieces*pieceSize, limit/10))
	})
}

func (e *Engine) add(c *Conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.conns[c] = struct{}{}
}

func (e *Engine) remove(c *Conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.conns, c)
}
