package accesslog

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap/zapcore"
)

// textCore writes the entries of a zap.Logger in the text form: one line each, but for a stack, whose
// lines follow with a tab before each, so that nothing in them passes for an entry.
type textCore struct {
	zapcore.LevelEnabler
	out     zapcore.WriteSyncer
	clock   *clock
	context []byte // the fields of With, as text
}

// With returns a core whose entries have these fields too.
func (c *textCore) With(fields []zapcore.Field) zapcore.Core {
	with := *c
	with.context, _ = appendFields(slices.Clone(c.context), fields)
	return &with
}

// Check adds the core to an entry that is to be written.
func (c *textCore) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(entry.Level) {
		return checked.AddCore(entry, c)
	}
	return checked
}

// Write writes an entry with its fields. The time is local, as http.server's.
func (c *textCore) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	line := appendEntry(nil, c.clock, entry)
	line = append(line, c.context...)
	line, stack := appendFields(line, fields)
	line = appendStack(line, stack)
	line = appendStack(line, entry.Stack)
	if _, err := c.out.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("writing a log entry: %w", err)
	}
	if entry.Level > zapcore.ErrorLevel { // the program may end before the queue is empty
		return c.Sync()
	}
	return nil
}

// Sync waits until all entries are written.
func (c *textCore) Sync() error { return c.out.Sync() }

// appendEntry appends "[21/Nov/2026 00:53:00] warn: message" without a line feed.
func appendEntry(dst []byte, clock *clock, entry zapcore.Entry) []byte {
	dst = append(dst, clock.at(entry.Time).local...)
	dst = append(append(dst, ' '), entry.Level.String()...)
	dst = append(dst, ": "...)
	if entry.LoggerName != "" {
		dst = append(appendText(dst, entry.LoggerName), ": "...)
	}
	return appendText(dst, entry.Message)
}

// appendFields appends " key=value" for each field in order, and returns the value of a field "stack", which
// follows the line.
func appendFields(dst []byte, fields []zapcore.Field) (line []byte, stack string) {
	for _, field := range fields {
		values := zapcore.NewMapObjectEncoder()
		field.AddTo(values)
		for _, key := range slices.Sorted(maps.Keys(values.Fields)) {
			value := values.Fields[key]
			if text, ok := value.(string); ok && key == "stack" {
				stack = text
				continue
			}
			dst = append(appendText(append(dst, ' '), key), '=')
			dst = appendQuoted(dst, valueText(value))
		}
	}
	return dst, stack
}

func valueText(value any) string {
	if t, ok := value.(time.Time); ok {
		return t.Format(time.RFC3339)
	}
	return fmt.Sprint(value)
}

// appendQuoted appends a value, in double quotes if it would not read as one word.
func appendQuoted(dst []byte, value string) []byte {
	if value != "" && !strings.ContainsAny(value, ` "=`) {
		return appendText(dst, value)
	}
	dst = append(dst, '"')
	for i, part := range strings.Split(value, `"`) {
		if i > 0 {
			dst = append(dst, `\"`...)
		}
		dst = appendText(dst, part)
	}
	return append(dst, '"')
}

// appendStack appends each line of a stack behind a line feed and a tab.
func appendStack(dst []byte, stack string) []byte {
	if stack == "" {
		return dst
	}
	return appendLines(append(dst, "\n\t"...), stack, "\n\t")
}
