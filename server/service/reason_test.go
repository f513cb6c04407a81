package service

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"github.com/previewd/previewd/server/message"
)

// TestReasonsAreForThisMachineOnly: the words for the operator name paths and users.
func TestReasonsAreForThisMachineOnly(t *testing.T) {
	cause := errors.New("link -> /etc/passwd\nstack")
	handler := withReasons(func(context.Context, *message.Request) message.Response {
		return (&message.Failure{Status: 404, Cause: cause}).Response()
	})
	for _, c := range []struct {
		peer, client, host, field string
		want                      string
	}{
		{"127.0.0.1", "127.0.0.1", "localhost:8000", "", "link -> /etc/passwd"},
		{"127.0.0.1", "127.0.0.1", "LOCALHOST.", "", "link -> /etc/passwd"},
		{"::1", "::1", "[::1]:8000", "", "link -> /etc/passwd"},
		{"127.0.0.1", "127.0.0.1", "[::1]", "", "link -> /etc/passwd"},
		{"127.0.0.1", "127.0.0.1", "127.0.0.1:8000", "", "link -> /etc/passwd"},
		{"127.0.0.1", "127.0.0.1", "app.localhost:8000", "", "link -> /etc/passwd"},
		{"127.0.0.1", "127.0.0.1", "localhost.example.org", "", ""},
		{"127.0.0.1", "127.0.0.1", "preview.example.org", "", ""},
		{"127.0.0.1", "127.0.0.1", "192.168.1.20:8000", "", ""},
		{"127.0.0.1", "127.0.0.1", "", "", ""},
		{"127.0.0.1", "192.0.2.1", "localhost", "", ""},
		{"192.0.2.1", "127.0.0.1", "localhost", "", ""},
		{"192.0.2.1", "192.0.2.1", "localhost", "", ""},
		{"127.0.0.1", "127.0.0.1", "localhost", "x-forwarded-for", ""},
		{"127.0.0.1", "127.0.0.1", "localhost", "Via", ""},
	} {
		r := &message.Request{Peer: netip.AddrPortFrom(netip.MustParseAddr(c.peer), 1), Client: netip.MustParseAddr(c.client),
			Fields: message.Fields{{Name: "Host", Value: c.host}, {Name: c.field, Value: "192.0.2.1"}}}
		resp := handler(t.Context(), r)
		got := ""
		if help := resp.Failure().Help; help != nil {
			got = help.Reason
		}
		if got != c.want {
			t.Errorf("%+v: got %q", c, got)
		}
	}
}
