package origin

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/previewd/previewd/server/message"
)

func TestTrustedProxies(t *testing.T) {
	trusted := TrustedProxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	for name, c := range map[string]struct {
		peer, want, scheme string
		fields             message.Fields
	}{
		"untrusted_peer":       {"192.0.2.1", "192.0.2.1", "http", message.Fields{{Name: "X-Forwarded-For", Value: "203.0.113.9"}}},
		"one_hop":              {"10.0.0.1", "203.0.113.9", "https", message.Fields{{Name: "X-Forwarded-For", Value: "203.0.113.9"}, {Name: "x-forwarded-proto", Value: "HTTPS"}}},
		"spoofed_left":         {"10.0.0.1", "203.0.113.9", "http", message.Fields{{Name: "X-Forwarded-For", Value: "127.0.0.1, 203.0.113.9"}}},
		"two_proxies":          {"10.0.0.1", "203.0.113.9", "http", message.Fields{{Name: "X-Forwarded-For", Value: "1.2.3.4,203.0.113.9"}, {Name: "X-Forwarded-For", Value: "10.9.9.9"}}},
		"all_trusted":          {"10.0.0.1", "10.0.0.7", "http", message.Fields{{Name: "X-Forwarded-For", Value: "10.0.0.7"}}},
		"garbage":              {"10.0.0.1", "10.0.0.1", "http", message.Fields{{Name: "X-Forwarded-For", Value: "203.0.113.9, nonsense"}}},
		"mapped_with_port":     {"10.0.0.1", "203.0.113.9", "http", message.Fields{{Name: "X-Forwarded-For", Value: "[::ffff:203.0.113.9]:99"}}},
		"bare_ipv6":            {"10.0.0.1", "2001:db9::1", "http", message.Fields{{Name: "X-Forwarded-For", Value: "2001:db9::1"}}},
		"bad_scheme":           {"10.0.0.1", "203.0.113.9", "http", message.Fields{{Name: "X-Forwarded-For", Value: "203.0.113.9"}, {Name: "X-Forwarded-Proto", Value: "javascript"}}},
		"forwarded":            {"10.0.0.1", "203.0.113.9", "https", message.Fields{{Name: "Forwarded", Value: `for=1.2.3.4, For="203.0.113.9:1234";proto=https;by=10.0.0.1`}}},
		"forwarded_ipv6":       {"2001:db8::5", "2001:db9::1", "https", message.Fields{{Name: "Forwarded", Value: `proto=https ; for="[2001:db9::1]:80"`}}},
		"forwarded_hidden":     {"10.0.0.1", "10.0.0.1", "https", message.Fields{{Name: "Forwarded", Value: "for=203.0.113.9, for=_gazonk;proto=https"}}},
		"forwarded_scheme":     {"10.0.0.1", "10.0.0.1", "https", message.Fields{{Name: "Forwarded", Value: "proto=https"}}},
		"scheme_alone":         {"10.0.0.1", "10.0.0.1", "https", message.Fields{{Name: "X-Forwarded-Proto", Value: "https"}}},
		"scheme_spoofed_left":  {"10.0.0.1", "10.0.0.1", "http", message.Fields{{Name: "X-Forwarded-Proto", Value: "https, http"}}},
		"scheme_untrusted":     {"192.0.2.1", "192.0.2.1", "http", message.Fields{{Name: "X-Forwarded-Proto", Value: "https"}}},
		"scheme_beside":        {"10.0.0.1", "203.0.113.9", "http", message.Fields{{Name: "X-Forwarded-Proto", Value: "https"}, {Name: "Forwarded", Value: "for=203.0.113.9"}}},
		"forwarded_quoted":     {"10.0.0.1", "203.0.113.9", "http", message.Fields{{Name: "Forwarded", Value: `for=203.0.113.9;x="a,for=1.2.3.4;\""`}}},
		"both_agree":           {"10.0.0.1", "203.0.113.9", "http", message.Fields{{Name: "X-Forwarded-For", Value: "1.2.3.4, 203.0.113.9"}, {Name: "Forwarded", Value: "for=203.0.113.9"}}},
		"spoofed_forwarded":    {"10.0.0.1", "10.0.0.1", "http", message.Fields{{Name: "Forwarded", Value: "for=6.6.6.6;proto=https"}, {Name: "X-Forwarded-For", Value: "203.0.113.9"}}},
		"open_quote_same_line": {"10.0.0.1", "10.0.0.1", "http", message.Fields{{Name: "Forwarded", Value: `for=6.6.6.6;x=", for=203.0.113.9`}}},
		"open_quote_own_line":  {"10.0.0.1", "203.0.113.9", "http", message.Fields{{Name: "Forwarded", Value: `for=6.6.6.6;x="`}, {Name: "Forwarded", Value: "for=203.0.113.9"}}},
		"scheme_of_each_proxy": {"10.0.0.1", "203.0.113.9", "https", message.Fields{{Name: "X-Forwarded-For", Value: "203.0.113.9, 10.0.0.2"}, {Name: "X-Forwarded-Proto", Value: "https, http"}}},
	} {
		r := &message.Request{Client: netip.MustParseAddr(c.peer), Scheme: "http", Fields: c.fields}
		trusted.identify(r)
		if r.Client.String() != c.want || r.Scheme != c.scheme {
			t.Errorf("%s: got %s %s, want %s %s", name, r.Client, r.Scheme, c.want, c.scheme)
		}
	}
}

// TestHostIsTheOneThatWasAskedFor: of the last hop that can be trusted, by the fields that agree.
func TestHostIsTheOneThatWasAskedFor(t *testing.T) {
	trusted := TrustedProxies{netip.MustParsePrefix("10.0.0.0/8")}
	field := func(pairs ...string) (fields message.Fields) {
		for i := 0; i < len(pairs); i += 2 {
			fields = append(fields, message.Field{Name: pairs[i], Value: pairs[i+1]})
		}
		return fields
	}
	for name, c := range map[string]struct {
		want   string
		fields message.Fields
	}{
		"none":             {"", field("X-Forwarded-For", "203.0.113.9")},
		"one":              {"a.example:8443", field("X-Forwarded-For", "203.0.113.9", "X-Forwarded-Host", "a.example:8443")},
		"alone":            {"a.example", field("X-Forwarded-Host", "a.example")},
		"the nearest":      {"b.example", field("X-Forwarded-For", "203.0.113.9", "X-Forwarded-Host", "a.example, b.example")},
		"of each proxy":    {"a.example", field("X-Forwarded-For", "203.0.113.9, 10.0.0.2", "X-Forwarded-Host", "a.example, b.example")},
		"spoofed left":     {"b.example", field("X-Forwarded-For", "6.6.6.6, 203.0.113.9", "X-Forwarded-Host", "a.example, b.example")},
		"forwarded":        {"a.example:80", field("Forwarded", `for=6.6.6.6;host=b.example, for=203.0.113.9;host="a.example:80"`)},
		"both alike":       {"a.example", field("Forwarded", "for=203.0.113.9;host=a.example", "X-Forwarded-For", "203.0.113.9", "X-Forwarded-Host", "a.example")},
		"of one kind":      {"a.example", field("Forwarded", "for=203.0.113.9", "X-Forwarded-For", "203.0.113.9", "X-Forwarded-Host", "a.example")},
		"both, not alike":  {"", field("Forwarded", "for=203.0.113.9;host=b.example", "X-Forwarded-For", "203.0.113.9", "X-Forwarded-Host", "a.example")},
		"of other clients": {"", field("Forwarded", "for=6.6.6.6;host=b.example", "X-Forwarded-For", "203.0.113.9", "X-Forwarded-Host", "a.example")},
	} {
		for peer, want := range map[string]string{"10.0.0.1": c.want, "192.0.2.1": ""} {
			r := &message.Request{Client: netip.MustParseAddr(peer), Scheme: "http", Fields: c.fields}
			if trusted.identify(r); r.Host != want {
				t.Errorf("%s, from %s: got %q, want %q", name, peer, r.Host, want)
			}
		}
	}
}

// TestPrefixIsAPlainPath: it becomes the beginning of a Location, and must not lead to another host.
func TestPrefixIsAPlainPath(t *testing.T) {
	trusted := TrustedProxies{netip.MustParsePrefix("10.0.0.0/8")}
	for value, want := range map[string]string{
		"/app": "/app", "/app/": "/app", "/a/b%20c": "/a/b%20c", "/": "", "": "", "app": "", "//evil.example": "", "/\\evil.example": "",
		"/a//b": "", "/a/../b": "", "/a?b": "", "/a b": "", "https://evil.example/": "", "/client, /app": "/app", "/app,": "",
	} {
		for peer, want := range map[string]string{"10.0.0.1": want, "192.0.2.1": ""} {
			r := &message.Request{Client: netip.MustParseAddr(peer), Fields: message.Fields{{Name: "X-Forwarded-Prefix", Value: value}}}
			trusted.identify(r)
			if r.Prefix != want {
				t.Errorf("%q from %s: prefix %q, want %q", value, peer, r.Prefix, want)
			}
		}
	}
}

func TestRequestIDIsANameFromATrustedProxy(t *testing.T) {
	trusted := TrustedProxies{netip.MustParsePrefix("10.0.0.0/8")}
	long := strings.Repeat("x", maxRequestID)
	for value, want := range map[string]string{
		"7d1f-42": "7d1f-42", "Root=1-67891233-abcdef": "Root=1-67891233-abcdef", "": "", "two words": "", "\x1b[31m": "", "\xe9": "", "é": "",
		long: long, long + "x": "",
	} {
		for peer, want := range map[string]string{"10.0.0.1": want, "192.0.2.1": ""} {
			r := &message.Request{Client: netip.MustParseAddr(peer), Fields: message.Fields{{Name: "x-request-id", Value: value}}}
			trusted.identify(r)
			if r.RequestID != want {
				t.Errorf("%q from %s: got %q, want %q", value, peer, r.RequestID, want)
			}
		}
	}
}
