package main

import (
	"fmt"
	"slices"
	"time"
)

// save is what has become of a file that was saved.
type save struct {
	saved, asked time.Time
	// found is when a look of previewd has found it changed, told when it has told pages: the look after that found the
	// same. Both are zero for other servers.
	found, told time.Time
}

// row is what was measured of a server and a file.
type row struct {
	server, mount, file string
	saves               []save
	missed              int
}

// of returns the part of the times that is at a share of them, in milliseconds.
func (r *row) of(share float64, from, to func(save) time.Time) string {
	var list []time.Duration
	for _, s := range r.saves {
		if begin, end := from(s), to(s); !begin.IsZero() && !end.IsZero() {
			list = append(list, end.Sub(begin))
		}
	}
	if len(list) == 0 {
		return ""
	}
	slices.Sort(list)
	return fmt.Sprint(list[min(len(list)-1, int(share*float64(len(list))))].Milliseconds())
}

func saved(s save) time.Time { return s.saved }
func found(s save) time.Time { return s.found }
func told(s save) time.Time  { return s.told }
func shown(s save) time.Time { return s.asked }

// line is the row of a table in Markdown. All times are in milliseconds.
func (r *row) line() string {
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s | %s | %s | %s | %d of %d |", r.server, r.mount, r.file,
		r.of(0.5, saved, shown), r.of(0.95, saved, shown), r.of(1, saved, shown),
		r.of(0.5, saved, found), r.of(0.5, found, told), r.of(0.5, told, shown), r.missed, len(r.saves)+r.missed)
}

// printTable prints all rows. The three columns after the total are medians of its parts.
func printTable(rows []row) {
	fmt.Println("\n| server | mount | file | median, ms | 95th percentile | at most | until a look | until at rest | until the request | missed |")
	fmt.Println("|---|---|---|--:|--:|--:|--:|--:|--:|--:|")
	for _, r := range rows {
		fmt.Println(r.line())
	}
}
