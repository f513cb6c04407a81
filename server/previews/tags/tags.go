package tags

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/previewd/previewd/server/previews/registry"
	"github.com/previewd/previewd/server/previews/store"
)

const (
	// inUse is for how long a tag that was asked for is in use.
	inUse = 10 * time.Minute
	// keepsBefore is for how long the build before the one that is shown stays, for pages of it that are open.
	keepsBefore = 10 * time.Minute
	// patience is how long a visit to a tag that was not in use waits for the registry to say whether it has moved.
	patience = 2 * time.Second
)

// Options say where builds come from and go to. All but InUse are required.
type Options struct {
	// Repository is the name of the one whose tags these are, and Registry reads it. Store is where builds are kept, for this
	// one or another.
	Repository string
	Registry   *registry.Client
	Store      *store.Store
	// Path is the directory of the site within the image, "" where it is to be found, and IndexPages its index pages.
	Path       string
	IndexPages []string
	// Made is kept with each build: by which settings it was made.
	Made string
	// Window bounds the memory that zstd takes for a build that is unpacked, in bytes: see unpack.Options. Zero is 32 MiB.
	Window int64
	// Check is how often the registry is asked whether a tag in use has moved.
	Check time.Duration
	// InUse says whether a page of a tag is open; nil is never. Left is told the directory of a build that no tag shows and
	// nobody is in any more, before the store may delete it. Neither may call a method of Tags.
	InUse func(tag string) bool
	Left  func(directory string)
	// Info and Warn tell the operator what has happened to a tag, or with "" to all.
	Info, Warn func(message, tag string)
	Count      Counters
}

// Counters count what is asked of the registry. The results are those that package metrics names.
type Counters interface {
	RegistryAsked(result string)
	Reached(at time.Time)
	Pulled(result string, bytes int64, took time.Duration)
}

// Tags are the tags of a repository. Its methods may be called by any number of goroutines at once.
type Tags struct {
	opts Options
	// ctx ends with Run, and all that was begun: running are the goroutines of it.
	ctx     context.Context
	end     context.CancelFunc
	running sync.WaitGroup
	wake    chan struct{} // has room for one: something is to be done sooner
	asking  chan struct{} // has room for maxAsking
	pulling chan struct{} // has room for maxPulls
	version atomic.Uint64 // another one whenever there are other tags

	mu   sync.Mutex // held for all that follows, never while the registry or the store is waited for
	tags map[string]*tag
	// used are the tags that are in use, or were until a moment ago.
	used map[*tag]struct{}
	list list
	// builds are those that are held, pulls those that are being brought, refusals why others never will be, and infos what is
	// told of them: by digest.
	builds   map[string]*Build
	pulls    map[string]*pull
	refusals map[string]string
	infos    map[string]*Info
	describe describing
	began    time.Time // when these were made
	paused   time.Time // until when the registry does not want to be asked
	reached  time.Time // when it has answered last
	problem  error     // of the last question; nil where it was answered
	unsaved  bool      // Remember has not been told of all yet
	failing  bool      // it failed when it was told last
}

// tag is one of them. Tags.mu guards it.
type tag struct {
	name string
	// digest is what the registry has said last, "" where that is not known, checked when, and first when it said so first;
	// that is zero where it may have been so before these were made.
	digest         string
	checked, first time.Time
	visited        time.Time // when the tag was asked for last
	// questions are those whether it has moved: while it is in use it is asked again when the next is due. pulls are the tries
	// to bring its build.
	questions, pulls attempts
	asking           chan struct{} // closed when the question that is under way is answered; nil where none is
	changed          chan struct{} // closed when it has another digest, or is gone; nil where nobody waits for that
	// shown is the build that is shown, before the one before it, until the time when that goes.
	shown, before *Build
	until         time.Time
}

// attempts are tries of one thing: how many have failed in a row, why the last one has, and when the next is due.
type attempts struct {
	failed  int
	problem error
	due     time.Time
}

// fail takes over that a try has failed. The next one is due after pause, and each failure doubles that, up to most.
func (a *attempts) fail(err error, now time.Time, pause, most time.Duration) {
	a.problem = err
	a.due = now.Add(spread(min(pause<<min(a.failed, 10), most)))
	a.failed++
}

// wait says whether the next try is not due yet, after one that has failed.
func (a *attempts) wait(now time.Time) bool { return a.failed > 0 && now.Before(a.due) }

// New returns the tags, of which those are known that were here before. Nothing is asked for before Run.
func New(opts Options) *Tags {
	if opts.InUse == nil {
		opts.InUse = func(string) bool { return false }
	}
	t := &Tags{opts: opts, wake: make(chan struct{}, 1), asking: make(chan struct{}, maxAsking), pulling: make(chan struct{}, maxPulls),
		tags: map[string]*tag{}, used: map[*tag]struct{}{}, builds: map[string]*Build{}, pulls: map[string]*pull{}, refusals: map[string]string{},
		infos: map[string]*Info{}, began: time.Now()}
	t.ctx, t.end = context.WithCancel(context.Background())
	for key, digest := range opts.Store.Remembered() {
		if name, of := strings.CutPrefix(key, opts.Repository+":"); of {
			t.tags[name] = &tag{name: name, digest: digest}
		}
	}
	t.version.Add(1)
	return t
}

// State is what is to be said of a tag.
type State string

// The states of a tag.
const (
	Ready    State = "ready"       // its build is here
	Fetching State = "fetching"    // it is being brought
	Waiting  State = "not fetched" // nobody has asked for it
	Refused  State = "refused"     // it cannot be shown, ever
	Failed   State = "failed"      // the last try to bring it has failed
	Gone     State = "gone"        // there is no such tag
)

// Shown is what a tag shows.
type Shown struct {
	State State
	// Build is what is shown, nil where nothing is here. Before is the build before it, for a while; else nil.
	Build, Before *Build
	// Reason says why there is nothing, and why the newest build is not what is shown. Again is when it is tried again, zero
	// where that may be at any time.
	Reason string
	Again  time.Time
	// Done of Size bytes of what is being brought are here. Size is 0 where that is not known yet.
	Done, Size int64
	// Info is what is known of the build; nil where nothing is.
	Info *Info
}

// Enter says what a tag shows, which is then in use. Where its build is not here, that is begun to be brought. A tag that was
// not in use is asked for first, for patience at most. The caller leaves what it gets.
func (t *Tags) Enter(ctx context.Context, name string) Shown {
	now := time.Now()
	t.mu.Lock()
	g := t.tags[name]
	if g == nil {
		t.mu.Unlock()
		return Shown{State: Gone}
	}
	if g.shown != nil && now.Sub(g.visited) < inUse {
		g.visited = now
		s := t.tell(g, now).held()
		t.mu.Unlock()
		return s
	}
	defer t.mu.Unlock()
	g.visited = now
	t.used[g] = struct{}{}
	t.awaken()
	if now.Sub(g.checked) >= t.opts.Check {
		t.await(ctx, t.ask(g, now))
	}
	if t.tags[name] != g {
		return Shown{State: Gone}
	}
	t.bring(g)
	s := t.tell(g, time.Now()).held()
	if s.State == Waiting { // it is to be brought, and cannot be now
		s.State, s.Reason, s.Again = Failed, t.notNow().Error(), t.paused
	}
	return s
}

// Wait waits until a tag has a build here or cannot have one, or ctx ends, and says what it shows then. The caller leaves
// what it gets.
func (t *Tags) Wait(ctx context.Context, name string) Shown {
	for {
		shown := t.Enter(ctx, name)
		if shown.State != Fetching || shown.Build != nil || ctx.Err() != nil {
			return shown
		}
		if over, changed := t.underWay(name); over != nil {
			select {
			case <-over:
			case <-changed:
			case <-ctx.Done():
			}
		}
	}
}

// underWay returns two channels. over is closed when what is being done for a tag is over: its build is being brought, or it is being
// asked for; it is nil where nothing is, or no more. changed is closed when the tag has another digest, or is gone.
func (t *Tags) underWay(name string) (over, changed <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	g := t.tags[name]
	if g == nil {
		return nil, nil
	}
	if g.changed == nil {
		g.changed = make(chan struct{})
	}
	if p := t.pulls[g.digest]; p != nil {
		return p.done, g.changed
	}
	return g.asking, g.changed
}

// change has those who wait for a tag look at it again. The lock is held.
func (g *tag) change() {
	if g.changed != nil {
		close(g.changed)
		g.changed = nil
	}
}

// Peek says what a tag shows, which is not in use by that. The caller leaves what it gets.
func (t *Tags) Peek(name string) Shown {
	t.mu.Lock()
	defer t.mu.Unlock()
	g := t.tags[name]
	if g == nil {
		return Shown{State: Gone}
	}
	return t.tell(g, time.Now()).held()
}

// tell says what a tag shows. The lock is held.
func (t *Tags) tell(g *tag, now time.Time) Shown {
	s := Shown{State: Waiting, Build: g.shown, Info: t.infos[g.digest]}
	if g.before != nil && now.Before(g.until) {
		s.Before = g.before
	}
	if g.shown != nil && g.shown.Digest == g.digest { // as for nearly every request
		s.State = Ready
		return s
	}
	pull := t.pulls[g.digest]
	switch reason := t.refusals[g.digest]; {
	case pull != nil:
		s.State, s.Done, s.Size = Fetching, pull.fetched.Load(), pull.size.Load()
	case reason != "":
		s.State, s.Reason = Refused, reason
	case g.pulls.problem != nil:
		s.State, s.Reason, s.Again = Failed, g.pulls.problem.Error(), g.pulls.due
	case g.shown == nil && g.asking != nil:
		s.State = Fetching
	case g.shown == nil && g.questions.problem != nil:
		s.State, s.Reason, s.Again = Failed, g.questions.problem.Error(), g.questions.due
	}
	return s
}

// Counts returns how many tags are known, and how many in use.
func (t *Tags) Counts() (known, used int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.tags), len(t.used)
}

// Err says since when the registry has not been reached; nil where it has answered the last question.
func (t *Tags) Err() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.unreached()
}

// await waits for what is closed then, for patience at most, without the lock, which is held before and after.
func (t *Tags) await(ctx context.Context, done <-chan struct{}) {
	if done == nil {
		return
	}
	t.mu.Unlock()
	defer t.mu.Lock()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// awaken has Run look what is to be done.
func (t *Tags) awaken() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}
