package http2

import (
	"log"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

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
	// Complaint is called with the error log lines of net/http's HTTP/2 server; it may be nil.
	Complaint func(text string)
	// IdleTimeout bounds the time that a connection may be without a request.
	IdleTimeout time.Duration

	draining atomic.Bool
	patience atomic.Int64 // of Drain, Unix nanoseconds
	held     atomic.Int64 // bytes of heads beyond freeHead a request
	once     sync.Once
	errorLog *log.Logger
	date     atomic.Pointer[dateText]
}

const (
	// maxHead bounds a request's head in bytes, as in HTTP/1.x. net/http reads readHead, so that what is too
	// large is answered here; beyond that it answers itself, or ends the connection.
	maxHead  = 1 << 20
	readHead = 2 * maxHead
	// maxFrame bounds a frame that a client sends, in bytes: the least that RFC 9113, section 6.5.2, allows. A
	// connection keeps a buffer of the largest that has come.
	maxFrame = 16 << 10
	// What a client may have sent of each request's content before anyone reads it, in bytes, and how many requests
	// it may have under way, so that all of it together fits into the connection's window: else requests whose
	// content waits would keep that of all others from coming. net/http takes windows below 4 MiB, and a client may
	// send 65,535 bytes before it hears of a smaller one; so the streams are fewer than the hundred that RFC 9113,
	// section 6.5.2, recommends.
	streamWindow     = 64 << 10
	connectionWindow = 4<<20 - 1
	maxStreams       = connectionWindow / streamWindow
	// freeHead is how many bytes of head a request may hold, while it is answered, without asking; what all
	// requests hold beyond it shares headBudget.
	freeHead   = 16 << 10
	headBudget = 8 << 20
	// writeTimeout is how long a client may leave no room for content (RFC 9113, section 5.2).
	writeTimeout = 60 * time.Second
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
	e.patience.Store(patience.UnixNano())
	e.draining.Store(true)
}

func (e *Engine) prepare() {
	e.once.Do(func() {
		e.Profile = e.Profile.WithDefaults()
		e.errorLog = log.New(complaints{e}, "", 0)
	})
}

// complaints is the destination of net/http's log.
type complaints struct{ engine *Engine }

func (c complaints) Write(line []byte) (int, error) {
	if c.engine.Complaint != nil {
		c.engine.Complaint(string(line))
	}
	return len(line), nil
}

// dateText is the Date field of one second.
type dateText struct {
	second int64
	text   []string
}

// dateNow returns the value of the Date field, which is made once a second.
func (e *Engine) dateNow(now time.Time) []string {
	d := e.date.Load()
	if second := now.Unix(); d == nil || d.second != second {
		d = &dateText{second, []string{now.UTC().Format(http.TimeFormat)}}
		e.date.Store(d)
	}
	return d.text
}
