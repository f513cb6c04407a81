package accesslog

import (
	"crypto/tls"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// writeJSON writes the record as zap's JSON encoder would, in one Write. It is done by hand as it is done for
// every request: zap takes three times as long for the same bytes. Those keys that the request or the
// connection has no value for (method, path, query, preview, via, upstream and what belongs to it, protocol, host, user_agent,
// referer, trace_id, tls, error, note) are left out.
func (r *record) writeJSON() {
	x, q := r.exchange, r.exchange.Request
	dst := append(r.text[:0], `{"level":"info","logger":"access","ts":"`...)
	dst = r.log.clock.appendRFC3339(dst, x.Start.Add(x.Duration))
	dst = append(dst, `","msg":"\"`...)
	line := len(dst)
	dst = r.appendWire(dst, q.Line)
	end := len(dst)
	dst = appendOutcome(append(dst, `\"`...), x)
	dst = append(dst, `","request":"`...)
	dst = append(append(dst, dst[line:end]...), '"')
	path, query, _ := strings.Cut(q.Target, "?")
	dst = r.appendKey(dst, `,"method":"`, q.Method)
	dst = r.appendKey(dst, `,"path":"`, path)
	dst = r.appendKey(dst, `,"query":"`, query)
	dst = append(dst, `,"client":"`...)
	dst = appendClient(dst, q)
	dst = append(dst, `","code":`...)
	dst = strconv.AppendInt(dst, int64(x.Status), 10)
	dst = append(dst, `,"size":`...)
	dst = strconv.AppendInt(dst, x.Sent, 10)
	dst = append(dst, `,"duration":`...)
	dst = appendSeconds(dst, x.Duration)
	dst = r.appendRequestID(dst)
	dst = r.appendKey(dst, `,"preview":"`, q.Preview)
	dst = r.appendKey(dst, `,"via":"`, x.Via)
	if q.Upstream.Name != "" {
		dst = r.appendKey(dst, `,"upstream":"`, q.Upstream.Name)
		dst = appendSeconds(append(dst, `,"upstream_duration":`...), q.Upstream.Duration)
		if q.Upstream.Received > 0 {
			dst = strconv.AppendInt(append(dst, `,"received":`...), q.Upstream.Received, 10)
		}
	}
	dst = r.appendKey(dst, `,"protocol":"`, q.Proto)
	dst = r.appendKey(dst, `,"host":"`, q.Fields.Get("Host"))
	dst = r.appendKey(dst, `,"user_agent":"`, q.Fields.Get("User-Agent"))
	dst = r.appendKey(dst, `,"referer":"`, q.Fields.Get("Referer"))
	dst = r.appendKey(dst, `,"trace_id":"`, traceID(q.Fields.Get("Traceparent")))
	if q.TLS != nil {
		dst = append(append(append(dst, `,"tls":"`...), tls.VersionName(q.TLS.Version)...), '"')
	}
	if x.Failure != nil || x.Err != nil {
		r.scratch = r.appendError(r.scratch[:0])
		dst = append(appendJSON(append(dst, `,"error":"`...), r.scratch), '"')
	}
	if len(q.Notes) > 0 {
		r.scratch = appendText(r.scratch[:0], strings.Join(q.Notes, "; "))
		dst = append(appendJSON(append(dst, `,"note":"`...), r.scratch), '"')
	}
	r.text = append(dst, "}\n"...)
	_, _ = r.log.out.Write(r.text)
}

// appendKey appends a key and a text from the wire, unless that is empty.
func (r *record) appendKey(dst []byte, key, raw string) []byte {
	if raw == "" {
		return dst
	}
	return append(r.appendWire(append(dst, key...), raw), '"')
}

// appendWire appends bytes from the wire, escaped first for the log and then for JSON.
func (r *record) appendWire(dst []byte, raw string) []byte {
	if plainPrefix(raw) == len(raw) {
		return append(dst, raw...)
	}
	r.scratch = appendWire(r.scratch[:0], raw)
	return appendJSON(dst, r.scratch)
}

// appendJSON appends text as it stands between the quotation marks of a JSON string (RFC 8259, section 7).
// What is not UTF-8 becomes U+FFFD.
func appendJSON[S string | []byte](dst []byte, text S) []byte {
	for i := 0; i < len(text); {
		n := plainPrefix(text[i:])
		dst = append(dst, text[i:i+n]...)
		if i += n; i == len(text) {
			break
		}
		switch c := text[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, `\n`...)
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
		default:
			char, size := utf8.DecodeRuneInString(string(text[i:min(i+utf8.UTFMax, len(text))]))
			dst = utf8.AppendRune(dst, char)
			i += size - 1
		}
		i++
	}
	return dst
}

// appendSeconds appends a duration in seconds, rounded to microseconds.
func appendSeconds(dst []byte, d time.Duration) []byte {
	micro := d.Round(time.Microsecond).Microseconds()
	if micro < 0 { // the clock was set back
		dst, micro = append(dst, '-'), -micro
	}
	dst = strconv.AppendInt(dst, micro/1e6, 10)
	rest := micro % 1e6
	if rest == 0 {
		return dst
	}
	dst = append(dst, '.')
	for digit := int64(1e5); rest > 0; digit /= 10 {
		dst = append(dst, byte('0'+rest/digit))
		rest %= digit
	}
	return dst
}
