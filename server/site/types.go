package site

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const defaultType = "application/octet-stream"

// guessType returns the media type of a file by its name: guess_type. The Extensions override
// http.server's own rules.
func (s *Site) guessType(name string) string {
	_, ext := splitext(name)
	if mediaType, found := s.opts.Extensions[pyLower(ext)]; found {
		return mediaType
	}
	if ext == ".Z" {
		return defaultType
	}
	if mediaType, found := extensionsMap[pyLower(ext)]; found {
		return mediaType
	}
	return guessFileType(name)
}

// extensionsMap is extensions_map but for .Z, the one that is not also found in lower case.
var extensionsMap = map[string]string{
	".gz": "application/gzip", ".bz2": "application/x-bzip2", ".xz": "application/x-xz",
}

// guessFileType is mimetypes.guess_file_type with the table of this binary: suffixes that stand for two
// are written out, one of a content coding is peeled off, and the suffix before it decides.
func guessFileType(name string) string {
	base, ext := splitext(name)
	for {
		long, found := suffixMap[pyLower(ext)]
		if !found {
			break
		}
		base, ext = splitext(base + long)
	}
	switch ext { // encodings_map, case-sensitive
	case ".gz", ".Z", ".bz2", ".xz", ".br":
		_, ext = splitext(base)
	}
	if mediaType, found := mediaTypes[pyLower(ext)]; found {
		return mediaType
	}
	return defaultType
}

// suffixMap is mimetypes.suffix_map.
var suffixMap = map[string]string{
	".svgz": ".svg.gz", ".tgz": ".tar.gz", ".taz": ".tar.gz", ".tz": ".tar.gz",
	".tbz2": ".tar.bz2", ".txz": ".tar.xz",
}

// splitext splits a path before the last dot of its last part; leading dots do not count:
// posixpath.splitext.
func splitext(name string) (base, ext string) {
	dot := strings.LastIndexByte(name, '.')
	start := strings.LastIndexByte(name, '/') + 1
	for start < dot && name[start] == '.' {
		start++
	}
	if dot <= start {
		return name, ""
	}
	return name[:dot], name[dot:]
}

// pyLower is str.lower: Unicode's lower case with its two special cases (SpecialCasing.txt), İ and the
// final sigma. Bytes that are not UTF-8 stay as they are.
func pyLower(s string) string {
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

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
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
