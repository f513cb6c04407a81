package site

import (
	"net/http"
	"testing"
	"time"

	"github.com/previewd/previewd/server/message"
)

func TestParseDate(t *testing.T) {
	const want = 784111777 // Sun, 06 Nov 1994 08:49:37 GMT
	for _, value := range []string{
		"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
		"Mon, 06 Nov 1994 08:49:37 GMT", "6 nov 1994 08:49:37", "sun, 6 NOVEMBER 1994 8:49:37 utc",
		"Sun, 06 Nov 1994 08:49:37 +0000", "Sun, 06 Nov 1994 08:49:37 -0000", "Sun, 06 Nov 1994 08:49:37 SPAM",
		"Sun, Nov 06 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08.49.37 GMT", "Sun, 06 Nov 94 08:49:37 Z",
		"Sun, 06 Nov 1994 08:49:37 GMT; length=14", "06 Nov 1994 08:49:37+0000", "Sun,06 Nov 1994 08:49:37 GMT",
		"06 Nov 1994, 08:49:37, GMT", "+6 Nov 19_94 08:49:37 GMT",
	} {
		if got, ok := parseDate(value); !ok || got != want {
			t.Errorf("parseDate(%q) = %d, %v, want %d", value, got, ok, want)
		}
	}
	for _, value := range []string{
		"", " ", "784111777", "Sun,", "Sun, 31 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT",
		"Sun, 06 Nov 1994 08:49:60 GMT", "Sun, 06 Nov 10000 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37.5 GMT",
		"Sun, 06 Nov 1994 08:49:37 EST", "Sun, 06 Nov 1994 08:49:37 +0100", "Sun, 06 Nov 1994 08:49:37 -1",
		"Sun, 6- -94 08:49:37", "Sun, 06 Spam 1994 08:49:37 GMT", "Sun, ² Nov 1994 08:49:37 GMT",
	} {
		if got, ok := parseDate(value); ok {
			t.Errorf("parseDate(%q) = %d, want none", value, got)
		}
	}
}

// Law: whatever net/http takes for a date too is the same date, except that mail's years below 100 are short for later ones.
func FuzzParseDate(f *testing.F) {
	for _, seed := range []string{"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "6 Nov 94 8.49+0000", ",", "1-2-3 4"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		got, ok := parseDate(value)
		if slow, slowOK := parseMailDate(value); slow != got && ok || slowOK != ok {
			t.Fatalf("parseDate(%q) = %d, %v, step by step %d, %v", value, got, ok, slow, slowOK)
		}
		want, err := http.ParseTime(value)
		if err == nil && ok && want.Year() >= 100 && want.Unix() != got && want.Year() < 2000 == (time.Unix(got, 0).UTC().Year() < 2000) {
			t.Fatalf("parseDate(%q) = %d, net/http has %d", value, got, want.Unix())
		}
	})
}

func TestNotModified(t *testing.T) {
	const date = "Sun, 06 Nov 1994 08:49:37 GMT"
	for _, c := range []struct {
		fields message.Fields
		mtime  instant
		want   bool
	}{
		{nil, instant{784111777, 0}, false},
		{message.Fields{{Name: "If-Modified-Since", Value: date}}, instant{784111777, 0}, true},
		{message.Fields{{Name: "if-modified-since", Value: date}}, instant{784111777, 999_000_000}, true},
		{message.Fields{{Name: "If-Modified-Since", Value: date}}, instant{784111777, 999_999_999}, false}, // rounded up
		{message.Fields{{Name: "If-Modified-Since", Value: date}}, instant{784111778, 0}, false},
		{message.Fields{{Name: "If-Modified-Since", Value: date}, {Name: "If-None-Match", Value: ""}}, instant{784111777, 0}, false},
		{message.Fields{{Name: "If-Modified-Since", Value: "x"}, {Name: "If-Modified-Since", Value: date}}, instant{784111777, 0}, false},
	} {
		if got := notModified(c.fields, c.mtime); got != c.want {
			t.Errorf("notModified(%q, %v) = %v, want %v", c.fields, c.mtime, got, c.want)
		}
	}
}

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
