package http1

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/previewd/previewd/server/message"
)

// recordedCase is one recorded exchange with CPython.
type recordedCase struct {
	ID      string
	Options struct{ CGI bool }
	Request []json.RawMessage
	Expect  struct {
		Responses []struct {
			StatusLine string `json:"status_line"`
		}
	}
}

// recordedFile holds exchanges recorded from CPython; it lies beside the repository.
const recordedFile = "../../../shared/oracle/cases.json"

func recorded(tb testing.TB) []recordedCase {
	text, err := os.ReadFile(recordedFile)
	if errors.Is(err, fs.ErrNotExist) {
		tb.Logf("no recorded exchanges at %s: going on without them", recordedFile)
		return nil
	}
	if err != nil {
		tb.Fatal(err)
	}
	var file struct{ Cases []recordedCase }
	if err := json.Unmarshal(text, &file); err != nil {
		tb.Fatal(err)
	}
	return file.Cases
}

// bytes returns all that the client sent: chunks that are Latin-1 text, or lists of text and repetitions.
func (c *recordedCase) bytes(tb testing.TB) (raw []byte) {
	for _, chunk := range c.Request {
		var text string
		if json.Unmarshal(chunk, &text) == nil {
			raw = message.AppendLatin1(raw, text)
			continue
		}
		var parts []json.RawMessage
		if err := json.Unmarshal(chunk, &parts); err != nil {
			tb.Fatal(err)
		}
		for _, part := range parts {
			var repeated struct {
				Rep string
				N   int
			}
			if json.Unmarshal(part, &text) != nil {
				if err := json.Unmarshal(part, &repeated); err != nil {
					tb.Fatal(err)
				}
				text = strings.Repeat(repeated.Rep, repeated.N)
			}
			raw = message.AppendLatin1(raw, text)
		}
	}
	return raw
}

func recordedRequests(tb testing.TB) (all [][]byte) {
	for _, c := range recorded(tb) {
		all = append(all, c.bytes(tb))
	}
	return all
}

// listed returns the ids of testdata/differences.txt, the deliberate differences from CPython.
func listed(t *testing.T) map[string]bool {
	text, err := os.ReadFile("../../testdata/differences.txt")
	if err != nil {
		t.Fatal(err)
	}
	ids := make(map[string]bool)
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		ids[strings.TrimSpace(line)] = true
	}
	return ids
}

func TestRequestsThatCPythonAnswersAreAccepted(t *testing.T) {
	cases := recorded(t)
	if cases == nil {
		t.Skip("the recorded exchanges are not beside the repository")
	}
	differ := listed(t)
	accepted := 0
	for _, c := range cases {
		if c.Options.CGI || differ[c.ID] || len(c.Expect.Responses) == 0 ||
			!strings.Contains(c.Expect.Responses[0].StatusLine, " 200 ") {
			continue
		}
		accepted++
		if got := parseAll(true, c.bytes(t)); got.state != complete {
			t.Errorf("%s: %d %q", c.ID, got.failure.Status, got.failure.Message)
		}
	}
	if accepted < 100 {
		t.Errorf("only %d recorded requests were tried", accepted)
	}
}
