package mediatype

import (
	"bytes"
	"strings"
)

// prescan is how many bytes of a page browsers look through for its encoding (HTML Standard, section 13.2.3.2).
const prescan = 1024

// declaresOther says whether a page names another encoding than UTF-8: in a meta element, or as XML does.
func declaresOther(page []byte) bool {
	b := lowerASCII(page[:min(len(page), prescan)])
	if declaration, found := bytes.CutPrefix(b, []byte("<?xml")); found {
		declaration, _, _ = bytes.Cut(declaration, []byte(">"))
		if label := attribute(declaration, "encoding"); label != "" {
			return !isLabelOfUTF8(label)
		}
	}
	for len(b) > 0 {
		at := bytes.IndexByte(b, '<')
		if at < 0 {
			return false
		}
		b = b[at:]
		if comment, found := bytes.CutPrefix(b, []byte("<!--")); found {
			_, b, _ = bytes.Cut(comment, []byte("-->"))
			continue
		}
		element, found := bytes.CutPrefix(b, []byte("<meta"))
		b = b[1:]
		if !found || len(element) == 0 || !isBlank(element[0]) && element[0] != '/' {
			continue
		}
		element = element[:endOfTag(element)]
		if label := encodingOf(element); label != "" {
			return !isLabelOfUTF8(label)
		}
	}
	return false
}

// encodingOf returns the encoding that a meta element names, "" for none.
func encodingOf(element []byte) string {
	if label := attribute(element, "charset"); label != "" {
		return label
	}
	if attribute(element, "http-equiv") != "content-type" {
		return ""
	}
	_, parameter, found := strings.Cut(attribute(element, "content"), "charset")
	if !found {
		return ""
	}
	value, found := strings.CutPrefix(strings.TrimSpace(parameter), "=")
	if !found {
		return ""
	}
	value = strings.Trim(strings.TrimSpace(value), `"'`)
	if end := strings.IndexAny(value, "; \t\r\n\f"); end >= 0 {
		value = value[:end]
	}
	return value
}

// attribute returns the value of an attribute in a tag in lower case, "" for none.
func attribute(tag []byte, name string) string {
	for len(tag) > 0 {
		if isBlank(tag[0]) || tag[0] == '/' {
			tag = tag[1:]
			continue
		}
		end := bytes.IndexAny(tag, "= \t\r\n\f/")
		if end < 0 {
			return ""
		}
		found := string(tag[:end])
		tag = bytes.TrimLeft(tag[end:], " \t\r\n\f")
		if len(tag) == 0 || tag[0] != '=' {
			continue
		}
		tag = bytes.TrimLeft(tag[1:], " \t\r\n\f")
		var value []byte
		switch {
		case len(tag) > 0 && (tag[0] == '"' || tag[0] == '\''):
			value, tag, _ = bytes.Cut(tag[1:], tag[:1])
		default:
			end := bytes.IndexAny(tag, " \t\r\n\f")
			if end < 0 {
				end = len(tag)
			}
			value, tag = tag[:end], tag[end:]
		}
		if found == name {
			return strings.TrimSpace(string(value))
		}
	}
	return ""
}

// endOfTag returns where a tag ends: at a > that is not within a value.
func endOfTag(tag []byte) int {
	quote := byte(0)
	for i, c := range tag {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '>':
			return i
		}
	}
	return len(tag)
}

// isLabelOfUTF8 says whether a label means UTF-8 (Encoding Standard, section 4.2). A page that says UTF-16 and could be
// read up to there is UTF-8 too (HTML Standard, the prescan).
func isLabelOfUTF8(label string) bool {
	switch label {
	case "utf-8", "utf8", "unicode-1-1-utf-8", "unicode11utf8", "unicode20utf8", "x-unicode20utf8",
		"utf-16", "utf-16le", "utf-16be":
		return true
	}
	return false
}

func isBlank(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' && c != '\v' }

// lowerASCII returns a copy with the letters of ASCII in lower case.
func lowerASCII(b []byte) []byte {
	lower := bytes.Clone(b)
	for i, c := range lower {
		if 'A' <= c && c <= 'Z' {
			lower[i] = c + 'a' - 'A'
		}
	}
	return lower
}
