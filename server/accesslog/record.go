package accesslog

import (
	"errors"
	"net/netip"
	"strconv"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/previewd/previewd/server/message"
)

// largestKept is how many bytes a record's scratch may have to be kept for the next one.
const largestKept = 16 << 10

// record is what it takes to log one exchange without allocating.
type record struct {
	log      *Log
	exchange *message.Exchange
	text     []byte // the record
	scratch  []byte // a text on its way into JSON
}

func newRecord(l *Log) *record { return &record{log: l, text: make([]byte, 0, 512)} }

func (r *record) release() {
	r.exchange = nil
	if cap(r.text)+cap(r.scratch) <= largestKept {
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

// appendError appends what the client was told, and behind it what only the operator is: the cause, and
// what cut the answer short. Of a cause that has a Brief, as it has a warning of its own, that is enough.
func (r *record) appendError(dst []byte) []byte {
	f, err := r.exchange.Failure, r.exchange.Err
	if f != nil {
		dst = appendText(dst, r.log.phrase(f))
		if f.Cause != nil {
			dst = appendLines(append(dst, ": "...), brief(f.Cause), "\n")
		}
		if err == nil || err == error(f) {
			return dst
		}
		dst = append(dst, "; "...)
	}
	return appendLines(dst, err.Error(), "\n")
}

func brief(cause error) string {
	var short interface {
		error
		Brief() string
	}
	if errors.As(cause, &short) {
		return short.Brief()
	}
	return cause.Error()
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

// appendOutcome appends what stands behind the request line in the text of log_request, ' 200 1024'. A request
// that got no answer has a hyphen for the status code.
func appendOutcome(dst []byte, x *message.Exchange) []byte {
	if x.Status == 0 {
		dst = append(dst, " -"...)
	} else {
		dst = strconv.AppendInt(append(dst, ' '), int64(x.Status), 10)
	}
	return strconv.AppendInt(append(dst, ' '), x.Sent, 10)
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
