package mediatype

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// FirstBytes is how many bytes of a file decide what it is, where it is not read as a whole.
const FirstBytes = 64 << 10

// First is what a file begins with.
type First struct {
	Bytes []byte
	// Whole says whether that is all of it.
	Whole bool
}

// ContentType returns the value of Content-Type. look is called if the file's first bytes, decoded, have to tell
// something: which type it is, or that a text is UTF-8.
//
// JSON is always UTF-8 and XML says itself what it is (RFC 8259, section 8.1; RFC 7303, section 3), so that they need no
// charset. Scripts and style sheets do: without it they are read in the encoding of the page.
func (n *Name) ContentType(look func() First) string {
	if n.given || n.ask == nothing && !takesCharset(n.Type) {
		return n.Type
	}
	first := look()
	switch {
	case n.ask == isVideo && isTransportStream(first):
		return "video/mp2t"
	case n.ask == isText && !isPlain(first):
		return defaultType
	}
	if isUTF8(first) && !(n.Type == "text/html" && declaresOther(first.Bytes)) && !(n.Type == "text/css" && hasOtherCharset(first.Bytes)) {
		return n.Type + "; charset=utf-8"
	}
	return n.Type
}

// takesCharset says whether a browser asks the media type in which encoding a file is.
func takesCharset(mediaType string) bool {
	if !strings.HasPrefix(mediaType, "text/") || strings.Contains(mediaType, ";") {
		return false
	}
	switch mediaType {
	case "text/xml", "text/mathml", "text/rtf":
		return false
	}
	return true
}

// isUTF8 says whether a text is UTF-8: valid, and not one of those encodings whose bytes all are ASCII's. UTF-16 has
// NUL, ISO-2022-JP and its like switch alphabets with ESC (RFC 1468); terminals do so too, in logs (tput sgr0), which
// are UTF-8 where there are other bytes than ASCII's.
func isUTF8(first First) bool {
	return isValid(first) && (!isASCII(first.Bytes) ||
		!bytes.Contains(first.Bytes, []byte("\x1b$")) && !bytes.Contains(first.Bytes, []byte("\x1b(")))
}

// isValid says whether a text may be UTF-8.
func isValid(first First) bool {
	b := first.Bytes
	if !first.Whole {
		b = cutAtCharacter(b)
	}
	return utf8.Valid(b) && bytes.IndexByte(b, 0) < 0
}

func isASCII(b []byte) bool {
	return bytes.IndexFunc(b, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}

// cutAtCharacter cuts a character off that is not all there.
func cutAtCharacter(b []byte) []byte {
	for i := 1; i < utf8.UTFMax && i <= len(b); i++ {
		if c := b[len(b)-i]; utf8.RuneStart(c) {
			if !utf8.FullRune(b[len(b)-i:]) {
				return b[:len(b)-i]
			}
			break
		}
	}
	return b
}

// isPlain says whether a file is a text in UTF-8: without the bytes that only binary data has (MIME Sniffing Standard,
// section 3).
func isPlain(first First) bool {
	for _, c := range first.Bytes {
		if c <= 0x08 || c == 0x0b || 0x0e <= c && c <= 0x1a || 0x1c <= c && c <= 0x1f {
			return false
		}
	}
	return isValid(first)
}

// hasOtherCharset says whether a style sheet names another encoding than UTF-8, which it does with these very bytes at its
// beginning (CSS Syntax Module, section 3.2). The media type would overrule it.
func hasOtherCharset(sheet []byte) bool {
	rest, found := bytes.CutPrefix(sheet[:min(len(sheet), prescan)], []byte(`@charset "`))
	if !found {
		return false
	}
	label, _, found := bytes.Cut(rest, []byte(`";`))
	return found && !isLabelOfUTF8(string(lowerASCII(bytes.TrimSpace(label))))
}

// isTransportStream says whether a file is an MPEG transport stream (ISO/IEC 13818-1, section 2.4.3.2): packets of 188
// bytes that begin with 0x47, in a camera's files (.mts) with four bytes of time before each. A text may begin with that
// byte too, it is a G; hardly three lines in a row.
func isTransportStream(first First) bool {
	const sync, packet, timed = 0x47, 188, 4
	inStep := func(at, step int) (packets int) {
		if len(first.Bytes) < at+packet { // not even one
			return 0
		}
		for ; at < len(first.Bytes); at += step {
			if first.Bytes[at] != sync {
				return 0
			}
			packets++
		}
		return packets
	}
	packets := max(inStep(0, packet), inStep(timed, packet+timed))
	return packets >= 3 || packets > 0 && !isPlain(first)
}
