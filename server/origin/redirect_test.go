package origin

import (
	"context"
	"crypto/tls"
	"net/netip"
	"strings"
	"testing"

	"github.com/previewd/previewd/server/message"
)

func hello(context.Context, *message.Request) message.Response {
	return message.Response{Status: 200, Body: message.Bytes("hello")}
}

func TestRedirectKeepsTheHost(t *testing.T) {
	for _, c := range []struct {
		name, host, target string
		port               int
		want               string
	}{
		{"host", "a.example", "/b", 8443, "https://a.example:8443/b"},
		{"host with port", "a.example:8000", "/b?c=d%20e", 8443, "https://a.example:8443/b?c=d%20e"},
		{"the port of https", "a.example:80", "/", 443, "https://a.example/"},
		{"IPv4", "192.0.2.1:80", "/", 443, "https://192.0.2.1/"},
		{"IPv6", "[2001:db8::1]:80", "/", 444, "https://[2001:db8::1]:444/"},
		{"IPv6 without port", "[2001:db8::1]", "/", 443, "https://[2001:db8::1]/"},
		{"no host: where the client has come", "", "/b", 8443, "https://[::1]:8443/b"},
		{"a host that is none", "a/b@c", "/b", 8443, "https://[::1]:8443/b"},
		{"brackets around nothing", "[]:80", "/b", 8443, "https://[::1]:8443/b"},
		{"absolute-form", "a.example", "http://a.example:8000/b?c", 8443, "https://a.example:8443/b?c"},
		{"absolute-form without path", "a.example", "http://a.example", 8443, "https://a.example:8443/"},
		{"absolute-form with a query and no path", "a.example", "http://a.example?x=1", 8443, "https://a.example:8443/?x=1"},
		{"absolute-form with a query that has a slash", "a.example", "http://a.example?x=/b", 8443, "https://a.example:8443/?x=/b"},
		{"absolute-form, another host: RFC 9112, section 3.2.2", "a.example", "http://b.example:8000/c", 8443, "https://b.example:8443/c"},
		{"absolute-form without Host", "", "http://b.example/c", 443, "https://b.example/c"},
		{"absolute-form, IPv6", "a.example", "http://[2001:db8::1]:80/c", 444, "https://[2001:db8::1]:444/c"},
		{"absolute-form, a host that is none", "a.example", "http://u:p@b.example/c", 8443, "https://[::1]:8443/c"},
		{"absolute-form without a host", "a.example", "http:///c", 8443, "https://[::1]:8443/c"},
		{"a path that looks like it", "a.example", "/http://b.example/c", 8443, "https://a.example:8443/http://b.example/c"},
		{"two slashes", "a.example", "//b.example/c", 8443, "https://a.example:8443//b.example/c"},
		{"authority-form", "a.example", "b.example:443", 8443, "https://a.example:8443/"},
		{"userinfo with a password", "b.example:80@a.example", "/", 443, "https://[::1]/"},
		{"userinfo", "b.example@a.example", "/", 443, "https://[::1]/"},
		{"a path in the host", "a.example//b.example", "/", 443, "https://[::1]/"},
		{"blanks in the host", "a.example b.example", "/", 443, "https://[::1]/"},
		{"CR and LF in the host", "a.example\r\nX: y", "/", 443, "https://[::1]/"},
		{"CR and LF in the target", "a.example", "/\r\nX: y", 443, "https://a.example/%0D%0AX:%20y"},
		{"a backslash in the host", `a.example\b.example`, "/", 443, "https://[::1]/"},
		{"a fragment in the host", "a.example#", "/", 443, "https://[::1]/"},
		{"percent-escapes in the host", "%61.example", "/", 443, "https://[::1]/"},
		{"a port that is none", "a.example:x", "/", 443, "https://[::1]/"},
		{"two ports", "a.example:80:81", "/", 443, "https://[::1]/"},
		{"an empty port", "a.example:", "/", 443, "https://a.example/"},
		{"IPv6 without brackets", "2001:db8::1", "/", 443, "https://[::1]/"},
		{"IPv6 with a zone", "[fe80::1%25eth0]", "/", 443, "https://[::1]/"},
		{"IPv6 and more", "[2001:db8::1]x", "/", 443, "https://[::1]/"},
		{"IPv4 in brackets", "[192.0.2.1]", "/", 443, "https://[::1]/"},
		{"asterisk-form", "a.example", "*", 8443, "https://a.example:8443/"},
		{"an URL in the query", "a.example", "/?u=http://b.example/c", 8443, "https://a.example:8443/?u=http://b.example/c"},
		{"bytes that no URL has", "a.example", "/\x00\xc3\xa9\x7f", 8443, "https://a.example:8443/%00%C3%A9%7F"},
	} {
		r := &message.Request{Target: c.target, Scheme: "http", Local: netip.MustParseAddrPort("[::1]:8000")}
		if c.host != "" {
			r.Fields = message.Fields{{Name: "Host", Value: c.host}}
		}
		resp := RedirectToHTTPS(c.port, hello)(t.Context(), r)
		if got := resp.Fields.Get("Location"); resp.Status != 308 || got != c.want {
			t.Errorf("%s: got %d %q, want 308 %q", c.name, resp.Status, got, c.want)
		}
	}
}

func TestWhoCameByHTTPSIsNotRedirected(t *testing.T) {
	handler := RedirectToHTTPS(443, hello)
	for name, r := range map[string]*message.Request{
		"over TLS":                        {Target: "/", Scheme: "https", TLS: &tls.ConnectionState{}},
		"a trusted proxy says https":      {Target: "/", Scheme: "https"},
		"over TLS, whatever a proxy says": {Target: "/", Scheme: "http", TLS: &tls.ConnectionState{}},
	} {
		if resp := handler(t.Context(), r); resp.Status != 200 {
			t.Errorf("%s: got %d", name, resp.Status)
		}
	}
}

// TestTheProxyDecidesBeforeTheRedirect: the scheme is the trusted proxy's word, and nobody else's.
func TestTheProxyDecidesBeforeTheRedirect(t *testing.T) {
	proxies := TrustedProxies{netip.MustParsePrefix("10.0.0.0/8")}
	handler := proxies.Handler(RedirectToHTTPS(443, hello))
	for client, want := range map[string]int{"10.0.0.1": 200, "192.0.2.1": 308} {
		r := &message.Request{Target: "/", Scheme: "http", Client: netip.MustParseAddr(client), Fields: message.Fields{
			{Name: "Host", Value: "a"}, {Name: "X-Forwarded-For", Value: "192.0.2.9"}, {Name: "X-Forwarded-Proto", Value: "https"}}}
		if resp := handler(t.Context(), r); resp.Status != want {
			t.Errorf("from %s: got %d, want %d", client, resp.Status, want)
		}
	}
}

// TestTheRedirectHasThePrefix: what a trusted proxy took away of the path is where the client is.
func TestTheRedirectHasThePrefix(t *testing.T) {
	r := &message.Request{Target: "/a?b", Scheme: "http", Prefix: "/app", Fields: message.Fields{{Name: "Host", Value: "h"}}}
	if got := RedirectToHTTPS(443, hello)(t.Context(), r).Fields.Get("Location"); got != "https://h/app/a?b" {
		t.Errorf("got %q", got)
	}
}

// FuzzRedirectToHTTPS: whatever is asked, the answer is a URL of https with the port, and a host and nothing else
// before it.
func FuzzRedirectToHTTPS(f *testing.F) {
	for _, seed := range [][2]string{{"a.example:80", "/b?c"}, {"[::1]", "http://b:80?x=1"}, {"u:p@a", "//c"}, {"a\r\n", "*"}, {"", "\x80\\ #"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, host, target string) {
		r := &message.Request{Target: target, Scheme: "http", Local: netip.MustParseAddrPort("[::1]:8000"),
			Fields: message.Fields{{Name: "Host", Value: host}}}
		location := RedirectToHTTPS(8443, hello)(t.Context(), r).Fields.Get("Location")
		rest, found := strings.CutPrefix(location, "https://")
		authority, path, _ := strings.Cut(rest, "/")
		name, port := authority[:max(0, strings.LastIndexByte(authority, ':'))], authority[strings.LastIndexByte(authority, ':')+1:]
		if !found || !isHost(name) || port != "8443" {
			t.Errorf("Host %q, target %q: %q", host, target, location)
		}
		if strings.IndexFunc(path, func(r rune) bool { return r <= ' ' || r >= 0x7f }) >= 0 {
			t.Errorf("Host %q, target %q: %q has what cannot stand in a URL", host, target, location)
		}
	})
}
