package accesslog

import (
	"bytes"
	"strconv"
	"time"

	"go.uber.org/zap/zapcore"
)

// jsonEncoder is zap's JSON encoder for the few kinds of values that a record has, with the same bytes (a
// test compares them) at half the cost: keys are not escaped, values in steps of eight bytes. The
// interface is nil; calling a method that is not here is an error of this package.
type jsonEncoder struct {
	zapcore.ObjectEncoder
	line []byte
}

// begin starts a record with what is the same in all of them.
func (e *jsonEncoder) begin() { e.line = append(e.line[:0], `{"level":"info","logger":"access"`...) }

// end completes the record.
func (e *jsonEncoder) end() { e.line = append(e.line, "}\n"...) }

// AddString adds text in UTF-8.
func (e *jsonEncoder) AddString(key, value string) {
	e.line = appendJSON(appendKey(e.line, key), value)
}

// AddByteString adds text in UTF-8.
func (e *jsonEncoder) AddByteString(key string, value []byte) {
	e.line = appendJSON(appendKey(e.line, key), value)
}

// AddInt64 adds an integer.
func (e *jsonEncoder) AddInt64(key string, value int64) {
	e.line = strconv.AppendInt(appendKey(e.line, key), value, 10)
}

// AddDuration adds seconds as a decimal number, rounded to microseconds.
func (e *jsonEncoder) AddDuration(key string, value time.Duration) {
	e.line = appendSeconds(appendKey(e.line, key), value)
}

func appendKey(dst []byte, key string) []byte {
	dst = append(dst, ',', '"')
	dst = append(dst, key...)
	return append(dst, '"', ':')
}

// encodeSeconds is how zap's encoder does the same.
func encodeSeconds(d time.Duration, enc zapcore.PrimitiveArrayEncoder) {
	enc.AppendFloat64(float64(d.Round(time.Microsecond).Microseconds()) / 1e6)
}

// appendSeconds appends the shortest decimal number for d in seconds, of which six digits are fractional
// at most.
func appendSeconds(dst []byte, d time.Duration) []byte {
	us := d.Round(time.Microsecond).Microseconds()
	if us < 0 { // a clock that was set back
		dst, us = append(dst, '-'), -us
	}
	dst = strconv.AppendInt(dst, us/1e6, 10)
	fraction := us % 1e6
	if fraction == 0 {
		return dst
	}
	var digits [7]byte
	digits[0] = '.'
	for i := 6; i > 0; i-- {
		digits[i] = byte('0' + fraction%10)
		fraction /= 10
	}
	return append(dst, bytes.TrimRight(digits[:], "0")...)
}

// appendJSON appends a JSON string (RFC 8259, section 7). The text went through appendWire or appendText:
// it is valid UTF-8, and of control characters it has no other than line feeds.
func appendJSON[S string | []byte](dst []byte, text S) []byte {
	dst = append(dst, '"')
	for {
		n := plainPrefix(text)
		dst = append(dst, text[:n]...)
		if n == len(text) {
			return append(dst, '"')
		}
		switch c := text[n]; c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		default:
			dst = append(dst, c)
		}
		text = text[n+1:]
	}
}
