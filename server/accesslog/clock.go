package accesslog

import (
	"sync/atomic"
	"time"
)

// second is one second as text, in both forms. Formatting it costs more than the rest of a text record.
type second struct {
	unix int64
	zone *time.Location
	// rfc3339 is the beginning of a time in UTC, up to and with the point before the milliseconds.
	rfc3339 string
	// local is log_date_time_string in brackets: local time, English months.
	local string
}

// clock keeps the text of the current second.
type clock struct{ current atomic.Pointer[second] }

func (c *clock) at(t time.Time) *second {
	unix, zone := t.Unix(), t.Location()
	if s := c.current.Load(); s != nil && s.unix == unix && s.zone == zone {
		return s
	}
	s := &second{unix, zone, t.UTC().Format("2006-01-02T15:04:05."), t.Format("[02/Jan/2006 15:04:05]")}
	c.current.Store(s)
	return s
}

// appendRFC3339 appends t in UTC with milliseconds.
func (c *clock) appendRFC3339(dst []byte, t time.Time) []byte {
	ms := t.Nanosecond() / 1e6
	dst = append(dst, c.at(t).rfc3339...)
	return append(dst, byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), 'Z')
}
