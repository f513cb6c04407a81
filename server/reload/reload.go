package reload

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/previewd/previewd/server/budget"
	"github.com/previewd/previewd/server/message"
)

const (
	// prefix is the path of what is served here.
	prefix     = "/__previewd/"
	scriptPath = prefix + "reload.js"
	eventsPath = prefix + "events"
)

// Site is what is to be known of the site.
type Site interface {
	// See looks at names, as those of message.File, and tells the state of each.
	See(names []string, seen func(i int, state message.FileState))
}

// Options say how pages are reloaded. Site and Profile are required.
type Options struct {
	Site Site
	// Pages says whether pages are to reload. Without it there are only requests that wait.
	Pages bool
	// Wait is how long a request waits, at most, for a file that was there a moment ago; 0 is not at all.
	Wait time.Duration
	// AtOnce says that builds replace each other at once: what is gone is gone for good, and no build is ever on.
	AtOnce bool
	// Profile makes error pages.
	Profile message.Profile
	// Always are names on which every page depends.
	Always []string
	// Together says how many of its kind share what looks may cost, this one included, and Full whether they have as many
	// pages that listen as all of them may have. Nil is none but this one.
	Together func() int
	Full     func() bool
	// Streams is how many pages may listen, 1,000 at most; 0 is as many.
	Streams int
	// Budget is what pages that listen take memory from; nil has no limit.
	Budget *budget.Budget
	// IsScript says whether a path of the site is answered by a program, which is never asked only to know its files. Nil
	// is never.
	IsScript func(path string) bool
	// Report is told of each change of a file that is looked at, and how it shows: gone, new, inode, size, mtime, ctime or
	// type.
	Report func(name, how string)
	// Count gets what is counted.
	Count Counters
}

// Counters count what happens. None is nil.
type Counters interface {
	// StreamOpened and StreamClosed are called for each page that listens.
	StreamOpened()
	StreamClosed()
	// Changed counts a change of a file that is looked at, ReloadSent a page that is told of changes.
	Changed()
	ReloadSent()
	// Looked gets the time of a look at all names: of the processor, where the system tells it.
	Looked(d time.Duration)
	// Dropped counts names that are no longer looked at, as there are too many.
	Dropped(n int)
}

// Reload knows the files of a site that clients have loaded.
type Reload struct {
	opts    Options
	arrived chan struct{} // has room for one: a listener came, or the first look is wanted

	mu      sync.Mutex // held for all that follows, not while files are looked at
	known   known
	pages   map[*page]struct{}
	waiters map[*waiter]struct{}
	changed time.Time // when a name that is looked at has changed last
	build   time.Time // since when a build is on; zero while none is
	poked   time.Time // when all streams were made to say something
	stopped bool

	room    *budget.Budget // of what pages hold
	reading *budget.Budget // of what pages say when they begin to listen
	spent   func(do func()) time.Duration
}

// New returns a Reload. Nothing is looked at before Run.
func New(opts Options) *Reload {
	if opts.IsScript == nil {
		opts.IsScript = func(string) bool { return false }
	}
	if opts.Report == nil {
		opts.Report = func(string, string) {}
	}
	if opts.Together == nil {
		opts.Together = func() int { return 1 }
	}
	if opts.Full == nil {
		opts.Full = func() bool { return false }
	}
	if opts.Streams == 0 || opts.Streams > maxPages {
		opts.Streams = maxPages
	}
	_, limit := opts.Budget.Use()
	return &Reload{opts: opts, arrived: make(chan struct{}, 1), known: newKnown(opts.Count.Dropped),
		pages: map[*page]struct{}{}, waiters: map[*waiter]struct{}{},
		spent: spent, room: opts.Budget.Part(min(maxHeld*useSize, limit/4)), reading: opts.Budget.Part(min(maxReading, limit/4))}
}

// unlocked does what may take long without the lock, which is held before and after, also if it panics.
func (rl *Reload) unlocked(do func()) {
	rl.mu.Unlock()
	defer rl.mu.Lock()
	do()
}

// Handler puts the stream, the script and the tag in pages around the site.
func (rl *Reload) Handler(next message.Handler) message.Handler {
	return func(ctx context.Context, r *message.Request) message.Response {
		if rl.opts.Pages && strings.HasPrefix(r.Target, prefix) {
			switch path, _, _ := strings.Cut(r.Target, "?"); path {
			case scriptPath:
				return script(r)
			case eventsPath:
				return rl.events(ctx, r, next)
			}
		}
		if r.Method != "GET" && r.Method != "HEAD" {
			return next(ctx, r)
		}
		a := &answering{reload: rl, next: next, ctx: ctx, request: r, path: pathOf(r.Target)}
		return a.answer()
	}
}

// pathOf is the path of a target as pages and this package name it: decoded, but for one that is not UTF-8 then.
func pathOf(target string) string { return decoded(message.TargetPath(target)) }

// awaken has Run look.
func (rl *Reload) awaken() {
	select {
	case rl.arrived <- struct{}{}:
	default:
	}
}
