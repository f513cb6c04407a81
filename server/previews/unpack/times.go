package unpack

import "time"

// written is the modification time of a file or directory that has one in the archive, for the site.
//
// Entity-tags come from the content, so the time decides only Last-Modified, dates in listings, and whether a precompressed
// file is older than the one beside it. The archive's own time is the same in each replica and after each unpacking; the time
// of unpacking is not, and says nothing of the content. Builds that are to be the same each time set a time up to
// 1 January 1980: 1970, or the first that a ZIP archive can hold, in the zone of whoever made it. Such a time tells nothing,
// and all of them become 1970-01-01, for which server/site sends no Last-Modified. So does what cannot be said in nanoseconds.
func written(archived time.Time) time.Time {
	lastOfNanoseconds := time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC)
	if IsNoTime(archived) || archived.After(lastOfNanoseconds) {
		return unknown()
	}
	return archived
}

// IsNoTime says whether a time is one that builds set which are to be the same each time: up to 1 January 1980, the first day
// that a ZIP archive can hold, wherever on earth.
func IsNoTime(t time.Time) bool { return t.Before(time.Date(1980, 1, 2, 0, 0, 0, 0, time.UTC)) }

// unknown is the time of what has none.
func unknown() time.Time { return time.Unix(0, 0) }
