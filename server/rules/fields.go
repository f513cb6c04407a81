package rules

import (
	"slices"
	"strings"

	"github.com/previewd/previewd/server/message"
)

// Fields is what rules do to the fields of an answer.
type Fields struct {
	values  message.Fields
	removed []string
	// variant is what they add to message.Request.Variant.
	variant string
}

// single are fields that hold one value, no list: of several rules the last counts. Others are joined, a, b.
var single = map[string]bool{
	"access-control-allow-credentials": true, "access-control-allow-origin": true, "access-control-max-age": true, "age": true,
	"content-disposition": true, "content-location": true, "content-type": true, "cross-origin-embedder-policy": true,
	"cross-origin-embedder-policy-report-only": true, "cross-origin-opener-policy": true,
	"cross-origin-opener-policy-report-only": true, "cross-origin-resource-policy": true, "etag": true, "expires": true,
	"last-modified": true, "origin-agent-cluster": true, "referrer-policy": true, "refresh": true, "retry-after": true,
	"service-worker-allowed": true, "sourcemap": true, "strict-transport-security": true, "x-content-type-options": true,
	"x-dns-prefetch-control": true, "x-download-options": true, "x-frame-options": true,
	"x-permitted-cross-domain-policies": true, "x-ua-compatible": true, "x-xss-protection": true,
}

// set adds a value.
func (f *Fields) set(name, value string) {
	lower := strings.ToLower(name)
	for i := range f.values {
		if lower == "set-cookie" || !strings.EqualFold(f.values[i].Name, name) {
			continue
		}
		if single[lower] {
			f.values[i].Value = value
		} else {
			f.values[i].Value += ", " + value
		}
		return
	}
	f.values = append(f.values, message.Field{Name: name, Value: value})
}

// remove takes a field away, the server's own too.
func (f *Fields) remove(name string) {
	f.values = slices.DeleteFunc(f.values, func(s message.Field) bool { return strings.EqualFold(s.Name, name) })
	f.removed = append(f.removed, name)
}

// has says whether a field is set or taken away.
func (f *Fields) has(name string) bool {
	if _, found := f.values.Lookup(name); found {
		return true
	}
	return slices.ContainsFunc(f.removed, func(n string) bool { return strings.EqualFold(n, name) })
}

// ofContent are fields that describe content.
var ofContent = []string{"Content-Type", "Content-Encoding", "Content-Language", "Content-Disposition"}

// apply puts the fields into an answer.
func (f *Fields) apply(resp *message.Response) {
	if resp.Status < 200 {
		return
	}
	fields := make(message.Fields, 0, len(resp.Fields)+len(f.values))
	for _, own := range resp.Fields {
		switch {
		case strings.EqualFold(own.Name, "Vary"): // what the answer depends on is not for a rule to deny
			if value := f.values.Get("Vary"); value != "" && !strings.EqualFold(value, own.Value) {
				own.Value += ", " + value
			}
			fields = append(fields, own)
		case f.has(own.Name) && !isSpared(resp, own.Name):
		default:
			fields = append(fields, own)
		}
	}
	_, varies := fields.Lookup("Vary")
	for _, s := range f.values {
		if !isSpared(resp, s.Name) && !(varies && strings.EqualFold(s.Name, "Vary")) {
			fields = append(fields, s)
		}
	}
	resp.Fields = fields
}

// isSpared says whether rules leave a field of an answer alone: one that describes content where there is none, as on the
// server's own error page, which has its own; and how long an error may be kept, as /assets/* is often said to be immutable.
func isSpared(resp *message.Response, name string) bool {
	if resp.Status >= 400 && strings.EqualFold(name, "Cache-Control") {
		return true
	}
	return resp.Body == nil && slices.ContainsFunc(ofContent, func(n string) bool { return strings.EqualFold(n, name) })
}

// ask makes a request one to which the site answers as the fields need it: it is another representation for each variant.
func (f *Fields) ask(r *message.Request) {
	r.Variant += f.variant
	// A rule says which coding the file has, or it has a validator of its own, with which the site compares nothing.
	coded, tagged := f.has("Content-Encoding"), f.has("ETag")
	if !coded && !tagged {
		return
	}
	r.Fields = slices.DeleteFunc(slices.Clone(r.Fields), func(field message.Field) bool {
		return coded && strings.EqualFold(field.Name, "Accept-Encoding") || tagged && strings.EqualFold(field.Name, "If-Match")
	})
}
