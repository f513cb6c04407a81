package site

import (
	"context"
	"fmt"
	"io/fs"
	"time"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/conditional"
)

// unreadError is what went wrong after a file had been opened.
type unreadError struct{ cause error }

func (e *unreadError) Error() string { return e.cause.Error() }
func (e *unreadError) Unwrap() error { return e.cause }

// notRegularError is a name that is neither a file nor a directory.
type notRegularError struct{ mode fs.FileMode }

func (e notRegularError) Error() string { return fmt.Sprintf("not a regular file: %v", e.mode) }

// sendFile is the part of send_head for a file. st is its status, as look has it.
func (s *Site) sendFile(ctx context.Context, r *message.Request, t tree, name string, st status) message.Response {
	src, err := s.negotiate(ctx, r, t, name, st)
	if err != nil {
		return s.refuseFile(t, name, err)
	}
	return s.sendSource(r, src)
}

// sendSource answers with the content of a file, or with what is asked about it.
func (s *Site) sendSource(r *message.Request, src source) message.Response {
	if r.Variant != "" && !s.opts.Exact {
		src.resource = src.resource.variant(r.Variant)
	}
	now := s.now()
	switch s.evaluate(r, src.validators, now) {
	case conditional.NotModified:
		src.close()
		return message.Response{Status: 304, Fields: src.unchanged}
	case conditional.PreconditionFailed:
		src.close()
		return (&message.Failure{Status: 412}).Response()
	}
	if s.opts.Exact {
		return message.Response{Status: 200, Fields: src.fields, Body: src.body}
	}
	if value, applies := conditional.RangeApplies(r.Method, r.Fields, src.validators, now); applies {
		return s.sendRanges(src, value)
	}
	return message.Response{Status: 200, Fields: src.fields, Body: src.body}
}

// evaluate evaluates the preconditions. http.server knows If-Modified-Since, which the mere presence of
// If-None-Match disables.
func (s *Site) evaluate(r *message.Request, v conditional.Validators, now time.Time) conditional.Outcome {
	if !s.opts.Exact {
		return conditional.Evaluate(r.Method, r.Fields, v, now)
	}
	since, found := r.Fields.Lookup("If-Modified-Since")
	if _, disabled := r.Fields.Lookup("If-None-Match"); disabled || !found {
		return conditional.Proceed
	}
	return conditional.Evaluate(r.Method, message.Fields{{Name: "If-Modified-Since", Value: since}}, v, now)
}

// refuseFile answers for a file that could not be opened or read.
func (s *Site) refuseFile(t tree, name string, err error) message.Response {
	switch e := err.(type) {
	case *unreadError:
		return unavailable(name, e.cause)
	case notRegularError:
		if e.mode.IsDir() {
			return notFound(nil) // it became one just now
		}
		return notFound(notRegular(name, e.mode))
	}
	return s.refuse(t, name, err)
}

// negotiate chooses the content coding of the answer (RFC 9110, section 12.1: proactive negotiation) and
// returns the content in it.
func (s *Site) negotiate(ctx context.Context, r *message.Request, t tree, name string, st status) (source, error) {
	if accepted, any := s.accepts(r); any {
		if src, found := s.coded(ctx, t, name, st, accepted); found {
			return src, nil
		}
	}
	return s.source(ctx, t, key{name: name}, name, st, false)
}
