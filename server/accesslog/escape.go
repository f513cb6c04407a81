package accesslog

import (
	"strings"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// appendWire appends bytes from the wire as log_message shows them: read as Latin-1, a control character
// (00-1F, 7F-9F) becomes \xNN and a backslash two, so that no request can forge a record or steer a
// terminal.
func appendWire(dst []byte, raw string) []byte {
	for {
		n := plainPrefix(raw)
		dst = append(dst, raw[:n]...)
		if n == len(raw) {
			return dst
		}
		switch c := raw[n]; {
		case c == '"':
			dst = append(dst, c)
		case c >= 0xa0:
			dst = utf8.AppendRune(dst, rune(c))
		default:
			dst = appendEscape(dst, c)
		}
		raw = raw[n+1:]
	}
}

// appendText appends text in UTF-8 with the same escapes. A byte that is not UTF-8, as in the name of a
// file, is shown as \xNN too.
func appendText(dst []byte, text string) []byte {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			dst = appendEscape(dst, text[i])
		case r < ' ', r == '\\', 0x7f <= r && r < 0xa0:
			dst = appendEscape(dst, byte(r))
		default:
			dst = append(dst, text[i:i+size]...)
		}
		i += size
	}
	return dst
}

// appendLines appends text of several lines, as of a panic with its stack, with end between them.
func appendLines(dst []byte, text, end string) []byte {
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if i > 0 {
			dst = append(dst, end...)
		}
		dst = appendText(dst, strings.ReplaceAll(line, "\t", "    "))
	}
	return dst
}

func appendEscape(dst []byte, c byte) []byte {
	if c == '\\' {
		return append(dst, '\\', '\\')
	}
	return append(dst, '\\', 'x', hexDigits[c>>4], hexDigits[c&0xf])
}

// plainPrefix returns how many bytes at the beginning of text are printable ASCII without quotation mark
// and backslash: those that stand for themselves in every form of a record.
func plainPrefix[S string | []byte](text S) int {
	i := 0
	for ; i+8 <= len(text); i += 8 {
		if !allPlain(load64(text[i:])) {
			break
		}
	}
	for ; i < len(text); i++ {
		if c := text[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			break
		}
	}
	return i
}

// allPlain looks at eight bytes at once. Taking a number from each leaves a high bit where a byte is
// smaller; exclusive or makes those equal to a given byte smaller than one. A borrow from the byte below
// happens only when that one is not plain itself.
func allPlain(x uint64) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	control := x - ones*' '
	quote := (x ^ ones*'"') - ones
	backslash := (x ^ ones*'\\') - ones
	del := (x ^ ones*0x7f) - ones
	return (x|control|quote|backslash|del)&high == 0
}

// load64 reads eight bytes; the compiler makes one load of it.
func load64[S string | []byte](b S) uint64 {
	_ = b[7]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}
