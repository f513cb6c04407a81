package conditional

import (
	"net/http"
	"testing"
	"time"
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
		if got, ok := ParseDate(value); !ok || got != want {
			t.Errorf("ParseDate(%q) = %d, %v, want %d", value, got, ok, want)
		}
	}
	for _, value := range []string{
		"", " ", "784111777", "Sun,", "Sun, 31 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT",
		"Sun, 06 Nov 1994 08:49:60 GMT", "Sun, 06 Nov 10000 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37.5 GMT",
		"Sun, 06 Nov 1994 08:49:37 EST", "Sun, 06 Nov 1994 08:49:37 +0100", "Sun, 06 Nov 1994 08:49:37 -1",
		"Sun, 6- -94 08:49:37", "Sun, 06 Spam 1994 08:49:37 GMT", "Sun, ² Nov 1994 08:49:37 GMT",
	} {
		if got, ok := ParseDate(value); ok {
			t.Errorf("ParseDate(%q) = %d, want none", value, got)
		}
	}
}

// Law: whatever net/http takes for a date too is the same date, except that mail's years below 100 are short for later ones.
func FuzzParseDate(f *testing.F) {
	for _, seed := range []string{"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "6 Nov 94 8.49+0000", ",", "1-2-3 4"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		got, ok := ParseDate(value)
		if slow, slowOK := parseMailDate(value); slow != got && ok || slowOK != ok {
			t.Fatalf("ParseDate(%q) = %d, %v, step by step %d, %v", value, got, ok, slow, slowOK)
		}
		want, err := http.ParseTime(value)
		if err == nil && ok && want.Year() >= 100 && want.Unix() != got && want.Year() < 2000 == (time.Unix(got, 0).UTC().Year() < 2000) {
			t.Fatalf("ParseDate(%q) = %d, net/http has %d", value, got, want.Unix())
		}
	})
}
