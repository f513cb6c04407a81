package accesslog

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.uber.org/zap/zapcore"

	"github.com/previewd/previewd/server/message"
)

func TestRequestIDIsTheProxysOrANewOne(t *testing.T) {
	log, out := newLog(JSON, zapcore.InfoLevel)
	named := hello()
	named.Request.RequestID = "7d1-é"
	for _, x := range []*message.Exchange{hello(), named, hello()} {
		log.Record(x)
	}
	for i, want := range []string{log.ids.start + "-1", "7d1-\u00c3\u00a9", log.ids.start + "-2"} {
		if !strings.Contains(out.writes[i], fmt.Sprintf(`"request_id":"%s"`, want)) {
			t.Errorf("record %d: got %q, want the identifier %q", i, out.writes[i], want)
		}
	}
}

func TestPathAndQueryAreTheTargets(t *testing.T) {
	for _, c := range []struct{ target, path, query string }{
		{"/a%20b/c?x=1&y=%22", "/a%20b/c", "x=1&y=%22"},
		{"/a?", "/a", ""},
		{"/a?b?c", "/a", "b?c"},
		{"*", "*", ""},
		{"", "", ""},
		{"/\x1b[31m\"\\?\xe9", `/\x1b[31m"\\`, "é"},
	} {
		x := hello()
		x.Request.Target = c.target
		keys := recordJSON(t, x)
		for key, want := range map[string]string{"method": "GET", "path": c.path, "query": c.query} {
			if got, found := keys[key]; found != (want != "") || found && got != want {
				t.Errorf("%q: %s = %q, want %q", c.target, key, got, want)
			}
		}
	}
}

// The cases are those of W3C Trace Context, section 3.2.
func TestTraceIDIsThatOfAValidTraceparent(t *testing.T) {
	const id = "0af7651916cd43dd8448eb211c80319c"
	for _, c := range []struct{ field, want string }{
		{"00-" + id + "-b7ad6b7169203331-01", id},
		{"cc-" + id + "-b7ad6b7169203331-01", id},
		{"cc-" + id + "-b7ad6b7169203331-01-what-the-future-has", id},
		{"cc-" + id + "-b7ad6b7169203331-01.what", ""},
		{"00-" + id + "-b7ad6b7169203331-01-more", ""},
		{"ff-" + id + "-b7ad6b7169203331-01", ""},
		{"00-" + strings.ToUpper(id) + "-b7ad6b7169203331-01", ""},
		{"00-" + strings.Repeat("0", 32) + "-b7ad6b7169203331-01", ""},
		{"00-" + id + "-0000000000000000-01", ""},
		{"00-" + id + "-b7ad6b7169203331-0", ""},
		{"00-" + id + "_b7ad6b7169203331-01", ""},
		{"00-" + id, ""},
		{"", ""},
	} {
		x := hello()
		x.Request.Fields = append(x.Request.Fields, message.Field{Name: "traceparent", Value: c.field})
		if got, _ := recordJSON(t, x)["trace_id"].(string); got != c.want {
			t.Errorf("%q: trace_id %q, want %q", c.field, got, c.want)
		}
	}
}

// unreadable is a cause that has a warning of its own.
type unreadable struct{}

func (unreadable) Error() string   { return "a cannot be read; chmod o+r a" }
func (unreadable) Brief() string   { return "a cannot be read" }
func (unreadable) OnceKey() string { return "a" }

func TestAdviceIsGivenOnceAndTheRecordsAreBrief(t *testing.T) {
	log, out := newLog(JSON, zapcore.InfoLevel)
	reporter := NewReporter(log)
	x := hello()
	x.Failure = &message.Failure{Status: 404, Message: "File not found", Cause: errors.Join(unreadable{})}
	for range 2 {
		log.Record(x)
		reporter.Observe(x)
	}
	all := strings.Join(out.writes, "")
	if strings.Count(all, "chmod") != 1 || strings.Count(all, `"error":"File not found: a cannot be read"`) != 2 {
		t.Errorf("got %s\nwant the advice once, and what is wrong in both records", all)
	}
}
