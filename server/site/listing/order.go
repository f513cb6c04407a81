package listing

import (
	"slices"
	"strings"
	"unicode"
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
	arrange(len(list), compare, func(to, from int32) { list[to], list[from] = list[from], list[to] })
}

// sortNaturally puts directories first, and the names in the order in which people read them: 2 before 10, and a beside A.
func sortNaturally(d *Directory) {
	list := d.Entries
	compare := func(a, b int32) int {
		if x, y := list[a].Mode.IsDir(), list[b].Mode.IsDir(); x != y {
			if x {
				return -1
			}
			return 1
		}
		if c := compareNaturally(list[a].Name, list[b].Name); c != 0 {
			return c
		}
		return strings.Compare(list[a].Name, list[b].Name)
	}
	arrange(len(list), compare, func(to, from int32) {
		list[to], list[from] = list[from], list[to]
		if d.Details != nil {
			d.Details[to], d.Details[from] = d.Details[from], d.Details[to]
		}
	})
}

// compareNaturally compares two names without regard to case, and digits by the number that they are.
func compareNaturally(a, b string) int {
	for a != "" && b != "" {
		if isDigit(a[0]) && isDigit(b[0]) {
			x, y := digits(a), digits(b)
			a, b = a[len(x):], b[len(y):]
			x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
			if len(x) != len(y) {
				return len(x) - len(y)
			}
			if c := strings.Compare(x, y); c != 0 {
				return c
			}
			continue
		}
		x, n := utf8.DecodeRuneInString(a)
		y, m := utf8.DecodeRuneInString(b)
		if x != y {
			if x, y = unicode.ToLower(x), unicode.ToLower(y); x != y {
				return int(x - y)
			}
		}
		a, b = a[n:], b[m:]
	}
	return len(a) - len(b)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// digits is what a text has of digits at its beginning.
func digits(s string) string {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return s[:n]
}

// arrange sorts n things by their places, stably. Sorting the things themselves so would take longer, or twice the memory.
func arrange(n int, compare func(a, b int32) int, swap func(a, b int32)) {
	order := make([]int32, n)
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		if c := compare(a, b); c != 0 {
			return c
		}
		return int(a - b)
	})
	// Each cycle of the permutation is gone through once: what belongs at a place comes there, and what was there goes on.
	for start := range order {
		for at := int32(start); order[at] != at; {
			from := order[at]
			order[at] = at
			if from == int32(start) {
				break
			}
			swap(at, from)
			at = from
		}
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
