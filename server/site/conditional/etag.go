package conditional

import (
	"strings"

	"github.com/previewd/previewd/server/message"
)

// listMatches says whether one of the entity tags in the field lines of that name matches etag, or they are
// a single "*", which any representation matches (sections 13.1.1 and 13.1.2).
func listMatches(f message.Fields, name, etag string, match func(a, b string) bool) bool {
	if value, ok := single(f, name); ok && trim(value) == "*" {
		return true
	}
	for i := range f {
		if len(f[i].Name) != len(name) || !strings.EqualFold(f[i].Name, name) {
			continue
		}
		rest := f[i].Value
		for {
			// A recipient must bear empty members (section 5.6.1.2).
			if rest = strings.TrimLeft(rest, ", \t"); rest == "" {
				break
			}
			var tag string
			if tag, rest = cutTag(rest); tag == "" {
				return false // where the next member starts is anybody's guess
			}
			if match(tag, etag) {
				return true
			}
		}
	}
	return false
}

// cutTag returns the entity tag that s starts with and what follows it, which is nothing or a comma. tag is
// empty if s does not start with one.
func cutTag(s string) (tag, rest string) {
	tag, rest = scanTag(s)
	rest = strings.TrimLeft(rest, " \t")
	if rest != "" && rest[0] != ',' {
		return "", s
	}
	return tag, rest
}

// scanTag splits s after the entity tag that it starts with: [ "W/" ] DQUOTE *etagc DQUOTE (section 8.8.3).
func scanTag(s string) (tag, rest string) {
	start := len(s) - len(strings.TrimPrefix(s, "W/")) // case-sensitive
	if start == len(s) || s[start] != '"' {
		return "", s
	}
	for i := start + 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return s[:i+1], s[i+1:]
		case c < 0x21 || c == 0x7f:
			return "", s
		}
	}
	return "", s
}

// strongMatch is the strong comparison of section 8.8.3.2: equal, and neither is weak. a is a tag.
func strongMatch(a, b string) bool { return a == b && a[0] == '"' }

// weakMatch is the weak comparison of section 8.8.3.2: equal but for W/. a is a tag.
func weakMatch(a, b string) bool { return strings.TrimPrefix(a, "W/") == strings.TrimPrefix(b, "W/") }

// trim cuts optional whitespace (section 5.6.3) off both ends, faster than strings.Trim.
func trim(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}
