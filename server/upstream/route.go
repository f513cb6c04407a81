package upstream

import (
	"cmp"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strings"

	"github.com/previewd/previewd/server/message"
)

// server is another server: scheme and authority.
type server struct {
	name   string // as it is configured, for the log and metrics: http://backend:3000
	scheme string
	host   string // with the port, if it has one
}

// parseServer reads the beginning of a URL up to its path, and returns the path.
func parseServer(text string) (s *server, path string, err error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return nil, "", fmt.Errorf("%q must be the URL of a server, such as http://localhost:3000", text)
	}
	return &server{name: u.Scheme + "://" + u.Host, scheme: u.Scheme, host: u.Host}, u.EscapedPath(), nil
}

// is says whether a scheme and an authority are the server's own.
func (s *server) is(scheme, host string) bool {
	return strings.EqualFold(scheme, s.scheme) && strings.EqualFold(withPort(scheme, host), withPort(s.scheme, s.host))
}

// withPort completes an authority by the usual port of the scheme.
func withPort(scheme, host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		return host
	}
	if strings.EqualFold(scheme, "https") {
		return host + ":443"
	}
	return host + ":80"
}

// route is a path, and all below it, that a server answers for.
type route struct {
	server   *server
	segments []string // of the prefix, decoded
	prefix   string   // as it stands in a URL, without a slash at its end
	path     string   // that stands in its place; "" keeps it
	ofSite   bool     // a rule of the site asks: paths in the answer are the site's
}

func parseRoute(prefix, target string) (*route, error) {
	s, path, err := parseServer(target)
	if err != nil {
		return nil, err
	}
	r := &route{server: s, path: path}
	for segment := range strings.FieldsFuncSeq(prefix, func(c rune) bool { return c == '/' }) {
		r.segments = append(r.segments, segment)
		r.prefix += "/" + url.PathEscape(segment)
	}
	return r, nil
}

// byLength sorts the longest prefix first.
func byLength(routes []*route) {
	slices.SortStableFunc(routes, func(a, b *route) int { return len(b.segments) - len(a.segments) })
}

// cut cuts the prefix off a request target. rest is what is behind it: nothing, or what begins with a slash, ? or #.
func (r *route) cut(target string) (rest string, found bool) {
	rest = target
	for _, segment := range r.segments {
		if rest == "" || rest[0] != '/' {
			return "", false
		}
		end := 1 + strings.IndexAny(rest[1:]+"?", "/?#")
		if message.UnquoteToBytes(rest[1:end]) != segment {
			return "", false
		}
		rest = rest[end:]
	}
	return rest, rest == "" || strings.IndexByte("/?#", rest[0]) >= 0
}

// target is what the server is asked for, where rest is behind the prefix of what the client asked for.
func (r *route) target(asked, rest string) string {
	if r.path == "" {
		return asked
	}
	if strings.HasPrefix(rest, "/") {
		return strings.TrimSuffix(r.path, "/") + rest
	}
	return r.path + rest
}

// readings are the segments of a path as some server may read them: decoded, with backslashes for slashes, and without
// parameters.
func readings(target string) iter.Seq[string] {
	end := strings.IndexAny(target+"?", "?#")
	path := strings.ReplaceAll(message.UnquoteToBytes(target[:end]), `\`, "/")
	return func(yield func(string) bool) {
		for segment := range strings.SplitSeq(path, "/") {
			segment, _, _ = strings.Cut(segment, ";")
			if !yield(segment) {
				return
			}
		}
	}
}

// goesUp says whether a path has a segment .. in some reading. Where it is made by a rule, nothing here knows how far it may
// go up.
func goesUp(target string) bool {
	for segment := range readings(target) {
		if segment == ".." {
			return true
		}
	}
	return false
}

// climbs says whether a path leads out of where it begins in some reading.
func climbs(rest string) bool {
	depth := 0
	for segment := range readings(rest) {
		switch segment {
		case "", ".":
		case "..":
			if depth--; depth < 0 {
				return true
			}
		default:
			depth++
		}
	}
	return false
}

// located mends a Location that names the server, or a path of it: it becomes what leads here. before is what a proxy
// took away of the path that the client asked for. kept is the client's Host field, by which the server may call itself where
// it got it, and scheme how the client asked.
func (r *route) located(location, before, kept, scheme string) string {
	path := location
	if u, err := url.Parse(location); err != nil {
		return location
	} else if u.Host != "" {
		own := r.server.is(cmp.Or(u.Scheme, r.server.scheme), u.Host)
		if u.User != nil || !own && !r.isKept(u, kept, scheme) {
			return location
		}
		_, path, _ = strings.Cut(location, "//")
		if i := strings.IndexAny(path, "/?#"); i >= 0 {
			path = path[i:]
		} else {
			path = ""
		}
		if !strings.HasPrefix(path, "/") {
			path = "/" + path
		}
		taken := before
		if r.path != "" {
			taken += r.prefix
		}
		if _, below := cutPath(path, taken); !own && taken != "" && below {
			return location // the server has read X-Forwarded-Prefix, as it has the host
		}
	} else if !strings.HasPrefix(location, "/") {
		return location // it is relative
	} else if _, below := cutPath(location, before); r.path == "" && below {
		return location // the server has read X-Forwarded-Prefix, or there is none
	}
	if r.path != "" {
		rest, below := cutPath(path, strings.TrimSuffix(r.path, "/"))
		if !below {
			return location // no path leads there
		}
		if path = r.prefix + rest; !strings.HasPrefix(path, "/") {
			path = "/" + path
		}
	}
	if strings.HasPrefix(path, "//") {
		path = "/." + path // it would name a host (RFC 3986, section 4.2)
	}
	return before + path
}

// isKept says whether a URL names the server as the client does.
func (r *route) isKept(u *url.URL, kept, scheme string) bool {
	said := cmp.Or(strings.ToLower(u.Scheme), scheme)
	return kept != "" && (said == scheme || said == r.server.scheme) && strings.EqualFold(withPort(said, u.Host), withPort(said, kept))
}

// cutPath cuts a path off the beginning of another, where that is it or below it.
func cutPath(path, above string) (rest string, below bool) {
	rest, below = strings.CutPrefix(path, above)
	return rest, below && (rest == "" || strings.IndexByte("/?#", rest[0]) >= 0)
}

// between is the route that leads from one target to another: what their paths have in common at the end is the rest.
func between(s *server, asked, target string) *route {
	path := func(t string) string { return t[:strings.IndexAny(t+"?", "?#")] }
	prefix, own := path(asked), path(target)
	for {
		i, j := strings.LastIndexByte(prefix, '/'), strings.LastIndexByte(own, '/')
		if i < 0 || j < 0 || prefix[i:] != own[j:] {
			break
		}
		prefix, own = prefix[:i], own[:j]
	}
	if prefix == own {
		own = "" // the path is kept
	} else if own == "" {
		own = "/"
	}
	return &route{server: s, prefix: prefix, path: own, ofSite: true}
}
