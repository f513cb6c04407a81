package site

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/content"
	"github.com/previewd/previewd/server/site/listing"
	"github.com/previewd/previewd/server/site/tree"
)

// notFound is http.server's answer to everything that it cannot open.
func notFound(cause error) message.Response {
	return (&message.Failure{Status: 404, Message: "File not found", Cause: cause}).Response()
}

// unavailable is the answer when a file is there and cannot be read now. http.server does not know it.
func unavailable(name string, cause error) message.Response {
	f := &message.Failure{Status: 503, Explain: "The file is being changed; try again", Cause: fmt.Errorf("%q: %w", name, cause)}
	if tree.IsTemporary(cause) {
		f.Explain = "The file cannot be read now"
	}
	if errors.Is(cause, content.ErrRestless) {
		f.Explain = "The file kept changing while it was read"
	}
	if errors.Is(cause, context.Canceled) {
		f.Explain = "The request was given up"
	}
	resp := f.Response()
	resp.Fields = message.Fields{{Name: "Retry-After", Value: "1"}}
	return resp
}

// busy is the answer while there is no room for another of its kind.
func busy(explain string, cause error) message.Response {
	resp := (&message.Failure{Status: 503, Explain: explain, Cause: cause}).Response()
	resp.Fields = message.Fields{{Name: "Retry-After", Value: "1"}}
	return resp
}

// refuse answers for a name that could not be opened or read.
func refuse(t *tree.Tree, name string, err error) message.Response {
	unread, isUnread := err.(*content.ReadError)
	switch {
	case isUnread:
		return unavailable(name, unread.Err)
	case tree.IsTemporary(err):
		return unavailable(name, err)
	}
	return notFound(t.Explain(name, err))
}

// refuseListing answers for a directory that cannot be opened or read.
func refuseListing(t *tree.Tree, name string, err error) message.Response {
	if listing.IsNoRoom(err) {
		return busy("There is not enough memory for the names in this directory", fmt.Errorf("%q: %w", name, err))
	}
	if errors.Is(err, context.Canceled) {
		return unavailable(name, err)
	}
	if tree.IsRefused(err) || tree.IsTemporary(err) || errors.Is(err, fs.ErrNotExist) {
		return refuse(t, name, err)
	}
	cause := t.Explain(name, err)
	if cause == nil {
		cause = fmt.Errorf("%q: %w", name, err)
	}
	return (&message.Failure{Status: 404, Message: "No permission to list directory", Cause: cause}).Response()
}

// refuseAll answers when the directory itself could not be opened.
func (s *Site) refuseAll(err error) message.Response {
	if tree.IsTemporary(err) {
		return unavailable(s.opts.Tree.Directory, err)
	}
	return notFound(s.directory.Explain(err))
}
