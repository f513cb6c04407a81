package conditional

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/previewd/previewd/server/message"
)

// maxRanges is how many ranges a request may ask for. Beyond it Range is ignored, as section 14.2 allows
// for many small ranges: PDF viewers ask for some dozens, floods for thousands.
const maxRanges = 64

// secondOver is how far Last-Modified must lie back for the file not to change again within the second it
// names; only then it may be compared as a strong validator (section 8.8.2.2). That the client did not get
// its part within that second is for the client to know (section 13.1.5).
const secondOver = time.Second

// Range is a part of a representation in bytes.
type Range struct{ Offset, Length int64 }

// Selection says what a Range does to the answer.
type Selection int

// The selections of ParseRange.
const (
	// Whole is 200: the field is ignored.
	Whole Selection = iota
	// Partial is 206.
	Partial
	// Unsatisfiable is 416.
	Unsatisfiable
)

// RangeApplies returns the value of Range if the request has one that counts: a GET, after Evaluate has said
// Proceed, with a single Range and, if there is an If-Range, one that is true (sections 13.1.5 and 14.2).
func RangeApplies(method string, f message.Fields, v Validators, now time.Time) (value string, applies bool) {
	if method != "GET" {
		return "", false
	}
	if value, applies = single(f, "Range"); !applies {
		return "", false
	}
	if _, found := f.Lookup("If-Range"); found && !rangeCurrent(f, v, now) {
		return "", false
	}
	return value, true
}

// rangeCurrent says whether If-Range is true: exactly one entity tag that matches strongly, or exactly one
// date that equals a strong Last-Modified.
func rangeCurrent(f message.Fields, v Validators, now time.Time) bool {
	value, ok := single(f, "If-Range")
	if !ok {
		return false
	}
	if tag, rest := scanTag(value); tag != "" {
		return rest == "" && strongMatch(tag, v.ETag)
	}
	if v.Modified.IsZero() || now.Sub(v.Modified) < secondOver {
		return false
	}
	date, ok := parseHTTPDate(value, now)
	return ok && date == v.Modified.Unix()
}

// ParseRange reads the value of a Range for a representation of size bytes. With Partial there is at least
// one range; each is within the size and not empty. Ranges that overlap or touch are one (section 15.3.7.2),
// so that together they never have more bytes than the representation. They are in the order of the request.
//
// What is no valid set of byte ranges, or one of more than maxRanges, is ignored. So is any for an empty
// representation, as no Content-Range could describe a part of it.
func ParseRange(value string, size int64) ([]Range, Selection) {
	unit, set, ok := strings.Cut(value, "=")
	if !ok || !strings.EqualFold(unit, "bytes") {
		return nil, Whole
	}
	ranges := make([]Range, 0, 1)
	members := 0
	for spec := range strings.SplitSeq(set, ",") {
		if spec = trim(spec); spec == "" {
			continue // a recipient must bear empty members (section 5.6.1.2)
		}
		if members++; members > maxRanges {
			return nil, Whole
		}
		r, valid := parseSpec(spec, size)
		if !valid {
			return nil, Whole
		}
		if r.Length == 0 {
			continue
		}
		ranges = append(ranges, r)
	}
	switch {
	case members == 0 || size == 0:
		return nil, Whole
	case len(ranges) == 0:
		return nil, Unsatisfiable
	}
	return coalesce(ranges), Partial
}

// parseSpec reads one range-spec (section 14.1.1). A valid one that is not satisfiable has the length 0.
func parseSpec(spec string, size int64) (r Range, valid bool) {
	first, last, ok := strings.Cut(spec, "-")
	if !ok || first == "" && last == "" || !isDigits(first) || !isDigits(last) {
		return r, false
	}
	if first == "" {
		length := min(parseDigits(last), size)
		return Range{size - length, length}, true
	}
	if last != "" && compareDigits(first, last) > 0 {
		return r, false
	}
	offset, end := parseDigits(first), size-1
	if last != "" {
		end = min(parseDigits(last), size-1)
	}
	if offset >= size {
		return r, true
	}
	return Range{offset, end - offset + 1}, true
}

// coalesce makes one of ranges that overlap or touch. It stands where the first of them stood.
func coalesce(ranges []Range) []Range {
	if len(ranges) < 2 {
		return ranges
	}
	type placed struct {
		Range
		place int
	}
	sorted := make([]placed, len(ranges))
	for i, r := range ranges {
		sorted[i] = placed{r, i}
	}
	slices.SortFunc(sorted, func(a, b placed) int { return cmp.Compare(a.Offset, b.Offset) })
	merged := sorted[:1]
	for _, r := range sorted[1:] {
		last := &merged[len(merged)-1]
		if r.Offset > last.Offset+last.Length {
			merged = append(merged, r)
			continue
		}
		last.Length = max(last.Length, r.Offset+r.Length-last.Offset)
		last.place = min(last.place, r.place)
	}
	slices.SortFunc(merged, func(a, b placed) int { return cmp.Compare(a.place, b.place) })
	for i, r := range merged {
		ranges[i] = r.Range
	}
	return ranges[:len(merged)]
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// parseDigits reads a number of any length; those beyond int64 are its maximum, which is beyond any size.
func parseDigits(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return math.MaxInt64
	}
	return n
}

// compareDigits compares numbers of any length.
func compareDigits(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

// ContentRange is the value of Content-Range for r of a representation of size bytes (section 14.4).
func ContentRange(r Range, size int64) string {
	return fmt.Sprintf("bytes %d-%d/%d", r.Offset, r.Offset+r.Length-1, size)
}

// Unsatisfied is the value of Content-Range in a 416 (section 15.5.17).
func Unsatisfied(size int64) string { return fmt.Sprintf("bytes */%d", size) }
