package rules

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/previewd/previewd/server/message"
)

// show is an answer in a line: status, content, Location, and fields by name.
func show(resp message.Response, names ...string) string {
	words := []string{resp.Fields.Get("Location")}
	if resp.Body != nil {
		content, _ := message.InMemory(resp.Body)
		words[0] += string(content)
	}
	for _, name := range names {
		words = append(words, name+"="+strings.Join(resp.Fields.Values(name), "|"))
	}
	return strings.Join(strings.Fields(strconv.Itoa(resp.Status)+" "+strings.Join(words, " ")), " ")
}

// TestAnswers: what the rules make of a site.
func TestAnswers(t *testing.T) {
	f := files{
		"/index.html": "index", "/page.html": "page", "/docs/index.html": "docs", "/docs/404.html": "lost", "/a.txt": "a", "/100%.txt": "all", "/a.js": "js",
		"/_redirects": "/a.txt /b\n/old /page 301\n/rw /page 200\n/dir /docs 200\n/odd /100%25.txt 200\n/no /nothing 200\n/gone /a.txt 410\n/lost /nothing 410\n/force/* /a.txt 200!\n/force.txt /x 302!\n/app/* /index.html 200\n",
		"/_headers":   "/*\n  X-All: 1\n/page.html\n  X-Page: 1\n/page\n  X-Clean: 1\n/old\n  X-Old: 1\n/rw\n  X-Rw: 1\n/index.html\n  X-Index: 1\n  X-Frame-Options: DENY\n/app/*\n  X-App: 1\n/*.js\n  Cache-Control: immutable\n",
	}
	for _, c := range []struct{ name, method, target, want string }{
		{"file_wins", "GET", "/a.txt", "200 a X-All=1"},
		{"redirect", "GET", "/old?x=1", "301 /page?x=1 X-All=1 X-Old=1 Cache-Control=no-cache"},
		{"redirect_of_a_form", "POST", "/old", "301 /page X-Old=1"},
		{"rewrite", "GET", "/rw", "200 page X-All=1 X-Page=1 X-Clean=1 X-Rw=1"},
		{"rewrite_to_a_directory", "GET", "/dir", "200 docs X-All=1"},
		{"rewrite_to_an_escaped_name", "GET", "/odd", "200 all X-All=1"},
		{"rewrite_to_nothing", "GET", "/no", "404 X-All=1"},
		{"rewrite_of_a_form", "POST", "/rw", "405 X-All=1"},
		{"status", "GET", "/gone", "410 a X-All=1 ETag="},
		{"status_without_a_page", "GET", "/lost", "410 X-All=1"},
		{"single_page_app", "GET", "/app/deep/link", "200 index X-All=1 X-Index=1 X-App=1"},
		{"clean_url", "GET", "/page", "200 page X-Page=1 X-Clean=1"},
		{"index_page_has_the_fields_of_its_path", "GET", "/", "200 index X-All=1 X-Index="},
		{"error_page", "GET", "/docs/none", "404 lost X-All=1"},
		{"an_error_is_not_kept_for_long", "GET", "/docs/none.js", "404 lost X-All=1 Cache-Control="},
		{"a_file_is", "GET", "/a.js", "200 js Cache-Control=immutable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var names []string
			for _, word := range strings.Fields(c.want) {
				if name, _, isField := strings.Cut(word, "="); isField && !strings.Contains(word, "/") {
					names = append(names, name)
				}
			}
			if got := show(ask(t, f, c.method, c.target), names...); got != c.want {
				t.Errorf("%s %s is %q, want %q", c.method, c.target, got, c.want)
			}
		})
	}
	if resp := ask(t, f, "GET", "/old"); resp.Via != "_redirects:2" {
		t.Errorf("Via is %q", resp.Via)
	}
}

// TestAnswersSayWhatTheyDependOn: whichever of the conditions holds, and not where a file wins.
func TestAnswersSayWhatTheyDependOn(t *testing.T) {
	f := files{"/a.txt": "a", "/de.html": "de", "/_redirects": "/x /y 302 Cookie=c\n/a.txt /b 302 Cookie=c\n/l /de.html 200 Language=de\n/l /y 302 Cookie=c\n/z /y\n"}
	german := message.Field{Name: "Accept-Language", Value: "de"}
	for _, c := range []struct {
		target, want string
		field        message.Field
	}{
		{"/x", "302 /y Vary=Cookie", message.Field{Name: "Cookie", Value: "c=1"}},
		{"/x", "404 Vary=Cookie", message.Field{}},
		{"/a.txt", "200 a Vary=Accept-Encoding", message.Field{}},
		{"/l", "200 de Vary=Accept-Encoding|Accept-Language, Cookie", german},
		{"/l", "404 Vary=Accept-Language, Cookie", message.Field{}},
		{"/z", "302 /y Vary=", german},
	} {
		if got := show(ask(t, f, "GET", c.target, c.field), "Vary"); got != c.want {
			t.Errorf("%s with %v is %q, want %q", c.target, c.field, got, c.want)
		}
	}
}

// TestTheRequestIsAsItWas once the site has answered: the log and the scripts see what came.
func TestTheRequestIsAsItWas(t *testing.T) {
	f := files{"/a": "a", "/_redirects": "/b /a 200", "/_headers": "/b\n  ETag: \"mine\""}
	r := &message.Request{Method: "GET", Target: "/b", Fields: message.Fields{{Name: "If-Match", Value: `"mine"`}, {Name: "Host", Value: "h"}}}
	resp := New(Options{Site: f}).Handler(f.serve)(t.Context(), r)
	if resp.Status != 200 || resp.Fields.Get("ETag") != `"mine"` || r.Target != "/b" || r.Variant != "" || len(r.Fields) != 2 {
		t.Errorf("%d %v, %+v", resp.Status, resp.Fields, r)
	}
}

// TestAFileThatCannotBeRead leaves the rules as they were, and is a problem for as long.
func TestAFileThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := files{"/_redirects": "/a /one\n"}
		reports := 0
		rs := New(Options{Site: f, Report: func([]Problem) { reports++ }})
		for _, c := range []struct{ broken, want string }{
			{"", ""}, {"no luck", "_redirects: error: it cannot be read: no luck"}, {"no luck", "_redirects: error: it cannot be read: no luck"}, {"", ""},
		} {
			f["error of /_redirects"] = c.broken
			time.Sleep(MaxAge)
			got := ""
			for _, p := range rs.Problems() {
				got += p.String()
			}
			if now, _ := rs.look(); got != c.want || len(now.redirects.All()) != 1 {
				t.Errorf("%q: problems %q, want %q", c.broken, got, c.want)
			}
		}
		if reports != 1 {
			t.Errorf("told of it %d times", reports)
		}
	})
}

// TestChangedRulesAreAnotherRepresentation: no 304 for an answer with other fields, and 304 with all fields for the same.
func TestChangedRulesAreAnotherRepresentation(t *testing.T) {
	with := func(headers, etag string) message.Response {
		f := files{"/a.txt": "a", "/_headers": headers}
		return ask(t, f, "GET", "/a.txt", message.Field{Name: "If-None-Match", Value: etag})
	}
	one := with("/*\n  X-A: 1", "")
	tag := one.Fields.Get("ETag")
	if again := with("/*\n  X-A: 1", tag); again.Status != 304 || again.Fields.Get("X-A") != "1" || again.Fields.Get("ETag") != tag {
		t.Errorf("the same is %d, %v", again.Status, again.Fields)
	}
	for _, headers := range []string{"", "/*\n  X-A: 2", "/*\n  ! Cache-Control\n  X-A: 1"} {
		if resp := with(headers, tag); resp.Status != 200 {
			t.Errorf("%q is %d", headers, resp.Status)
		}
	}
}

// TestChangesCountWithinMaxAge, and the files are not looked at more often; problems are reported once a version.
func TestChangesCountWithinMaxAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := files{"/_redirects": "/a /one\nbad\n"}
		var reported []string
		rs := New(Options{Site: f, Report: func(problems []Problem) {
			for _, p := range problems {
				reported = append(reported, p.String())
			}
		}})
		h := rs.Handler(f.serve)
		location := func() string {
			return h(t.Context(), &message.Request{Method: "GET", Target: "/a"}).Fields.Get("Location")
		}
		if got := location(); got != "/one" {
			t.Errorf("got %q", got)
		}
		f["version of /_redirects"] = "at rest" // and the content is the same
		time.Sleep(MaxAge)
		if got := location(); got != "/one" {
			t.Errorf("after a rest: %q", got)
		}
		f["/_redirects"] = "/a /two\n"
		delete(f, "version of /_redirects")
		time.Sleep(MaxAge - time.Nanosecond)
		if got := location(); got != "/one" {
			t.Errorf("looked again too early: %q", got)
		}
		time.Sleep(time.Nanosecond)
		if got := location(); got != "/two" {
			t.Errorf("the change is not seen: %q", got)
		}
		delete(f, "/_redirects")
		time.Sleep(MaxAge)
		if got := location(); got != "" {
			t.Errorf("rules of a file that is gone: %q", got)
		}
		if want := []string{`_redirects:2: error: "bad" has no target: a rule must be like /from /to 301`}; !slices.Equal(reported, want) {
			t.Errorf("reported %q, want %q", reported, want)
		}
		if problems := rs.Problems(); len(problems) > 0 {
			t.Errorf("problems of a file that is gone: %v", problems)
		}
	})
}

// BenchmarkHandler: what the rules add to a request for a file, without the site's own work.
func BenchmarkHandler(b *testing.B) {
	var redirects, headers strings.Builder
	for i := range 50 {
		fmt.Fprintf(&redirects, "/old%d/* /new/:splat\n", i)
		fmt.Fprintf(&headers, "/assets%d/*\n  X-A: b\n", i)
	}
	for name, f := range map[string]files{
		"no_files": {}, "none_applies": {"/_redirects": redirects.String(), "/_headers": headers.String()},
		"file_wins": {"/_redirects": "/* /index.html 200\n", "/assets/app.js": "x"}, "fields_of_all": {"/_headers": "/*\n  X-Frame-Options: DENY\n"},
	} {
		b.Run(name, func(b *testing.B) {
			h := New(Options{Site: f}).Handler(func(context.Context, *message.Request) message.Response { return message.Response{Status: 200} })
			r := &message.Request{Method: "GET", Target: "/assets/app.js", Scheme: "http", Fields: message.Fields{{Name: "Host", Value: "localhost:8000"}, {Name: "Accept", Value: "*/*"}}}
			b.ReportAllocs()
			for b.Loop() {
				h(b.Context(), r)
			}
		})
	}
}

// TestRulesThatFetch: a rule with 200 fetches from an origin that is allowed, and from no other; its fields are its own.
func TestRulesThatFetch(t *testing.T) {
	f := files{
		"/api/here": "a file",
		"/_redirects": "/api/* https://API.example/v1/:splat 200\n/hit https://api.example:443/hit?x=1 200!\n/other/* https://other.example/:splat 200\n" +
			"/host/:h https://:h.api.example.org/ 200\n/none/* https://api.example/:splat 404\n//x /y\n" +
			"/up/* https://api.example/v1/../v2/%2e%2e/v3/:splat 200\n",
		"/_headers": "/*\n  X-All: 1\n",
	}
	var problems []string
	rs := New(Options{Site: f, Origins: []string{"https://api.example"}, Report: func(list []Problem) {
		for _, p := range list {
			problems = append(problems, strconv.Itoa(p.Line))
		}
	}, Fetch: func(_ context.Context, r *message.Request, origin, target string) (message.Response, bool) {
		return message.Response{Status: 200, Body: message.Bytes(r.Method + " " + origin + " " + target)}, true
	}})
	handler := rs.Handler(f.serve)
	for _, c := range []struct{ method, target, want string }{
		{"GET", "/api/a%2Fb?c=%20", "200 GET https://API.example /v1/a%2Fb?c=%20 X-All= via=_redirects:1"},
		{"GET", "/api/a%2fb//c|?d=%2f|\"", "200 GET https://API.example /v1/a%2fb//c|?d=%2f|\" X-All= via=_redirects:1"}, // as it was sent
		{"GET", "/up/x", "200 GET https://api.example /v3/x X-All= via=_redirects:7"},
		{"GET", "/up/%2e%2e/x", "404 X-All=1 via="},
		{"PATCH", "/api/x", "200 PATCH https://API.example /v1/x X-All= via=_redirects:1"},
		{"GET", "/api/here", "200 a file X-All=1 via="},
		{"POST", "/hit?y", "200 POST https://api.example:443 /hit?x=1 X-All= via=_redirects:2"},
		{"GET", "/api/../x", "404 X-All=1 via="},
		{"GET", "/other/x", "404 X-All=1 via="},
		{"GET", "/host/x", "404 X-All=1 via="},
		{"GET", "/none/x", "404 X-All=1 via="},
	} {
		resp := handler(t.Context(), &message.Request{Method: c.method, Target: c.target, Scheme: "http"})
		if got := show(resp, "X-All") + " via=" + resp.Via; got != c.want {
			t.Errorf("%s %s: got %q, want %q", c.method, c.target, got, c.want)
		}
	}
	if want := []string{"3", "4", "5"}; !slices.Equal(problems[:min(3, len(problems))], want) {
		t.Errorf("lines with problems: got %q, want %q first", problems, want)
	}
}

// hanging is a site whose file system does not answer.
type hanging struct {
	files
	answers chan struct{}
}

func (h hanging) Look(name, seen string, limit int64) ([]byte, string, error) {
	<-h.answers
	return h.files.Look(name, seen, limit)
}

// Law: while one request hangs with the rules' files, others are told so in time, and it is a problem. All is well afterwards.
func TestAMountThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		site := hanging{files{"/_redirects": "/a /one 301\n"}, make(chan struct{})}
		rs := New(Options{Site: site})
		handler := rs.Handler(func(context.Context, *message.Request) message.Response { return message.Response{Status: 200} })
		ask := func() int { return handler(t.Context(), &message.Request{Method: "GET", Target: "/a"}).Status }
		first := make(chan int)
		go func() { first <- ask() }()
		synctest.Wait()
		began := time.Now()
		if status := ask(); status != 503 || time.Since(began) != message.GatePatience {
			t.Errorf("got %d after %v", status, time.Since(began))
		}
		if problems := rs.Problems(); len(problems) != 1 || !problems[0].Error {
			t.Errorf("problems: %v", problems)
		}
		close(site.answers)
		if status := <-first; status != 301 {
			t.Errorf("the first got %d", status)
		}
		if status := ask(); status != 301 {
			t.Errorf("afterwards: %d", status)
		}
	})
}
