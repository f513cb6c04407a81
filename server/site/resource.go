package site

import (
	"strconv"
	"strings"
	"time"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/coding"
	"github.com/previewd/previewd/server/site/conditional"
)

// resource is one state of a file, in one content coding, as an answer describes it. It does not change.
type resource struct {
	// st is the status of the file that the content comes from.
	st         status
	validators conditional.Validators
	// fields are those of a 200 (OK), unchanged those of a 304 (RFC 9110, section 15.4.5).
	fields, unchanged message.Fields
	// plain is set where there is nothing but the one coding to be had: it has proved no smaller.
	plain bool
	// links are the symbolic links in a listing.
	links []link
}

// describe returns the resource of a file in a coding: name is what the client asked for, which decides the
// media type; st and etag are those of the file that has the content.
func (s *Site) describe(name, mediaType string, c coding.Coding, st status, etag string) *resource {
	res := &resource{st: st}
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
	if s.opts.Exact || isMeaningful(st.mtime, s.now()) {
		add("Last-Modified", lastModified(st.mtime))
		res.validators.Modified = time.Unix(st.mtime.wholeSeconds(), 0)
	}
	if s.opts.Exact {
		res.fields = fields
		return res
	}
	begin := len(fields)
	res.validators.ETag = etag
	add("ETag", etag)
	add("Cache-Control", s.cacheControl(name))
	if s.isNegotiated(mediaType) {
		add("Vary", "Accept-Encoding")
	}
	res.unchanged = fields[begin:len(fields):len(fields)]
	if c == coding.Identity { // there are no ranges of coded content
		add("Accept-Ranges", "bytes")
	}
	res.fields = fields
	return res
}

// variant returns the same resource for a request that gets more fields than its own: with the variant in its
// entity-tag, and without a date, which would stay as it is when they change.
func (res *resource) variant(v string) *resource {
	other := *res
	other.validators = conditional.Validators{}
	if etag := res.validators.ETag; etag != "" {
		other.validators.ETag = etag[:len(etag)-1] + "." + v + `"`
	}
	other.fields = retagged(res.fields, other.validators.ETag)
	other.unchanged = retagged(res.unchanged, other.validators.ETag)
	return &other
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

// isMeaningful says whether an mtime tells when a file was modified. Images are built with all files of
// the same one: SOURCE_DATE_EPOCH=0 or 1, or the first that a ZIP archive can hold. One in the future is no
// date of a modification either (RFC 9110, section 8.8.2.1).
func isMeaningful(mtime instant, now time.Time) bool {
	const firstOfZIP = 315532800 // 1980-01-01
	return mtime.sec != 0 && mtime.sec != 1 && mtime.sec != firstOfZIP && mtime.sec <= now.Unix()
}

// sizeETag is the entity-tag of a file whose content is not read as a whole before it is sent: its size and
// its mtime in nanoseconds. It is weak where a change may not show in them.
func sizeETag(st status, now time.Time) string {
	weak := "W/"
	if isMeaningful(st.mtime, now) && now.Sub(st.mtime.time()) >= recent {
		weak = ""
	}
	return weak + `"` + strconv.FormatInt(st.size, 16) + "-" + strconv.FormatInt(st.mtime.sec, 16) + "." +
		strconv.FormatInt(st.mtime.nsec, 16) + `"`
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
