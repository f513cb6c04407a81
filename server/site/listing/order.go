package listing

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/tree"
)

// orderSize is how many bytes for each entry sorting takes: a place, and a key where there are any.
const orderSize = 4 + 16

// sortEntries sorts by the name in lower case, in the order of code points: list.sort(key=str.lower).
// Names that differ only in case keep the order of the file system.
func sortEntries(list []tree.Entry) {
	compare := func(a, b int32) int { return compareASCII(list[a].Name, list[b].Name) }
	if slices.ContainsFunc(list, func(e tree.Entry) bool { return !isASCII(e.Name) }) {
		keys := make([]string, len(list))
		for i, e := range list {
			keys[i] = sortKey(e.Name)
		}
		compare = func(a, b int32) int { return strings.Compare(keys[a], keys[b]) }
	}
	arrange(list, compare)
}

// arrange sorts by the places of entries, stably. Sorting the entries themselves so would take longer, or twice the
// memory.
func arrange(list []tree.Entry, compare func(a, b int32) int) {
	order := make([]int32, len(list))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		if c := compare(a, b); c != 0 {
			return c
		}
		return int(a - b)
	})
	// Each cycle of the permutation is gone through once.
	for start := range order {
		if order[start] < 0 {
			continue
		}
		first := list[start]
		at := int32(start)
		for order[at] != int32(start) {
			from := order[at]
			list[at], order[at] = list[from], -1
			at = from
		}
		list[at], order[at] = first, -1
	}
}

func isASCII(name string) bool {
	for i := range len(name) {
		if name[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// compareASCII compares two names in lower case.
func compareASCII(a, b string) int {
	for i := range min(len(a), len(b)) {
		if x, y := lower(a[i]), lower(b[i]); x != y {
			return int(x) - int(y)
		}
	}
	return len(a) - len(b)
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// sortKey is the lower-cased name in a form whose byte order is that of code points: UTF-8 has it, and a
// byte that is not UTF-8 is written as its surrogate, ED B2 80 to ED B3 BF.
func sortKey(name string) string {
	key := message.Lower(name)
	if utf8.ValidString(key) {
		return key
	}
	return fsdecode(key)
}

// fsdecode turns the bytes of a file name into text: os.fsdecode, UTF-8 with errors='surrogateescape'.
func fsdecode(name string) string {
	text := make([]byte, 0, len(name)+8)
	for i := 0; i < len(name); {
		r, n := utf8.DecodeRuneInString(name[i:])
		if r == utf8.RuneError && n == 1 {
			text = append(text, 0xED, 0xB0|name[i]>>6, name[i]&0x3F|0x80)
		} else {
			text = append(text, name[i:i+n]...)
		}
		i += n
	}
	return string(text)
}
