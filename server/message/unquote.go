package message

import (
	"strings"
	"unicode/utf8"
)

// Unquote decodes percent escapes in text: urllib.parse.unquote, which puts U+FFFD where they are not UTF-8.
func Unquote(text string) string {
	decoded, _ := unquote(text, appendReplaced)
	return decoded
}

// UnquoteSurrogates is urllib.parse.unquote with errors='surrogatepass': escapes of surrogates are let
// through, as three bytes (WTF-8). ok is false where it raises UnicodeDecodeError.
func UnquoteSurrogates(text string) (decoded string, ok bool) { return unquote(text, appendStrict) }

// UnquoteToBytes decodes percent escapes, whatever the bytes are: urllib.parse.unquote_to_bytes.
func UnquoteToBytes(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	return string(appendUnescaped(nil, s))
}

// IsSurrogate says whether text begins with an encoded surrogate, which valid UTF-8 never has.
func IsSurrogate(text string) bool {
	return len(text) >= 3 && text[0] == 0xED && text[1] >= 0xA0 && text[1] < 0xC0 && text[2] >= 0x80 && text[2] < 0xC0
}

// unquote decodes each run of ASCII by itself: an escape before and one after a character beyond ASCII
// never make one sequence.
func unquote(text string, appendText func(dst, raw []byte) ([]byte, bool)) (string, bool) {
	if !strings.Contains(text, "%") {
		return text, true
	}
	var decoded, raw []byte
	for len(text) > 0 {
		n, ascii := 1, text[0] < utf8.RuneSelf
		for n < len(text) && text[n] < utf8.RuneSelf == ascii {
			n++
		}
		run := text[:n]
		text = text[n:]
		if !ascii {
			decoded = append(decoded, run...)
			continue
		}
		raw = appendUnescaped(raw[:0], run)
		var ok bool
		if decoded, ok = appendText(decoded, raw); !ok {
			return "", false
		}
	}
	return string(decoded), true
}

// appendUnescaped appends s with each %XX as its byte; what is no such escape stays as it is.
func appendUnescaped(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			dst = append(dst, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
			continue
		}
		dst = append(dst, s[i])
	}
	return dst
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&^0x20 - 'A' + 10
}

// appendStrict appends raw if it is UTF-8 or encoded surrogates: errors='surrogatepass'.
func appendStrict(dst, raw []byte) ([]byte, bool) {
	for rest := raw; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		if r == utf8.RuneError && n == 1 {
			if !IsSurrogate(string(rest[:min(3, len(rest))])) {
				return dst, false
			}
			n = 3
		}
		rest = rest[n:]
	}
	return append(dst, raw...), true
}

// appendReplaced appends raw with U+FFFD for each longest part that could have begun a character:
// errors='replace', which counts as the Unicode standard advises (section 3.9), not byte by byte as Go.
func appendReplaced(dst, raw []byte) ([]byte, bool) {
	for len(raw) > 0 {
		r, n := utf8.DecodeRune(raw)
		if r == utf8.RuneError && n == 1 {
			for n < len(raw) && !utf8.FullRune(raw[:n+1]) {
				n++
			}
		}
		dst = utf8.AppendRune(dst, r)
		raw = raw[n:]
	}
	return dst, true
}
