package rules

import (
	"errors"
	"strings"
)

// target is the right side of a redirect: a path of the site, or a URL, with names in it.
type target struct {
	// origin is empty for a path of the site. Else it is scheme and authority; the scheme may be missing: //host.
	origin, path, query, fragment template
	// hasQuery says that the target has a query of its own, so that the request's is not carried over.
	hasQuery bool
}

// template is text in which the names of captures stand.
type template []part

// part is a literal, or what a name stands for.
type part struct{ literal, name string }

var (
	errHost   = errors.New("the host in it would come from the request: a placeholder must stand before a domain, such as .example.org")
	errNoHost = errors.New("it has no host")
)

// parseTarget reads a target. names are those that the rule captures; others are literal.
func parseTarget(text string, names []string) (t target, err error) {
	text, fragment, _ := strings.Cut(text, "#")
	text, query, hasQuery := strings.Cut(text, "?")
	t.hasQuery = hasQuery
	origin, path := cutAuthority(text)
	if origin != "" {
		if t.origin, err = parseOrigin(origin, names); err != nil {
			return t, err
		}
	}
	if path == "" {
		path = "/"
	}
	path = encode(path, inPath)
	if strings.Contains(path, "/.") || strings.Contains(path, "%2") {
		path = resolveDots(path)
	}
	if origin == "" && strings.HasPrefix(path, "//") {
		return t, errNoHost
	}
	t.path = parseTemplate(path, names)
	t.query = parseTemplate(encode(query, inQuery), names)
	t.fragment = parseTemplate(encode(fragment, inQuery), names)
	return t, nil
}

// cutAuthority splits https://host/path and //host/path before the path.
func cutAuthority(text string) (origin, path string) {
	begin := 0
	switch {
	case isHTTP(text):
		begin = strings.Index(text, "://") + 3
	case strings.HasPrefix(text, "//"):
		begin = 2
	default:
		return "", text
	}
	end := slashFrom(text, begin)
	return text[:end], text[end:]
}

// parseOrigin refuses what would let the request choose the host: whoever asks for the site would be sent anywhere.
func parseOrigin(text string, names []string) (template, error) {
	authority := text[strings.Index(text, "//")+2:]
	host := authority[strings.LastIndexByte(authority, '@')+1:]
	t := parseTemplate(host, names)
	if len(t) == 0 {
		return nil, errNoHost
	}
	if last := t[len(t)-1]; last.name != "" {
		// A port may be captured.
		if len(t) < 2 || !strings.HasSuffix(t[len(t)-2].literal, ":") || len(t[len(t)-2].literal) < 2 {
			return nil, errHost
		}
	} else if len(t) > 1 {
		_, domain, _ := strings.Cut(withoutPort(last.literal), ".")
		if !strings.Contains(domain, ".") {
			return nil, errHost
		}
	}
	if strings.ContainsFunc(authority, func(c rune) bool { return c <= ' ' || c == '\\' || c == 0x7F }) {
		return nil, errNoHost
	}
	return parseTemplate(encode(text, inPath+"[]"), names), nil
}

// parseTemplate finds names: each colon is followed by the longest one that fits, or is a colon.
func parseTemplate(text string, names []string) (t template) {
	begin := 0
	for at := 0; at < len(text); at++ {
		if text[at] != ':' {
			continue
		}
		longest := ""
		for _, name := range names {
			if len(name) > len(longest) && strings.HasPrefix(text[at+1:], name) {
				longest = name
			}
		}
		if longest == "" {
			continue
		}
		if at > begin {
			t = append(t, part{literal: text[begin:at]})
		}
		t = append(t, part{name: longest})
		begin = at + 1 + len(longest)
		at = begin - 1
	}
	if begin < len(text) {
		t = append(t, part{literal: text[begin:]})
	}
	return t
}

// isFixed says whether nothing of the request stands in it.
func (t template) isFixed() bool {
	for _, p := range t {
		if p.name != "" {
			return false
		}
	}
	return true
}

// expand puts in what the names stand for, encoded again for the place where it stands. ok is false beyond MaxExpanded.
func (t template) expand(captures []capture, encoded func(c capture) string) (text string, ok bool) {
	if len(t) == 1 && t[0].name == "" {
		return t[0].literal, len(t[0].literal) <= MaxExpanded
	}
	var b strings.Builder
	for _, p := range t {
		if b.Len() > MaxExpanded {
			return "", false
		}
		if p.name == "" {
			b.WriteString(p.literal)
			continue
		}
		for _, c := range captures {
			if c.name == p.name {
				b.WriteString(encoded(c))
				break
			}
		}
	}
	return b.String(), b.Len() <= MaxExpanded
}

// reference is a target in which all names are replaced.
type reference struct{ origin, path, query, fragment string }

// expand makes the reference for a request, whose query is carried over where the target has none. ok is false where what
// was captured would lead elsewhere than the rule says: to another host, or out of the directory that it names; or becomes too
// long. With asSent, which is for another server's target, the splat and the query keep the spelling that they came in.
func (t target) expand(captures []capture, query string, asSent bool) (r reference, ok bool) {
	ok = true
	expand := func(t template, encoded func(c capture) string) string {
		text, fits := t.expand(captures, encoded)
		ok = ok && fits
		return text
	}
	r.origin = expand(t.origin, func(c capture) string {
		ok = ok && isHostText(c.raw)
		return c.raw
	})
	r.path = expand(t.path, func(c capture) string {
		if c.name == splatName && asSent && !strings.ContainsAny(c.raw, "?#") {
			return c.raw
		}
		if c.name == splatName {
			return encode(c.raw, inPath)
		}
		return encode(c.raw, inName)
	})
	if !t.path.isFixed() && climbs(r.path) || r.origin == "" && strings.HasPrefix(r.path, "//") {
		ok = false
	}
	inOne := func(c capture) string { return encode(c.raw, inValue) }
	if r.query = query; !asSent {
		r.query = encode(query, inQuery)
	}
	if t.hasQuery {
		r.query = expand(t.query, inOne)
	}
	r.fragment = expand(t.fragment, inOne)
	return r, ok
}

func isHostText(s string) bool {
	for i := 0; i < len(s); i++ {
		if !stays(s[i], "-._") {
			return false
		}
	}
	return s != ""
}

// target is path and query as a request has them.
func (r reference) target() string {
	if r.query == "" {
		return r.path
	}
	return r.path + "?" + r.query
}

// String is the reference for a Location field.
func (r reference) String() string {
	s := r.origin + r.target()
	if r.fragment != "" {
		s += "#" + r.fragment
	}
	return s
}
