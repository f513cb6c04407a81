package message

import (
	"sync/atomic"
	"time"
)

// Date makes the value of the Date field (RFC 9110, section 6.6.1) once a second: date_time_string. The zero value is ready
// for use, by many goroutines.
type Date struct{ last atomic.Pointer[DateText] }

// DateText is the Date field of one second.
type DateText struct {
	// Line is the field line, with its end.
	Line string
	// Values has the value alone.
	Values []string

	second int64
}

// At returns the field of a time.
func (d *Date) At(now time.Time) *DateText {
	text := d.last.Load()
	if second := now.Unix(); text == nil || text.second != second {
		value := now.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
		text = &DateText{Line: "Date: " + value + "\r\n", Values: []string{value}, second: second}
		d.last.Store(text)
	}
	return text
}
