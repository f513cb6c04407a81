package site

import (
	"strings"
	"time"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/coding"
	"github.com/previewd/previewd/server/site/conditional"
	"github.com/previewd/previewd/server/site/content"
)

// representation is what an answer says of a state of a file. It is kept with the content, so that an answer from the
// cache makes nothing anew.
type representation struct {
	validators conditional.Validators
	// fields are those of a 200 (OK), unchanged those of a 304 (RFC 9110, section 15.4.5).
	fields, unchanged message.Fields
}

// describe returns the representation of a state. The name that was asked for decides the media type.
func (s *Site) describe(state *content.State) any {
	of := &representation{}
	fields := make(message.Fields, 0, 7)
	add := func(name, value string) {
		if value != "" {
			fields = append(fields, message.Field{Name: name, Value: value})
		}
	}
	mediaType := s.guessType(state.Name)
	add("Content-type", mediaType)
	if state.Coding != coding.Identity {
		add("Content-Encoding", state.Coding.String())
	}
	if mtime := state.Status.Mtime; s.opts.Exact || state.Dated {
		add("Last-Modified", lastModified(mtime))
		of.validators.Modified = time.Unix(wholeSeconds(mtime), 0)
	}
	if s.opts.Exact {
		of.fields = fields
		return of
	}
	begin := len(fields)
	of.validators.ETag = entityTag(state.Tag, state.Weak)
	add("ETag", of.validators.ETag)
	add("Cache-Control", s.cacheControl(state.Name))
	if s.isNegotiated(mediaType) {
		add("Vary", "Accept-Encoding")
	}
	of.unchanged = fields[begin:len(fields):len(fields)]
	if state.Coding == coding.Identity { // there are no ranges of coded content
		add("Accept-Ranges", "bytes")
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
	if s.opts.Fingerprinted && isFingerprinted(name) {
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

// The hexadecimal digits of a hash in the name of a file. Eight is what bundlers write at least, 64 is SHA-256.
const (
	minFingerprint = 8
	maxFingerprint = 64
)

// isFingerprinted says whether a file's name has a part that is the hash of its content, before its last
// suffix: app.3f9a1c2b.js. Both a digit and a letter are asked for, so that a date or a word is none.
func isFingerprinted(name string) bool {
	base, ext := splitext(name[strings.LastIndexByte(name, '/')+1:])
	if ext == "" {
		return false
	}
	for i, part := range strings.FieldsFunc(base, func(r rune) bool { return r == '.' || r == '-' || r == '_' }) {
		if i > 0 && isHash(part) {
			return true
		}
	}
	return false
}

func isHash(part string) bool {
	digits, letters := 0, 0
	for _, r := range part {
		switch {
		case '0' <= r && r <= '9':
			digits++
		case 'a' <= r && r <= 'f' || 'A' <= r && r <= 'F':
			letters++
		default:
			return false
		}
	}
	return digits > 0 && letters > 0 && digits+letters >= minFingerprint && digits+letters <= maxFingerprint
}
