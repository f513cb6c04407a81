package previews

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/previews/tags"
)

// fetchWait is how long a request that is for no page waits for a build that is being fetched. A page shows how far that is.
const fetchWait = 30 * time.Second

// serveTag answers a request for a preview that is a tag. Its build is chosen once, so that no answer is of two.
func (p *Previews) serveTag(ctx context.Context, r *message.Request, a asked) message.Response {
	e, err := p.findTag(ctx, a.label)
	switch {
	case err != nil:
		return p.unknown(a, err)
	case e == nil:
		return p.missing(a)
	case e.refused != "":
		return p.refused(a, e)
	}
	r.Preview = a.label
	s := p.tags.Enter(ctx, e.name)
	asksForBuild := message.TargetPath(r.Target) == buildPath
	if s.Build == nil && s.State == tags.Fetching && !asksForBuild && !message.IsNavigation(r.Fields) {
		wait, cancel := context.WithTimeout(ctx, fetchWait)
		s = p.tags.Wait(wait, e.name)
		cancel()
	}
	defer s.Leave()
	switch {
	case s.State == tags.Gone:
		return p.missing(a)
	case asksForBuild:
		if resp, refused := onlyRead(r); refused {
			return resp
		}
		return sendBuild(buildOfTag(a.label, e.name, s))
	case s.Build != nil && p.opts.Live == nil:
		resp, shown := p.serveBuild(ctx, r, e.name, s)
		return built(resp, a.label, shown.Digest)
	case s.Build != nil:
		shown := s.Build
		resp := p.live.get(p, e.name).Serve(ctx, r, func(ctx context.Context, r *message.Request) (resp message.Response) {
			resp, shown = p.serveBuild(ctx, r, e.name, s)
			return resp
		})
		return built(resp, a.label, shown.Digest)
	case s.State == tags.Fetching && message.IsNavigation(r.Fields):
		return p.progress(r, a, s)
	}
	return p.notYet(a, s)
}

// serveBuild answers from the build that a tag shows, and says which one has answered: what a page loads that has been open
// since the build before, and that the new one does not have, comes from that.
func (p *Previews) serveBuild(ctx context.Context, r *message.Request, tag string, s tags.Shown) (message.Response, *tags.Build) {
	r.Hold = s.Build.Hold
	o := p.open.enter(s.Build.Directory, tag, p.opts.Open)
	defer p.open.leave(o)
	if s.Before == nil || r.Method != "GET" && r.Method != "HEAD" || message.IsNavigation(r.Fields) {
		return o.site.Serve(ctx, r), s.Build
	}
	if _, found := o.site.Find(r.Target); found {
		return o.site.Serve(ctx, r), s.Build
	}
	before := p.open.enter(s.Before.Directory, tag, p.opts.Open)
	defer p.open.leave(before)
	if _, found := before.site.Find(r.Target); found {
		if uses := r.Uses; uses != nil { // an open page depends on what is shown: what that lacks would reload it for ever
			defer func() { r.Uses = uses }()
			r.Uses = func(f message.File) {
				o.site.See([]string{f.Name}, func(_ int, shown message.FileState) { f.State = shown })
				uses(f)
			}
		}
		r.Hold = s.Before.Hold
		return before.site.Serve(ctx, r), s.Before
	}
	return o.site.Serve(ctx, r), s.Build
}

// findTag returns the tag that a label leads to, nil where there is none. The error is why that is not known.
func (p *Previews) findTag(ctx context.Context, label string) (*entry, error) {
	if e := p.tagNames(ctx).labels[label]; e != nil {
		return e, nil
	}
	if err := p.tags.Find(ctx, label); err != nil {
		return nil, err
	}
	return p.tagNames(ctx).labels[label], nil
}

// tagNames returns the names of the tags as they are now.
func (p *Previews) tagNames(ctx context.Context) *names {
	if n := p.current.Load(); n != nil && n.version == p.tags.Version() {
		return n
	}
	all, version := p.tags.Names(ctx)
	p.reading.Lock()
	defer p.reading.Unlock()
	before := p.current.Load()
	if before != nil && before.version >= version {
		return before
	}
	n := &names{kind: "tag", version: version, read: time.Now()}
	for _, name := range all {
		n.all = append(n.all, &entry{name: name})
	}
	n.label()
	p.replace(before, n)
	return n
}

// notYet is the page of a tag of which nothing is here.
func (p *Previews) notYet(a asked, s tags.Shown) message.Response {
	f := &message.Failure{Status: 503, Message: "The preview " + a.label + " is not here yet"}
	switch s.State {
	case tags.Refused:
		f = &message.Failure{Status: 404, Message: "The preview " + a.label + " cannot be shown", Explain: text(s.Reason), Cause: errors.New(s.Reason)}
		return p.refuse(a, f)
	case tags.Failed:
		f.Explain, f.Cause = "It could not be fetched: "+text(s.Reason), errors.New(s.Reason)
	default:
		f.Explain = "It is being fetched"
		if s.Size > 0 {
			f.Explain += ", " + bytesOf(s.Done, s.Size)
		}
	}
	return p.comeBack(a, f, time.Until(s.Again))
}

// unknown is the page of a label of which it is not known whether a tag has it.
func (p *Previews) unknown(a asked, err error) message.Response {
	return p.comeBack(a, &message.Failure{Status: 503, Message: "It is not known whether there is a preview " + a.label,
		Explain: "The list of tags could not be read: " + text(err.Error()), Cause: err}, 0)
}

// comeBack is a page that is loaded again after a while, which is bounded.
func (p *Previews) comeBack(a asked, f *message.Failure, after time.Duration) message.Response {
	seconds := strconv.Itoa(min(max(int((after+time.Second-1)/time.Second), retryAfter), maxRetryAfter))
	resp := p.refuse(a, f)
	resp.Fields = append(resp.Fields, message.Field{Name: "Retry-After", Value: seconds}, message.Field{Name: "Refresh", Value: seconds})
	return resp
}

const (
	// retryAfter is when to ask again for what is not here yet, in seconds.
	retryAfter = 2
	// maxRetryAfter bounds that where the registry wants to be left alone: a build may come by another way before.
	maxRetryAfter = 60
)

// Live has open pages reload.
type Live interface {
	// Serve answers a request with next, or a page that listens.
	Serve(ctx context.Context, r *message.Request, next message.Handler) message.Response
	// InUse says whether pages listen.
	InUse() bool
	// Close ends what they listen to.
	Close()
}

// listeners have the open pages of tags reload.
type listeners struct {
	mu sync.Mutex
	of map[string]Live // by tag
}

// get returns what has the pages of a tag reload.
func (l *listeners) get(p *Previews, tag string) Live {
	l.mu.Lock()
	defer l.mu.Unlock()
	live := l.of[tag]
	if live == nil {
		live = p.opts.Live(&tagFiles{p, tag})
		l.of[tag] = live
	}
	return live
}

// has says whether pages of a tag listen.
func (l *listeners) has(tag string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	live := l.of[tag]
	return live != nil && live.InUse()
}

// sweep ends what is there for tags that show nothing any more.
func (l *listeners) sweep(t *tags.Tags) {
	l.mu.Lock()
	var names []string
	for tag := range l.of {
		names = append(names, tag)
	}
	l.mu.Unlock()
	for _, tag := range names {
		s := t.Peek(tag)
		s.Leave()
		if s.Build != nil {
			continue
		}
		l.mu.Lock()
		live := l.of[tag]
		delete(l.of, tag)
		l.mu.Unlock()
		live.Close()
	}
}

// tagFiles are the files of the build that a tag shows.
type tagFiles struct {
	previews *Previews
	tag      string
}

// See tells the states of files by their names, none where the tag shows nothing.
func (f *tagFiles) See(names []string, seen func(i int, state message.FileState)) {
	s := f.previews.tags.Peek(f.tag)
	defer s.Leave()
	if s.Build == nil {
		for i := range names {
			seen(i, message.FileState{})
		}
		return
	}
	o := f.previews.open.enter(s.Build.Directory, f.tag, f.previews.opts.Open)
	defer f.previews.open.leave(o)
	o.site.See(names, seen)
}
