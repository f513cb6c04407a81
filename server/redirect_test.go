package server

import (
	"crypto/tls"
	"net/netip"
	"testing"

	"github.com/previewd/previewd/server/message"
)

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
	handler := proxies.wrap(RedirectToHTTPS(443, hello))
	for client, want := range map[string]int{"10.0.0.1": 200, "192.0.2.1": 308} {
		r := &message.Request{Target: "/", Scheme: "http", Client: netip.MustParseAddr(client), Fields: message.Fields{
			{Name: "Host", Value: "a"}, {Name: "X-Forwarded-For", Value: "192.0.2.9"}, {Name: "X-Forwarded-Proto", Value: "https"}}}
		if resp := handler(t.Context(), r); resp.Status != want {
			t.Errorf("from %s: got %d, want %d", client, resp.Status, want)
		}
	}
}
