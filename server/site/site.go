package site

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/cache"
	"github.com/previewd/previewd/server/site/coding"
)

// Policy is a choice in Options.
type Policy string

// The choices for Options.Symlinks and Options.Hidden.
const (
	// SymlinksInside follows relative symbolic links while they stay inside the directory. One that leads
	// out is 404, and so is an absolute one wherever it leads.
	SymlinksInside Policy = "inside"
	// SymlinksFollow follows every symbolic link, as http.server does.
	SymlinksFollow Policy = "follow"
	// SymlinksDeny follows no symbolic link below the directory.
	SymlinksDeny Policy = "deny"

	// HiddenServe serves names that start with a dot, as http.server does.
	HiddenServe Policy = "serve"
	// HiddenDeny answers 404 for them and leaves them out of listings, but for .well-known (RFC 8615).
	HiddenDeny Policy = "deny"
)

// Options says what a Site serves and how.
type Options struct {
	// Directory is served: a path, which may be a symbolic link that is switched while serving.
	Directory string
	// IndexPages are looked for in a directory, in this order: index_pages.
	IndexPages []string
	// Extensions overrides media types: a suffix in lower case, with its dot, to the type: extensions_map.
	Extensions map[string]string
	// Listing allows directory listings. Without them a directory without an index page is 404.
	Listing bool
	// Symlinks is SymlinksInside (also if empty), SymlinksFollow or SymlinksDeny.
	Symlinks Policy
	// Hidden is HiddenServe (also if empty) or HiddenDeny.
	Hidden Policy
	// Exact keeps to what http.server answers: its one validator, the date, and no Cache-Control, no ranges, no
	// content codings. What is kept in memory does not show.
	Exact bool
	// MaxFile is the size in bytes up to which a file is read whole before it is answered.
	MaxFile int64
	// CacheSize is how many bytes of content and listings are kept in memory, bookkeeping included. Zero
	// keeps nothing.
	CacheSize int64
	// CacheControl is the Cache-Control field of files and listings; empty sends none.
	CacheControl string
	// Fingerprinted makes files with the hash of their content in their names immutable for a year.
	Fingerprinted bool
	// Compress is CompressAuto, CompressStatic or CompressOff (also if empty).
	Compress Compression
	// Now is the clock, nil for time.Now.
	Now func() time.Time
	// Encoders is how many contents are compressed at a time at most. Zero is one for each thread that runs
	// Go code.
	Encoders int
	// MaxInFlight is how many bytes of content are held in memory for answers under way; what is beyond is
	// sent from the open file. Zero is 16 MiB.
	MaxInFlight int64
	// Disk bounds how many requests use the file system at a time; nil is no limit.
	Disk message.Gate
}

// Site serves a directory. Its methods may be called by any number of goroutines at once.
type Site struct {
	opts    Options
	current atomic.Pointer[sharedTree]
	reopen  sync.Mutex // held while current is replaced
	memory  memory

	cache    *cache.Cache[key, *resource]
	loads    loads
	digests  digests
	encoders *coding.Encoders
}

// New returns a Site. The directory is looked at for the first time by Serve or Ready.
func New(opts Options) *Site {
	left := opts.MaxInFlight
	if left == 0 {
		left = maxInFlight
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Compress == "" || opts.Exact {
		opts.Compress = CompressOff
	}
	if opts.Encoders == 0 {
		opts.Encoders = runtime.GOMAXPROCS(0)
	}
	s := &Site{opts: opts, memory: memory{left: left}, cache: cache.New[key, *resource](opts.CacheSize)}
	if opts.Compress == CompressAuto {
		s.encoders = coding.New(opts.Encoders)
	}
	return s
}

func (s *Site) now() time.Time { return s.opts.Now() }

// CacheCounts returns what the cache has done and holds.
func (s *Site) CacheCounts() cache.Counts { return s.cache.Counts() }

// Methods returns the handlers of the methods that a Site answers: do_GET and do_HEAD.
func (s *Site) Methods() message.Methods {
	return message.Methods{"GET": s.Serve, "HEAD": s.Serve}
}

// Serve answers a GET or HEAD request: send_head.
//
// A file that is kept costs one stat by its path on Linux. Another small one costs: stat the directory, stat, openat2,
// fstat, pread, fstat, close.
func (s *Site) Serve(ctx context.Context, r *message.Request) message.Response {
	s.opts.Disk.Enter()
	defer s.opts.Disk.Leave()
	name, slash, ok := translatePath(r.Target)
	if !ok {
		return notFound(nil)
	}
	// What may not be served is not kept. A coding takes more than one look.
	if _, coded := s.accepts(r); !slash && !coded {
		if src, found := s.glance(name); found {
			return s.sendSource(r, src)
		}
	}
	t, err := s.acquire()
	if err != nil {
		return s.refuseAll(err)
	}
	defer t.release()
	if s.opts.Hidden == HiddenDeny && isHidden(name) {
		return notFound(hiddenName(name))
	}
	st, err := t.look(name, true)
	switch {
	case err == nil && st.mode.IsRegular() && !slash:
		return s.sendFile(ctx, r, t, name, st)
	case err == nil && st.mode.IsDir():
		return s.sendDirectory(ctx, r, t, name, st)
	}
	return s.refuseName(t, name, slash)
}

// refuseName answers for a name that seems to be neither a file nor a directory, or for a file's name with a
// slash after it (Issue17324). What is wrong with it only opening it can tell.
func (s *Site) refuseName(t tree, name string, slash bool) message.Response {
	f, st, err := t.open(name)
	if err != nil {
		return s.refuse(t, name, err)
	}
	f.close()
	if slash || st.mode.IsRegular() || st.mode.IsDir() {
		return notFound(nil) // or it has come just now
	}
	return notFound(notRegular(name, st.mode))
}

// sendDirectory is the part of send_head for a directory: the slash, the index page, the listing. st is its
// status, as look has it.
func (s *Site) sendDirectory(ctx context.Context, r *message.Request, t tree, name string, st status) message.Response {
	if u := urlsplit(r.Target); !endsInSlash(u.path) {
		// One that may be searched but not read still has its redirect and its index page.
		if _, err := t.stat(name); err != nil {
			return s.refuse(t, name, err)
		}
		return s.redirect(u)
	}
	for _, page := range s.opts.IndexPages {
		if resp, found := s.sendIndex(ctx, r, t, path.Join(name, page)); found {
			return resp
		}
	}
	if !s.opts.Listing {
		if _, err := t.stat(name); err != nil {
			return s.refuse(t, name, err)
		}
		return notFound(nil)
	}
	return s.listDirectory(r, t, name, st)
}

// sendIndex answers with the index page of that name if there is one. Whatever isfile would not call a
// file is passed over; a link that may not be followed is not, as the listing would show what its index
// page was meant to cover.
func (s *Site) sendIndex(ctx context.Context, r *message.Request, t tree, name string) (resp message.Response, found bool) {
	st, err := t.look(name, false)
	if errors.Is(err, fs.ErrNotExist) {
		return resp, false
	}
	if err == nil && st.mode&fs.ModeSymlink != 0 {
		st, err = t.look(name, true)
	}
	if err == nil && st.mode.IsRegular() {
		return s.sendFile(ctx, r, t, name, st), true
	}
	// It may not be looked at, or it is a link that leads to no file that is there: stat tells what it is.
	switch st, err = t.stat(name); {
	case err == nil && st.mode.IsRegular():
		return s.sendFile(ctx, r, t, name, st), true
	case isRefused(err) || isTemporary(err):
		return s.refuse(t, name, err), true
	}
	return resp, false
}

// isHidden says whether a part of a path starts with a dot and is not .well-known.
func isHidden(name string) bool {
	if name == "." || !strings.Contains(name, ".") {
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") && part != ".well-known" {
			return true
		}
	}
	return false
}
