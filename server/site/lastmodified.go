package site

import (
	"math"
	"time"

	"github.com/previewd/previewd/server/site/conditional"
	"github.com/previewd/previewd/server/site/tree"
)

// wholeSeconds is the second in which http.server sees an mtime: as a float, rounded to microseconds half
// to even, the fraction then cut off (datetime.fromtimestamp).
func wholeSeconds(t tree.Instant) int64 {
	// The conversions keep the compiler from fusing, which would round once where Python rounds twice.
	whole, fraction := math.Modf(float64(t.Sec) + float64(1e-9*float64(t.Nsec)))
	micro := math.RoundToEven(fraction * 1e6)
	if micro >= 1e6 {
		whole++
	}
	if micro < 0 {
		whole--
	}
	return int64(whole)
}

// lastModified is the value of Last-Modified: date_time_string(st_mtime). It is empty for years that an
// HTTP date cannot hold.
func lastModified(mtime tree.Instant) string {
	t := time.Unix(wholeSeconds(mtime), 0).UTC()
	if t.Year() < 1 || t.Year() > 9999 {
		return ""
	}
	return t.Format(conditional.IMFFixdate)
}
