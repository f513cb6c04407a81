package message

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/netip"
	"time"
)

// Handler answers a request. The Request belongs to the engine and may be used until the Response's Body
// is closed; its strings may be kept. ctx ends when the connection does, and, with ErrStopping as its Cause, a
// moment before the server cuts what is unfinished when it stops.
type Handler func(ctx context.Context, r *Request) Response

// ErrStopping is the cause of a handler's context when the server stops and no longer waits for the answer.
var ErrStopping = errors.New("the server stops")

// Request is what a client asked. Texts are bytes as received, which http.server reads as Latin-1; use
// Latin1 to show them.
type Request struct {
	// Line is the request line without its line end, as it came: requestline in Python. It is empty when
	// no request line was read, as for one that is too long.
	Line string
	// Method is case-sensitive: command in Python.
	Method string
	// Target is the request target as it came, but for leading slashes, of which one is kept: path in Python. One
	// in absolute-form is in origin-form here, and its authority in the Host field, unless Profile.Exact is set.
	Target string
	// Proto is the version as it came, "HTTP/1.1"; "HTTP/0.9" for a request line of two words:
	// request_version in Python.
	Proto string
	// Version is Proto as integers.
	Version Version
	// Fields is the header section.
	Fields Fields
	// Content is the request's content, decoded from its framing. It is never nil once a handler sees it.
	// It may be read, by one goroutine, until the Response's Body is closed, also while that is written.
	// Where it is an io.Closer, Close ends a Read that waits.
	Content io.Reader
	// ContentLength is the length of Content in bytes, -1 if it is not known before the end (chunked).
	ContentLength int64
	// Peer and Local are the two ends of the connection; an IPv4 address is never in its IPv6-mapped form.
	Peer, Local netip.AddrPort
	// Client is the address that the request is taken to come from: Peer's, or what a trusted proxy says.
	Client netip.Addr
	// Scheme is "http" or "https": the connection's, or what a trusted proxy says.
	Scheme string
	// Host is the host that clients ask for, with a port or without, as a trusted proxy says; "" is that of the Host field.
	Host string
	// Prefix is the path below which clients see this server, "/app", as a trusted proxy says that takes it away from
	// targets; "" is none. Only what has to be absolute needs it.
	Prefix string
	// RequestID is the identifier that a trusted proxy gave the request, for the log; "" is none.
	RequestID string
	// Preview is the name of the preview that answers, for the log; "" where none does.
	Preview string
	// TLS is the state of the TLS connection, nil on a plain one.
	TLS *tls.ConnectionState
	// Variant tells apart what else decides on the representation beside the file: the fields that settings and rules
	// add to it. Whoever adds some appends its VariantOf them before it calls the handler behind it, and the site puts
	// the whole into its entity-tags. "" is nothing added.
	Variant string
	// Uses is told each file of the site on which the answer depends, also a name that leads to nothing where another answer
	// would be given if it did. It may be called until the handler returns. Nil means that nobody asks.
	Uses func(File)
	// Hold keeps the files of the site where they are until leave is called. It is for a Body that opens some of them while it
	// is sent, and is called before the handler returns. Nil means that nobody takes them away.
	Hold func() (leave func())
	// Watcher tells when the client is gone; nil where the handler's context does.
	Watcher Watcher
	// Informer sends interim answers; nil where the client knows none (HTTP/1.0).
	Informer Informer
	// Upstream is what a handler notes of another server that it has asked, until the Response's Body is closed.
	Upstream Upstream
	// Notes are lines for the log beside the record of this exchange, as http.server's log_error writes. A
	// handler may add to them until the Response's Body is closed.
	Notes []string
}

// Watcher tells whether a client is still connected.
type Watcher interface {
	// AwaitGone waits until the client cannot be answered any more, as its connection was reset or cut,
	// and reports true; or until ctx ends, and reports false. A client that closed its sending side is
	// still there: http.server answers it. Nothing may read Content meanwhile.
	AwaitGone(ctx context.Context) bool
	// AwaitEnd is AwaitGone that returns true also when the client has closed its sending side: it may be gone, or may wait
	// for its answer.
	AwaitEnd(ctx context.Context) bool
}

// Informer sends interim answers (RFC 9110, section 15.2).
type Informer interface {
	// Inform sends an interim answer: status is 102 to 199. It is called before the handler returns, by one goroutine at
	// a time.
	Inform(status int, fields Fields) error
}

// Upstream is a server that was asked for an answer.
type Upstream struct {
	// Name is the origin as it is configured, "" if none was asked.
	Name string
	// Duration is the time from the request to the last byte of the answer.
	Duration time.Duration
	// Received counts the bytes of request content, or of a tunnel, that came from the client and went to it.
	Received int64
}

// NoContent is the Content of a request without content: Read reports io.EOF.
type NoContent struct{}

// Read reports io.EOF.
func (NoContent) Read([]byte) (int, error) { return 0, io.EOF }
