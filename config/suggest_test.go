package config

import (
	"slices"
	"strings"
	"testing"
)

func TestUnknownVariables(t *testing.T) {
	for name, want := range map[string]string{
		"DIRECTROY":       "DIRECTROY: unknown variable, did you mean DIRECTORY?", // swapped: one slip
		"DIRECTORIY":      "DIRECTORIY: unknown variable, did you mean DIRECTORY?",
		"DIECTOR":         "DIECTOR: unknown variable, did you mean DIRECTORY?",
		"PORTOCOL":        "PORTOCOL: unknown variable, did you mean PROTOCOL?",
		"LOGLEVEL":        "LOGLEVEL: unknown variable, did you mean LOG_LEVEL?",
		"TLS_CRT":         "TLS_CRT: unknown variable, did you mean TLS_CERT?",
		"SSL_CERT":        "SSL_CERT: unknown variable, did you mean TLS_CERT?",
		"INDEX_PAGE":      "INDEX_PAGE: unknown variable, did you mean INDEX_PAGES?",
		"CGI_DIRECTORY":   "", // three
		"DIRECTORY\n":     `"DIRECTORY\n": unknown variable, did you mean DIRECTORY?`,
		"PROT":            "", // PORT is too short to guess
		"BINDD":           "",
		"DIRECTORY":       "",
		"directory":       "",
		"":                "",
		"ADMIN_PORT_80":   "",
		"CACHE_SIZE_MIN_": "",
	} {
		if got := strings.Join(unknownVariables(map[string]string{name: "x"}), "\n"); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
	got := unknownVariables(map[string]string{"SYMLINK": "", "HIDEN": "", "COMPRES": ""})
	if len(got) != 3 || !slices.IsSorted(got) {
		t.Errorf("got %q, want three in order", got)
	}
}

// TestCommonVariables: what containers, clusters, shells and CI set is not taken for a slip.
func TestCommonVariables(t *testing.T) {
	const common = `PATH HOME HOSTNAME TERM PWD OLDPWD SHLVL SHELL USER LOGNAME LANG LANGUAGE LC_ALL LC_CTYPE TZ MAIL EDITOR PAGER
DISPLAY COLORTERM TMPDIR TEMP TMP HISTFILE HISTSIZE LS_COLORS LESSOPEN LESSCLOSE SSH_TTY SSH_CLIENT SSH_CONNECTION SSH_AUTH_SOCK
XDG_RUNTIME_DIR XDG_SESSION_ID XDG_DATA_DIRS DBUS_SESSION_BUS_ADDRESS INVOCATION_ID JOURNAL_STREAM LISTEN_FDS LISTEN_PID NOTIFY_SOCKET
CONTAINER container DOCKER_HOST DOCKER_CERT_PATH DOCKER_TLS_VERIFY COMPOSE_FILE COMPOSE_PROJECT_NAME BUILDKIT_PROGRESS
KUBERNETES_SERVICE_HOST KUBERNETES_SERVICE_PORT KUBERNETES_SERVICE_PORT_HTTPS KUBERNETES_PORT KUBERNETES_PORT_443_TCP
KUBERNETES_PORT_443_TCP_ADDR KUBERNETES_PORT_443_TCP_PORT KUBERNETES_PORT_443_TCP_PROTO KUBECONFIG POD_NAME POD_IP POD_NAMESPACE NODE_NAME
GOPATH GOROOT GOBIN GOCACHE GOFLAGS GOPROXY GOMAXPROCS GOMEMLIMIT GOGC GODEBUG GOTRACEBACK CGO_ENABLED SSL_CERT_FILE SSL_CERT_DIR
HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy NO_COLOR FORCE_COLOR DEBUG CI GITHUB_ACTIONS GITHUB_TOKEN RUNNER_OS
NODE_ENV NODE_VERSION NPM_CONFIG_CACHE PYTHONPATH PYTHON_VERSION PIP_CACHE_DIR VIRTUAL_ENV JAVA_HOME VERSION HOST ROOT FOLDER SECRET
AWS_REGION AWS_PROFILE AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN GOOGLE_APPLICATION_CREDENTIALS DATABASE_URL REDIS_URL
API_KEY SSH_KEY GPG_KEY DB_HOST DB_PORT HTTP_PORT HTTPS_PORT API_PORT WEB_PORT SSH_PORT LOG_DIR LOG_FILE CACHE_DIR SYSTEMROOT WINDIR COMSPEC
OTEL_SERVICE_NAME OTEL_EXPORTER_OTLP_ENDPOINT SUDO_USER SUDO_COMMAND MAKEFLAGS MAKELEVEL _`
	environ := map[string]string{}
	for _, name := range strings.Fields(common) {
		environ[name] = "x"
	}
	for _, f := range fields() {
		environ[f.variable] = "x"
	}
	if got := unknownVariables(environ); len(got) > 0 {
		t.Errorf("got %q", got)
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "ab", 2}, {"ab", "ab", 0}, {"ab", "ba", 1}, {"abc", "ac", 1}, {"ac", "abc", 1},
		{"kitten", "sitting", 3}, {"abcd", "badc", 2},
		{"ca", "abc", 3}, // a swapped pair is not edited again: what makes it optimal string alignment
	} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("%q, %q: got %d, want %d", c.a, c.b, got, c.want)
		}
		if got := distance(c.b, c.a); got != c.want {
			t.Errorf("%q, %q: got %d, want %d", c.b, c.a, got, c.want)
		}
	}
}

// TestPublicVariablesHaveAnyName: with PUBLIC_ENV none of them is a misspelt setting.
func TestPublicVariablesHaveAnyName(t *testing.T) {
	if got := unknownVariables(map[string]string{"PUBLIC_ENV": "/env.js", "PUBLIC_DEV": "1"}); got != nil {
		t.Errorf("warned: %q", got)
	}
	if got := unknownVariables(map[string]string{"PUBLIC_EVN": "/env.js"}); len(got) != 1 {
		t.Errorf("a misspelt one: %q", got)
	}
}
