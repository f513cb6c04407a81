package rules

import "strings"

// path is a path as it was asked for, beside what its escapes stand for.
type path struct {
	// raw is as it came, but that the segments . and .. are resolved.
	raw string
	// text is raw decoded. An escaped slash separates nothing; it is a NUL, which no path holds.
	text string
	// at has the offset in raw of each byte of text, and of its end; it is nil where raw is text.
	at []int
}

// parsePath reads the path of a request target. ok is false for what no rule can mean: a NUL, or what does not begin
// with a slash.
func parsePath(raw string) (p path, ok bool) {
	if !strings.HasPrefix(raw, "/") || strings.IndexByte(raw, 0) >= 0 {
		return p, false
	}
	escaped := strings.IndexByte(raw, '%') >= 0
	if escaped || strings.Contains(raw, "/.") {
		raw = resolveDots(raw)
	}
	p = path{raw: raw, text: raw}
	if !escaped {
		return p, true
	}
	text := make([]byte, 0, len(raw))
	p.at = make([]int, 0, len(raw)+1)
	for i := 0; i < len(raw); i++ {
		p.at = append(p.at, i)
		c, isEscape := unescape(raw, i)
		switch {
		case !isEscape:
			c = raw[i]
		case c == 0:
			return path{}, false
		case c == '/':
			c = 0
		}
		if isEscape {
			i += 2
		}
		text = append(text, c)
	}
	p.at = append(p.at, len(raw))
	p.text = string(text)
	return p, true
}

// cut returns the part of raw that became text[from:to].
func (p path) cut(from, to int) string {
	if p.at == nil {
		return p.raw[from:to]
	}
	return p.raw[p.at[from]:p.at[to]]
}

// resolveDots resolves the segments . and .., escaped or not, as browsers do before they ask (RFC 3986, section 5.2.4).
// Empty segments stay.
func resolveDots(raw string) string {
	var kept []string
	dots := false
	segments := strings.Split(raw[1:], "/")
	for i, segment := range segments {
		last := i == len(segments)-1
		switch decode(segment) {
		case ".":
		case "..":
			if len(kept) > 0 {
				kept = kept[:len(kept)-1]
			}
		default:
			kept = append(kept, segment)
			continue
		}
		dots = true
		if last {
			kept = append(kept, "")
		}
	}
	if !dots {
		return raw
	}
	return "/" + strings.Join(kept, "/")
}

// decode decodes the escapes in a segment or another part of a target; an escaped slash becomes a NUL. What is no
// escape stays as it is.
func decode(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	text := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c, isEscape := unescape(s, i)
		if !isEscape {
			text = append(text, s[i])
			continue
		}
		if c == '/' {
			c = 0
		}
		text = append(text, c)
		i += 2
	}
	return string(text)
}

// unescape returns the byte that the escape at s[i] stands for, if there is one.
func unescape(s string, i int) (c byte, isEscape bool) {
	if s[i] != '%' || i+2 >= len(s) {
		return 0, false
	}
	high, low := unhex(s[i+1]), unhex(s[i+2])
	return high<<4 | low, high < 16 && low < 16
}

func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}

// badEscape says whether a percent sign begins no escape.
func badEscape(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			continue
		}
		if _, isEscape := unescape(s, i); !isEscape {
			return true
		}
	}
	return false
}

// Characters of a URL beyond letters and digits that stay as they are: in a path (RFC 3986, section 3.3), of a value
// within a query, and of a whole query or fragment.
const (
	inPath  = "-._~!$&'()*+,;=:@/"
	inName  = "-._~!$&'()*+,;=:@"
	inValue = "-._~!$'()*,;:@/?"
	inQuery = inPath + "?[]|\\^`{}%"
)

// encode writes text for a place in a URL. Escapes stay, with capital digits; so does what is in keep; the rest is escaped.
func encode(s, keep string) string {
	const hex = "0123456789ABCDEF"
	clean := true
	for i := 0; i < len(s) && clean; i++ {
		clean = stays(s[i], keep)
	}
	if clean {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if stays(c, keep) {
			b.WriteByte(c)
			continue
		}
		if escaped, isEscape := unescape(s, i); isEscape {
			c = escaped
			i += 2
		}
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
	return b.String()
}

func stays(c byte, keep string) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte(keep, c) >= 0
}

// climbs says whether a path, once it is decoded, has a segment . or .. in it, also by an escaped slash or a backslash.
func climbs(path string) bool {
	separator := func(c rune) bool { return c == '/' || c == '\\' || c == 0 }
	for segment := range strings.FieldsFuncSeq(decode(path), separator) {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}
