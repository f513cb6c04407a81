// Package fingerprint finds the hash of a file's content in its name, as bundlers write it. A name is taken for one only
// where nothing else is likely: a date, a version or a word in its place would leave browsers with an old file for a year, a
// hash that is not seen costs them a question.
package fingerprint

import (
	"path"
	"strings"
)

// IsIn says whether the name of a file, a path of the site, says by itself which content it has.
func IsIn(name string) bool {
	at := strings.LastIndexByte(name, '/') + 1
	dir, base := "/"+name[:at], withoutOuterSuffixes(name[at:])
	ext := path.Ext(base)
	stem := strings.TrimSuffix(base, ext)
	if ext == "" || hasUUID(stem) {
		return false
	}
	kind := kindOfBuilt(strings.ToLower(ext))
	// Bundlers whose own directory holds nothing else may leave out the name before the hash.
	ownDirectory := strings.Contains(dir, "/_nuxt/") || strings.Contains(dir, "/_app/immutable/") || strings.Contains(dir, "/_next/static/")
	for start := 0; start < len(stem); {
		end := start + len(firstPart(stem[start:]))
		before, word := byte(0), stem[start:end]
		if start > 0 {
			before = stem[start-1]
		}
		if (before != 0 || ownDirectory) && isHash(word, before, kind) ||
			before == 0 && kind != notBuilt && len(word) >= minLoneHash && isHex(word) {
			return true
		}
		start = end + 1
	}
	// The alphabet of Rollup and Vite has the dash and the underscore too.
	tail := len(stem) - mixedLength
	return kind != notBuilt && tail >= 0 && (tail == 0 && ownDirectory || tail > 0 && isSeparator(stem[tail-1])) && isMixed(stem[tail:])
}

// withoutOuterSuffixes takes the suffixes off that come after a file's own: app.js.map, app.js.br.
func withoutOuterSuffixes(base string) string {
	for {
		ext := path.Ext(base)
		stem := strings.TrimSuffix(base, ext)
		switch ext {
		case ".map", ".gz", ".br", ".zst":
		default:
			return base
		}
		if !strings.Contains(stem, ".") {
			return base
		}
		base = stem
	}
}

// built is what a bundler writes under a name with a hash, by the suffix.
type built uint8

const (
	notBuilt built = iota // a hash has to be plain to see
	asset
	code
)

func kindOfBuilt(ext string) built {
	switch ext {
	case ".js", ".mjs", ".css":
		return code
	case ".wasm", ".woff", ".woff2", ".ttf", ".otf", ".eot", ".svg", ".png", ".jpg", ".jpeg", ".gif", ".webp", ".avif", ".ico",
		".mp3", ".mp4", ".webm", ".ogg", ".glb", ".json":
		return asset
	}
	return notBuilt
}

func isSeparator(c byte) bool { return c == '.' || c == '-' || c == '_' }

// firstPart returns what s has before its first separator.
func firstPart(s string) string {
	for i := range len(s) {
		if isSeparator(s[i]) {
			return s[:i]
		}
	}
	return s
}

// The lengths of hashes in characters.
const (
	minHash     = 8  // of hexadecimal digits that stand after a name
	maxHash     = 64 // SHA-256
	minLoneHash = 16 // of hexadecimal digits that are all there is
	mixedLength = 8  // of the other alphabets: Rollup, Vite, esbuild, Bun
)

// isHash says whether a part of a name is a hash. before is the separator in front of it.
func isHash(word string, before byte, kind built) bool {
	switch {
	case isHex(word) && len(word) >= minHash:
		return true
	case kind == code && before == '.' && isHex(word) && len(word) >= 4 && word == strings.ToLower(word): // webpack's [contenthash:4]
		return !strings.HasPrefix(word, "d3d") // Direct3D
	}
	return kind != notBuilt && len(word) == mixedLength && (isBase32(word) || before == '-' && isBase36(word) || isMixed(word))
}

// isHex says whether a word is hexadecimal, and neither a date or number with a letter beside it nor a word.
func isHex(word string) bool {
	for i := range len(word) {
		if c := word[i] | 0x20; !isDigit(c) && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(word) <= maxHash && turns(word) >= 2
}

// isBase32 says whether a word is in esbuild's alphabet (RFC 4648, section 6), and no word with a number: WINTER25.
func isBase32(word string) bool {
	for i := range len(word) {
		if c := word[i]; (c < 'A' || c > 'Z') && (c < '2' || c > '7') {
			return false
		}
	}
	return turns(word) >= 2 || turns(word) == 1 && !hasVowel(word)
}

// isBase36 says whether a word is of digits and small letters as Bun writes them, and no size: 10x20x30.
func isBase36(word string) bool {
	for i := range len(word) {
		if c := word[i]; (c < 'a' || c > 'z') && !isDigit(c) {
			return false
		}
	}
	return turns(word) >= 4 && strings.Count(word, "x") < 2
}

// turns counts where letters and digits change.
func turns(word string) (n int) {
	for i := 1; i < len(word); i++ {
		if isDigit(word[i]) != isDigit(word[i-1]) {
			n++
		}
	}
	return n
}

// isMixed says whether eight characters are of Rollup's alphabet, base64url, and no words in camel case. They are read
// as such words: GitHub24 is Git, Hub, 24, and DtPYlI17 is Dt, P, Yl, I, 17. Words are few, and three letters or more.
func isMixed(s string) bool {
	words, long, odd := 0, 0, 0
	var lower, upper, digit, separator bool
	for i := 0; i < len(s); {
		n := 1
		switch c := s[i]; {
		case c == '-' || c == '_':
			separator = true
			i++
			continue
		case isDigit(c):
			digit = true
			for i+n < len(s) && isDigit(s[i+n]) {
				n++
			}
		case isUpper(c):
			upper = true
			for i+n < len(s) && isUpper(s[i+n]) {
				n++
			}
			if i+n < len(s) && isLower(s[i+n]) { // the last one begins the next word
				if n > 1 {
					n--
					break
				}
				lower = true
				for i+n < len(s) && isLower(s[i+n]) {
					n++
				}
			}
		case isLower(c):
			lower = true
			for i+n < len(s) && isLower(s[i+n]) {
				n++
			}
		default:
			return false
		}
		words++
		if n >= 3 {
			long += n
		}
		if !hasVowel(s[i : i+n]) {
			odd++
		}
		i += n
	}
	switch {
	case !lower || !upper || separator && !digit:
		return false
	case separator:
		return words >= 5 && long == 0
	case digit:
		return words >= 4 && long <= 4 || words >= 3 && odd >= 2 && long <= 4
	}
	return words >= 4 && long <= 3 && odd >= 1 || words >= 3 && odd >= 2 && long <= 4
}

func hasVowel(s string) bool { return strings.ContainsAny(s, "aeiouyAEIOUY") }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }
func isLower(c byte) bool { return 'a' <= c && c <= 'z' }

// hasUUID says whether a name has a UUID in it (RFC 9562, section 4), which tells one thing from others whatever its
// content is.
func hasUUID(s string) bool {
	const form = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
	for at := 0; at+len(form) <= len(s); at++ {
		same := true
		for i := 0; same && i < len(form); i++ {
			c := s[at+i] | 0x20
			same = form[i] == '-' && s[at+i] == '-' || form[i] == 'x' && (isDigit(c) || 'a' <= c && c <= 'f')
		}
		if same {
			return true
		}
	}
	return false
}
