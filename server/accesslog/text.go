package accesslog

import (
	"strconv"
	"strings"

	"go.uber.org/zap/zapcore"

	"github.com/previewd/previewd/server/message"
)

// writeText writes what http.server prints for an exchange, in one Write: log_error's line for an error
// answer, log_request's, and those that the handler noted. What http.server would show as a traceback, or not at all, follows as an
// entry: what cut the answer short, and the cause of a server error (5xx).
func (r *record) writeText() {
	x := r.exchange
	dst := r.text[:0]
	if x.Status != 0 {
		if x.Failure != nil {
			dst = r.appendPrefix(dst)
			dst = append(dst, "code "...)
			dst = strconv.AppendInt(dst, int64(x.Failure.Status), 10)
			dst = append(dst, ", message "...)
			dst = appendText(dst, r.log.phrase(x.Failure))
			dst = append(dst, '\n')
		}
		dst = r.appendPrefix(dst)
		dst = append(appendWire(append(dst, '"'), x.Request.Line), '"')
		dst = append(appendOutcome(dst, x), '\n')
	}
	for _, note := range x.Request.Notes {
		dst = append(appendText(r.appendPrefix(dst), note), '\n')
	}
	if err := trouble(x); err != nil || x.Status == 0 {
		dst = r.appendTrouble(dst, err)
	}
	r.text = dst
	_, _ = r.log.out.Write(dst)
}

// appendPrefix appends "127.0.0.1 - - [21/Nov/2026 00:53:00] ".
func (r *record) appendPrefix(dst []byte) []byte {
	dst = appendClient(dst, r.exchange.Request)
	dst = append(dst, " - - "...)
	dst = append(dst, r.log.clock.at(r.exchange.Start.Add(r.exchange.Duration)).local...)
	return append(dst, ' ')
}

// trouble is what the operator should know of an exchange beyond what http.server prints.
func trouble(x *message.Exchange) error {
	if x.Err != nil && x.Err != error(x.Failure) {
		return x.Err
	}
	if x.Failure != nil && x.Failure.Status >= 500 {
		return x.Failure.Cause
	}
	return nil
}

// appendTrouble appends an entry about an exchange. An error of several lines is a panic with its stack.
func (r *record) appendTrouble(dst []byte, err error) []byte {
	x := r.exchange
	entry := zapcore.Entry{Level: zapcore.ErrorLevel, Time: x.Start.Add(x.Duration), Message: "the connection ended before an answer"}
	if x.Status == 0 {
		entry.Level = zapcore.InfoLevel
	}
	if err != nil {
		entry.Message, entry.Stack, _ = strings.Cut(err.Error(), "\n")
	}
	dst = appendEntry(dst, r.log.clock, entry)
	dst = appendClient(append(dst, " client="...), x.Request)
	dst = appendQuoted(append(dst, " request="...), message.Latin1(x.Request.Line))
	dst = appendStack(dst, entry.Stack)
	return append(dst, '\n')
}
