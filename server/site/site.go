package site

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/previewd/previewd/server/message"
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
	// MaxFile is the size in bytes up to which a file is read whole before it is answered.
	MaxFile int64
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
}

// New returns a Site. The directory is looked at for the first time by Serve or Ready.
func New(opts Options) *Site {
	left := opts.MaxInFlight
	if left == 0 {
		left = maxInFlight
	}
	return &Site{opts: opts, memory: memory{left: left}}
}

// Methods returns the handlers of the methods that a Site answers: do_GET and do_HEAD.
func (s *Site) Methods() message.Methods {
	return message.Methods{"GET": s.Serve, "HEAD": s.Serve}
}

// Serve answers a GET or HEAD request: send_head.
//
// A small file costs, on Linux: stat the directory, openat2, fstat, pread, fstat, close.
func (s *Site) Serve(ctx context.Context, r *message.Request) message.Response {
	s.opts.Disk.Enter()
	defer s.opts.Disk.Leave()
	name, slash, ok := translatePath(r.Target)
	if !ok {
		return notFound(nil)
	}
	t, err := s.acquire()
	if err != nil {
		return s.refuseAll(err)
	}
	defer t.release()
	if s.opts.Hidden == HiddenDeny && isHidden(name) {
		return notFound(hiddenName(name))
	}
	f, st, err := t.open(name)
	switch {
	case err == nil && st.mode.IsDir():
		defer f.close()
		return s.sendDirectory(ctx, r, t, name, f)
	case err == nil && !slash:
		return s.sendFile(ctx, r, name, f, st)
	case err == nil:
		f.close()
		return notFound(nil) // a slash after the name of a file: Issue17324
	}
	// A directory that may be searched but not read still has its redirect and its index page.
	if errors.Is(err, fs.ErrPermission) {
		if st, e := t.stat(name); e == nil && st.mode.IsDir() {
			return s.sendDirectory(ctx, r, t, name, noFile)
		}
	}
	return s.refuse(t, name, err)
}

// sendDirectory is the part of send_head for a directory: the slash, the index page, the listing. f is
// the open directory, noFile if it cannot be read.
func (s *Site) sendDirectory(ctx context.Context, r *message.Request, t *sharedTree, name string, f file) message.Response {
	if u := urlsplit(r.Target); !endsInSlash(u.path) {
		return redirect(u)
	}
	for _, page := range s.opts.IndexPages {
		if resp, found := s.sendIndex(ctx, r, t, path.Join(name, page)); found {
			return resp
		}
	}
	if !s.opts.Listing {
		return notFound(nil)
	}
	return s.listDirectory(r, t, name, f)
}

// sendIndex answers with the index page of that name if there is one. Whatever isfile would not call a
// file is passed over; a link that may not be followed is not, as the listing would show what its index
// page was meant to cover.
func (s *Site) sendIndex(ctx context.Context, r *message.Request, t *sharedTree, name string) (resp message.Response, found bool) {
	f, st, err := t.open(name)
	if err == nil && st.mode.IsRegular() {
		return s.sendFile(ctx, r, name, f, st), true
	}
	if err == nil {
		f.close()
		return resp, false
	}
	if errors.Is(err, fs.ErrPermission) {
		st, e := t.stat(name)
		found = e == nil && st.mode.IsRegular()
	} else {
		found = isRefused(err) || isTemporary(err)
	}
	if !found {
		return resp, false
	}
	return s.refuse(t, name, err), true
}

// sendFile is the part of send_head for a file. It takes over f.
func (s *Site) sendFile(ctx context.Context, r *message.Request, name string, f file, st status) message.Response {
	if !st.mode.IsRegular() {
		f.close()
		return notFound(notRegular(name, st.mode))
	}
	if notModified(r.Fields, st.mtime) {
		f.close()
		return message.Response{Status: 304}
	}
	body, st, err := s.load(ctx, f, st)
	if err != nil {
		return unavailable(name, err)
	}
	fields := make(message.Fields, 0, 2)
	fields = append(fields, message.Field{Name: "Content-type", Value: s.guessType(name)})
	if date := lastModified(st.mtime); date != "" {
		fields = append(fields, message.Field{Name: "Last-Modified", Value: date})
	}
	return message.Response{Status: 200, Fields: fields, Body: body}
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
