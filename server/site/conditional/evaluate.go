package conditional

import (
	"strings"
	"time"

	"github.com/previewd/previewd/server/message"
)

// Validators are what a selected representation can be recognised by (RFC 9110, section 8.8).
type Validators struct {
	// ETag is the entity tag as it is sent, with its quotes and W/; "" is none.
	ETag string
	// Modified is Last-Modified, in whole seconds; zero is none.
	Modified time.Time
}

// Outcome says how a request goes on after its preconditions.
type Outcome int

// The outcomes of Evaluate.
const (
	Proceed            Outcome = iota
	NotModified                // 304
	PreconditionFailed         // 412
)

// Evaluate evaluates the preconditions of a request for a representation that exists and would be answered
// with 200, in the order of section 13.2.2. Only the two-digit years of RFC 850 dates need now.
//
// If-Match and If-None-Match are lists: all lines count, up to the first malformed member, which ends the
// list. "*" stands alone or is malformed. A list without a member is false for If-Match and true for
// If-None-Match. If-Unmodified-Since is ignored when it is repeated; of several If-Modified-Since the first
// counts, as in http.server.
func Evaluate(method string, f message.Fields, v Validators, now time.Time) Outcome {
	have := present(f)
	if have == 0 || method == "CONNECT" || method == "OPTIONS" || method == "TRACE" { // section 13.2.1
		return Proceed
	}
	switch {
	case have&ifMatch != 0:
		if !listMatches(f, nameIfMatch, v.ETag, strongMatch) {
			return PreconditionFailed
		}
	case have&ifUnmodifiedSince != 0:
		if modifiedSince(f, v, now) {
			return PreconditionFailed
		}
	}
	reads := method == "GET" || method == "HEAD"
	switch {
	case have&ifNoneMatch != 0:
		if !listMatches(f, nameIfNoneMatch, v.ETag, weakMatch) {
			return Proceed
		}
		if reads {
			return NotModified
		}
		return PreconditionFailed
	case have&ifModifiedSince != 0 && reads && !v.Modified.IsZero():
		// A date in the future is as good as any: RFC 2616 ignored it, RFC 9110 and http.server do not.
		if date, ok := ParseDate(f.Get(nameIfModifiedSince)); ok && v.Modified.Unix() <= date {
			return NotModified
		}
	}
	return Proceed
}

const (
	nameIfMatch           = "If-Match"
	nameIfUnmodifiedSince = "If-Unmodified-Since"
	nameIfNoneMatch       = "If-None-Match"
	nameIfModifiedSince   = "If-Modified-Since"
)

// names is a set of the fields that Evaluate looks at.
type names uint8

const (
	ifMatch names = 1 << iota
	ifUnmodifiedSince
	ifNoneMatch
	ifModifiedSince
)

// present finds the preconditions in one pass, as most requests have none. Equal lengths in bytes keep
// EqualFold to ASCII.
func present(f message.Fields) (found names) {
	for i := range f {
		name, which := "", names(0)
		switch len(f[i].Name) {
		case len(nameIfMatch):
			name, which = nameIfMatch, ifMatch
		case len(nameIfUnmodifiedSince):
			name, which = nameIfUnmodifiedSince, ifUnmodifiedSince
		case len(nameIfNoneMatch):
			name, which = nameIfNoneMatch, ifNoneMatch
		case len(nameIfModifiedSince):
			name, which = nameIfModifiedSince, ifModifiedSince
		default:
			continue
		}
		if strings.EqualFold(f[i].Name, name) {
			found |= which
		}
	}
	return found
}

// modifiedSince says whether If-Unmodified-Since is false. It is ignored if it is no date or a list of
// dates, or if the representation has none (section 13.1.4).
func modifiedSince(f message.Fields, v Validators, now time.Time) bool {
	value, ok := single(f, nameIfUnmodifiedSince)
	if !ok || v.Modified.IsZero() {
		return false
	}
	date, ok := parseHTTPDate(value, now)
	return ok && v.Modified.Unix() > date
}

// single returns the value of a field that is there exactly once.
func single(f message.Fields, name string) (value string, ok bool) {
	for i := range f {
		if len(f[i].Name) != len(name) || !strings.EqualFold(f[i].Name, name) {
			continue
		}
		if ok {
			return "", false
		}
		value, ok = f[i].Value, true
	}
	return value, ok
}
