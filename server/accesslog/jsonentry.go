package accesslog

import (
	"fmt"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// jsonCore writes the entries of a zap.Logger in the JSON form. Their texts have the escapes of log_message first: JSON's
// own are undone by its readers, and jq -r would send a terminal what a CGI script wrote.
type jsonCore struct{ zapcore.Core }

// With returns a core whose entries have these fields too.
func (c *jsonCore) With(fields []zapcore.Field) zapcore.Core {
	return &jsonCore{c.Core.With(escapeFields(fields))}
}

// Check adds the core to an entry that is to be written.
func (c *jsonCore) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(entry.Level) {
		return checked.AddCore(entry, c)
	}
	return checked
}

// Write writes an entry with its fields.
func (c *jsonCore) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	entry.Message, entry.Stack = escape(entry.Message), escapeLines(entry.Stack)
	return c.Core.Write(entry, escapeFields(fields))
}

// escapeFields returns the fields with their texts escaped. Lists are left: those in use are the server's own.
func escapeFields(fields []zapcore.Field) []zapcore.Field {
	escaped := make([]zapcore.Field, len(fields))
	for i, field := range fields {
		text := escape
		if field.Key == "stack" {
			text = escapeLines
		}
		switch field.Type {
		case zapcore.StringType:
			field.String = text(field.String)
		case zapcore.ErrorType, zapcore.StringerType:
			field = zap.String(field.Key, text(fmt.Sprint(field.Interface)))
		}
		escaped[i] = field
	}
	return escaped
}

func escape(text string) string { return string(appendText(nil, text)) }

func escapeLines(text string) string { return string(appendLines(nil, text, "\n")) }
