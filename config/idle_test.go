package config

import (
	"slices"
	"strings"
	"testing"
)

// Law: what is set for other servers and changes nothing is told at the start, and nothing else is.
func TestSettingsThatChangeNothing(t *testing.T) {
	const none, notSecure, noRules = "this changes nothing, as neither PROXY nor PROXY_ORIGINS names a server",
		"this changes nothing, as neither PROXY nor PROXY_ORIGINS names a server of https",
		"this changes nothing, as only _redirects can name a server of it, and RULES is false"
	for _, c := range []struct {
		environ string
		want    []string
	}{
		{"PROXY_HOST=keep PROXY_TIMEOUT=5s PROXY_CA=/ca.pem", []string{"PROXY_HOST=\"keep\": " + none, "PROXY_TIMEOUT=\"5s\": " + none, "PROXY_CA=\"/ca.pem\": " + notSecure}},
		{"PROXY=/api=http://a PROXY_HOST=keep PROXY_TIMEOUT=5s", nil},
		{"PROXY=/api=http://a PROXY_CA=/ca.pem", []string{"PROXY_CA=\"/ca.pem\": " + notSecure}},
		{"PROXY=/api=https://a PROXY_CA=/ca.pem", nil},
		{"PROXY_ORIGINS=https://a PROXY_CA=/ca.pem PROXY_TIMEOUT=5s", nil},
		{"PROXY_ORIGINS=https://a RULES=false PROXY_HOST=keep", []string{"PROXY_ORIGINS=\"https://a\": " + noRules, "PROXY_HOST=\"keep\": " + none}},
		{"PROXY=/api=http://a PROXY_ORIGINS=https://a RULES=false", []string{"PROXY_ORIGINS=\"https://a\": " + noRules}},
		{"PROXY_ORIGINS=https://a", nil},
		{"RULES=false", nil},
	} {
		environ := map[string]string{}
		for pair := range strings.FieldsSeq(c.environ) {
			name, value, _ := strings.Cut(pair, "=")
			environ[name] = value
		}
		got, err := Load(nil, environ)
		if err != nil || !slices.Equal(got.Warnings, c.want) {
			t.Errorf("%s: got %q, %v, want %q", c.environ, got.Warnings, err, c.want)
		}
	}
}
