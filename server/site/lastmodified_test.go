package site

import (
	"testing"

	"github.com/previewd/previewd/server/site/tree"
)

func TestLastModified(t *testing.T) {
	for _, c := range []struct {
		mtime tree.Instant
		want  string
	}{
		{tree.Instant{Sec: 784111777, Nsec: 750_000_000}, "Sun, 06 Nov 1994 08:49:37 GMT"},
		{tree.Instant{Sec: 784111776, Nsec: 999_999_900}, "Sun, 06 Nov 1994 08:49:37 GMT"},
		{tree.Instant{Sec: -1, Nsec: 500_000_000}, "Wed, 31 Dec 1969 23:59:59 GMT"},
		{tree.Instant{Sec: 253402300800, Nsec: 0}, ""},
	} {
		if got := lastModified(c.mtime); got != c.want {
			t.Errorf("lastModified(%v) = %q, want %q", c.mtime, got, c.want)
		}
	}
}
