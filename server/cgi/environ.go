package cgi

import (
	"slices"
	"strconv"
	"strings"

	"github.com/previewd/previewd/server/message"
)

// defaultPath is the PATH of scripts where the server has none.
const defaultPath = "/usr/local/bin:/usr/bin:/bin"

// PassedOn returns what scripts get of the server's own environment, each once: PATH, TZ, LANG, and the names
// given, which are none of those that a request sets. http.server passes on all of it.
func PassedOn(environ map[string]string, names []string) []string {
	passed := []string{"PATH=" + defaultPath}
	if path := environ["PATH"]; path != "" {
		passed[0] = "PATH=" + path
	}
	for _, name := range append([]string{"TZ", "LANG"}, names...) {
		if value, found := environ[name]; found && name != "PATH" && !slices.Contains(passed, name+"="+value) {
			passed = append(passed, name+"="+value)
		}
	}
	return passed
}

// environ returns the environment of a script (RFC 3875, section 4.1), with exactly the variables that
// run_cgi sets: no other field becomes one, so a Proxy field never is HTTP_PROXY. ok is false where a value
// has a NUL, which none can have; CPython dies of it.
func (h *Handler) environ(r *message.Request, s *script) (environ []string, ok bool) {
	info := message.Unquote(s.info)
	translated, ok := h.Files.Translate(info) // the directory itself for no PATH_INFO
	contentType, found := r.Fields.Lookup("Content-Type")
	if !found {
		contentType = "text/plain" // get_content_type() of a message without one
	}
	length := r.Fields.Get("Content-Length")
	if length == "" && r.ContentLength > 0 {
		length = strconv.FormatInt(r.ContentLength, 10)
	}
	profile := h.Profile.WithDefaults()
	environ = append(environ, h.Environ...)
	for _, v := range [][2]string{
		{"SERVER_SOFTWARE", profile.Server},
		{"SERVER_NAME", h.ServerName},
		{"GATEWAY_INTERFACE", "CGI/1.1"},
		{"SERVER_PROTOCOL", profile.Protocol},
		{"SERVER_PORT", strconv.Itoa(int(r.Local.Port()))},
		{"REQUEST_METHOD", r.Method},
		{"PATH_INFO", info},
		{"PATH_TRANSLATED", translated},
		{"SCRIPT_NAME", s.name},
		{"QUERY_STRING", s.query},
		{"REMOTE_ADDR", r.Client.String()},
		{"REMOTE_HOST", ""},
		{"CONTENT_TYPE", message.Latin1(contentType)},
		{"CONTENT_LENGTH", length},
		{"HTTP_ACCEPT", message.Latin1(strings.Join(r.Fields.Values("Accept"), ","))},
		{"HTTP_USER_AGENT", message.Latin1(r.Fields.Get("User-Agent"))},
		{"HTTP_COOKIE", message.Latin1(joinNonEmpty(r.Fields.Values("Cookie")))},
		{"HTTP_REFERER", message.Latin1(r.Fields.Get("Referer"))},
	} {
		environ = append(environ, v[0]+"="+v[1])
	}
	environ = append(environ, authorization(message.Latin1(r.Fields.Get("Authorization")))...)
	for _, v := range environ {
		ok = ok && strings.IndexByte(v, 0) < 0
	}
	return environ, ok
}

func joinNonEmpty(values []string) string {
	var kept []string
	for _, v := range values {
		if v != "" {
			kept = append(kept, v)
		}
	}
	return strings.Join(kept, ", ")
}

// arguments returns argv: the script's name without its directory and, where it has no "=", the query with
// "+" as a blank, not decoded, even when it is empty. RFC 3875, section 4.4, has the query split at "+".
func (s *script) arguments() []string {
	query := strings.ReplaceAll(s.query, "+", " ")
	if strings.Contains(query, "=") {
		return []string{s.base}
	}
	return []string{s.base, query}
}

// authorization returns AUTH_TYPE and REMOTE_USER for an Authorization field of exactly two words.
func authorization(value string) []string {
	words := strings.FieldsFunc(value, isSpace)
	if len(words) != 2 {
		return nil
	}
	variables := []string{"AUTH_TYPE=" + words[0]}
	if !strings.EqualFold(words[0], "basic") {
		return variables
	}
	credentials, ok := decodeBase64(words[1])
	user, password, found := strings.Cut(credentials, ":")
	if !ok || !found || strings.Contains(password, ":") || strings.IndexFunc(credentials, isNotText) >= 0 {
		return variables
	}
	return append(variables, "REMOTE_USER="+user)
}

// isSpace is str.isspace for Latin-1.
func isSpace(r rune) bool {
	return '\t' <= r && r <= '\r' || 0x1c <= r && r <= ' ' || r == 0x85 || r == 0xa0
}

// isNotText finds what is not ASCII or cannot stand in a variable.
func isNotText(r rune) bool { return r > 0x7f || r == 0 }

// decodeBase64 is base64.decodebytes: bytes outside the alphabet are skipped, what follows the padding is
// ignored, and only missing padding is an error (binascii.Error). Text beyond ASCII is one before that.
func decodeBase64(text string) (decoded string, ok bool) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	var b []byte
	quad, pads, left := 0, 0, 0
	for _, c := range text {
		if c > 0x7f {
			return "", false
		}
		if c == '=' {
			if quad >= 2 {
				if pads++; quad+pads >= 4 {
					return string(b), true
				}
			}
			continue
		}
		v := strings.IndexRune(alphabet, c)
		if v < 0 {
			continue
		}
		pads = 0
		switch quad {
		case 1:
			b = append(b, byte(left<<2|v>>4))
		case 2:
			b = append(b, byte(left<<4|v>>2))
		case 3:
			b = append(b, byte(left<<6|v))
		}
		left = v & [4]int{0x3f, 0x0f, 0x03, 0}[quad]
		quad = (quad + 1) % 4
	}
	return string(b), quad == 0
}
