package http1

import "github.com/previewd/previewd/server/message"

// fieldSpan is a field line as places in the buffer.
type fieldSpan struct{ name, value span }

// The messages of field lines that are refused. CPython ignores such a line and every later one
// (RFC 9112, section 5), which lets two parsers of one chain disagree about a request.
const (
	noColon       = "Field line without a colon"
	badFieldName  = "Bad field name"
	blankInName   = "Blank before the colon of a field line"
	foldedField   = "Folded field line"
	controlInLine = "Control character in a field value"
)

// parseFieldLine reads the field line at buf[at.start:at.end], without its line end (RFC 9112, section 5):
//
//	field-line = field-name ":" OWS field-value OWS
func parseFieldLine(buf []byte, at span) (f fieldSpan, failure *message.Failure) {
	i := at.start
	for i < at.end && message.IsToken(buf[i]) {
		i++
	}
	if i == at.end || buf[i] != ':' || i == at.start {
		return f, badRequest(nameProblem(buf[at.start:at.end], i-at.start))
	}
	f.name = span{at.start, i}
	i++
	for i < at.end && isBlank(buf[i]) {
		i++
	}
	end := at.end
	for end > i && isBlank(buf[end-1]) {
		end--
	}
	f.value = span{i, end}
	for _, c := range buf[i:end] {
		if c < ' ' && c != '\t' || c == 0x7f {
			return f, badRequest(controlInLine)
		}
	}
	return f, nil
}

// nameProblem says what is wrong with a line whose first n bytes are a token, but which has no name.
func nameProblem(line []byte, n int) string {
	colon := false
	for _, c := range line {
		colon = colon || c == ':'
	}
	switch {
	case len(line) > 0 && isBlank(line[0]):
		return foldedField
	case !colon:
		return noColon
	case isBlank(line[n]):
		return blankInName
	}
	return badFieldName
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }
