package site

import (
	"math"
	"time"

	"github.com/previewd/previewd/server/site/conditional"
)

// instant is a point in time as the file system gives it: seconds since 1970 and nanoseconds on top.
type instant struct{ sec, nsec int64 }

// wholeSeconds is the second in which http.server sees an mtime: as a float, rounded to microseconds half
// to even, the fraction then cut off (datetime.fromtimestamp).
func (t instant) wholeSeconds() int64 {
	// The conversions keep the compiler from fusing, which would round once where Python rounds twice.
	whole, fraction := math.Modf(float64(t.sec) + float64(1e-9*float64(t.nsec)))
	micro := math.RoundToEven(fraction * 1e6)
	if micro >= 1e6 {
		whole++
	}
	if micro < 0 {
		whole--
	}
	return int64(whole)
}

func (t instant) time() time.Time { return time.Unix(t.sec, t.nsec) }

// before says whether t is earlier.
func (t instant) before(other instant) bool {
	return t.sec < other.sec || t.sec == other.sec && t.nsec < other.nsec
}

// lastModified is the value of Last-Modified: date_time_string(st_mtime). It is empty for years that an
// HTTP date cannot hold.
func lastModified(mtime instant) string {
	t := time.Unix(mtime.wholeSeconds(), 0).UTC()
	if t.Year() < 1 || t.Year() > 9999 {
		return ""
	}
	return t.Format(conditional.IMFFixdate)
}
