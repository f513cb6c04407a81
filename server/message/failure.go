package message

import (
	"errors"
	"strconv"
)

// Failure is an error answer: send_error(code, message, explain) as a value.
type Failure struct {
	Status int
	// Message and Explain are for the client, in UTF-8, not escaped. Empty means the table's
	// (Profile.Phrases), "???" for a status code that is not in it.
	Message, Explain string
	// Cause is for the operator, and is sent only as the Reason of Help.
	Cause error
	// Help is what the page of the error says beyond it; nil for nothing.
	Help *Help
}

// Fail returns a Failure's Response: an error page that closes the connection, as send_error does.
func Fail(status int, message string) Response {
	return (&Failure{Status: status, Message: message}).Response()
}

// NotAllowed refuses a method (RFC 9110, section 15.5.6). allow is the list of those that there are, as in the field Allow.
func NotAllowed(allow string) Response {
	resp := Fail(405, "")
	resp.Fields = Fields{{Name: "Allow", Value: allow}}
	return resp
}

// FailureOf returns what is answered for an error of a Body of which nothing has been sent: the *Failure in it,
// a 503 for ErrChanged, else a 500 with the error as its cause.
func FailureOf(err error) *Failure {
	var f *Failure
	if errors.As(err, &f) {
		return f
	}
	if errors.Is(err, ErrChanged) {
		return &Failure{Status: 503, Explain: "The file kept changing while it was read", Cause: err}
	}
	return &Failure{Status: 500, Cause: err}
}

// Response returns the answer that reports f. The engine adds the page, see Profile.Complete.
func (f *Failure) Response() Response {
	return Response{Status: f.Status, Reason: f.Message, Close: true, Err: f}
}

// Error describes the failure to the operator: the cause if there is one, else what the client was told.
func (f *Failure) Error() string {
	if f.Cause != nil {
		return f.Cause.Error()
	}
	if f.Message != "" {
		return f.Message
	}
	return "status " + strconv.Itoa(f.Status)
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Cause }
