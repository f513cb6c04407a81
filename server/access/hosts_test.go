package access

import (
	"context"
	"strings"
	"testing"

	"github.com/previewd/previewd/server/message"
)

func TestAllowedHosts(t *testing.T) {
	h := NewHosts([]string{"example.org", ".Preview.example.net.", "dev_box"})
	for host, want := range map[string]bool{
		"example.org": true, "EXAMPLE.org": true, "example.org.": true, "example.org:8000": true, "example.org.:8000": true, "example.org:": true,
		"a.example.org": false, "example.org.evil.example": false, "badexample.org": false, "example.org..": false,
		"preview.example.net": true, "pr-42.preview.example.net": true, "a.b.preview.example.net:443": true, "xpreview.example.net": false,
		"dev_box": true, "localhost": true, "LocalHost.:80": true, "app.localhost": true, "a.b.localhost:3000": true, "localhost.evil.example": false,
		"evillocalhost": false, "127.0.0.1": true, "127.0.0.1:8000": true, "[::1]": true, "[::1]:8000": true, "[fe80::1%25eth0]": true,
		"127.0.0.1.evil.example": false, "127.1": false, "0x7f.0.0.1": false, "[127.0.0.1]": false, "[::1": false, "[::1]x": false, "[::1]:x": false,
		"::1": false, "evil.example": false, "example.org@evil.example": false, "evil.example:example.org": false, "": false, ":80": false, ".": false,
		"example.org evil": false, " example.org": false, "example.org,evil.example": false, "[example.org]": false,
	} {
		if got := h.Allow(host); got != want {
			t.Errorf("%q: allowed %v, want %v", host, got, want)
		}
	}
}

func ok(context.Context, *message.Request) message.Response { return message.Response{Status: 200} }

func TestHostOfARequest(t *testing.T) {
	serve := NewHosts([]string{"example.org"}).Handler(ok)
	host := func(values ...string) (f message.Fields) {
		for _, v := range values {
			f = append(f, message.Field{Name: "host", Value: v})
		}
		return f
	}
	for name, c := range map[string]struct {
		target  string
		fields  message.Fields
		message string // of the refusal; "" is none
	}{
		"allowed":           {"/", host("example.org"), ""},
		"none_http_1.0":     {"/", nil, ""},
		"empty":             {"/", host(""), ""},
		"other":             {"/", host("evil.example:8000"), "Host 'evil.example:8000' is not in ALLOWED_HOSTS"},
		"two_lines":         {"/", host("example.org", "evil.example"), "Host 'evil.example' is not in ALLOWED_HOSTS"},
		"absolute":          {"http://example.org/x", host("evil.example"), ""},
		"absolute_other":    {"http://evil.example?x", host("example.org"), "Host 'evil.example' is not in ALLOWED_HOSTS"},
		"scheme_in_a_query": {"/?u=http://evil.example/", host("example.org"), ""},
		"hostile":           {"/", host("<b>\x7f\xff"), `Host '<b>\x7fÿ' is not in ALLOWED_HOSTS`},
		"long":              {"/", host(strings.Repeat("a", 60000)), "Host '" + strings.Repeat("a", 255) + "' is not in ALLOWED_HOSTS"},
	} {
		resp := serve(t.Context(), &message.Request{Method: "GET", Target: c.target, Fields: c.fields})
		status, text := 200, ""
		if f := resp.Failure(); f != nil {
			text = f.Message
		}
		if c.message != "" {
			status = 403
		}
		if resp.Status != status || text != c.message {
			t.Errorf("%s: status %d, message %q, want %q", name, resp.Status, text, c.message)
		}
	}
}
