package site

import (
	"context"
	"strings"

	"github.com/previewd/previewd/server/budget"
	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/content"
	"github.com/previewd/previewd/server/site/listing"
	"github.com/previewd/previewd/server/site/tree"
)

// maxPage is how many names the page of a directory has that is made whole, is kept and has a validator. The page of more
// is made while it is sent.
const maxPage = 10_000

// maxListings is the default of Options.MaxListings in bytes.
const maxListings = 256 << 20

// The forms of what is told of a directory.
const (
	plainForm content.Form = 1 + iota // the page of http.server
	richForm                          // the page for people
	jsonForm                          // for programs
)

// listDirectory answers with what is in a directory: list_directory of 3.14. st is its status, as Look has it.
func (s *Site) listDirectory(ctx context.Context, r *message.Request, t *tree.Tree, at reading, st tree.Status) message.Response {
	use(r, at.name, st)
	v, ok := s.viewOf(r, at)
	if !ok {
		return notFound(nil) // a lone surrogate, where CPython dies
	}
	key := sharedKey{tree: t, name: at.name, form: v.form, coding: s.pageCoding(r), loose: v.loose}
	if v.form == plainForm && !key.loose {
		src, found := s.keptPage(t, key, st)
		s.content.CountPage(found)
		if found {
			return s.sendPage(r, src)
		}
	}
	found, joined := s.listings.join(key, func(d *listing.Directory) bool {
		return d.Status == st && d.Links.LeadAsBefore(t, at.name)
	})
	if !joined {
		var err error
		found, err = s.listings.get(ctx, key, s.opts.Content.Disk, func() (*shared, error) { return s.readPage(ctx, key, v) })
		if err != nil {
			return refuseListing(t, at.name, err)
		}
	}
	src := found.page
	if src.Body == nil && key.loose && len(found.dir.Entries) <= maxPage {
		if own, fits := s.wholePage(key, found, v); fits {
			found.leave()
			return s.sendPage(r, s.codePage(ctx, key, own))
		}
	}
	if src.Body == nil {
		return s.streamPage(found, v)
	}
	data, _ := message.InMemory(src.Body)
	src.Body = &sharedPage{found, data}
	return s.sendPage(r, src)
}

// view is how a directory is shown.
type view struct {
	site *Site
	form content.Form
	name string
	// title is the path that http.server shows, in the bytes of file names.
	title string
	// up is how many directories there are in the path as it is spelled.
	up int
	// loose is set where the path is spelled so that the page is another one than that of the directory's own path. It is
	// not kept: of such spellings, as of /./a/, there is no end.
	loose bool
}

// viewOf returns the view that a request gets.
func (s *Site) viewOf(r *message.Request, at reading) (v view, ok bool) {
	v = view{site: s, form: plainForm, name: at.name, title: at.title}
	if s.isRich() && message.PrefersJSON(r.Fields) {
		v.form = jsonForm
		return v, true
	}
	if s.isRich() {
		v.form = richForm
		v.up = depth(message.TargetPath(r.Target))
		v.loose = v.up != depth(ownPath(at.name))
		return v, true
	}
	if v.title == "" {
		if v.title, ok = fsencode(unquote(message.Latin1(message.TargetPath(r.Target)))); !ok {
			return v, false
		}
	}
	v.loose = v.title != ownPath(at.name)
	return v, true
}

func (s *Site) isRich() bool { return s.opts.Listing == ListingRich && !s.opts.Exact }

// depth is how many directories a client takes a path to lead through that ends in a slash: what is left of it without dot
// segments (RFC 3986, section 5.2.4).
func depth(path string) int {
	n := 0
	for segment := range strings.SplitSeq(path, "/") {
		switch message.Unquote(segment) {
		case ".":
		case "..":
			n = max(n-1, 1)
		default:
			n++
		}
	}
	return max(n-2, 0) // what is before the first slash and behind the last
}

// sendPage answers with the page of a directory, or with what is asked about it.
func (s *Site) sendPage(r *message.Request, page content.Source) message.Response {
	of := page.Description.(*listed).representation
	if s.opts.Exact {
		return message.Response{Status: 200, Fields: of.fields, Body: page.Body}
	}
	if r.Variant != "" {
		of = of.variant(r.Variant)
	}
	if resp, done := s.precondition(r, page, of, s.now()); done {
		return resp
	}
	return message.Response{Status: 200, Fields: of.fields, Body: page.Body}
}

// room is memory for the names in directories.
type room struct{ *budget.Budget }

// take takes some bytes, and says whether there were as many. Fewer than none are given back.
func (r *room) take(bytes int64) bool {
	if bytes <= 0 {
		r.Release(-bytes)
		return true
	}
	return r.TryAcquire(bytes)
}

// ownPath is the path of a directory to which redirects and listings lead.
func ownPath(name string) string {
	if name == "." {
		return "/"
	}
	return "/" + name + "/"
}
