package cgi

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/previewd/previewd/server/budget"
	"github.com/previewd/previewd/server/message"
)

// Files finds what paths of the site name, as the site does. Paths are text in which "%" still escapes.
type Files interface {
	// Translate returns the absolute path in the file system: translate_path. ok is false for what no file can be called.
	Translate(path string) (file string, ok bool)
	// Stat looks at a file as far as requests may see it. What it does not find is fs.ErrNotExist, or an
	// error that tells the operator why.
	Stat(path string) (fs.FileMode, error)
}

// Options says which scripts a Handler runs and how. Site, Files, Directories, Timeout and MaxProcesses are
// required; the functions may be nil, and are called from many goroutines.
type Options struct {
	// Site answers GET and HEAD for what is no script.
	Site message.Handler
	// Files finds scripts.
	Files Files
	// Directories are the paths of the site below which files are scripts, not encoded: cgi_directories. As
	// there, "/" makes scripts of the files at the top of the site, and not of those in directories.
	Directories []string
	// Timeout is how long the server waits for one script in all. The time in which it waits for the client
	// does not count.
	Timeout time.Duration
	// MaxProcesses is how many scripts run at once. Further ones wait, for Timeout at most.
	MaxProcesses int
	// Budget is what a script takes memory from until its answer is sent, which may be long after its end; nil has no limit.
	Budget *budget.Budget
	// Environ is what scripts get of the server's environment, NAME=value, see PassedOn.
	Environ []string
	// User is whom scripts run as, see Prepare; nil is the server's user.
	User *User
	// ServerName is SERVER_NAME, see the function of that name.
	ServerName string
	// Profile is the server's; scripts are told its version and name.
	Profile message.Profile

	// Log is called with each line that a script writes to its standard error.
	Log func(script, line string)
	// Started is called when a script was started and Ended when it has ended, after d. Failed is called
	// once for a request that a script did not answer as it should.
	Started func()
	Ended   func(d time.Duration)
	Failed  func(Failure)
}

// Failure is a kind of failure of a script.
type Failure string

// The kinds of failure.
const (
	Busy     Failure = "busy"     // MaxProcesses ran for Timeout, or there is no memory
	NotRun   Failure = "start"    // it could not be started
	BadHead  Failure = "head"     // no valid head came
	TimedOut Failure = "timeout"  // killed after Timeout
	Gone     Failure = "client"   // killed, as the client was gone or did not send its content
	Stopped  Failure = "shutdown" // killed, as the server stopped
	Crashed  Failure = "exit"     // it ended with an exit code other than 0
	Looped   Failure = "redirect" // more than maxRedirects local redirects
)

// Handler runs the scripts of a site.
type Handler struct {
	Options
	slots   chan struct{}
	memory  *budget.Budget // the part of the Budget that scripts may take
	runs    sync.WaitGroup
	orphans *orphans // nil where the server gets none
	stop    context.CancelFunc
	ended   context.Context // ends with Close
}

// New returns a Handler. It has to be closed.
func New(o Options) *Handler {
	_, limit := o.Budget.Use()
	h := &Handler{Options: o, slots: make(chan struct{}, o.MaxProcesses), memory: o.Budget.Part(max(limit/share, cost))}
	h.Directories = nil
	for _, d := range o.Directories {
		h.Directories = append(h.Directories, path.Clean("/"+d))
	}
	h.ended, h.stop = context.WithCancel(context.Background())
	if h.orphans = newOrphans(); h.orphans != nil {
		h.runs.Go(func() { h.orphans.collect(h.ended) })
	}
	return h
}

// Close kills the scripts that still run and waits until they have ended.
func (h *Handler) Close() {
	h.stop()
	h.runs.Wait()
}

// Methods returns the handlers of the methods that a Handler answers: do_GET, do_HEAD and do_POST.
func (h *Handler) Methods() message.Methods {
	return message.Methods{"GET": h.Serve, "HEAD": h.Serve, "POST": h.Serve}
}

// Serve answers a request by running its script, or else by the site: send_head and do_POST.
func (h *Handler) Serve(ctx context.Context, r *message.Request) message.Response {
	return h.serve(ctx, r, exchange{noted: r})
}

// exchange is what requests that follow from one another by local redirects have in common.
type exchange struct {
	noted     *message.Request // the client's, whose Notes reach the log
	redirects int
}

// maxRedirects is how many local redirects may follow one another.
const maxRedirects = 10

func (h *Handler) serve(ctx context.Context, r *message.Request, x exchange) message.Response {
	collapsed, ok := collapsePath(r.Target)
	if !ok {
		return message.Fail(404, "File not found")
	}
	dir, rest, found := split(collapsed, h.Directories)
	if !found && r.Method == "POST" {
		return message.Fail(501, "Can only POST to CGI scripts")
	}
	if !found && h.hidesScript(r.Target) {
		return message.Fail(404, "File not found")
	}
	if !found {
		return h.Site(ctx, r)
	}
	s, failure := h.find(dir, rest)
	if failure != nil {
		return failure.Response()
	}
	// RFC 3875, section 4.2: CONTENT_LENGTH must be the length of what the script can read.
	if r.ContentLength < 0 {
		return message.Fail(411, "")
	}
	environ, ok := h.environ(r, &s)
	arguments := s.arguments()
	if !ok || strings.IndexByte(arguments[len(arguments)-1], 0) >= 0 {
		return message.Fail(404, "No such CGI script ("+message.Repr(s.name)+")")
	}
	if failure := h.takeSlot(ctx, r); failure != nil {
		return failure.Response()
	}
	if h.memory.Acquire(ctx, cost) != nil {
		<-h.slots
		h.failed(Busy)
		return budget.Full()
	}
	return h.run(ctx, r, x, &s, command{
		file: s.file, arguments: arguments, environ: environ, user: h.User, content: r.ContentLength > 0,
	})
}

// takeSlot waits until another script may run: for Timeout at most, and while the client is there.
func (h *Handler) takeSlot(ctx context.Context, r *message.Request) *message.Failure {
	select {
	case h.slots <- struct{}{}:
		return nil
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, h.Timeout)
	defer cancel()
	gone := make(chan struct{})
	defer watchOver(ctx, r.Watcher, func() { close(gone) })()
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-gone:
		h.failed(Gone)
		return &message.Failure{Status: 503, Cause: errGone}
	case <-h.ended.Done():
		h.failed(Stopped)
		return &message.Failure{Status: 503, Cause: message.ErrStopping}
	case <-ctx.Done():
	}
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		kind, why := reason(ctx)
		h.failed(kind)
		return &message.Failure{Status: 503, Cause: why}
	}
	h.failed(Busy)
	return &message.Failure{Status: 503, Cause: fmt.Errorf("%d scripts were running for %v", h.MaxProcesses, h.Timeout)}
}

func (h *Handler) failed(f Failure) {
	if h.Failed != nil {
		h.Failed(f)
	}
}

// notStarted answers for a script that could not be started. http.server logs the exit code of the child
// that failed to become it.
func (h *Handler) notStarted(x exchange, s *script, err error) message.Response {
	h.failed(NotRun)
	x.noted.Notes = append(x.noted.Notes, "CGI script exit code 127")
	f := &message.Failure{Status: 500, Cause: fmt.Errorf("starting script %q: %w", s.file, err)}
	switch {
	case errors.Is(err, syscall.E2BIG):
		f.Status = 431 // fields and query do not fit into an environment
	case errors.Is(err, syscall.EAGAIN) || isTemporary(err):
		f.Status = 503
	case errors.Is(err, syscall.ENOENT):
		f.Cause = fmt.Errorf("%w (the interpreter that its first line names is missing?)", f.Cause)
	case errors.Is(err, syscall.EACCES) && h.User != nil:
		f.Cause = fmt.Errorf("%w for user %d", f.Cause, h.User.UID)
	}
	return f.Response()
}

// redirected is the request of a local redirect: for a path, as the client would ask for it.
func redirected(r *message.Request, location string) *message.Request {
	next := *r
	next.Target = location
	if r.Method != "HEAD" {
		next.Method = "GET"
	}
	next.Content, next.ContentLength = message.NoContent{}, 0
	next.Fields, next.Notes = nil, nil
	for _, f := range r.Fields {
		switch name := strings.ToLower(f.Name); {
		case strings.HasPrefix(name, "content-"), name == "expect":
		default:
			next.Fields = append(next.Fields, f)
		}
	}
	return &next
}
