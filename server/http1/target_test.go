package http1

import (
	"strings"
	"testing"

	"github.com/previewd/previewd/server/message"
)

// Law: a target in absolute-form asks for the same as its path and query do, of the host that it names.
func TestTargetsInAbsoluteForm(t *testing.T) {
	for _, c := range []struct{ method, target, host, want, wantHost string }{
		{"GET", "/x", "a", "/x", "a"},
		{"GET", "http://a/sub/x.txt", "a", "/sub/x.txt", "a"},
		{"GET", "http://a:8000/x?y=/z", "a:8000", "/x?y=/z", "a:8000"},
		{"GET", "http://a/x", "b", "/x", "a"},
		{"GET", "http://a/x", "", "/x", "a"},
		{"GET", "https://a/x", "a", "/x", "a"},
		{"GET", "HTTP://a/x", "a", "/x", "a"},
		{"GET", "http://[::1]:8000/x", "a", "/x", "[::1]:8000"},
		{"GET", "http://a", "a", "/", "a"},
		{"GET", "http://a?x=1", "a", "/?x=1", "a"},
		{"GET", "http://a#x", "a", "/#x", "a"},
		{"GET", "http://a//b.example/..", "a", "/b.example/..", "a"},
		{"OPTIONS", "*", "a", "*", "a"},
		{"OPTIONS", "http://a", "a", "*", "a"},
		{"OPTIONS", "http://a/", "a", "/", "a"},
		{"OPTIONS", "http://a?x", "a", "/?x", "a"},
		// Not absolute-form of http: as they are.
		{"GET", "/http://a/x", "b", "/http://a/x", "b"},
		{"GET", "?u=http://a/x", "b", "?u=http://a/x", "b"},
		{"GET", "ftp://a/x", "b", "ftp://a/x", "b"},
		{"GET", "http:/a/x", "b", "http:/a/x", "b"},
		// A host that is none, or more than a host.
		{"GET", "http:///x", "a", "", ""},
		{"GET", "http://", "a", "", ""},
		{"GET", "http://:80/x", "a", "", ""},
		{"GET", "http://u@a/x", "a", "", ""},
		{"GET", "http://a\\b/x", "a", "", ""},
		{"GET", "http://\xc3\xa9/x", "a", "", ""},
	} {
		r := &message.Request{Method: c.method, Target: c.target}
		if c.host != "" {
			r.Fields = message.Fields{{Name: "Accept", Value: "*/*"}, {Name: "host", Value: c.host}}
		}
		failure := originForm(r)
		if c.want == "" {
			if failure == nil || failure.Status != 400 {
				t.Errorf("%s %q: %v, want 400", c.method, c.target, failure)
			}
			continue
		}
		if failure != nil || r.Target != c.want || strings.Join(r.Fields.Values("Host"), "|") != c.wantHost {
			t.Errorf("%s %q: %q of %q, %v, want %q of %q", c.method, c.target, r.Target, r.Fields.Values("Host"), failure, c.want, c.wantHost)
		}
	}
}

func TestTargetsInAbsoluteFormOnTheWire(t *testing.T) {
	const closing = "Connection: close\r\n"
	for name, c := range map[string]struct{ raw, want, exact string }{
		"absolute": {"GET http://a/b HTTP/1.1\r\nHost: c\r\nConnection: close\r\n\r\n",
			ok(closing, "GET /b []"), ok(closing, "GET http://a/b []")},
		"two hosts": {"GET http://a/b HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
			errorAnswer("HTTP/1.1", 400, "More than one Host field"), errorAnswer("HTTP/1.1", 400, "More than one Host field")},
		"userinfo": {"GET http://u:p@a/b HTTP/1.1\r\nConnection: close\r\n\r\n",
			errorAnswer("HTTP/1.1", 400, "Bad authority in the request target"), ok(closing, "GET http://u:p@a/b []")},
	} {
		for exact, want := range map[bool]string{false: c.want, true: c.exact} {
			if got := talk(t, start(t, &Engine{Profile: message.Profile{Exact: exact}}), c.raw, false); got != want {
				t.Errorf("%s, exact=%v: got  %q\nwant %q", name, exact, got, want)
			}
		}
	}
}
