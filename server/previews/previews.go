package previews

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/previewd/previewd/server/budget"
	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/previews/tags"
	"github.com/previewd/previewd/server/site/tree"
)

// Options say which directories or tags are previews, and under which names.
type Options struct {
	// Directory is the one whose directories are previews. What it allows of links and hidden names is allowed of them.
	Directory *tree.Directory
	// Repository has each of its tags be a preview, in place of directories; nil where there is none. InUse and Left are set
	// here.
	Repository *tags.Options
	// Open makes the site of a directory, or of a build of a tag, by whose name the log speaks of it. It does no I/O.
	Open func(directory, name string) Site
	// Live makes what has open pages of a tag reload when it shows another build; nil where they are not to.
	Live func(files LiveFiles) Live
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
	// Find returns the file that answers a target, and See the states of files by their names: what the build of a tag is asked,
	// see site.Site.
	Find(target string) (file string, found bool)
	LiveFiles
	// InUse says whether somebody uses it who is in no request.
	InUse() bool
	// Close frees what it holds. Requests may still be in it.
	Close()
}

// LiveFiles are those that a tag shows, whichever build that is.
type LiveFiles interface {
	See(names []string, seen func(i int, state message.FileState))
}

// Previews are the sites in a directory, or of a repository.
type Previews struct {
	opts Options
	open opened
	tags *tags.Tags // nil where directories are previews
	live listeners

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
	p := &Previews{opts: opts, open: opened{sites: map[string]*opening{}}, gone: gone{since: map[string]time.Time{}}, live: listeners{of: map[string]Live{}}}
	if opts.Repository != nil {
		of := *opts.Repository
		of.InUse, of.Left = p.live.has, p.open.forget
		p.tags = tags.New(of)
	}
	return p
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
		return p.overview(ctx, r, a)
	case elsewhere:
		return p.notHere(a)
	}
	if p.tags != nil {
		return p.serveTag(ctx, r, a)
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
		return built(p.answer(ctx, r, o, at), a.label, stamp(at))
	}
	return p.missing(a)
}

// built adds to an answer which build it is from. A site that says so itself, in _headers, is not listened to.
func built(resp message.Response, label, build string) message.Response {
	fields := make([]message.Field, 0, len(resp.Fields)+1) // those of a cached answer are shared
	for _, f := range resp.Fields {
		if !strings.EqualFold(f.Name, buildField) {
			fields = append(fields, f)
		}
	}
	resp.Fields = append(fields, message.Field{Name: buildField, Value: label + " " + build})
	return resp
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
	o = p.open.enter(e.name, e.name, p.opts.Open)
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
	return sendBuild(build{Name: r.Preview, Directory: o.directory, Time: stamp(at)})
}

// sendBuild answers with what is told of a build.
func sendBuild(b any) message.Response {
	return message.Response{Status: 200, Body: message.Bytes(asJSON(b)), Fields: message.Fields{
		{Name: "Content-Type", Value: "application/json"},
		{Name: "Cache-Control", Value: "no-store"},
	}}
}

// Run closes what has not been in use for a while, and asks the registry what has changed, until ctx ends.
func (p *Previews) Run(ctx context.Context) {
	if p.tags != nil {
		var asking sync.WaitGroup
		asking.Go(func() { p.tags.Run(ctx) })
		defer asking.Wait()
	}
	ticker := time.NewTicker(unused / 10)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			p.open.sweep(now.Add(-unused), 0)
			p.live.sweep(p.tags)
		}
	}
}

// Counts returns how many directories or tags are known to be previews, since the names were read last, and how many are
// open.
func (p *Previews) Counts() (known, open int) {
	if p.tags != nil {
		known, _ = p.tags.Counts()
		return known, p.open.count()
	}
	if n := p.current.Load(); n != nil {
		known = n.served
	}
	return known, p.open.count()
}

// InUse returns how many tags are in use, 0 where directories are previews.
func (p *Previews) InUse() int {
	if p.tags == nil {
		return 0
	}
	_, used := p.tags.Counts()
	return used
}

// Reached says since when the registry has not been reached; nil where it was, or where there is none.
func (p *Previews) Reached() error {
	if p.tags == nil {
		return nil
	}
	return p.tags.Err()
}
