package message

import (
	"context"
	"time"
)

// Response is an answer as a value. Date, Server, Connection, Content-Length and Transfer-Encoding are
// the writer's and never stand in Fields.
type Response struct {
	// Status is the status code. Zero is an error of the handler and answered with 500.
	Status int
	// Reason is the reason phrase in UTF-8, sent as Latin-1. Empty means the table's (Profile.Phrases).
	Reason string
	// Fields are sent in this order and spelling. One with CR, LF or NUL in it is answered with 500.
	Fields Fields
	// Body is the content, nil for none. The engine closes it, always, and drops it for HEAD.
	Body Body
	// Close asks for the connection to be closed after this answer.
	Close bool
	// Err is what the operator should know about this answer. A *Failure without a Body is answered with
	// its error page (send_error).
	Err error
	// Via is what chose the answer beside the name that was asked for, for the log: the line of a rule, a fallback or an
	// error page. Empty means nothing did.
	Via string
}

// Failure returns the *Failure that this answer reports, nil if it reports none.
func (r *Response) Failure() *Failure {
	f, _ := r.Err.(*Failure)
	return f
}

// Exchange is a request and its outcome. It is observed once, after the last byte of the answer.
// It and its Request are valid only during the call.
type Exchange struct {
	// Request is never nil. Of a request that never parsed it holds what was read.
	Request *Request
	// Status is the status code sent, 0 if the connection ended before there was any.
	Status int
	// Sent counts the bytes of content that the kernel took.
	Sent int64
	// Start is when the request's first byte was read, Duration the time from then to the answer's last byte.
	Start    time.Time
	Duration time.Duration
	// Refused is set when the engine answered, because what came is not a request for a handler.
	Refused bool
	// Via is the Response's: what chose the answer beside the name that was asked for.
	Via string
	// Failure is the error that was answered, nil if the answer is none.
	Failure *Failure
	// Err is what cut the answer short or what the handler reported beside it, nil if nothing did.
	Err error
}

// Methods is a handler for each method, as do_GET and do_HEAD are in a subclass of BaseHTTPRequestHandler.
type Methods map[string]Handler

// Serve is a Handler: it calls the handler of the request's method, and answers 501 without one.
func (m Methods) Serve(ctx context.Context, r *Request) Response {
	h, found := m[r.Method]
	if !found {
		return (&Failure{Status: 501, Message: "Unsupported method (" + Repr(Latin1(r.Method)) + ")"}).Response()
	}
	return h(ctx, r)
}
