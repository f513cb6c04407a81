package cgi

import (
	"reflect"
	"slices"
	"testing"
)

func TestAuthorization(t *testing.T) {
	for value, want := range map[string][]string{
		"":                           nil,
		"Basic":                      nil,
		"Digest a, b":                nil,
		"Digest xyz":                 {"AUTH_TYPE=Digest"},
		"Basic dXNlcjpwdw==":         {"AUTH_TYPE=Basic", "REMOTE_USER=user"},
		"bAsIc\u00a0dXNlcjpwdw==":    {"AUTH_TYPE=bAsIc", "REMOTE_USER=user"},
		"Basic !d!X!N!l!cjpwdw==xyz": {"AUTH_TYPE=Basic", "REMOTE_USER=user"}, // binascii skips and stops
		"Basic dXNlcjpwdw=":          {"AUTH_TYPE=Basic"},                     // incorrect padding
		"Basic dXNlcjpwdw":           {"AUTH_TYPE=Basic"},
		"Basic dXNlcjpwOnc=":         {"AUTH_TYPE=Basic"}, // a colon in the password
		"Basic dXNlcg==":             {"AUTH_TYPE=Basic"}, // no colon
		"Basic !!!":                  {"AUTH_TYPE=Basic"},
		"Basic dcO8OnB3":             {"AUTH_TYPE=Basic"}, // not ASCII
		"Basic dXMAZXI6cHc=":         {"AUTH_TYPE=Basic"}, // a NUL
		"Basic é":                    {"AUTH_TYPE=Basic"},
		"Basic dXNlcjo=":             {"AUTH_TYPE=Basic", "REMOTE_USER=user"},
	} {
		if got := authorization(value); !reflect.DeepEqual(got, want) {
			t.Errorf("authorization(%q) = %q, want %q", value, got, want)
		}
	}
}

func TestArguments(t *testing.T) {
	for query, want := range map[string][]string{
		"":      {"x", ""},
		"a+b":   {"x", "a b"},
		"a%3Db": {"x", "a%3Db"},
		"a=b":   {"x"},
		"+=":    {"x"},
		"-rf":   {"x", "-rf"},
	} {
		s := script{base: "x", query: query}
		if got := s.arguments(); !slices.Equal(got, want) {
			t.Errorf("arguments of %q = %q, want %q", query, got, want)
		}
	}
}

func TestPassedOn(t *testing.T) {
	server := map[string]string{"PATH": "/opt/bin", "TZ": "", "SECRET": "s", "WANTED": "a=b", "HTTP_PROXY": "p"}
	if got, want := PassedOn(server, []string{"WANTED", "MISSING", "PATH", "TZ", "WANTED"}), []string{"PATH=/opt/bin", "TZ=", "WANTED=a=b"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := PassedOn(nil, nil), []string{"PATH=/usr/local/bin:/usr/bin:/bin"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
