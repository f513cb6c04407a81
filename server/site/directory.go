package site

import (
	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/listing"
	"github.com/previewd/previewd/server/site/tree"
)

// listDirectory answers with a page of the names in a directory: list_directory of 3.14. st is its status,
// as Look has it.
//
// Only the page with the directory's own path is kept: of others, as of /./a/, there is no end.
func (s *Site) listDirectory(r *message.Request, t *tree.Tree, at reading, st tree.Status) message.Response {
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
			return message.Response{Status: 200, Fields: src.Description.(*listed).fields, Body: src.Body}
		}
	}
	read := s.now()
	page, err := listing.Read(t, name, title)
	if err != nil {
		return refuseListing(t, name, err)
	}
	description := &listed{s.unvalidated("Content-type", "text/html; charset=utf-8"), page.Links}
	var body message.Body = message.Bytes(page.HTML)
	if own {
		body = s.content.KeepPage(name, page.Status, page.HTML, description, page.Links.Size(), read).Body
	}
	return message.Response{Status: 200, Fields: description.fields, Body: body}
}

// listed is what is kept with the page of a directory.
type listed struct {
	fields message.Fields
	links  listing.Links
}

// ownPath is the path of a directory to which redirects and listings lead.
func ownPath(name string) string {
	if name == "." {
		return "/"
	}
	return "/" + name + "/"
}
