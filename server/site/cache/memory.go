package cache

import "os"

// Content from a page on is kept outside the Go heap where the system allows: there the collector would keep
// GOGC percent of it free on top. Smaller content would waste most of its page.
var page = os.Getpagesize()

// memory is what holds a content.
type memory struct {
	bytes  []byte
	mapped bool // outside the Go heap
}

// sizeOf is what n bytes of content take.
func sizeOf(n int) int64 {
	if n < page {
		return int64(n)
	}
	return int64((n + page - 1) / page * page)
}
