package accesslog

import (
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// requestIDs makes identifiers for requests that came without one: the time of the start in nanoseconds, to base 36,
// and a number. Two servers, or two runs of one, do not make the same.
type requestIDs struct {
	start string
	last  atomic.Uint64
}

func (i *requestIDs) begin(now time.Time) { i.start = strconv.FormatInt(now.UnixNano(), 36) }

// appendRequestID appends the identifier that a trusted proxy gave, or else a new one.
func (r *record) appendRequestID(dst []byte) []byte {
	if id := r.exchange.Request.RequestID; id != "" {
		return r.appendKey(dst, `,"request_id":"`, id)
	}
	dst = append(append(dst, `,"request_id":"`...), r.log.ids.start...)
	dst = strconv.AppendUint(append(dst, '-'), r.log.ids.last.Add(1), 10)
	return append(dst, '"')
}

// traceID returns the trace-id of a traceparent field, "" if that is not valid (W3C Trace Context, section 3.2):
// version "-" trace-id "-" parent-id "-" trace-flags, in hexadecimal digits. Later versions may append to it.
func traceID(traceparent string) string {
	const length = len("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	t := traceparent
	if len(t) < length || len(t) > length && (t[:2] == "00" || t[length] != '-') {
		return ""
	}
	version, trace, parent, flags := t[:2], t[3:35], t[36:52], t[53:55]
	if t[2] != '-' || t[35] != '-' || t[52] != '-' || version == "ff" {
		return ""
	}
	for _, part := range []string{version, trace, parent, flags} {
		if strings.Trim(part, "0123456789abcdef") != "" {
			return ""
		}
	}
	if strings.Trim(trace, "0") == "" || strings.Trim(parent, "0") == "" {
		return ""
	}
	return trace
}
