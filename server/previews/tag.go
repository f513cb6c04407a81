package previews

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/previews/store"
	"github.com/previewd/previewd/server/previews/tags"
)

// fetchWait is how long a request that is for no page waits for a build that is being fetched. A page shows how far that is.
const fetchWait = 30 * time.Second

// serveTag answers a request for a preview that is a tag. Its build is chosen once, so that no answer is of two.
func (p *Previews) serveTag(ctx context.Context, r *message.Request, a asked) message.Response {
	e := p.findTag(ctx, a.label)
	switch {
	case e == nil:
		return p.missing(a)
	case e.refused != "":
		return p.refused(a, e)
	}
	r.Preview = a.label
	s := p.tags.Enter(ctx, e.name)
	if message.TargetPath(r.Target) == buildPath {
		if resp, refused := onlyRead(r); refused {
			return resp
		}
		return sendBuild(buildOfTag(a.label, e.name, s))
	}
	if s.Build == nil && s.State == tags.Fetching {
		if message.IsNavigation(r.Fields) {
			return p.progress(r, a, s)
		}
		wait, cancel := context.WithTimeout(ctx, fetchWait)
		s = p.tags.Wait(wait, e.name)
		cancel()
	}
	if s.Build == nil {
		return p.notYet(a, s)
	}
	shows := s.Build
	serve := func(ctx context.Context, r *message.Request) (resp message.Response) {
		resp, shows = p.serveBuild(ctx, r, s)
		return resp
	}
	resp := p.live.around(p, e.name, serve)(ctx, r)
	return built(resp, a.label, shows.Digest)
}

// serveBuild answers from the build that a tag shows, and says which one has answered: what a page loads that has been open
// since the build before, and that the new one does not have, comes from that.
func (p *Previews) serveBuild(ctx context.Context, r *message.Request, s tags.Shown) (message.Response, *store.Build) {
	o := p.open.enter(s.Build.Directory, p.opts.Open)
	defer p.open.leave(o)
	if s.Before == nil || r.Method != "GET" && r.Method != "HEAD" || message.IsNavigation(r.Fields) {
		return o.site.Serve(ctx, r), s.Build
	}
	if _, found := o.site.Find(r.Target); found {
		return o.site.Serve(ctx, r), s.Build
	}
	before := p.open.enter(s.Before.Directory, p.opts.Open)
	defer p.open.leave(before)
	if _, found := before.site.Find(r.Target); found {
		return before.site.Serve(ctx, r), s.Before
	}
	return o.site.Serve(ctx, r), s.Build
}

// findTag returns the tag that a label leads to, nil where there is none.
func (p *Previews) findTag(ctx context.Context, label string) *entry {
	n := p.current.Load()
	if n == nil || n.version != p.tags.Version() {
		n = p.tagNames(ctx, "")
	}
	if e := n.labels[label]; e != nil {
		return e
	}
	return p.tagNames(ctx, label).labels[label]
}

// tagNames returns the names of the tags as they are now. missed is one that is not among those that are known.
func (p *Previews) tagNames(ctx context.Context, missed string) *names {
	all, version := p.tags.Names(ctx, missed)
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
	case tags.Gone:
		return p.missing(a)
	case tags.Refused:
		f = &message.Failure{Status: 404, Message: "The preview " + a.label + " cannot be shown", Explain: text(s.Reason), Cause: errors.New(s.Reason)}
		return p.refuse(a, f)
	case tags.Failed:
		f.Explain, f.Cause = "It could not be fetched: "+text(s.Reason), errors.New(s.Reason)
	case tags.Fetching:
		f.Explain = "It is being fetched"
		if s.Size > 0 {
			f.Explain += ", " + bytesOf(s.Done, s.Size)
		}
	default:
		f.Explain = "The registry does not want to be asked now"
	}
	resp := p.refuse(a, f)
	resp.Fields = append(resp.Fields, message.Field{Name: "Retry-After", Value: strconv.Itoa(retryAfter)}, message.Field{Name: "Refresh", Value: strconv.Itoa(retryAfter)})
	return resp
}

// retryAfter is when to ask again for what is not here yet, in seconds.
const retryAfter = 2

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

// around puts what has pages reload around the builds of a tag.
func (l *listeners) around(p *Previews, tag string, serve message.Handler) message.Handler {
	if p.opts.Live == nil {
		return serve
	}
	l.mu.Lock()
	live := l.of[tag]
	if live == nil {
		live = p.opts.Live(tag, &tagFiles{p, tag})
		l.of[tag] = live
	}
	l.mu.Unlock()
	return func(ctx context.Context, r *message.Request) message.Response { return live.Serve(ctx, r, serve) }
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
		if t.Peek(tag).Build != nil {
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
	b := f.previews.tags.Peek(f.tag).Build
	if b == nil {
		for i := range names {
			seen(i, message.FileState{})
		}
		return
	}
	o := f.previews.open.enter(b.Directory, f.previews.opts.Open)
	defer f.previews.open.leave(o)
	o.site.See(names, seen)
}
