package rules

import (
	"strings"
	"testing"
	"testing/fstest"
)

// TestCheck: every rule is shown as it is understood, every problem beside it; only an error is a failure.
func TestCheck(t *testing.T) {
	for _, c := range []struct {
		files fstest.MapFS
		want  string
		ok    bool
	}{
		{fstest.MapFS{}, "there is neither _redirects nor _headers\n", true},
		{fstest.MapFS{"_redirects": {Data: []byte("# note\n/a   /b\nbad\n/c /d 302 Country=at\n")}},
			"_redirects:2: /a /b 302\n" +
				"_redirects:3: error: \"bad\" has no target: a rule must be like /from /to 301\n" +
				"_redirects:4: warning: \"Country\" is not known here, so the rule never applies: it must be Language or Cookie\n" +
				"_redirects: rules: 1, problems: 2\n", false},
		{fstest.MapFS{"_headers": {Data: []byte("/*\nX-A:1\n  Date: now")}},
			"_headers:1: /*\n  X-A: 1\n_headers:3: warning: Date belongs to the server, a rule cannot change it\n_headers: rules: 1, problems: 1\n", true},
		{fstest.MapFS{"_redirects": {Data: []byte("/\xff /b")}},
			"_redirects:1: /\uFFFD /b 302\n_redirects:1: warning: the line is not UTF-8, its bytes are compared as they are\n_redirects: rules: 1, problems: 1\n", true},
	} {
		var out strings.Builder
		if ok := Check(c.files, &out); ok != c.ok || out.String() != c.want {
			t.Errorf("%v: %v\n%s\nwant %v\n%s", c.files, ok, &out, c.ok, c.want)
		}
	}
}
