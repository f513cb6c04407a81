package accesslog

import (
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/previewd/previewd/server/message"
)

// Format is the format of a log: text or JSON.
type Format int

const (
	// JSON is one object a line: ts (RFC 3339 in UTC, with milliseconds), level, logger, msg and the rest.
	JSON Format = iota
	// Text is what http.server prints for an exchange, and for other entries one line of the same look:
	// [21/Nov/2026 00:53:00] warn: message key=value
	Text
)

// Log is a *zap.Logger for the entries of everything but exchanges, and Record for those. It is safe for
// concurrent use.
type Log struct {
	*zap.Logger
	out     zapcore.WriteSyncer
	format  Format
	enabled bool // records of exchanges, which are of level info
	profile message.Profile
	clock   *clock
	ids     requestIDs
	records sync.Pool // of *record
}

// New returns a Log of entries of the given level and above that writes to out, one Write for each
// record; now is the clock of entries. The profile has the phrases of status codes.
func New(out zapcore.WriteSyncer, format Format, level zapcore.Level, profile message.Profile, now func() time.Time) *Log {
	l := &Log{
		out:     out,
		format:  format,
		enabled: level.Enabled(zapcore.InfoLevel),
		profile: profile.WithDefaults(),
		clock:   new(clock),
	}
	l.ids.begin(now())
	l.records.New = func() any { return newRecord(l) }
	var core zapcore.Core = &jsonCore{zapcore.NewCore(newEntryEncoder(), out, level)}
	if format == Text {
		core = &textCore{LevelEnabler: level, out: out, clock: l.clock}
	}
	l.Logger = zap.New(core, zap.WithClock(clockFunc(now)), zap.ErrorOutput(out))
	return l
}

// Record logs an exchange, if the level is info or lower. It keeps no reference to x and allocates nothing. The time
// of the record is when the last byte of the answer was sent.
func (l *Log) Record(x *message.Exchange) {
	if !l.enabled {
		return
	}
	r := l.records.Get().(*record)
	r.exchange = x
	if l.format == Text {
		r.writeText()
		l.showText()
	} else {
		r.writeJSON()
	}
	r.release()
}

// textDelay bounds how long a text record may hold up its connection.
const textDelay = 20 * time.Millisecond

// showText sees that a text record is written before its connection closes or goes on: http.server logs
// before it answers, so whoever has the answer finds the line.
func (l *Log) showText() {
	if q, ok := l.out.(*Queue); ok {
		// A reader that is too slow for this gets the record later.
		_ = q.flush(textDelay)
	}
}

// Format returns the format of the log.
func (l *Log) Format() Format { return l.format }

// dropReport returns what makes the line about dropped records.
func dropReport(format Format, now func() time.Time) func(dropped uint64) []byte {
	encoder, clock := newEntryEncoder(), new(clock)
	return func(dropped uint64) []byte {
		entry := zapcore.Entry{
			Level:   zapcore.WarnLevel,
			Time:    now(),
			Message: strconv.FormatUint(dropped, 10) + " log records were dropped: the log was not read fast enough",
		}
		if format == Text {
			return append(appendEntry(nil, clock, entry), '\n')
		}
		line, err := encoder.EncodeEntry(entry, []zap.Field{zap.Uint64("dropped", dropped)})
		if err != nil { // the encoder has no way to fail on a number
			panic(err)
		}
		return line.Bytes()
	}
}

// clockFunc is a zapcore.Clock.
type clockFunc func() time.Time

func (now clockFunc) Now() time.Time                         { return now() }
func (now clockFunc) NewTicker(d time.Duration) *time.Ticker { return time.NewTicker(d) }
