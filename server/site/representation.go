package site

import (
	"strings"
	"time"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/coding"
	"github.com/previewd/previewd/server/site/conditional"
	"github.com/previewd/previewd/server/site/content"
	"github.com/previewd/previewd/server/site/fingerprint"
	"github.com/previewd/previewd/server/site/listing"
	"github.com/previewd/previewd/server/site/mediatype"
)

// representation is what an answer says of a state of a file. It is kept with the content, so that an answer from the
// cache makes nothing again.
type representation struct {
	validators conditional.Validators
	// fields are those of a 200 (OK), unchanged those of a 304 (RFC 9110, section 15.4.5).
	fields, unchanged message.Fields
	// mediaType is Content-Type.
	mediaType string
	// unpacked is what is said of the same bytes to a client that accepts coding, if the file has that by its name:
	// app.js.br. It is nil for any other file.
	unpacked *representation
	coding   coding.Coding
}

// describe returns the representation of a state. The name that was asked for decides the media type, and the file's
// first bytes where look has to be asked.
func (s *Site) describe(state *content.State, look content.Look) any {
	if s.opts.Exact {
		return s.describeExactly(state)
	}
	n := s.types.Of(state.Name)
	mediaType := n.ContentType(func() mediatype.First {
		first, whole := look(n.Coding, mediatype.FirstBytes)
		return mediatype.First{Bytes: first, Whole: whole}
	})
	if n.Coding == coding.Identity {
		return s.represent(state, mediaType, state.Coding, s.isNegotiated(mediaType))
	}
	of := s.represent(state, n.Container, coding.Identity, true)
	of.unpacked, of.coding = s.represent(state, mediaType, n.Coding, true), n.Coding
	return of
}

// describeExactly is the part of send_head that sends the fields of a file.
func (s *Site) describeExactly(state *content.State) *representation {
	of := &representation{mediaType: s.types.Python(state.Name)}
	of.fields = message.Fields{{Name: "Content-type", Value: of.mediaType}}
	if date := lastModified(state.Status.Mtime); date != "" {
		of.fields = append(of.fields, message.Field{Name: "Last-Modified", Value: date})
	}
	of.validators.Modified = time.Unix(wholeSeconds(state.Status.Mtime), 0)
	return of
}

// represent returns what is said of a state as a media type in a coding. varies says whether another client may get
// something else.
func (s *Site) represent(state *content.State, mediaType string, c coding.Coding, varies bool) *representation {
	of := &representation{mediaType: mediaType}
	fields := make(message.Fields, 0, 7)
	add := func(name, value string) {
		if value != "" {
			fields = append(fields, message.Field{Name: name, Value: value})
		}
	}
	add("Content-type", mediaType)
	if c != coding.Identity {
		add("Content-Encoding", c.String())
	}
	// The tag tells of the type and the coding too, which are not in the file (RFC 9110, section 8.8.1).
	tag := entityTag(state.Tag+"."+message.VariantOf(fields), state.Weak)
	if state.Dated {
		add("Last-Modified", lastModified(state.Status.Mtime))
		of.validators.Modified = time.Unix(wholeSeconds(state.Status.Mtime), 0)
	}
	begin := len(fields)
	if state.Tag != "" {
		of.validators.ETag = tag
	}
	add("ETag", of.validators.ETag)
	add("Cache-Control", s.cacheControl(state.Name))
	if varies {
		add("Vary", "Accept-Encoding")
	}
	of.unchanged = fields[begin:len(fields):len(fields)]
	if state.Coding == coding.Identity { // there are no ranges of what is coded here
		add("Accept-Ranges", "bytes")
	}
	of.fields = fields
	return of
}

// describePage returns the representation of the page of a directory. One that is made while it is sent has no tag.
func (s *Site) describePage(state *content.State, form content.Form) *representation {
	of := &representation{mediaType: "text/html; charset=utf-8"}
	if form == jsonForm {
		of.mediaType = "application/json"
	}
	fields := message.Fields{{Name: "Content-type", Value: of.mediaType}}
	if s.opts.Exact {
		of.fields = fields
		return of
	}
	if state.Coding != coding.Identity {
		fields = append(fields, message.Field{Name: "Content-Encoding", Value: state.Coding.String()})
	}
	begin := len(fields)
	if state.Tag != "" {
		of.validators.ETag = entityTag(state.Tag, false)
		fields = append(fields, message.Field{Name: "ETag", Value: of.validators.ETag})
	}
	fields = append(fields, message.Field{Name: "Cache-Control", Value: "no-cache"})
	var vary []string
	if s.opts.Content.Compress != content.CompressOff {
		vary = append(vary, "Accept-Encoding")
	}
	if form != plainForm {
		vary = append(vary, "Accept")
	}
	if vary != nil {
		fields = append(fields, message.Field{Name: "Vary", Value: strings.Join(vary, ", ")})
	}
	of.unchanged = fields[begin:len(fields):len(fields)]
	if form == richForm {
		fields = append(fields, message.Field{Name: "Content-Security-Policy", Value: listing.Policy})
	}
	of.fields = fields
	return of
}

// variant returns the same representation for a request that gets more fields than its own: with the variant in its
// entity-tag, and without a date, which would stay as it is when they change.
func (of *representation) variant(v string) *representation {
	other := &representation{}
	if etag := of.validators.ETag; etag != "" {
		other.validators.ETag = etag[:len(etag)-1] + "." + v + `"`
	}
	other.fields = retagged(of.fields, other.validators.ETag)
	other.unchanged = retagged(of.unchanged, other.validators.ETag)
	return other
}

// retagged returns a copy of fields with another entity-tag and no date.
func retagged(fields message.Fields, etag string) message.Fields {
	list := make(message.Fields, 0, len(fields))
	for _, f := range fields {
		switch f.Name {
		case "Last-Modified":
			continue
		case "ETag":
			f.Value = etag
		}
		list = append(list, f)
	}
	return list
}

// entityTag writes a tag as RFC 9110, section 8.8.3, has it.
func entityTag(tag string, weak bool) string {
	if weak {
		return `W/"` + tag + `"`
	}
	return `"` + tag + `"`
}

// immutable is the Cache-Control of a name that says by itself which content it has (RFC 8246): a year.
const immutable = "public, max-age=31536000, immutable"

func (s *Site) cacheControl(name string) string {
	if s.opts.Fingerprinted && fingerprint.IsIn(name) {
		return immutable
	}
	return s.opts.CacheControl
}

// unvalidated returns the fields of an answer that has no validators and may be different in the next build.
func (s *Site) unvalidated(name, value string) message.Fields {
	fields := message.Fields{{Name: name, Value: value}}
	if !s.opts.Exact {
		fields = append(fields, message.Field{Name: "Cache-Control", Value: "no-cache"})
	}
	return fields
}
