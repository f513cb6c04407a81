package message

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Lower returns text in lower case: str.lower, which is Unicode's with its two special cases (SpecialCasing.txt), İ and
// the final sigma. Bytes that are not UTF-8 stay as they are.
func Lower(s string) string {
	if isASCII(s) {
		return strings.ToLower(s)
	}
	b := make([]byte, 0, len(s)+2)
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			b = append(b, s[i])
		case r == 'İ':
			b = append(b, "i̇"...)
		case r == 'Σ' && isFinalSigma(s[:i], s[i+n:]):
			b = append(b, "ς"...)
		default:
			b = utf8.AppendRune(b, unicode.ToLower(r))
		}
		i += n
	}
	return string(b)
}

// isFinalSigma says whether a sigma ends a word: a cased letter before it and none after, those that
// case ignores aside.
func isFinalSigma(before, after string) bool {
	for before != "" {
		r, n := utf8.DecodeLastRuneInString(before)
		before = before[:len(before)-n]
		if isCaseIgnorable(r) {
			continue
		}
		if !isCased(r) {
			return false
		}
		for _, r := range after {
			if !isCaseIgnorable(r) {
				return !isCased(r)
			}
		}
		return true
	}
	return false
}

// isCased is the property Cased.
func isCased(r rune) bool {
	return unicode.In(r, unicode.Lu, unicode.Ll, unicode.Lt, unicode.Other_Lowercase, unicode.Other_Uppercase)
}

// isCaseIgnorable is the property Case_Ignorable: marks, formats, modifiers, and the Word_Break classes
// MidLetter, MidNumLet and Single_Quote.
func isCaseIgnorable(r rune) bool {
	return unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf, unicode.Lm, unicode.Sk) ||
		strings.ContainsRune(".':·\u0387\u055f\u05f4\u2018\u2019\u2024\u2027\ufe13\ufe52\ufe55\uff07\uff0e\uff1a", r)
}
