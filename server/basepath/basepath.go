// Package basepath serves a site below a path, as behind a proxy or as it will be deployed. What is behind it knows
// nothing of that: it sees the paths of the site.
package basepath

import (
	"context"
	"net/url"
	"strings"

	"github.com/previewd/previewd/server/message"
)

// Handler serves next below base, "/docs/v1" or "/". Its root and base itself redirect there, and what lies outside is
// 404. To what is behind it the path counts as taken away (message.Request.Prefix). A Location that begins with a slash gets base, and before it what a proxy took away (message.Request.Prefix).
func Handler(base string, next message.Handler) message.Handler {
	segments := strings.FieldsFunc(base, func(r rune) bool { return r == '/' })
	base = ""
	for _, s := range segments {
		base += "/" + url.PathEscape(s)
	}
	return func(ctx context.Context, r *message.Request) message.Response {
		target := r.Target
		rest, place := cut(target, segments)
		switch place {
		case outside:
			return (&message.Failure{Status: 404, Message: "File not found", Explain: "Everything is below " + base + "/"}).Response()
		case at:
			return redirect("." + base[strings.LastIndexByte(base, '/'):] + "/" + rest)
		case above:
			return redirect("." + base + "/" + rest)
		}
		prefix := r.Prefix
		r.Target, r.Prefix = rest, prefix+base
		resp := next(ctx, r)
		r.Target, r.Prefix = target, prefix
		return located(resp, prefix+base)
	}
}

// place is where a target is, seen from the base path.
type place int

const (
	below place = iota
	at          // the base itself, without its slash
	above       // the root
	outside
)

// cut cuts the base path off a target. Of a target at or above it the rest is the query.
func cut(target string, segments []string) (rest string, _ place) {
	if len(segments) == 0 {
		return target, below
	}
	rest = originForm(target)
	for i, segment := range segments {
		if rest == "" || rest[0] != '/' {
			return "", outside
		}
		end := 1 + strings.IndexAny(rest[1:]+"?", "/?#")
		if i == 0 && end == 1 && !strings.HasPrefix(rest, "//") {
			return rest[1:], above
		}
		if message.Unquote(rest[1:end]) != segment {
			return "", outside
		}
		rest = rest[end:]
	}
	if rest == "" || rest[0] != '/' {
		return rest, at
	}
	return rest, below
}

// originForm returns a target without scheme and authority, which a request may have for any server (RFC 9112, section
// 3.2.2).
func originForm(target string) string {
	scheme, rest, absolute := strings.Cut(target, "://")
	if !absolute || strings.ContainsAny(scheme, "/?#") {
		return target
	}
	i := strings.IndexAny(rest, "/?#")
	switch {
	case i < 0:
		return "/"
	case rest[i] != '/':
		return "/" + rest[i:]
	}
	return rest[i:]
}

// redirect is temporary, as the next start may have another base path, and relative, so that it holds behind a proxy
// that takes a prefix away.
func redirect(location string) message.Response {
	return message.Response{Status: 302, Fields: message.Fields{{Name: "Location", Value: location}}}
}

// located puts a prefix before a Location that is a path.
func located(resp message.Response, prefix string) message.Response {
	location, found := resp.Fields.Lookup("Location")
	if !found || prefix == "" || !strings.HasPrefix(location, "/") || strings.HasPrefix(location, "//") {
		return resp
	}
	resp.Fields = append(message.Fields(nil), resp.Fields...) // they may be the handler's own
	for i := range resp.Fields {
		if strings.EqualFold(resp.Fields[i].Name, "Location") {
			resp.Fields[i].Value = prefix + location
			break
		}
	}
	return resp
}
