package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

const (
	// maxDistance is how many slips of the finger a name may have and still be taken for a known one.
	maxDistance = 2
	// minLength keeps short names out of it: two edits make PATH of PORT.
	minLength = 6
)

// unknownVariables warns of variables that are nearly, but not quite, ours. Those that PUBLIC_ENV sends have any name.
func unknownVariables(environ map[string]string) []string {
	known := fields()
	var warnings []string
	for _, name := range slices.Sorted(maps.Keys(environ)) {
		if environ["PUBLIC_ENV"] != "" && strings.HasPrefix(name, "PUBLIC_") {
			continue
		}
		if meant := nearest(name, known); meant != "" && meant != name {
			warnings = append(warnings, fmt.Sprintf("%s: unknown variable, did you mean %s?", printable(name), meant))
		}
	}
	return warnings
}

// nearest is the known variable with the least distance from name, or nothing if all are too far.
func nearest(name string, known []field) string {
	best, meant := maxDistance+1, ""
	for _, f := range known {
		difference := len(f.variable) - len(name)
		if len(f.variable) < minLength || max(difference, -difference) > maxDistance {
			continue
		}
		if d := distance(name, f.variable); d < best {
			best, meant = d, f.variable
		}
	}
	return meant
}

// distance counts the bytes to insert, delete, replace or swap with their neighbour that make b of a: the
// optimal string alignment form of Damerau and Levenshtein's.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			replace := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, replace)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
