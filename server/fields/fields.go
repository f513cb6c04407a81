// Package fields puts the fields of settings on every answer: those of HEADERS, those that let pages of other origins
// read it (CORS), and those that isolate it from them (ISOLATION).
package fields

import (
	"context"
	"strings"

	"github.com/previewd/previewd/server/message"
)

// Options say which fields there are.
type Options struct {
	// Headers replace those that an answer has of the same name. Where a name stands for a list they are added.
	Headers message.Fields
	// Origins are those whose pages may read answers (Fetch, section 3.2), "*" for all; nil sends nothing.
	Origins []string
	// Isolation makes a page cross-origin isolated: it may use SharedArrayBuffer, and embeds what agrees to it.
	Isolation bool
}

// Settings are the fields of an answer, made once. An answer to another origin may have others.
type Settings struct {
	headers  message.Fields
	byOrigin map[string]own
	others   own
}

// own are fields that an answer gets unless it has some of the same name: a rule or a script knows better.
type own struct {
	fields message.Fields
	// allowed is set where the origin may read answers.
	allowed bool
	// variant is message.VariantOf all fields that are put on an answer.
	variant string
}

// New makes the fields.
func New(opts Options) *Settings {
	s := &Settings{headers: opts.Headers, byOrigin: map[string]own{}}
	var common message.Fields
	if opts.Isolation {
		common = message.Fields{{Name: "Cross-Origin-Opener-Policy", Value: "same-origin"},
			{Name: "Cross-Origin-Embedder-Policy", Value: "require-corp"}, {Name: "Cross-Origin-Resource-Policy", Value: "same-origin"}}
	}
	make := func(allowed bool, fields ...message.Field) own {
		o := own{allowed: allowed}
		for _, f := range append(common[:len(common):len(common)], fields...) {
			if _, given := opts.Headers.Lookup(f.Name); !given || isList(f.Name) {
				o.fields = append(o.fields, f)
			}
		}
		o.variant = message.VariantOf(append(o.fields[:len(o.fields):len(o.fields)], opts.Headers...))
		return o
	}
	allow := func(origin string) message.Field { return message.Field{Name: allowOrigin, Value: origin} }
	vary := message.Field{Name: "Vary", Value: "Origin"}
	s.others = make(false)
	for _, origin := range opts.Origins {
		if origin == "*" {
			s.others, s.byOrigin = make(true, allow("*")), nil
			break
		}
		s.byOrigin[origin] = make(true, allow(origin), vary)
		s.others = make(false, vary)
	}
	return s
}

const allowOrigin = "Access-Control-Allow-Origin"

// of returns the fields of the answer to a request.
func (s *Settings) of(r *message.Request) own {
	if len(s.byOrigin) > 0 {
		if o, found := s.byOrigin[r.Fields.Get("Origin")]; found {
			return o
		}
	}
	return s.others
}

// Handler answers preflights, and tells next which fields its answer will get. They are put on by Finish.
func (s *Settings) Handler(next message.Handler) message.Handler {
	return func(ctx context.Context, r *message.Request) message.Response {
		if s.sharing() && isPreflight(r) {
			return s.preflight(r)
		}
		r.Variant += s.of(r).variant
		return next(ctx, r)
	}
}

// Finish returns the answer with the fields on it. It is for message.Profile, so that answers have them that no handler
// made.
func (s *Settings) Finish(r *message.Request, resp message.Response) message.Response {
	o := s.of(r)
	list := make(message.Fields, 0, len(resp.Fields)+len(s.headers)+len(o.fields)) // resp.Fields may be the cache's
	for _, f := range resp.Fields {
		if _, replaced := s.headers.Lookup(f.Name); !replaced || isList(f.Name) {
			list = append(list, f)
		}
	}
	had := len(list)
	for _, f := range o.fields {
		if _, there := list[:had].Lookup(f.Name); !there || isList(f.Name) && !varies(list[:had], f) {
			list = append(list, f)
		}
	}
	resp.Fields = append(list, s.headers...)
	return resp
}

// isList says whether further fields of that name add to it.
func isList(name string) bool {
	return strings.EqualFold(name, "Vary") || strings.EqualFold(name, "Link") || strings.EqualFold(name, "Set-Cookie")
}

// varies says whether an answer varies by what a field says already, as that of another server may.
func varies(list message.Fields, f message.Field) bool {
	if !strings.EqualFold(f.Name, "Vary") {
		return false
	}
	for _, value := range list.Values("Vary") {
		for name := range strings.SplitSeq(value, ",") {
			if name = strings.TrimSpace(name); strings.EqualFold(name, f.Value) || name == "*" {
				return true
			}
		}
	}
	return false
}

// OnFiles is what http.server does with HEADERS: it adds them, last, to each 200 of a file or a listing and to nothing
// else (extra_response_headers of CPython 3.15).
func OnFiles(headers message.Fields, next message.Handler) message.Handler {
	return func(ctx context.Context, r *message.Request) message.Response {
		resp := next(ctx, r)
		if resp.Status == 200 {
			resp.Fields = append(resp.Fields[:len(resp.Fields):len(resp.Fields)], headers...)
		}
		return resp
	}
}
