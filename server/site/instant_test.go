package site

import "testing"

func TestLastModified(t *testing.T) {
	for _, c := range []struct {
		mtime instant
		want  string
	}{
		{instant{784111777, 750_000_000}, "Sun, 06 Nov 1994 08:49:37 GMT"},
		{instant{784111776, 999_999_900}, "Sun, 06 Nov 1994 08:49:37 GMT"},
		{instant{-1, 500_000_000}, "Wed, 31 Dec 1969 23:59:59 GMT"},
		{instant{253402300800, 0}, ""},
	} {
		if got := lastModified(c.mtime); got != c.want {
			t.Errorf("lastModified(%v) = %q, want %q", c.mtime, got, c.want)
		}
	}
}
