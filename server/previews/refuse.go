package previews

import (
	"errors"
	"strings"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/tree"
)

// errHangs is the cause where there is no room for another thread that waits for the disk.
var errHangs = errors.New("the file system of the directory does not answer, or too slowly")

// busy is the answer while the directories cannot be looked at.
func busy(cause error) message.Response {
	resp := (&message.Failure{Status: 503, Explain: "The directories of the previews cannot be read now", Cause: cause}).Response()
	resp.Fields = message.Fields{{Name: "Retry-After", Value: "1"}}
	return resp
}

// failed is the answer where the directory of the previews cannot be used.
func (p *Previews) failed(err error) message.Response {
	if tree.IsTemporary(err) || errors.Is(err, errTooMany) {
		return busy(err)
	}
	return (&message.Failure{Status: 404, Message: "There are no previews", Cause: p.opts.Directory.Explain(err)}).Response()
}

// refuse is the page that says why there is no preview.
func (p *Previews) refuse(a asked, f *message.Failure) message.Response {
	if p.opts.List {
		f.Help = &message.Help{Overview: message.Link{URL: a.url(""), Text: a.base + a.port}}
	}
	resp := f.Response()
	resp.Fields = message.Fields{{Name: "Cache-Control", Value: "no-store"}}
	return resp
}

// missing is the page of a preview that is not there.
func (p *Previews) missing(a asked) message.Response {
	f := &message.Failure{Status: 404, Message: "There is no preview " + a.label, Explain: "No " + p.kind() + " has this name"}
	if at, was := p.gone.seen(a.label); was {
		f.Message = "The preview " + a.label + " is gone"
		f.Explain = "Its " + p.kind() + " has been deleted or renamed; that was seen at " + stamp(at)
	}
	return p.refuse(a, f)
}

// refused is the page of a preview of which the directory is there.
func (p *Previews) refused(a asked, e *entry) message.Response {
	if e.twins == nil {
		f := &message.Failure{Status: 404, Message: "The preview " + a.label + " is not shown", Cause: errors.New(e.name + ": " + e.refused)}
		return p.refuse(a, f)
	}
	return p.refuse(a, &message.Failure{Status: 409, Message: a.label + " is the name of more than one " + p.kind(),
		Explain: text(enumerate(e.twins)) + " have the same name as a host, so that none of them is shown: rename all but one"})
}

// maxShown is how many bytes of a host a page shows: a name has no more (RFC 1035, section 2.3.4).
const maxShown = 255

// notHere is the page of a host that is nothing here.
func (p *Previews) notHere(a asked) message.Response {
	shown := message.Repr(message.Latin1(a.host[:min(len(a.host), maxShown)]))
	resp := p.refuse(a, &message.Failure{Status: 404, Message: "Host " + shown + " is not a preview",
		Explain: "Previews have names such as pr-42." + a.base})
	if f := resp.Failure(); a.meant != "" && f.Help != nil {
		url := a.scheme + "://" + a.meant + a.prefix + "/"
		f.Help.Similar = []message.Link{{URL: url, Text: a.meant}}
	}
	return resp
}

// kind is what previews are here.
func (p *Previews) kind() string {
	if p.tags != nil {
		return "tag"
	}
	return "directory"
}

// onlyRead refuses all methods but GET and HEAD.
func onlyRead(r *message.Request) (resp message.Response, refused bool) {
	if r.Method == "GET" || r.Method == "HEAD" {
		return resp, false
	}
	return message.NotAllowed("GET, HEAD"), true
}

// text is the bytes of names as text.
func text(name string) string { return strings.ToValidUTF8(name, "\ufffd") }
