package message

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Latin1 returns bytes from the wire as text: each byte is the character of that number, as
// str(raw, 'iso-8859-1') reads a request line.
func Latin1(s string) string {
	if isASCII(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 8)
	for i := 0; i < len(s); i++ {
		b.WriteRune(rune(s[i]))
	}
	return b.String()
}

// AppendLatin1 appends text as bytes for the wire, the inverse of Latin1. What Latin-1 cannot express
// becomes a question mark, where CPython's handler dies of a UnicodeEncodeError.
func AppendLatin1(dst []byte, text string) []byte {
	for _, r := range text {
		if r > 0xff {
			r = '?'
		}
		dst = append(dst, byte(r))
	}
	return dst
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// Repr returns text in Python's string notation, as repr does: http.server shows hostile input like this
// in status lines, pages and log lines.
func Repr(text string) string {
	quote := byte('\'')
	if strings.Contains(text, "'") && !strings.Contains(text, `"`) {
		quote = '"'
	}
	var b strings.Builder
	b.Grow(len(text) + 2)
	b.WriteByte(quote)
	for _, r := range text {
		switch {
		case r == '\\' || r == rune(quote):
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			writeEscape(&b, r)
		}
	}
	b.WriteByte(quote)
	return b.String()
}

// writeEscape writes \xNN, \uNNNN or \UNNNNNNNN, whichever is the first to hold r.
func writeEscape(b *strings.Builder, r rune) {
	kind, width := byte('x'), 2
	if r > 0xff {
		kind, width = 'u', 4
	}
	if r > 0xffff {
		kind, width = 'U', 8
	}
	digits := strconv.FormatInt(int64(r), 16)
	b.WriteByte('\\')
	b.WriteByte(kind)
	b.WriteString(strings.Repeat("0", width-len(digits)))
	b.WriteString(digits)
}

// EscapeHTML escapes &, < and >, as html.escape(text, quote=False) does.
func EscapeHTML(text string) string { return htmlEscaper.Replace(text) }

var htmlEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
