package site

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"time"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/coding"
	"github.com/previewd/previewd/server/site/conditional"
	"github.com/previewd/previewd/server/site/content"
	"github.com/previewd/previewd/server/site/tree"
)

// The life of a GET, in the order in which it happens: send_head. The listing of a directory is in directory.go.

// errHangs is the cause where there is no room for another thread that waits for the disk.
var errHangs = errors.New("the file system of the directory does not answer, or too slowly")

// Serve answers a GET or HEAD request.
//
// A file that is kept costs one stat by its path on Linux. Another small one costs: stat the directory, stat, openat2,
// fstat, pread, fstat, close.
func (s *Site) Serve(ctx context.Context, r *message.Request) message.Response {
	disk := s.opts.Content.Disk
	if !disk.EnterInTime() {
		return busy("The files of this site cannot be read now", errHangs)
	}
	defer disk.Leave()
	at, ok := translatePath(r.Target)
	// What may not be served is not kept. A coding takes more than one look.
	if _, coded := s.accepts(r); ok && !at.slash && !coded {
		if src, found := s.content.Glance(s.directory, at.name); found {
			use(r, at.name, src.Status)
			return s.sendSource(r, src)
		}
	}
	t, err := s.directory.Acquire()
	if err != nil {
		return s.refuseAll(err)
	}
	defer t.Release()
	if !ok {
		at, err = reading{}, errNoName
	}
	resp := s.answer(ctx, r, t, at, err)
	if r.Uses != nil && resp.Failure() != nil {
		s.useMissing(r, t, at)
	}
	if resp.Status == 404 && !s.opts.Exact {
		return s.instead(ctx, r, t, at, resp)
	}
	return resp
}

// answer answers with what a target stands for: the file, the directory, the page of a clean URL.
func (s *Site) answer(ctx context.Context, r *message.Request, t *tree.Tree, at reading, err error) message.Response {
	at, st, err := s.look(t, r.Target, at, err)
	switch {
	case err == nil && st.Mode.IsRegular() && !at.slash:
		return s.sendFile(ctx, r, t, at.name, st)
	case err == nil && st.Mode.IsDir():
		return s.sendDirectory(ctx, r, t, at, st)
	}
	if page, st, found := s.cleanPage(t, r.Target, at); found {
		return s.sendFile(ctx, r, t, page, st)
	}
	if errors.Is(err, errNoName) {
		return notFound(nil)
	}
	return s.refuseName(t, at.name)
}

// errNoName is reported for what no file can be called.
var errNoName = errors.New("a NUL or a lone surrogate is in the name")

// look looks at what http.server takes a target for, if that is a name, or else at the names that its bytes are.
func (s *Site) look(t *tree.Tree, target string, at reading, err error) (reading, tree.Status, error) {
	var st tree.Status
	if err == nil {
		st, err = t.Look(at.name, true)
	}
	if err == nil || s.opts.Exact {
		return at, st, err
	}
	for _, other := range inBytes(target) {
		if st, otherErr := t.Look(other.name, true); otherErr == nil {
			return other, st, nil
		}
	}
	return at, st, err
}

// refuseName answers for a name that seems to be neither a file nor a directory, or for a file's name with a
// slash after it (Issue17324). What is wrong with it only opening it can tell.
func (s *Site) refuseName(t *tree.Tree, name string) message.Response {
	f, _, err := t.Open(name)
	if err != nil {
		return refuse(t, name, err)
	}
	f.Close()
	return notFound(nil)
}

// sendDirectory is the part of send_head for a directory: the slash, the index page, the listing. st is its
// status, as Look has it.
func (s *Site) sendDirectory(ctx context.Context, r *message.Request, t *tree.Tree, at reading, st tree.Status) message.Response {
	name, bare := at.name, !s.endsInSlash(r.Target)
	if bare && (s.opts.Exact || s.hasIndex(t, name)) {
		return s.sendToSlash(t, r.Target, at)
	}
	if format, asked := s.archiveAsked(r.Target); asked && !bare && (s.hasIndex(t, name) || !s.hasFallback(t)) {
		return s.sendArchive(ctx, r, name, format)
	}
	if !bare {
		for _, page := range s.opts.IndexPages {
			if resp, found := s.sendIndex(ctx, r, t, path.Join(name, page)); found {
				return resp
			}
			use(r, path.Join(name, page), tree.Status{})
		}
	}
	if page, st, found := s.cleanPage(t, r.Target, at); found {
		return s.sendFile(ctx, r, t, page, st)
	}
	switch {
	case s.opts.Listing == ListingOff, !s.opts.Exact && s.hasFallback(t):
		if _, err := t.Stat(name); err != nil {
			return refuse(t, name, err)
		}
		return notFound(nil)
	case bare:
		return s.sendToSlash(t, r.Target, at)
	}
	return s.listDirectory(ctx, r, t, at, st)
}

// sendToSlash redirects to the directory's own path. One that may be searched but not read still has its redirect and its
// index page.
func (s *Site) sendToSlash(t *tree.Tree, target string, at reading) message.Response {
	if _, err := t.Stat(at.name); err != nil {
		return refuse(t, at.name, err)
	}
	return s.redirect(target, at)
}

// sendIndex answers with the index page of that name if there is one. Whatever isfile would not call a
// file is passed over; a link that may not be followed is not, as the listing would show what its index
// page was meant to cover.
func (s *Site) sendIndex(ctx context.Context, r *message.Request, t *tree.Tree, name string) (resp message.Response, found bool) {
	st, err := t.Look(name, false)
	if errors.Is(err, fs.ErrNotExist) {
		return resp, false
	}
	if err == nil && st.Mode&fs.ModeSymlink != 0 {
		st, err = t.Look(name, true)
	}
	if err == nil && st.Mode.IsRegular() {
		return s.sendFile(ctx, r, t, name, st), true
	}
	// It may not be looked at, or it is a link that leads to no file that is there: Stat tells what it is.
	switch st, err = t.Stat(name); {
	case err == nil && st.Mode.IsRegular():
		return s.sendFile(ctx, r, t, name, st), true
	case tree.IsRefused(err) || tree.IsTemporary(err):
		return refuse(t, name, err), true
	}
	return resp, false
}

// sendFile is the part of send_head for a file, in the content coding that suits the client (RFC 9110, section 12.1:
// proactive negotiation). st is its status, as Look has it.
func (s *Site) sendFile(ctx context.Context, r *message.Request, t *tree.Tree, name string, st tree.Status) message.Response {
	var accepts content.Accepts
	if accepted, any := s.accepts(r); any {
		accepts = s.codings(ctx, t, name, st, accepted)
		accepts.Streams = r.Version.AtLeast(1, 1)
	}
	src, err := s.content.Get(ctx, t, name, st, accepts)
	if err != nil {
		return refuse(t, name, err)
	}
	if !src.Beside {
		st = src.Status
	}
	use(r, name, st)
	return s.sendSource(r, src)
}

// sendSource answers with the content of a file, or with what is asked about it.
func (s *Site) sendSource(r *message.Request, src content.Source) message.Response {
	now := s.now()
	of := src.Description.(*representation)
	if of.unpacked != nil && coding.Accepts(r.Fields).Prefers(of.coding) {
		of = of.unpacked
	}
	if r.Variant != "" && !s.opts.Exact {
		of = of.variant(r.Variant)
	}
	if resp, done := s.precondition(r, src, of, now); done {
		return resp
	}
	if s.opts.Exact {
		return message.Response{Status: 200, Fields: of.fields, Body: src.Body}
	}
	if value, applies := conditional.RangeApplies(r.Method, r.Fields, of.validators, now); applies {
		return sendRanges(of.fields, src.Body, value)
	}
	return message.Response{Status: 200, Fields: of.fields, Body: src.Body}
}

// precondition answers without the content where a precondition has it so (RFC 9110, section 13).
func (s *Site) precondition(r *message.Request, src content.Source, of *representation, now time.Time) (resp message.Response, done bool) {
	switch s.evaluate(r, of.validators, now) {
	case conditional.NotModified:
		src.Close()
		return message.Response{Status: 304, Fields: of.unchanged}, true
	case conditional.PreconditionFailed:
		src.Close()
		return (&message.Failure{Status: 412}).Response(), true
	}
	return resp, false
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
