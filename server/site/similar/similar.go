// Package similar finds the names that someone may have meant who asked for another.
package similar

import (
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxLength is the length of a name, in characters, beyond which nothing is like it.
const maxLength = 100

// Names returns those of names that are like wanted, the most alike first. The same name in another case is like it, as
// is one with another suffix, or one that is a few slips of the keyboard away: one in five characters, three at most.
func Names(wanted string, names []string) []string {
	type ranked struct {
		name     string
		distance int
	}
	w := newWord(wanted)
	var list []ranked
	for _, name := range names {
		if d, near := w.distance(name); near {
			list = append(list, ranked{name, d})
		}
	}
	slices.SortFunc(list, func(a, b ranked) int {
		if a.distance != b.distance {
			return a.distance - b.distance
		}
		return strings.Compare(a.name, b.name)
	})
	similar := make([]string, len(list))
	for i, r := range list {
		similar[i] = r.name
	}
	return similar
}

// word is a name in the parts that are compared.
type word struct {
	name, suffix string // in lower case
	stem         []rune // name without suffix
}

func newWord(name string) word {
	name = strings.ToLower(name)
	suffix := path.Ext(name)
	if suffix == name { // a dot file
		suffix = ""
	}
	return word{name, suffix, []rune(strings.TrimSuffix(name, suffix))}
}

// distance returns how far a name is from w, and whether that is near enough.
func (w word) distance(name string) (distance int, near bool) {
	if utf8.RuneCountInString(name) > maxLength || len(w.stem) > maxLength || strings.HasPrefix(name, ".") != strings.HasPrefix(w.name, ".") {
		return 0, false
	}
	o := newWord(name)
	if o.name == w.name {
		return 0, true
	}
	limit := min(3, (len(w.stem)+4)/5)
	if len(w.stem) < 3 {
		limit = 0
	}
	if o.suffix == w.suffix {
		d := edits(w.stem, o.stem, limit)
		return d, d <= limit
	}
	d := edits(w.stem, o.stem, max(0, limit-1))
	suffixes := min(2, edits([]rune(w.suffix), []rune(o.suffix), 2)) // .htm and .html are nearer than .css
	return d + suffixes, d <= max(0, limit-1)
}

// edits counts the characters to put in, leave out, replace, or swap with the next that make b of a: the optimal string
// alignment distance. A result above limit says only that it is. Neither is longer than maxLength.
func edits(a, b []rune, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	var rows [3][maxLength + 2]int // row i is rows[i%3]: how much of b makes the first i of a
	for j := range len(b) + 1 {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		row, last, before := &rows[i%3], &rows[(i+2)%3], &rows[(i+1)%3]
		// Further from the diagonal more than limit characters are put in or left out.
		from, to := max(1, i-limit), min(len(b), i+limit)
		row[from-1], row[to+1] = limit+1, limit+1
		if from == 1 {
			row[0] = i
		}
		if to > 0 && i+limit <= len(b) {
			last[to] = limit + 1
		}
		least := row[from-1]
		for j := from; j <= to; j++ {
			replaced := last[j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			row[j] = min(replaced, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
			least = min(least, row[j])
		}
		if least > limit {
			return limit + 1
		}
	}
	return min(rows[len(a)%3][len(b)], limit+1)
}
