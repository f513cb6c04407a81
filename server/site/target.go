package site

import (
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/previewd/previewd/server/message"
)

// Text here is what a Python str holds, as UTF-8 in which a surrogate stands as three bytes (WTF-8):
// ED A0 80 to ED BF BF. U+DC80 to U+DCFF are the bytes 80 to FF of a name that is not UTF-8 (PEP 383).

// translatePath maps a request target to the name of a file below the directory, "." for the directory
// itself: translate_path of 3.14. Names that mean something special to the system are ignored as there.
// slash says whether the path, once decoded, ends in a slash (gh-134098). ok is false for what no file
// can be called: a NUL, a lone surrogate.
func translatePath(target string) (name string, slash, ok bool) {
	text := unquote(targetPath(target))
	slash = strings.HasSuffix(text, "/")
	name = normpath(text)
	if filepath.Separator != '/' {
		name = ordinaryParts(name)
	}
	name, ok = fsencode(name)
	return name, slash, ok && strings.IndexByte(name, 0) < 0
}

// targetPath is a target without its query and fragment.
func targetPath(target string) string {
	if i := strings.IndexAny(target, "?#"); i >= 0 {
		return target[:i]
	}
	return target
}

// normpath is posixpath.normpath for a path that cannot go above its root: as the words . and .. that
// it leaves at the front are skipped by translate_path, dropping them at once is the same.
func normpath(text string) string {
	if !strings.HasPrefix(text, "/") {
		text = "/" + text
	}
	if clean := path.Clean(text); clean != "/" {
		return clean[1:]
	}
	return "."
}

// ordinaryParts leaves out the parts of a path that carry a drive or a separator of Windows.
func ordinaryParts(name string) string {
	var kept []string
	for part := range strings.SplitSeq(name, "/") {
		if filepath.VolumeName(part) == "" && !strings.ContainsRune(part, filepath.Separator) {
			kept = append(kept, part)
		}
	}
	if kept == nil {
		return "."
	}
	return strings.Join(kept, "/")
}

// unquote is urllib.parse.unquote, tried with errors='surrogatepass' and then, for the whole path again,
// with errors='replace'. Bytes of the target itself are Latin-1 characters.
func unquote(target string) string {
	if !strings.Contains(target, "%") {
		return message.Latin1(target)
	}
	if text, ok := decodeEscapes(target, appendStrict); ok {
		return text
	}
	text, _ := decodeEscapes(target, appendReplaced)
	return text
}

// decodeEscapes decodes each run of ASCII by itself: an escape before and one after a character beyond
// ASCII never make one sequence.
func decodeEscapes(target string, appendText func(dst, raw []byte) ([]byte, bool)) (string, bool) {
	var text, raw []byte
	for len(target) > 0 {
		if target[0] >= utf8.RuneSelf {
			text = utf8.AppendRune(text, rune(target[0]))
			target = target[1:]
			continue
		}
		n := 1
		for n < len(target) && target[n] < utf8.RuneSelf {
			n++
		}
		raw = appendUnescaped(raw[:0], target[:n])
		var ok bool
		if text, ok = appendText(text, raw); !ok {
			return "", false
		}
		target = target[n:]
	}
	return string(text), true
}

// appendUnescaped appends s with each %XX as its byte; what is no such escape stays as it is:
// unquote_to_bytes.
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
			if !isSurrogate(rest) {
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

// isSurrogate says whether b begins with an encoded surrogate.
func isSurrogate(b []byte) bool {
	return len(b) >= 3 && b[0] == 0xED && b[1] >= 0xA0 && b[1] < 0xC0 && b[2] >= 0x80 && b[2] < 0xC0
}

// fsencode turns text into the bytes of a file name: os.fsencode, UTF-8 with errors='surrogateescape'.
// ok is false for a surrogate that stands for no byte.
func fsencode(text string) (name string, ok bool) {
	if !strings.Contains(text, "\xED") {
		return text, true
	}
	raw := make([]byte, 0, len(text))
	for i := 0; i < len(text); {
		if !isSurrogate([]byte(text[i:min(i+3, len(text))])) {
			raw = append(raw, text[i])
			i++
			continue
		}
		low := rune(0xD000) | rune(text[i+1]&0x3F)<<6 | rune(text[i+2]&0x3F)
		if low < 0xDC80 || low > 0xDCFF {
			return "", false
		}
		raw = append(raw, byte(low))
		i += 3
	}
	return string(raw), true
}
