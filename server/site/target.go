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

// reading is what a target is taken to name.
type reading struct {
	// name is below the directory, "." for the directory itself.
	name string
	// slash says whether the path, once decoded, ends in a slash (gh-134098).
	slash bool
	// title is the decoded path, for a listing. It is empty where translatePath made the name.
	title string
}

// translatePath maps a request target to the name of a file below the directory, "." for the directory
// itself: translate_path of 3.14. Names that mean something special to the system are ignored as there.
// ok is false for what no file can be called: a NUL, a lone surrogate.
func translatePath(target string) (of reading, ok bool) {
	return translateText(message.Latin1(target))
}

// translateText is translatePath for a target that is text, such as one that was decoded before.
func translateText(target string) (of reading, ok bool) {
	text := unquote(message.TargetPath(target))
	name, ok := fsencode(relative(text))
	return reading{name: name, slash: strings.HasSuffix(text, "/")}, ok && strings.IndexByte(name, 0) < 0
}

// inBytes returns what else a target may name. translatePath takes bytes that are not escaped for Latin-1 and those that
// are for UTF-8. Here they are the name as they stand, or with the surrogates that stand for bytes in a listing's links.
func inBytes(target string) []reading {
	text := message.UnquoteToBytes(message.TargetPath(target))
	if strings.IndexByte(text, 0) >= 0 || !beyondASCII(text) {
		return nil
	}
	list := []reading{{relative(text), strings.HasSuffix(text, "/"), text}}
	if decoded, ok := fsencode(text); ok && decoded != text {
		list = append(list, reading{relative(decoded), list[0].slash, decoded})
	}
	return list
}

func beyondASCII(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r >= utf8.RuneSelf }) >= 0
}

// relative is the decoded path as a name: posixpath.normpath for a path that cannot go above its root. As the words .
// and .. that it leaves at the front are skipped by translate_path, dropping them at once is the same.
func relative(text string) string {
	if !strings.HasPrefix(text, "/") {
		text = "/" + text
	}
	name := path.Clean(text)[1:]
	if filepath.Separator != '/' {
		name = ordinaryParts(name)
	}
	if name == "" {
		return "."
	}
	return name
}

// ordinaryParts leaves out the parts of a path that carry a drive or a separator of Windows.
func ordinaryParts(name string) string {
	var kept []string
	for part := range strings.SplitSeq(name, "/") {
		if filepath.VolumeName(part) == "" && !strings.ContainsRune(part, filepath.Separator) {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, "/")
}

// unquote is urllib.parse.unquote, tried with errors='surrogatepass' and then, for the whole path again,
// with errors='replace'.
func unquote(text string) string {
	if decoded, ok := message.UnquoteSurrogates(text); ok {
		return decoded
	}
	return message.Unquote(text)
}

// fsencode turns text into the bytes of a file name: os.fsencode, UTF-8 with errors='surrogateescape'.
// ok is false for a surrogate that stands for no byte.
func fsencode(text string) (name string, ok bool) {
	if !strings.Contains(text, "\xED") {
		return text, true
	}
	raw := make([]byte, 0, len(text))
	for i := 0; i < len(text); {
		if !message.IsSurrogate(text[i:]) {
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
