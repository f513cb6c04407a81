package previews

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/previewd/previewd/server/budget"
	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/tree"
)

// Options say which directories are previews, and under which names.
type Options struct {
	// Directory is the one whose directories are previews. What it allows of links and hidden names is allowed of them.
	Directory *tree.Directory
	// Open makes the site of one of them. It does no I/O.
	Open func(directory string) Site
	// Domain is above the previews, in lower case; "" leaves localhost, below which they are always.
	Domain string
	// Namespace is that of the Service in whose pod this is, "" in none.
	Namespace string
	// List says whether there is an overview. Without it nothing leads from one preview to another.
	List bool
	// IndexPages are the index pages of a directory, whose times count.
	IndexPages []string
	// Zone is the time zone of the overview, nil for the system's.
	Zone *time.Location
	// Disk limits how many requests use the file system at the same time; nil is no limit.
	Disk message.Gate
	// Budget is what the rows of overviews under way are taken from; nil is no limit.
	Budget *budget.Budget
}

// Site is a preview that is open.
type Site interface {
	// Serve answers a request for it.
	Serve(ctx context.Context, r *message.Request) message.Response
	// Modified returns when the build was made. It opens the directory, and the error is why it cannot. The caller has
	// entered the gate of the disk.
	Modified() (time.Time, error)
	// InUse says whether somebody uses it who is in no request.
	InUse() bool
	// Close frees what it holds. Requests may still be in it.
	Close()
}

// Previews are the sites in a directory.
type Previews struct {
	opts Options
	open opened

	rounds  atomic.Uint64 // readings of the names that have begun
	reading sync.Mutex    // held while the names are read
	current atomic.Pointer[names]
	gone    gone
}

// New returns the previews. The directory is looked at when there is a request.
func New(opts Options) *Previews {
	if opts.Zone == nil {
		opts.Zone = time.Local
	}
	return &Previews{opts: opts, open: opened{sites: map[string]*opening{}}, gone: gone{since: map[string]time.Time{}}}
}

// The path of what tells which build is shown, and the field that says the same with each answer.
const (
	buildPath  = "/__previewd/build"
	buildField = "X-Preview-Build"
)

// Serve answers a request: by the site that its host is the name of, with the overview, or with why there is neither.
//
// Beside what its site costs, a request for a directory by its own name looks at that once by its path, and twice in it. By
// a slug it looks for a directory that is called so, and at the directory above.
func (p *Previews) Serve(ctx context.Context, r *message.Request) message.Response {
	a := p.ask(r)
	switch a.place {
	case overview:
		return p.overview(r, a)
	case elsewhere:
		return p.notHere(a)
	}
	for range 2 { // a directory that is gone may have made room for another one of the same name
		o, at, refused := p.enter(a)
		if refused.Status != 0 {
			return refused
		}
		if o == nil {
			continue
		}
		defer p.open.leave(o)
		r.Preview = a.label
		resp := p.answer(ctx, r, o, at)
		resp.Fields = append(resp.Fields[:len(resp.Fields):len(resp.Fields)], message.Field{Name: buildField, Value: a.label + " " + stamp(at)})
		return resp
	}
	return p.missing(a)
}

// enter returns the site of a preview, which the caller leaves, and when its build was made; or why there is none. It is
// neither where the directory has gone in this moment.
func (p *Previews) enter(a asked) (o *opening, at time.Time, refused message.Response) {
	if !p.opts.Disk.EnterInTime() {
		return nil, at, busy(errHangs)
	}
	defer p.opts.Disk.Leave()
	e, err := p.find(a.label)
	switch {
	case err != nil:
		return nil, at, p.failed(err)
	case e == nil:
		return nil, at, p.missing(a)
	case e.refused != "":
		return nil, at, p.refused(a, e)
	}
	o = p.open.enter(e.directory, p.opts.Open)
	if at, err = o.site.Modified(); err == nil {
		return o, at, refused
	}
	if tree.IsTemporary(err) {
		p.open.leave(o)
		return nil, at, busy(err)
	}
	p.gone.add(a.label, time.Now())
	p.open.drop(o)
	p.open.leave(o)
	return nil, at, refused
}

// answer answers for an open site.
func (p *Previews) answer(ctx context.Context, r *message.Request, o *opening, at time.Time) message.Response {
	if message.TargetPath(r.Target) != buildPath {
		return o.site.Serve(ctx, r)
	}
	if resp, refused := onlyRead(r); refused {
		return resp
	}
	return message.Response{Status: 200, Body: message.Bytes(buildOf(r.Preview, o.directory, at)), Fields: message.Fields{
		{Name: "Content-Type", Value: "application/json"},
		{Name: "Cache-Control", Value: "no-store"},
	}}
}

// Run closes what has not been in use for a while, until ctx ends.
func (p *Previews) Run(ctx context.Context) {
	ticker := time.NewTicker(unused / 10)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			p.open.sweep(now.Add(-unused), 0)
		}
	}
}

// Counts returns how many directories are known to be previews, since the names were read last, and how many are open.
func (p *Previews) Counts() (known, open int) {
	if n := p.current.Load(); n != nil {
		known = n.served
	}
	return known, p.open.count()
}
