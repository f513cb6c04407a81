package site

import (
	"context"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/content"
	"github.com/previewd/previewd/server/site/listing"
	"github.com/previewd/previewd/server/site/tree"
)

// listDirectory answers with a page of the names in a directory: list_directory of 3.14. st is its status,
// as Look has it.
//
// Only the page with the directory's own path is kept: of others, as of /./a/, there is no end.
func (s *Site) listDirectory(ctx context.Context, r *message.Request, t *tree.Tree, at reading, st tree.Status) message.Response {
	name, title := at.name, at.title
	if title == "" {
		decoded, ok := fsencode(unquote(message.Latin1(targetPath(r.Target))))
		if !ok {
			return notFound(nil) // a lone surrogate, where CPython dies
		}
		title = decoded
	}
	own := title == ownPath(name)
	if own {
		if src, found := s.content.Page(name, st, func(d any) bool { return d.(*listed).links.LeadAsBefore(t, name) }); found {
			return s.sendPage(ctx, r, src)
		}
	}
	read := s.now()
	head := listing.Icon
	if s.opts.Exact {
		head = ""
	}
	page, err := listing.Read(t, name, title, head)
	if err != nil {
		return refuseListing(t, name, err)
	}
	describe := func(state *content.State) any { return &listed{s.describePage(state), page.Links} }
	return s.sendPage(ctx, r, s.content.MakePage(name, page.Status, page.HTML, describe, own, page.Links.Size(), read))
}

// sendPage answers with the page of a directory, or with what is asked about it, in the content coding that suits the
// client.
func (s *Site) sendPage(ctx context.Context, r *message.Request, page content.Source) message.Response {
	of := page.Description.(*listed).representation
	if accepted, some := s.accepts(r); some {
		describe := func(state *content.State) any { return &listed{representation: s.describePage(state)} }
		if coded, found := s.content.CodePage(ctx, page, accepted, describe); found {
			page, of = coded, coded.Description.(*listed).representation
		}
	}
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

// listed is what is kept with the page of a directory.
type listed struct {
	*representation
	links listing.Links
}

// ownPath is the path of a directory to which redirects and listings lead.
func ownPath(name string) string {
	if name == "." {
		return "/"
	}
	return "/" + name + "/"
}
