package upstream

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/previewd/previewd/server/message"
)

// Law: a prefix is a path and not a text, the longest one counts, and what the server is asked for has the spelling of the
// client to the byte, but for a prefix that is replaced.
func TestWhatTheServerIsAskedFor(t *testing.T) {
	u, err := New(Options{Routes: []Route{
		{"/api", "http://kept"}, {"/api/v2", "http://longer"}, {"/ws", "http://replaced/socket"}, {"/top/", "http://top/"}, {"/a b", "http://blank/x/"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for asked, want := range map[string]string{
		"/api":                      "http://kept /api",
		"/api/":                     "http://kept /api/",
		"/api?x=1":                  "http://kept /api?x=1",
		"/api/a%2Fb//c/./d?e=%20+f": "http://kept /api/a%2Fb//c/./d?e=%20+f",
		"/%61pi/x":                  "http://kept /%61pi/x",
		"/api/\xc3\xa9":             "http://kept /api/\xc3\xa9",
		"/api/a/../b":               "http://kept /api/a/../b",
		"/apix":                     "",
		"/ap":                       "",
		"/":                         "",
		"/API":                      "",
		"/api%2Fx":                  "",
		"/api/v2":                   "http://longer /api/v2",
		"/api/v2x":                  "http://kept /api/v2x",
		"/ws":                       "http://replaced /socket",
		"/ws?a":                     "http://replaced /socket?a",
		"/ws/%7Ea":                  "http://replaced /socket/%7Ea",
		"/top":                      "http://top /",
		"/top/":                     "http://top /",
		"/top//x":                   "http://top //x",
		"/a%20b/c":                  "http://blank /x/c",
		"*":                         "",
	} {
		got := ""
		for _, r := range u.routes {
			if rest, found := r.cut(asked); found {
				got = r.server.name + " " + r.target(asked, rest)
				break
			}
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", asked, got, want)
		}
	}
}

// Law: net/http's URL has the target to the byte.
func TestTheTargetOfAURL(t *testing.T) {
	s := &server{scheme: "http", host: "h"}
	for _, target := range []string{"/", "/a%2fb%2F", "//a/b?c=//d", "//%7e?", "/?", "/a?b?c", "/\xff", "/a|b\"<>^`{}", "/a;b=c", "/%zz"} {
		u, exact := urlOf(s, target)
		if got := u.RequestURI(); got != target || !exact {
			t.Errorf("%q: got %q, %v", target, got, exact)
		}
	}
	for _, target := range []string{"//%zz", "//a|b", "//\xff"} {
		if u, exact := urlOf(s, target); exact {
			t.Errorf("%q: got %q", target, u.RequestURI())
		}
	}
}

// Law: what is asked for is the target to the byte, or net/http is not asked for it.
func FuzzTheTargetOfAURL(f *testing.F) {
	for _, target := range []string{"/", "//", "//a%2f|b?c", "/%zz?#", "/\x00", "///?"} {
		f.Add(target)
	}
	f.Fuzz(func(t *testing.T, target string) {
		if !strings.HasPrefix(target, "/") || strings.ContainsFunc(target, notInTarget) {
			return // see ask
		}
		u, exact := urlOf(&server{scheme: "http", host: "h"}, target)
		if got := u.RequestURI(); exact != (got == target) || !exact && !strings.HasPrefix(target, "//") {
			t.Errorf("%q: got %q, exact %v", target, got, exact)
		}
	})
}

// Law: no path leads out of what a prefix stands for, however a server may read it.
func TestPathsThatClimb(t *testing.T) {
	for rest, want := range map[string]bool{
		"": false, "/": false, "/a/..": false, "/a/../b/./c": false, "/...": false, "/..a": false, "?/../..": false,
		"/..": true, "/../a": true, "/%2e%2E/a": true, "/a/../../b": true, "/a%2f..%2f..": true, `/..\a`: true, `/a\..\..`: true, "/./..": true, "/..;x/a": true,
		"//../..": true,
	} {
		if got := climbs(rest); got != want {
			t.Errorf("%q: got %v", rest, got)
		}
	}
}

// Law: what a rule fetches has no segment .. in it, however a server may read it.
func TestFetchedPathsDoNotGoUp(t *testing.T) {
	u, err := New(Options{Origins: []string{"http://127.0.0.1:1"}, Timeout: time.Minute}) // nobody listens
	if err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]int{
		"/v1/x": 502, "/v1/..x": 502, "/v1/x?/../y": 502,
		"/v1/..;/x": 400, "/v1/a/..;x=y/b": 400, "/v1/%2e%2e;/x": 400, `/v1/..\x`: 400, "/v1/a%2f..": 400, "/..": 400, "/v1/x#/../y": 400,
	} {
		r := &message.Request{Method: "GET", Target: "/p/x", Scheme: "http", Version: message.Version{Major: 1, Minor: 1}}
		resp, found := u.Fetch(t.Context(), r, "http://127.0.0.1:1", target)
		if resp.Status != want || !found {
			t.Errorf("%q: got %d, %v, want %d", target, resp.Status, found, want)
		}
	}
}

// Law: a Location that names the server leads here, and no other is touched.
func TestLocationIsMended(t *testing.T) {
	for _, c := range []struct{ prefix, target, before, location, want string }{
		{"/api", "http://b:3000", "", "http://site/x", "http://site/x"}, // it has a host of its own
		{"/api", "http://b:3000", "", "http://b:3000/api/x?y#z", "/api/x?y#z"},
		{"/api", "http://b:3000", "", "HTTP://B:3000/login", "/login"},
		{"/api", "http://b:3000", "", "http://b:3000", "/"},
		{"/api", "http://b:3000", "", "http://b:3000?x", "/?x"},
		{"/api", "http://b", "", "http://b:80/x", "/x"},
		{"/api", "https://b:443", "", "//b/x", "/x"},
		{"/api", "http://b:3000", "/app", "http://b:3000/x", "/app/x"},
		{"/api", "http://b:3000", "/app", "/x", "/app/x"},
		{"/api", "http://b:3000", "/app", "/", "/app/"},
		{"/api", "http://b:3000", "/app", "/appx?y", "/app/appx?y"},
		{"/api", "http://b:3000", "/app", "/app/x", "/app/x"}, // it knows of the prefix
		{"/api", "http://b:3000", "/app", "/app?x", "/app?x"},
		{"/api", "http://b:3000", "/app", "//c/x", "//c/x"},
		{"/api", "http://b:3000", "", "/x", "/x"},
		{"/api", "http://b:3000", "", "x/y", "x/y"},
		{"/api", "http://b:3000", "", "http://b:3001/x", "http://b:3001/x"},
		{"/api", "http://b:3000", "", "https://b:3000/x", "https://b:3000/x"},
		{"/api", "http://b:3000", "", "http://u@b:3000/x", "http://u@b:3000/x"},
		{"/api", "http://b:3000", "", "http://b:3000//evil.example/x", "/.//evil.example/x"},
		{"/ws", "http://b/socket", "", "/socket/x", "/ws/x"},
		{"/ws", "http://b/socket", "", "/socket", "/ws"},
		{"/ws", "http://b/socket", "", "/socketx", "/socketx"},
		{"/ws", "http://b/socket", "", "http://b/socket?x", "/ws?x"},
		{"/ws", "http://b/socket", "", "http://b/other", "http://b/other"},
		{"/top", "http://b/", "/app", "/x", "/app/top/x"},
		{"/", "http://b/base", "", "/base/x", "/x"},
		{"/api", "http://b:3000", "", "http://[broken", "http://[broken"},
	} {
		r, err := parseRoute(c.prefix, c.target)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.located(c.location, c.before, "", "http"); got != c.want {
			t.Errorf("%s=%s, %q behind %q: got %q, want %q", c.prefix, c.target, c.location, c.before, got, c.want)
		}
	}
}

// Law: a server that gets the client's Host calls itself by it. What it says then leads here too, but for what it has put the
// prefix before itself, and for another scheme.
func TestLocationIsMendedWhereTheHostIsKept(t *testing.T) {
	for _, c := range []struct{ prefix, target, before, scheme, location, want string }{
		{"/ws", "http://b/socket", "", "http", "http://site/socket/x?y", "/ws/x?y"},
		{"/ws", "http://b/socket", "", "https", "http://site/socket/x", "/ws/x"}, // it was asked by http
		{"/ws", "http://b/socket", "", "https", "https://site:443/socket", "/ws"},
		{"/ws", "http://b/socket", "", "http", "//site/socket/x", "/ws/x"},
		{"/ws", "http://b/socket", "", "http", "http://site/ws/x", "http://site/ws/x"},
		{"/ws", "http://b/socket", "/app", "http", "http://site/socket/x", "/app/ws/x"},
		{"/ws", "http://b/socket", "/app", "http", "http://site/app/ws/x", "http://site/app/ws/x"},
		{"/ws", "http://b/socket", "", "http", "http://site/other", "http://site/other"},
		{"/ws", "http://b/socket", "", "http", "http://site:81/socket/x", "http://site:81/socket/x"},
		{"/ws", "http://b/socket", "", "http", "http://u@site/socket/x", "http://u@site/socket/x"},
		{"/ws", "http://b/socket", "", "http", "http://b/socket/x", "/ws/x"},
		{"/top", "http://b/", "", "http", "http://site/x", "/top/x"},
		{"/top", "http://b/", "", "http", "http://site/top/x", "http://site/top/x"},
		{"/api", "http://b", "", "http", "https://site/api/x", "https://site/api/x"}, // it wants https
		{"/api", "http://b", "/app", "http", "http://site/x", "/app/x"},
		{"/api", "http://b", "/app", "http", "http://site/app/x", "http://site/app/x"},
	} {
		r, err := parseRoute(c.prefix, c.target)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.located(c.location, c.before, "site", c.scheme); got != c.want {
			t.Errorf("%s=%s, %q behind %q by %s: got %q, want %q", c.prefix, c.target, c.location, c.before, c.scheme, got, c.want)
		}
	}
}

// Law: what a rule rewrites has a route of its own: the ends that are alike are the rest.
func TestBetween(t *testing.T) {
	for _, c := range []struct{ asked, target, location, want string }{
		{"/api/users/1?x", "/v1/users/1?x", "/v1/login", "/api/login"},
		{"/api/users/1", "/users/1", "/login", "/api/login"},
		{"/users/1", "/api/users/1", "/api/login", "/login"},
		{"/api/1", "/api/1", "http://b/x", "/x"},
		{"/form", "/submit", "/submit/done", "/form/done"},
	} {
		s := &server{name: "http://b", scheme: "http", host: "b"}
		if got := between(s, c.asked, c.target).located(c.location, "", "", "http"); got != c.want {
			t.Errorf("%s to %s, %s: got %q, want %q", c.asked, c.target, c.location, got, c.want)
		}
	}
}

// Law: a request is repeated once, and only if it is safe and nothing of it was sent.
func TestWhatMayBeRepeated(t *testing.T) {
	for _, c := range []struct {
		method string
		n      int
		sent   bool
		want   bool
	}{
		{"GET", 2, false, true}, {"HEAD", 2, false, true}, {"OPTIONS", 2, false, true}, {"TRACE", 2, false, true},
		{"GET", 2, true, false}, {"GET", 3, false, false},
		{"POST", 2, false, false}, {"DELETE", 2, false, false}, {"get", 2, false, false},
	} {
		if got := mayRepeat(c.method, c.n, c.sent); got != c.want {
			t.Errorf("%s, time %d, sent %v: got %v", c.method, c.n, c.sent, got)
		}
	}
}

// Law: the weights in Accept count, and 0 is none.
func TestWhatIsAccepted(t *testing.T) {
	for value, want := range map[string]string{
		"":                                  "0 0",
		"*/*":                               "0 0",
		"application/json, text/plain, */*": "0 1",
		"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": "1 0",
		"application/json;q=0, text/html":                                 "1 0",
		"text/html;q=0.5, application/problem+JSON; v=1 ; Q=0.7":          "0.5 0.7",
		"application/json;q=x":                                            "0 0",
		"application/jsonp":                                               "0 0",
	} {
		html, data := accepts([]string{value})
		if got := fmt.Sprint(html, data); got != want {
			t.Errorf("%q: got %q, want %q", value, got, want)
		}
	}
}

// Law: the hops are those that package origin reads, with ports or without.
func TestHops(t *testing.T) {
	for said, want := range map[string]string{
		"192.0.2.1, 10.0.0.1":                          "192.0.2.1 10.0.0.1 127.0.0.1",
		"6.6.6.6, 192.0.2.1:4711, 10.0.0.1:80":         "192.0.2.1 10.0.0.1 127.0.0.1",
		"192.0.2.1, [2001:db8::1]:80, 2001:db8::2, x,": "192.0.2.1 2001:db8::1 2001:db8::2 127.0.0.1",
		"x": "192.0.2.1 127.0.0.1",
	} {
		r := &message.Request{Peer: netip.MustParseAddrPort("127.0.0.1:9"), Client: netip.MustParseAddr("192.0.2.1"), Fields: message.Fields{{Name: "X-Forwarded-For", Value: said}}}
		var list []string
		for _, hop := range hops(r, true) {
			list = append(list, hop.Client.String())
		}
		if got := strings.Join(list, " "); got != want {
			t.Errorf("%q: got %q, want %q", said, got, want)
		}
	}
}

func TestNamesAndPorts(t *testing.T) {
	u, err := New(Options{Routes: []Route{{"/a", "http://a/x"}, {"/b", "http://b:3000"}, {"/c", "http://b:3000/y"}, {"/d", "https://[::1]"}}, Origins: []string{"https://a", "http://[::1]:81"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(u.Names(), u.Ports()); got != "[http://[::1]:81 http://a http://b:3000 https://[::1] https://a] [80 81 443 3000]" {
		t.Errorf("got %s", got)
	}
}
