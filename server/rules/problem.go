package rules

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Problem is something in a rules file that is not, or not wholly, obeyed.
type Problem struct {
	// File is RedirectsFile or HeadersFile.
	File string
	// Line counts from 1; 0 is the file as a whole.
	Line int
	// Message says what is wrong and what is allowed. It is printable.
	Message string
	// Error is set where the line is a mistake and not obeyed. Else it is obeyed all the same, or is right elsewhere and
	// means something that there is not here.
	Error bool
}

// String is the problem as a line: _redirects:3: warning: ...
func (p Problem) String() string {
	kind := "warning"
	if p.Error {
		kind = "error"
	}
	if p.Line == 0 {
		return fmt.Sprintf("%s: %s: %s", p.File, kind, p.Message)
	}
	return fmt.Sprintf("%s:%d: %s: %s", p.File, p.Line, kind, p.Message)
}

// report collects the problems of a file.
type report struct {
	file     string
	line     int
	problems []Problem
}

func (r *report) warn(format string, args ...any) { r.add(false, format, args...) }
func (r *report) fail(format string, args ...any) { r.add(true, format, args...) }

func (r *report) add(isError bool, format string, args ...any) {
	switch n := len(r.problems); {
	case n < MaxProblems:
		r.problems = append(r.problems, Problem{r.file, r.line, shorten(fmt.Sprintf(format, args...)), isError})
	case n == MaxProblems:
		r.problems = append(r.problems, Problem{r.file, r.line, "there are more problems from here on, they are not shown", isError})
	case isError:
		r.problems[MaxProblems].Error = true
	}
}

// maxMessage is how many bytes of a message are shown: a line may be as long as the file.
const maxMessage = 1000

func shorten(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	return strings.ToValidUTF8(message[:maxMessage], "") + " …"
}

// lines calls each for every line of a file that is neither empty nor a comment, with the blanks around it gone.
func (r *report) lines(content []byte, each func(line string)) {
	if bytes.HasPrefix(content, []byte("\xff\xfe")) || bytes.HasPrefix(content, []byte("\xfe\xff")) {
		r.fail("the file is UTF-16, and must be UTF-8")
		return
	}
	if len(content) > MaxFile {
		r.fail("the file has more than %d bytes, the rest is not obeyed", MaxFile)
		content = content[:MaxFile]
		content = content[:bytes.LastIndexByte(content, '\n')+1]
	}
	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))
	for line := range strings.Lines(string(content)) {
		r.line++
		line = strings.TrimFunc(line, isBlank)
		if line == "" || line[0] == '#' {
			continue
		}
		if n := utf8.RuneCountInString(line); n > MaxLine {
			r.warn("the line has %d characters, Cloudflare allows %d", n, MaxLine)
		}
		if !utf8.ValidString(line) {
			r.warn("the line is not UTF-8, its bytes are compared as they are")
		}
		each(line)
	}
}

// hasControl says whether there is a control character that separates no words.
func hasControl(line string) bool {
	return strings.ContainsFunc(line, func(c rune) bool { return unicode.IsControl(c) && !isBlank(c) })
}

// isBlank says whether a character separates words: \s of JavaScript, in which both parsers are written.
func isBlank(c rune) bool {
	switch c {
	case ' ', '\t', '\n', '\v', '\f', '\r', 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000, 0xFEFF:
		return true
	}
	return 0x2000 <= c && c <= 0x200A
}
