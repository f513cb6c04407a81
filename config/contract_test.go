package config

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/caarlos0/env/v11"
)

var update = flag.Bool("update", false, "rewrite testdata/help.txt and the table in README.md")

// contract is the first column of the table in the design, in its order: names may be added, never changed.
const contract = `PORT BIND DIRECTORY PROTOCOL EXACT CGI CGI_DIRECTORIES CGI_TIMEOUT CGI_MAX_PROCESSES CGI_PASS_ENV
TLS_CERT TLS_KEY TLS_PASSWORD_FILE TLS_PORT TLS_ALPN TLS_SELF_SIGNED TLS_SELF_SIGNED_HOSTS TLS_STATE_DIR HTTPS_REDIRECT
CACHE_SIZE CACHE_MAX_FILE CACHE_CONTROL CACHE_FINGERPRINTED COMPRESS INDEX_PAGES EXTENSIONS_MAP DEFAULT_CONTENT_TYPE CLEAN_URLS ERROR_PAGES FALLBACK RULES RELOAD REBUILD_WAIT LISTING ARCHIVE SYMLINKS HIDDEN KERNEL_CONFINEMENT
TRUSTED_PROXIES HEADERS CORS ISOLATION BASE_PATH ALLOWED_HOSTS AUTH AUTH_FILE PUBLIC_ENV PREVIEWS PREVIEWS_DOMAIN PREVIEWS_LIST
PREVIEWS_PATH PREVIEWS_CHECK PREVIEWS_STORE PREVIEWS_SIZE PREVIEWS_INSECURE
PROXY PROXY_ORIGINS PROXY_HOST PROXY_TIMEOUT PROXY_CA LOG_FORMAT LOG_LEVEL ADMIN_PORT ADMIN_BIND HEADER_TIMEOUT IDLE_TIMEOUT MAX_CONNECTIONS
SHUTDOWN_DELAY SHUTDOWN_TIMEOUT`

// TestTags: the struct is the contract, caarlos0/env sees what the tables see, every field is documented and
// can be read, and every variable that a rule names exists.
func TestTags(t *testing.T) {
	params, err := env.GetFieldParams(&Config{})
	if err != nil {
		t.Fatal(err)
	}
	var variables []string
	for i, f := range fields() {
		variables = append(variables, f.variable)
		if params[i].Key != f.variable || params[i].DefaultValue != f.def {
			t.Errorf("%s: env reads %+v", f.variable, params[i])
		}
		if f.doc == "" || f.shown == "" {
			t.Errorf("%s: doc %q, shown default %q", f.variable, f.doc, f.shown)
		}
		if f.kind.Kind() != reflect.String && parsers()[f.kind] == nil {
			t.Errorf("%s: no parser for %v", f.variable, f.kind)
		}
		if f.oneof != nil && !slices.Contains(f.oneof, f.def) {
			t.Errorf("%s: default %q is none of %q", f.variable, f.def, f.oneof)
		}
		if f.metavar == "" && f.option != "" && f.option != positional && f.kind.Kind() != reflect.Bool {
			t.Errorf("%s: no metavar", f.variable)
		}
	}
	if want := strings.Fields(contract); !slices.Equal(variables, want) {
		t.Errorf("variables:\ngot  %q\nwant %q", variables, want)
	}
	for _, rule := range rules {
		if !slices.Contains(variables, rule.variable) {
			t.Errorf("a rule for %s, which is no variable", rule.variable)
		}
	}
}

func TestHelp(t *testing.T) {
	const golden = "testdata/help.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(Help()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got := Help(); got != strings.ReplaceAll(string(want), "\r\n", "\n") {
		t.Errorf("-update rewrites %s; got:\n%s", golden, got)
	}
	for _, f := range fields() {
		if !strings.Contains(Help(), "\n"+f.variable+" ") || !strings.Contains(Help(), f.doc) {
			t.Errorf("--help does not explain %s", f.variable)
		}
	}
}

// TestReadme: README.md has the table of the settings between its markers.
func TestReadme(t *testing.T) {
	const (
		readme = "../README.md"
		begin  = "<!-- config:begin -->\n"
		end    = "<!-- config:end -->"
	)
	bytes, err := os.ReadFile(readme)
	if errors.Is(err, fs.ErrNotExist) {
		return // it is on its way
	}
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(bytes), "\r\n", "\n")
	before, rest, ok := strings.Cut(text, begin)
	table, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s lacks the markers %q and %q, each on a line of its own", readme, begin, end)
	}
	if table == MarkdownTable() {
		return
	}
	if !*update {
		t.Fatalf("-update rewrites the table in %s; got:\n%s\nwant:\n%s", readme, table, MarkdownTable())
	}
	if err := os.WriteFile(readme, []byte(before+begin+MarkdownTable()+end+after), 0o666); err != nil {
		t.Fatal(err)
	}
}
