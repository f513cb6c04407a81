package conditional

import (
	"strings"
	"time"
)

// httpDates are the three forms of an HTTP-date (RFC 9110, section 5.6.7): IMF-fixdate, RFC 850, asctime.
var httpDates = [...]string{IMFFixdate, "Monday, 02-Jan-06 15:04:05 GMT", "Mon Jan _2 15:04:05 2006"}

// parseHTTPDate reads an HTTP-date, in seconds since 1970. Unlike ParseDate it takes nothing else: what a
// range or a condition on writing depends on is not guessed.
func parseHTTPDate(value string, now time.Time) (seconds int64, ok bool) {
	if strings.Contains(value, ".") { // time.Parse takes fractions of a second that the layout has not
		return 0, false
	}
	for i, layout := range httpDates {
		t, err := time.Parse(layout, value)
		if err != nil {
			continue
		}
		if i == 1 {
			t = century(t, now)
		}
		return t.Unix(), true
	}
	return 0, false
}

// century puts a two-digit year where section 5.6.7 has it: what appears to be more than 50 years in the
// future is the most recent year in the past with the same last two digits.
func century(t, now time.Time) time.Time {
	year := now.UTC().Year()
	year += t.Year()%100 - year%100 // in the century of now
	latest := now.UTC().AddDate(50, 0, 0)
	t = t.AddDate(year+100-t.Year(), 0, 0)
	for t.After(latest) {
		t = t.AddDate(-100, 0, 0)
	}
	return t
}
