package service

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/previewd/previewd/server/message"
)

// TestPagesForPeopleAnswerToAddressesOnly: whoever's page is made to lead here cannot read them.
func TestPagesForPeopleAnswerToAddressesOnly(t *testing.T) {
	handler := adminHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Got", r.Method+" "+r.URL.Path+" "+r.URL.RawQuery)
		w.WriteHeader(418)
		fmt.Fprint(w, "short and stout")
	}))
	for _, c := range []struct {
		target, host string
		status       int
	}{
		{"/healthz", "127.0.0.1:9090", 418},
		{"/version", "localhost:9090", 418},
		{"/ca.pem", "[::1]:9090", 418},
		{"/ca.pem", "a.localhost", 418},
		{"/healthz", "", 418}, // HTTP/1.0
		{"/healthz", "evil.example:9090", 403},
		{"/version", "previewd:9090", 403},
		{"/ca.pem?x", "127.0.0.1.evil.example", 403},
		{"/metrics?x", "previewd:9090", 418},
		{"/livez", "previewd:9090", 418},
		{"/readyz", "previewd:9090", 418},
		{"nonsense", "localhost", 400},
	} {
		r := &message.Request{Method: "GET", Target: c.target}
		if c.host != "" {
			r.Fields = message.Fields{{Name: "Host", Value: c.host}}
		}
		resp := handler(context.Background(), r)
		if resp.Status != c.status {
			t.Errorf("%s of %q: %d, want %d", c.target, c.host, resp.Status, c.status)
		}
		if resp.Status != 418 {
			continue
		}
		var text strings.Builder
		if _, err := resp.Body.WriteTo(&text); err != nil || text.String() != "short and stout" {
			t.Errorf("%s: %q, %v", c.target, text.String(), err)
		}
		path, query, _ := strings.Cut(c.target, "?")
		if got := resp.Fields.Get("X-Got"); got != "GET "+path+" "+query {
			t.Errorf("%s: asked for %q", c.target, got)
		}
	}
}
