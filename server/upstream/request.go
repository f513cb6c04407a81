package upstream

import (
	"net/http"
	"net/textproto"
	"net/url"
	"strings"

	"github.com/previewd/previewd/server/message"
)

// ofTheConnection are fields that are for the next recipient only (RFC 9110, section 7.6.1), or that net/http makes.
var ofTheConnection = map[string]bool{
	"Connection": true, "Keep-Alive": true, "Proxy-Connection": true, "Proxy-Authorization": true, "Proxy-Authenticate": true,
	"Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true,
	"Host": true, "Content-Length": true, "Expect": true, "Http2-Settings": true, "Forwarded": true,
}

// options returns the words of the Connection fields as names of fields.
func options(values []string) map[string]bool {
	if len(values) == 0 {
		return nil
	}
	named := map[string]bool{}
	for _, value := range values {
		for option := range strings.SplitSeq(value, ",") {
			named[textproto.CanonicalMIMEHeaderKey(strings.Trim(option, " \t"))] = true
		}
	}
	return named
}

// header returns the fields that are passed on; of those that tell who asks, only a trusted proxy's. A name with an
// underscore in place of a hyphen is the same name to programs that get fields as variables (RFC 3875, section 4.1.18): what
// is not passed on is not passed on so spelled.
func header(fields message.Fields, trusted bool) http.Header {
	header := make(http.Header, len(fields)+8)
	values := make([]string, len(fields))
	named := options(fields.Values("Connection"))
	for i, f := range fields {
		name := textproto.CanonicalMIMEHeaderKey(f.Name)
		read := name
		if strings.IndexByte(name, '_') >= 0 {
			read = textproto.CanonicalMIMEHeaderKey(strings.ReplaceAll(name, "_", "-"))
		}
		if ofTheConnection[read] || named[name] || strings.HasPrefix(read, "X-Forwarded-") && (!trusted || read != name) {
			continue
		}
		if before := header[name]; len(before) > 0 {
			header[name] = append(before, f.Value)
			continue
		}
		values[i] = f.Value
		header[name] = values[i : i+1 : i+1]
	}
	if _, found := header["User-Agent"]; !found {
		header["User-Agent"] = nil // else net/http sends its own
	}
	return header
}

// upgrade returns the protocol that a client wants to switch to, "" for none. Others than one alone are passed over, as
// RFC 9110, section 7.8, allows, and those that are HTTP again: requests in a tunnel are seen by nobody here.
func upgrade(r *message.Request) string {
	values := r.Fields.Values("Upgrade")
	if len(values) != 1 || r.Version.Major != 1 || r.Version.Minor < 1 || r.ContentLength != 0 || !options(r.Fields.Values("Connection"))["Upgrade"] {
		return ""
	}
	protocol := values[0]
	for _, other := range []string{"h2", "http", "tls"} {
		if len(protocol) >= len(other) && strings.EqualFold(protocol[:len(other)], other) {
			return ""
		}
	}
	if strings.ContainsAny(protocol, ", \t") {
		return ""
	}
	return protocol
}

// urlOf returns the URL whose request target is target, to the byte. exact is false where net/http has none: for a target
// that begins with two slashes, and has raw characters behind them that a URL cannot have.
func urlOf(s *server, target string) (u *url.URL, exact bool) {
	u = &url.URL{Scheme: s.scheme, Host: s.host}
	if !strings.HasPrefix(target, "//") {
		u.Opaque = target
		return u, true
	}
	// What is opaque and begins so would be taken for an authority.
	path, query, hasQuery := strings.Cut(target, "?")
	u.Path, u.RawPath, u.RawQuery, u.ForceQuery = path, path, query, hasQuery
	if decoded, err := url.PathUnescape(path); err == nil {
		u.Path = decoded
	}
	return u, u.RequestURI() == target
}

// isToken says whether a method is one (RFC 9110, section 9.1).
func isToken(s string) bool {
	for i := range len(s) {
		if !message.IsToken(s[i]) {
			return false
		}
	}
	return s != ""
}

// notInTarget says whether a character would end a request target, or the request line (RFC 9112, section 3). Some servers
// read on behind a #, others do not.
func notInTarget(c rune) bool { return c <= ' ' || c == '#' || c == 0x7f }

// isControl says whether a character has no place in a field (RFC 9110, section 5.5).
func isControl(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }

// name is how this gateway is called in Via (RFC 9110, section 7.6.3), and maxVisits how often a request may have come by.
const name, maxVisits = "previewd", 4

// via adds this gateway to those that a request has come by, and says whether it goes round in circles.
func via(header http.Header, r *message.Request) (loops bool) {
	values := header["Via"]
	visits := 0
	for _, value := range values {
		visits += strings.Count(value, " "+name)
	}
	header["Via"] = append(values, strings.TrimPrefix(r.Version.String(), "HTTP/")+" "+name)
	return visits >= maxVisits
}
