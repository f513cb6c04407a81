package http1

import (
	"strings"

	"github.com/previewd/previewd/server/message"
)

// originForm reads a request target in absolute-form, which a server must accept (RFC 9112, section 3.2.2), as the
// target in origin-form and the Host field that say the same: "the origin server MUST ignore the received Host
// header field (if any) and instead use the host information of the request-target". Other targets stay as they are.
func originForm(r *message.Request) *message.Failure {
	authority, rest, absolute := message.CutAbsolute(r.Target)
	if !absolute || !hasWebScheme(r.Target) {
		return nil
	}
	if !isAuthority(authority) {
		return badRequest("Bad authority in the request target")
	}
	switch {
	case rest == "" && r.Method == "OPTIONS":
		rest = "*" // section 3.2.4
	case !strings.HasPrefix(rest, "/"):
		rest = "/" + rest
	}
	r.Target = message.OneSlash(rest)
	for i := range r.Fields {
		if strings.EqualFold(r.Fields[i].Name, "Host") {
			r.Fields[i].Value = authority
			return nil
		}
	}
	r.Fields = append(r.Fields, message.Field{Name: "Host", Value: authority})
	return nil
}

// hasWebScheme says whether a URI is of http or https.
func hasWebScheme(uri string) bool {
	scheme, _, _ := strings.Cut(uri, ":")
	return strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https")
}

// isAuthority says whether the authority of a URI has a host and no userinfo (RFC 9110, sections 4.2.1 and 4.2.4).
func isAuthority(s string) bool {
	return s != "" && s[0] != ':' && strings.IndexFunc(s, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '@' || c == '\\' }) < 0
}
