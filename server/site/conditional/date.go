package conditional

import (
	"slices"
	"strings"
	"time"

	"github.com/previewd/previewd/server/message"
)

// IMFFixdate is the date of HTTP (RFC 9110, section 5.6.7), as date_time_string writes it.
const IMFFixdate = "Mon, 02 Jan 2006 15:04:05 GMT"

// ParseDate reads a date in the syntax of mail, in seconds since 1970: parsedate_to_datetime of
// email.utils. ok is false for what is no date or not one in UTC; send_head ignores both.
func ParseDate(value string) (seconds int64, ok bool) {
	// Nearly every date is in HTTP's own form, where time.Parse agrees; but for years below 100.
	if len(value) == len(IMFFixdate) {
		if t, err := time.Parse(IMFFixdate, value); err == nil && t.Year() >= 100 {
			return t.Unix(), true
		}
	}
	return parseMailDate(value)
}

// parseMailDate follows _parsedate_tz of email._parseaddr step by step.
func parseMailDate(value string) (seconds int64, ok bool) {
	data := strings.FieldsFunc(message.Latin1(value), isSpace)
	if len(data) == 0 {
		return 0, false
	}
	if strings.HasSuffix(data[0], ",") || slices.Contains(dayNames, strings.ToLower(data[0])) {
		data = data[1:]
	} else {
		data[0] = data[0][strings.LastIndexByte(data[0], ',')+1:]
	}
	if len(data) == 3 { // RFC 850
		if parts := strings.Split(data[0], "-"); len(parts) == 3 {
			data = append(parts, data[1:]...)
		}
	}
	if len(data) == 4 {
		clock, zone := splitZone(data[3])
		data = append(data[:3:3], clock, zone)
	}
	if len(data) < 5 {
		return 0, false
	}
	day, month, year, clock, zone := data[0], strings.ToLower(data[1]), data[2], data[3], data[4]
	if day == "" || month == "" || year == "" {
		return 0, false
	}
	if !slices.Contains(monthNames, month) {
		day, month = month, strings.ToLower(day)
	}
	monthNumber := slices.Index(monthNames, month)
	if monthNumber < 0 {
		return 0, false
	}
	day = strings.TrimSuffix(day, ",")
	if strings.IndexByte(year, ':') > 0 { // asctime has the year last
		year, clock = clock, year
	}
	if year = strings.TrimSuffix(year, ","); year == "" {
		return 0, false
	}
	if !startsWithDigit(year) {
		year, zone = zone, year
	}
	hour, minute, second, ok := splitClock(strings.TrimSuffix(clock, ","))
	if !ok {
		return 0, false
	}
	if !isUTC(zone) {
		return 0, false
	}
	return utcSeconds(year, monthNumber%12+1, day, hour, minute, second)
}

var (
	dayNames   = strings.Fields("mon tue wed thu fri sat sun")
	monthNames = strings.Fields("jan feb mar apr may jun jul aug sep oct nov dec " +
		"january february march april may june july august september october november december")
)

// isSpace is str.isspace for Latin-1.
func isSpace(r rune) bool {
	return '\t' <= r && r <= '\r' || 0x1c <= r && r <= ' ' || r == 0x85 || r == 0xa0
}

// startsWithDigit is s[0].isdigit() for Latin-1, where ¹, ² and ³ are digits too.
func startsWithDigit(s string) bool {
	return strings.HasPrefix(s, "¹") || strings.HasPrefix(s, "²") || strings.HasPrefix(s, "³") ||
		s != "" && '0' <= s[0] && s[0] <= '9'
}

// splitZone splits a time of day from a zone that follows without a blank, 08:49:37+0100.
func splitZone(s string) (clock, zone string) {
	i := strings.IndexByte(s, '+')
	if i < 0 {
		i = strings.IndexByte(s, '-')
	}
	if i > 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

// splitClock splits a time of day at its colons, or dots if there is no colon. Seconds may be missing.
func splitClock(s string) (hour, minute, second string, ok bool) {
	parts := strings.Split(s, ":")
	if len(parts) == 1 {
		parts = strings.Split(s, ".")
	}
	switch len(parts) {
	case 2:
		return parts[0], parts[1], "0", true
	case 3:
		return parts[0], parts[1], parts[2], true
	}
	return "", "", "", false
}

// isUTC says whether a zone means UTC: one of its names, an offset of zero, none, or an unknown word,
// which makes a datetime without a zone and send_head takes that for UTC.
func isUTC(zone string) bool {
	if offset, isNumber := pythonInt(zone); isNumber {
		return offset == 0
	}
	switch strings.ToUpper(zone) {
	case "AST", "ADT", "EST", "EDT", "CST", "CDT", "MST", "MDT", "PST", "PDT":
		return false
	}
	return true
}

// utcSeconds checks the numbers as the constructor of datetime does.
func utcSeconds(year string, month int, fields ...string) (seconds int64, ok bool) {
	y, ok := pythonInt(year)
	if !ok {
		return 0, false
	}
	if y < 100 { // two digits, as POSIX has them; so are -5 and 0094
		y += 1900
		if y <= 1968 {
			y += 100
		}
	}
	var n [4]int64
	for i, field := range fields {
		if n[i], ok = pythonInt(field); !ok || n[i] < 0 || n[i] > 60 {
			return 0, false
		}
	}
	if y < 1 || y > 9999 || n[1] > 23 || n[2] > 59 || n[3] > 59 {
		return 0, false
	}
	t := time.Date(int(y), time.Month(month), int(n[0]), int(n[1]), int(n[2]), int(n[3]), 0, time.UTC)
	return t.Unix(), t.Day() == int(n[0])
}

// pythonInt is int(s) for text without blanks: a sign, digits, single underscores between them. Numbers
// beyond nine digits are cut to a billion, which is out of every range.
func pythonInt(s string) (n int64, ok bool) {
	const maxDigits = 4300 // sys.get_int_max_str_digits()
	digits := strings.TrimLeft(s, "+-")
	negative := strings.HasPrefix(s, "-")
	if len(s)-len(digits) > 1 || digits == "" || strings.Contains(digits, "__") ||
		digits[0] == '_' || digits[len(digits)-1] == '_' {
		return 0, false
	}
	digits = strings.ReplaceAll(digits, "_", "")
	if len(digits) > maxDigits {
		return 0, false
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return 0, false
		}
		n = min(n*10+int64(digits[i]-'0'), 1e9)
	}
	if negative {
		n = -n
	}
	return n, true
}
