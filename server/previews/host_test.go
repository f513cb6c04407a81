package previews

import (
	"strings"
	"testing"

	"github.com/previewd/previewd/server/message"
)

// TestHostsDecide: which host is a preview, which the overview, and which is nothing that is here.
func TestHostsDecide(t *testing.T) {
	long := strings.Repeat("a", 63)
	for _, c := range []struct{ domain, host, want string }{
		{"", "", "overview localhost"},
		{"", "localhost", "overview localhost"},
		{"", "localhost:8000", "overview localhost:8000"},
		{"", "LOCALHOST", "overview localhost"},
		{"", "127.0.0.1:8000", "overview localhost:8000"},
		{"", "[::1]:8000", "overview localhost:8000"},
		{"", "[fe80::1%25eth0]", "overview localhost"},
		{"", "pr-42.localhost", "preview pr-42 localhost"},
		{"", "pr-42.localhost:8000", "preview pr-42 localhost:8000"},
		{"", "PR-42.LocalHost", "preview pr-42 localhost"},
		{"", "0.localhost", "preview 0 localhost"},
		{"", long + ".localhost", "preview " + long + " localhost"},
		{"", long + "a.localhost", "elsewhere localhost"},
		{"", "a.pr-42.localhost", "elsewhere localhost"},
		{"", ".localhost", "elsewhere localhost"},
		{"", "pr-42..localhost", "elsewhere localhost"},
		{"", "-a.localhost", "elsewhere localhost"},
		{"", "a-.localhost", "elsewhere localhost"},
		{"", "a_b.localhost", "elsewhere localhost"},
		{"", "é.localhost", "elsewhere localhost"},
		{"", "pr-42.localhost.", "elsewhere localhost, meant is pr-42.localhost"},
		{"", "localhost.:80", "elsewhere localhost:80, meant is localhost:80"},
		{"", "pr-42.localhost..", "elsewhere localhost"},
		{"", "preview.example.com", "elsewhere localhost"},
		{"", "pr-42.preview.example.com", "elsewhere localhost"},
		{"", "localhost:a", "elsewhere localhost"},
		{"", "pr-42.localhost:", "preview pr-42 localhost"},
		{"", "[::1", "elsewhere localhost"},
		{"", "previewd", "overview localhost"},
		{"", "previewd:8000", "overview localhost:8000"},
		{"", "previewd.team", "overview localhost"},
		{"", "previewd.other", "elsewhere localhost"},
		{"", "previewd.team.svc", "overview localhost"},
		{"", "previewd.team.svc.cluster.local", "overview localhost"},
		{"", "previewd.team.svc.cluster.local.:80", "overview localhost:80"},
		{"", ".team", "elsewhere localhost"},
		{"", ".", "elsewhere localhost"},

		{"preview.example.com", "preview.example.com", "overview preview.example.com"},
		{"preview.example.com", "Preview.Example.Com:8443", "overview preview.example.com:8443"},
		{"preview.example.com", "pr-42.preview.example.com", "preview pr-42 preview.example.com"},
		{"preview.example.com", "pr-42.preview.example.com:8443", "preview pr-42 preview.example.com:8443"},
		{"preview.example.com", "pr-42.preview.example.com.", "elsewhere preview.example.com, meant is pr-42.preview.example.com"},
		{"preview.example.com", "preview.example.com.", "elsewhere preview.example.com, meant is preview.example.com"},
		{"preview.example.com", "a.pr-42.preview.example.com", "elsewhere preview.example.com"},
		{"preview.example.com", "..preview.example.com", "elsewhere preview.example.com"},
		{"preview.example.com", ".preview.example.com", "elsewhere preview.example.com"},
		{"preview.example.com", "apreview.example.com", "elsewhere preview.example.com"},
		{"preview.example.com", "example.com", "elsewhere preview.example.com"},
		{"preview.example.com", "com", "overview preview.example.com"},
		{"preview.example.com", "pr-42.preview.example.com.evil.org", "elsewhere preview.example.com"},
		{"preview.example.com", "pr-42.localhost:8000", "preview pr-42 localhost:8000"},
		{"preview.example.com", "localhost:8000", "overview localhost:8000"},
		{"preview.example.com", "192.0.2.1:8000", "overview preview.example.com:8000"},
		{"preview.example.com", "previewd.team.svc", "overview preview.example.com"},
		{"localhost", "pr-42.localhost", "preview pr-42 localhost"},
	} {
		p := New(Options{Domain: c.domain, Namespace: "team"})
		if got := show(p.judge(c.host)); got != c.want {
			t.Errorf("PREVIEWS_DOMAIN=%s, Host %q: got %q, want %q", c.domain, c.host, got, c.want)
		}
	}
}

func show(a asked) string {
	text := [...]string{"elsewhere", "overview", "preview"}[a.place]
	if a.label != "" {
		text += " " + a.label
	}
	text += " " + a.base + a.port
	if a.meant != "" {
		text += ", meant is " + a.meant
	}
	return text
}

// TestForwardedHostsDecide where the Host field has no name that only a client can have meant.
func TestForwardedHostsDecide(t *testing.T) {
	p := New(Options{Domain: "preview.example.com"})
	for _, c := range []struct{ host, forwarded, want string }{
		{"previewd:8000", "pr-42.preview.example.com", "preview pr-42 preview.example.com"},
		{"localhost:8000", "pr-42.preview.example.com:8443", "preview pr-42 preview.example.com:8443"},
		{"10.0.0.1:8000", "preview.example.com", "overview preview.example.com"},
		{"app.internal.net", "pr-42.preview.example.com", "preview pr-42 preview.example.com"},
		{"previewd:8000", "www.example.org", "elsewhere preview.example.com"},
		{"pr-1.preview.example.com", "pr-2.preview.example.com", "preview pr-1 preview.example.com"},
		{"preview.example.com", "pr-2.preview.example.com", "overview preview.example.com"},
		{"a.pr-1.preview.example.com", "pr-2.preview.example.com", "elsewhere preview.example.com"},
		{"pr-1.localhost", "pr-2.preview.example.com", "preview pr-1 localhost"},
	} {
		r := &message.Request{Fields: message.Fields{{Name: "Host", Value: c.host}}, Host: c.forwarded}
		if got := show(p.ask(r)); got != c.want {
			t.Errorf("Host %s, forwarded %s: got %q, want %q", c.host, c.forwarded, got, c.want)
		}
	}
}

// TestSlugs are those of GitLab.
func TestSlugs(t *testing.T) {
	for name, want := range map[string]string{
		"pr-42":                        "pr-42",
		"Feature/Log_In":               "feature-log-in",
		"v1.2.3":                       "v1-2-3",
		"--a--":                        "a",
		"a--b":                         "a--b",
		"été":                          "t",
		"ÀB":                           "b",
		"___":                          "",
		".git":                         "git",
		"\xff\xfea":                    "a",
		strings.Repeat("a", 70):        strings.Repeat("a", 63),
		strings.Repeat("a-", 40):       strings.TrimSuffix(strings.Repeat("a-", 32)[:63], "-"),
		strings.Repeat("é", 62) + "ab": "a",
	} {
		got := slug(name)
		if got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
		if got != "" && !isLabel(got) {
			t.Errorf("%q: %q is no label", name, got)
		}
	}
}
