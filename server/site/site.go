package site

import (
	"cmp"
	"context"
	"path"
	"sync"
	"time"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/cache"
	"github.com/previewd/previewd/server/site/content"
	"github.com/previewd/previewd/server/site/mediatype"
	"github.com/previewd/previewd/server/site/tree"
)

// Listing is a choice in Options.
type Listing string

// The choices for Options.Listing.
const (
	// ListingRich shows sizes and times too, and answers with JSON whoever asks for that. With Exact it is ListingPlain.
	ListingRich Listing = "rich"
	// ListingPlain shows the page of http.server.
	ListingPlain Listing = "plain"
	// ListingOff shows none: a directory without an index page is 404.
	ListingOff Listing = "false"
)

// Options says what a Site serves and how.
type Options struct {
	// Tree says which directory is served, and what is found in it.
	Tree tree.Options
	// Content says how files are read, kept and coded. Its clock is the Site's; Describe is set by the Site.
	Content content.Options
	// IndexPages are looked for in a directory, in this order: index_pages.
	IndexPages []string
	// Extensions overrides media types: extensions_map. Keys are in lower case: a suffix with its dot, a whole name, or
	// "" for names without a suffix.
	Extensions map[string]string
	// DefaultType is the media type of files whose name tells nothing; "" is application/octet-stream.
	DefaultType string
	// Listing is ListingRich, ListingPlain or ListingOff (also if empty).
	Listing Listing
	// Archives allows directories to be downloaded as archives, where there are listings.
	Archives bool
	// Programs are directories, as paths that begin with a slash, whose files are run and not sent: archives leave them out.
	Programs []string
	// EmptyHint is said on the page of an empty directory at the top.
	EmptyHint string
	// Zone is the time zone of listings, nil for the system's.
	Zone *time.Location
	// MaxListings is how many bytes the names in directories may take that are being listed, for all answers under way
	// together. Zero is 256 MiB.
	MaxListings int64
	// Exact limits answers to what http.server sends: Last-Modified is the only validator; no Cache-Control, ranges,
	// content codings or charset. The cache stays in use.
	Exact bool
	// CleanURLs lets /guide be guide.html. ErrorPages answers what is not found with the nearest 404.html up the tree.
	// With Exact there is neither, nor a fallback.
	CleanURLs, ErrorPages bool
	// Fallback is the path of the page that answers a navigation to nothing: single-page apps. Empty means 200.html at the
	// top, if there is one.
	Fallback string
	// CacheControl is the Cache-Control field of files and listings; empty sends none.
	CacheControl string
	// Fingerprinted makes files with the hash of their content in their names immutable for a year.
	Fingerprinted bool
}

// Site serves a directory. Its methods may be called by any number of goroutines at once.
type Site struct {
	opts      Options
	types     mediatype.Rules
	directory *tree.Directory
	content   *content.Store
	listings  sharing
	names     room
	searching *sync.Mutex // for similar names: one request at a time
	archives  chan struct{}
	isSub     bool // content is another's too
}

// New returns a Site. The directory is looked at for the first time by Serve or Ready.
func New(opts Options) *Site {
	if opts.Content.Now == nil {
		opts.Content.Now = time.Now
	}
	if opts.Listing == "" {
		opts.Listing = ListingOff
	}
	if opts.Zone == nil {
		opts.Zone = time.Local
	}
	if opts.Content.Compress == "" || opts.Exact {
		opts.Content.Compress = content.CompressOff
	}
	s := &Site{opts: opts, types: mediatype.Rules{Given: opts.Extensions, Default: opts.DefaultType}, directory: tree.New(opts.Tree),
		searching: new(sync.Mutex), archives: make(chan struct{}, maxArchives)}
	s.names.Budget = opts.Content.Budget.Part(cmp.Or(opts.MaxListings, maxListings))
	opts.Content.Describe = s.describe
	opts.Content.Untagged = opts.Exact
	s.content = content.New(opts.Content)
	return s
}

// Sub returns a Site of a directory in that of s: its root is that directory, and nothing outside is served. It has the
// settings of s, and shares the cache and the bounds with it.
func (s *Site) Sub(name string) *Site {
	sub := &Site{opts: s.opts, types: s.types, directory: s.directory.Sub(name), content: s.content, searching: s.searching,
		archives: s.archives, isSub: true}
	sub.opts.EmptyHint, sub.opts.Tree.Directory = "", path.Join(s.opts.Tree.Directory, name)
	_, limit := s.names.Use()
	sub.names.Budget = s.names.Part(max(limit/2, 1)) // what one is asked for leaves as much to others
	return sub
}

// Directory returns the directory that is served.
func (s *Site) Directory() *tree.Directory { return s.directory }

// Modified returns when what is served was modified last, as far as that shows at the top: the later of the times of the
// directory and of its index page. The error is why the directory cannot be opened. The caller has entered the gate of
// the disk.
func (s *Site) Modified() (time.Time, error) {
	t, err := s.directory.Acquire()
	if err != nil {
		return time.Time{}, err
	}
	defer t.Release()
	st, err := t.LookHere(".")
	if err != nil {
		return time.Time{}, err
	}
	for _, page := range s.opts.IndexPages {
		if index, err := t.LookHere(page); err == nil {
			if st.Mtime.Before(index.Mtime) {
				return index.Mtime.Time(), nil
			}
			break
		}
	}
	return st.Mtime.Time(), nil
}

func (s *Site) now() time.Time { return s.opts.Content.Now() }

// CacheCounts returns what the cache has done and holds.
func (s *Site) CacheCounts() cache.Counts { return s.content.Counts() }

// Ready says whether the directory can be opened and its names and files be read. The error tells the
// operator which user may not read what, and how to fix it.
func (s *Site) Ready() error { return s.directory.Ready() }

// Methods returns the handlers of the methods that a Site answers: do_GET and do_HEAD. Unless it is Exact it refuses the
// others of RFC 9110, section 9, and PATCH as what they are, known and not allowed.
func (s *Site) Methods() message.Methods {
	methods := message.Methods{"GET": s.Serve, "HEAD": s.Serve}
	if !s.opts.Exact {
		for _, method := range []string{"POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"} {
			methods[method] = notAllowed
		}
	}
	return methods
}

func notAllowed(context.Context, *message.Request) message.Response {
	return message.NotAllowed("GET, HEAD")
}

// Close closes the directory and frees the cache once no request uses them. The Site may be used again.
func (s *Site) Close() error {
	s.directory.Close()
	if s.isSub {
		s.content.Forget(s.directory)
		return nil
	}
	s.content.Clear()
	return nil
}
