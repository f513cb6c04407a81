package sitetest

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/previewd/previewd/server/message"
)

// pythonScript answers each line of input, a JSON array of a function's name and its argument as Latin-1
// text, with a line of JSON. Results that CPython dies of are null.
const pythonScript = `
import email.utils, datetime, html, json, os, posixpath, sys, urllib.parse as u
def text(s):
    try: return u.unquote(s, errors='surrogatepass')
    except UnicodeDecodeError: return u.unquote(s)
def latin(b): return b.decode('latin-1')
def translate(s):
    path = text(s.split('#')[0].split('?')[0])
    slash = path.endswith('/')
    words = [w for w in posixpath.normpath(path.replace('\0', '\1')).split('/') if w not in ('', '.', '..')]
    name = os.fsencode('/'.join(words) or '.')
    return None if b'\1' in name else [latin(name), slash]
def location(s):
    p = u.urlsplit(s)
    l = u.urlunsplit((p[0], p[1], p[2] + '/', p[3], p[4]))
    return None if l.startswith('//') or '\0' in l else l
def date(s):
    try: d = email.utils.parsedate_to_datetime(s)
    except (TypeError, IndexError, OverflowError, ValueError): return None
    if d.tzinfo is None: d = d.replace(tzinfo=datetime.timezone.utc)
    return (d - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)).total_seconds() if d.tzinfo is datetime.timezone.utc else None
def name(s): return os.fsdecode(s.encode('latin-1'))
def key(s): return latin(name(s).lower().encode('utf-8', 'surrogatepass'))
def quote(s): return u.quote(name(s), errors='surrogatepass')
def escape(s): return latin(os.fsencode(html.escape(name(s), quote=False)))
def ext(s): return latin(os.fsencode(posixpath.splitext(name(s))[1]))
print(json.dumps(sys.version_info[:2]))
for line in sys.stdin:
    f, arg = json.loads(line)
    try: r = globals()[f](arg)
    except (UnicodeError, ValueError): r = None
    print(json.dumps(r))
`

// Function is a function in Go that has its like in pythonScript, by the same name.
type Function struct {
	Go func(string) any
	// Input makes an input that is likely to matter.
	Input func(*rand.Rand) string
	// Differs says where any answer will do; nil is nowhere. want is nil where CPython dies, minor the version of
	// CPython 3.
	Differs func(input string, want any, minor int) bool
}

// Pieces makes inputs of pieces in any order.
func Pieces(pieces ...string) func(*rand.Rand) string {
	return func(r *rand.Rand) string {
		var b strings.Builder
		for range r.IntN(12) {
			b.WriteString(pieces[r.IntN(len(pieces))])
		}
		return b.String()
	}
}

// AgreeWithPython asks both 4,000 questions for each function.
func AgreeWithPython(t *testing.T, functions map[string]Function) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	r := rand.New(rand.NewPCG(1, 2))
	type question struct{ function, input string }
	var asked []question
	var in bytes.Buffer
	for name, function := range functions {
		for range 4000 {
			input := function.Input(r)
			asked = append(asked, question{name, input})
			line, _ := json.Marshal([]string{name, message.Latin1(input)})
			in.Write(append(line, '\n'))
		}
	}
	cmd := exec.Command(python, "-X", "utf8", "-c", pythonScript)
	cmd.Stdin = &in
	out, err := cmd.Output()
	Check(t, err)
	answers := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	var version []int
	if err := json.Unmarshal(answers[0], &version); err != nil || len(answers) != len(asked)+1 {
		t.Fatalf("%d answers to %d questions, %v", len(answers)-1, len(asked), err)
	}
	for i, q := range asked {
		function := functions[q.function]
		gotJSON, _ := json.Marshal(function.Go(q.input))
		var want any
		_ = json.Unmarshal(answers[i+1], &want)
		wantJSON, _ := json.Marshal(want)
		if function.Differs != nil && function.Differs(q.input, want, version[1]) {
			continue
		}
		if !bytes.Equal(gotJSON, wantJSON) {
			t.Errorf("%s(%s) = %s, Python has %s", q.function, strconv.Quote(q.input), gotJSON, wantJSON)
		}
	}
}
