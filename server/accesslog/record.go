package accesslog

import (
	"crypto/tls"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/previewd/previewd/server/message"
)

// largestKept is how many bytes a record's scratch may have to be kept for the next one.
const largestKept = 16 << 10

// record is what it takes to log one exchange without allocating. It is a zapcore.ObjectMarshaler.
type record struct {
	log      *Log
	exchange *message.Exchange
	text     []byte          // scratch; in text form, the record
	fields   []zapcore.Field // the record itself, inlined
}

func newRecord(l *Log) *record {
	r := &record{log: l, text: make([]byte, 0, 512)}
	r.fields = []zapcore.Field{zap.Inline(r)}
	return r
}

func (r *record) release() {
	r.exchange = nil
	if cap(r.text) <= largestKept {
		r.log.records.Put(r)
	}
}

// newEntryEncoder is the JSON form of all entries but exchanges.
func newEntryEncoder() zapcore.Encoder {
	return zapcore.NewJSONEncoder(zapcore.EncoderConfig{
		TimeKey: "ts", LevelKey: "level", NameKey: "logger", MessageKey: "msg", StacktraceKey: "stack",
		EncodeLevel: zapcore.LowercaseLevelEncoder,
		EncodeTime: func(t time.Time, enc zapcore.PrimitiveArrayEncoder) {
			enc.AppendString(t.UTC().Format("2006-01-02T15:04:05.000Z"))
		},
		EncodeDuration: encodeSeconds,
	})
}

// encodeSeconds encodes a duration in seconds, rounded to microseconds.
func encodeSeconds(d time.Duration, enc zapcore.PrimitiveArrayEncoder) {
	enc.AppendFloat64(float64(d.Round(time.Microsecond).Microseconds()) / 1e6)
}

// accessEntry is what all records have in common. Time and message are among the record's own fields, where
// they cost no string.
var accessEntry = zapcore.Entry{Level: zapcore.InfoLevel, LoggerName: "access"}

func newRecordEncoder() zapcore.Encoder {
	return zapcore.NewJSONEncoder(zapcore.EncoderConfig{LevelKey: "level", NameKey: "logger",
		EncodeLevel: zapcore.LowercaseLevelEncoder, EncodeDuration: encodeSeconds})
}

func (r *record) writeJSON() {
	line, err := r.log.encoder.EncodeEntry(accessEntry, r.fields)
	if err != nil { // MarshalLogObject reports none
		panic(err)
	}
	_, _ = r.log.out.Write(line.Bytes())
	line.Free()
}

// MarshalLogObject adds the keys of an exchange. Those that the request or the connection has no value
// for (protocol, host, user_agent, referer, tls, error, note) are left out.
func (r *record) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	x, q := r.exchange, r.exchange.Request
	r.text = r.log.clock.appendRFC3339(r.text[:0], x.Start.Add(x.Duration))
	enc.AddByteString("ts", r.text)

	text, size := appendRequest(r.text[:0], x)
	r.text = text
	enc.AddByteString("msg", text)
	enc.AddByteString("request", text[1:1+size])

	r.text = appendClient(r.text[:0], q)
	enc.AddByteString("client", r.text)
	enc.AddInt64("code", int64(x.Status))
	enc.AddInt64("size", x.Sent)
	enc.AddDuration("duration", x.Duration)
	r.addWire(enc, "protocol", q.Proto)
	r.addWire(enc, "host", q.Fields.Get("Host"))
	r.addWire(enc, "user_agent", q.Fields.Get("User-Agent"))
	r.addWire(enc, "referer", q.Fields.Get("Referer"))
	if q.TLS != nil {
		enc.AddString("tls", tls.VersionName(q.TLS.Version))
	}
	if x.Failure != nil || x.Err != nil {
		r.text = r.appendError(r.text[:0])
		enc.AddByteString("error", r.text)
	}
	if len(q.Notes) > 0 {
		enc.AddString("note", strings.Join(q.Notes, "; "))
	}
	return nil
}

// addWire adds a text from the wire unless it is empty.
func (r *record) addWire(enc zapcore.ObjectEncoder, key, raw string) {
	if raw == "" {
		return
	}
	if plainPrefix(raw) == len(raw) {
		enc.AddString(key, raw)
		return
	}
	r.text = appendWire(r.text[:0], raw)
	enc.AddByteString(key, r.text)
}

// appendError appends what the client was told, and behind it what only the operator is: the cause, and
// what cut the answer short.
func (r *record) appendError(dst []byte) []byte {
	f, err := r.exchange.Failure, r.exchange.Err
	if f != nil {
		dst = appendText(dst, r.log.phrase(f))
		if f.Cause != nil {
			dst = appendLines(append(dst, ": "...), f.Cause.Error(), "\n")
		}
		if err == nil || err == error(f) {
			return dst
		}
		dst = append(dst, "; "...)
	}
	return appendLines(dst, err.Error(), "\n")
}

// phrase is the message that send_error logs and sends.
func (l *Log) phrase(f *message.Failure) string {
	if f.Message != "" {
		return f.Message
	}
	if reason := l.profile.Reason(f.Status); reason != "" {
		return reason
	}
	return "???"
}

// appendRequest appends the text of log_request, "GET / HTTP/1.1" 200 1024, and returns the size of the
// request line in it. A request that got no answer has a hyphen for the status code.
func appendRequest(dst []byte, x *message.Exchange) (text []byte, size int) {
	dst = append(dst, '"')
	start := len(dst)
	dst = appendWire(dst, x.Request.Line)
	size = len(dst) - start
	dst = append(dst, `" `...)
	if x.Status == 0 {
		dst = append(dst, '-')
	} else {
		dst = strconv.AppendInt(dst, int64(x.Status), 10)
	}
	dst = append(dst, ' ')
	return strconv.AppendInt(dst, x.Sent, 10), size
}

// appendClient appends the client's address, never in the IPv6-mapped form of IPv4; a hyphen if there is
// none, as on a Unix socket.
func appendClient(dst []byte, q *message.Request) []byte {
	addr := clientOf(q)
	if !addr.IsValid() {
		return append(dst, '-')
	}
	return addr.AppendTo(dst)
}

func clientOf(q *message.Request) netip.Addr {
	if q.Client.IsValid() {
		return q.Client.Unmap()
	}
	return q.Peer.Addr().Unmap()
}
