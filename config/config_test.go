package config

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/caarlos0/env/v11"
)

// load is Load with the environment written as NAME=value.
func load(args []string, variables ...string) (Config, error) {
	return Load(args, env.ToMap(variables))
}

func TestDefaults(t *testing.T) {
	want := Config{
		Port: 8000, Directory: ".", Protocol: "HTTP/1.1", DirectoryName: "DIRECTORY",
		CGIDirectories: []string{"/cgi-bin", "/htbin"}, CGITimeout: 30 * time.Second, CGIMaxProcesses: 16,
		TLSALPN: []string{"h2", "http/1.1"}, HTTPSRedirect: "off",
		CacheSize: 64 << 20, CacheMaxFile: 1 << 20, CacheControl: "no-cache", Compress: "auto",
		IndexPages: []string{"index.html", "index.htm"}, DefaultContentType: "application/octet-stream", BasePath: "/", CleanURLs: true, ErrorPages: true, Rules: true, Symlinks: "inside", Hidden: "serve", KernelConfinement: "auto",
		Previews: "off", PreviewsList: true, PreviewsCheck: 5 * time.Second, PreviewsSize: 2 << 30, ProxyHost: "upstream", ProxyTimeout: time.Minute,
		Listing: "rich", Archive: true,
		LogFormat: "auto", LogLevel: "info", AdminPort: 9090,
		HeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, ShutdownTimeout: 8 * time.Second,
	}
	// A nil environment is an empty one, never the process's own.
	t.Setenv("PORT", "1234")
	for name, environ := range map[string]map[string]string{"nil": nil, "empty": {}, "empty values": emptyValues()} {
		got, err := Load(nil, environ)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v\nwant %+v", name, got, err, want)
		}
	}
}

// emptyValues sets every variable to nothing or to blanks, which is unset.
func emptyValues() map[string]string {
	environ := map[string]string{"GOMEMLIMIT": ""}
	for i, f := range fields() {
		environ[f.variable] = []string{"", " ", "\t\r\n"}[i%3]
	}
	return environ
}

// TestAccepted has every form of every value, and what Load makes of it.
func TestAccepted(t *testing.T) {
	prefixes := func(list ...string) (p []netip.Prefix) {
		for _, s := range list {
			p = append(p, netip.MustParsePrefix(s))
		}
		return p
	}
	for _, c := range []struct {
		name      string
		args      []string
		variables []string
		field     string
		want      any
	}{
		{"port 0", nil, []string{"PORT=0"}, "Port", Port(0)},
		{"port 65535", nil, []string{"PORT=65535"}, "Port", Port(65535)},
		{"port in blanks", nil, []string{"PORT= 80\r"}, "Port", Port(80)},
		{"port positional", []string{"80"}, nil, "Port", Port(80)},
		{"port positional, as int() reads it", []string{" +80 "}, nil, "Port", Port(80)},
		{"port after --", []string{"--", "80"}, nil, "Port", Port(80)},
		// argparse of 3.13.0 and before refuses a last "--" behind an option; nothing is wrong with it.
		{"port before options", []string{"80", "-d", "x", "--"}, nil, "Port", Port(80)},
		{"command line over environment", []string{"80"}, []string{"PORT=81"}, "Port", Port(80)},
		{"a bad variable is no matter under an option", []string{"80"}, []string{"PORT=tcp://10.0.0.1:80"}, "Port", Port(80)},

		{"directory positional", []string{"./site"}, nil, "Directory", "./site"},
		{"directory positional, before the port", []string{"site", "80"}, nil, "Port", Port(80)},
		{"directory positional, behind the port", []string{"80", "site"}, nil, "Directory", "site"},
		{"directory positional over its variable", []string{"site"}, []string{"DIRECTORY=/srv"}, "DirectoryName", "directory"},
		{"directory of digits", []string{"./80"}, nil, "Directory", "./80"},
		{"directory by its option", []string{"-d", "80"}, nil, "DirectoryName", "--directory"},
		{"directory by its variable", nil, []string{"DIRECTORY=/srv"}, "DirectoryName", "DIRECTORY"},
		{"directory by default", nil, nil, "DirectoryName", "DIRECTORY"},

		{"exact by default", nil, nil, "Exact", false},
		{"exact with HTTP/1.0", []string{"-p", "HTTP/1.0"}, nil, "Exact", true},
		{"not exact with HTTP/1.0", []string{"-p", "HTTP/1.0"}, []string{"EXACT=false"}, "Exact", false},
		{"exact with HTTP/1.1", []string{"--exact"}, nil, "Exact", true},

		{"-b", []string{"-b", "::1"}, nil, "Bind", "::1"},
		{"-bX", []string{"-b::1"}, nil, "Bind", "::1"},
		{"-b=X", []string{"-b=::1"}, nil, "Bind", "::1"},
		{"--bind", []string{"--bind", "::1"}, nil, "Bind", "::1"},
		{"--bind=X", []string{"--bind=::1"}, nil, "Bind", "::1"},
		{"prefix", []string{"--b", "::1"}, nil, "Bind", "::1"},
		{"prefix with =", []string{"--bi=::1"}, nil, "Bind", "::1"},
		{"the last wins", []string{"--bind=::2", "-b", "::1"}, []string{"BIND=::3"}, "Bind", "::1"},
		{"IPv4", nil, []string{"BIND=127.0.0.1"}, "Bind", "127.0.0.1"},
		{"zone", nil, []string{"BIND=fe80::1%eth0"}, "Bind", "fe80::1%eth0"},
		{"host name", nil, []string{"BIND=My_service.example.com."}, "Bind", "My_service.example.com."},
		{"admin bind", nil, []string{"BIND=::1", "ADMIN_BIND=127.0.0.1"}, "AdminBind", "127.0.0.1"},
		{"admin bind as bind", []string{"-b", "::1"}, nil, "AdminBind", "::1"},

		{"headers", nil, []string{"HEADERS=X-Frame-Options: DENY\r\n\n  X-B :c:d \nX-Empty:"}, "Headers", []Header{{"X-Frame-Options", "DENY"}, {"X-B", "c:d"}, {"X-Empty", ""}}},
		{"header options", []string{"-H", "A: b", "--header=A:c", "-HD: e f"}, []string{"HEADERS=X: y"}, "Headers", []Header{{"A", "b"}, {"A", "c"}, {"D", "e f"}}},
		{"header in two arguments", []string{"-H", "A", "b: c", "--header", "D", "e", "80"}, nil, "Headers", []Header{{"A", "b: c"}, {"D", "e"}}},
		{"header in two arguments, then the port", []string{"-H", "A", "b", "-H", "C: d", "80"}, nil, "Port", Port(80)},
		{"content type", []string{"--content-type", "text/html; charset=utf-8"}, nil, "DefaultContentType", "text/html; charset=utf-8"},
		{"cors for all", []string{"--cors", "80"}, nil, "CORS", []string{"*"}},
		{"cors for all, then the port", []string{"--cors", "80"}, nil, "Port", Port(80)},
		{"cors option", []string{"--cors=https://a.example,http://localhost:5173"}, nil, "CORS", []string{"https://a.example", "http://localhost:5173"}},
		{"cors", nil, []string{"CORS=* , chrome-extension://abc"}, "CORS", []string{"*", "chrome-extension://abc"}},
		{"base path", nil, []string{"BASE_PATH=/docs/v1/"}, "BasePath", "/docs/v1/"},
		{"domain of previews in lower case", nil, []string{"PREVIEWS=directories", "PREVIEWS_DOMAIN=Preview.Example"}, "PreviewsDomain", "preview.example"},
		{"previews of directories", nil, []string{"PREVIEWS=Directories"}, "Previews", Previews("directories")},
		{"no previews", nil, []string{"PREVIEWS=OFF"}, "Previews", Previews("off")},
		{"previews of a registry", nil, []string{"PREVIEWS=registry.example.com/team/app"}, "Previews", Previews("registry.example.com/team/app")},
		{"previews of a registry with a port", nil, []string{"PREVIEWS=registry:5000/a"}, "Previews", Previews("registry:5000/a")},
		{"previews of a registry here", nil, []string{"PREVIEWS=localhost/a_b/c--d/e.f/g__h"}, "Previews", Previews("localhost/a_b/c--d/e.f/g__h")},
		{"previews of a registry at an address", nil, []string{"PREVIEWS=[::1]:5000/a"}, "Previews", Previews("[::1]:5000/a")},
		{"previews of Docker's registry", nil, []string{"PREVIEWS=docker.io/team/app"}, "Previews", Previews("docker.io/team/app")},
		{"directory of the image beside a registry", nil, []string{"PREVIEWS=localhost:5000/a", "DIRECTORY=/srv"}, "Directory", "/srv"},
		{"store of the image beside none", nil, []string{"PREVIEWS_STORE=/previews"}, "PreviewsStore", "/previews"},
		{"a directory to check beside a registry", []string{"check", "./site"}, []string{"PREVIEWS=localhost:5000/a"}, "Directory", "./site"},
		{"path in images", nil, []string{"PREVIEWS=localhost:5000/a", "PREVIEWS_PATH=/usr/share/nginx/html/"}, "PreviewsPath", "/usr/share/nginx/html"},
		{"path in images without slashes", nil, []string{"PREVIEWS=localhost:5000/a", "PREVIEWS_PATH=app/my dist#1"}, "PreviewsPath", "/app/my dist#1"},
		{"images themselves", nil, []string{"PREVIEWS=localhost:5000/a", "PREVIEWS_PATH=/"}, "PreviewsPath", "/"},
		{"seldom checked", nil, []string{"PREVIEWS=localhost:5000/a", "PREVIEWS_CHECK=1m"}, "PreviewsCheck", time.Minute},
		{"a small store", nil, []string{"PREVIEWS=localhost:5000/a", "PREVIEWS_SIZE=16Mi"}, "PreviewsSize", Size(16 << 20)},
		{"plain http", nil, []string{"PREVIEWS=localhost:5000/a", "PREVIEWS_INSECURE=on"}, "PreviewsInsecure", true},
		{"allowed hosts", nil, []string{"ALLOWED_HOSTS=a.example, .B.example."}, "AllowedHosts", []string{"a.example", ".B.example."}},
		{"auth", nil, []string{"AUTH=a:$2y$05$x,b c:$2y$05$y"}, "Auth", []string{"a:$2y$05$x", "b c:$2y$05$y"}},
		{"public variables", nil, []string{"PUBLIC_ENV=/js/env.js"}, "PublicEnv", "/js/env.js"},

		{"proxies", nil, []string{"PROXY=/api=http://backend:3000, /ws/=https://[::1]/socket"}, "Proxies", []Proxy{{"/api", "http://backend:3000"}, {"/ws/", "https://[::1]/socket"}}},
		{"a proxy for all", nil, []string{"PROXY=/=http://my_app"}, "Proxies", []Proxy{{"/", "http://my_app"}}},
		{"proxy origins", nil, []string{"PROXY_ORIGINS=https://a.example, http://b:81"}, "ProxyOrigins", []string{"https://a.example", "http://b:81"}},
		{"proxy host", nil, []string{"PROXY_HOST=keep"}, "ProxyHost", "keep"},

		{"directory", nil, []string{"DIRECTORY=/srv\r"}, "Directory", "/srv"},
		{"directory with a blank", []string{"-d", "my site "}, nil, "Directory", "my site "},
		{"directory -", []string{"-d", "-"}, nil, "Directory", "-"},
		{"directory that is a negative number", []string{"-d", "-1"}, nil, "Directory", "-1"},
		{"directory that looks like an option", []string{"--dir=--cgi"}, nil, "Directory", "--cgi"},
		{"directory with =", []string{"--directory=a=b"}, nil, "Directory", "a=b"},
		{"protocol 1.0", []string{"-p", "HTTP/1.0"}, nil, "Protocol", "HTTP/1.0"},
		{"protocol prefix", []string{"--proto", "HTTP/1.1"}, nil, "Protocol", "HTTP/1.1"},

		{"CGI", nil, []string{"CGI=yes"}, "CGI", true},
		{"CGI option", []string{"--cgi"}, nil, "CGI", true},
		{"--cgi=false over CGI=true", []string{"--cgi=false"}, []string{"CGI=true"}, "CGI", false},
		{"bool false", nil, []string{"LISTING=false"}, "Listing", Listing("false")},
		{"bool 0", nil, []string{"LISTING=0"}, "Listing", Listing("false")},
		{"bool No", nil, []string{"LISTING=No"}, "Listing", Listing("false")},
		{"bool OFF", nil, []string{"LISTING=OFF"}, "Listing", Listing("false")},
		{"bool TRUE", nil, []string{"LISTING=TRUE"}, "Listing", Listing("rich")},
		{"bool 1", nil, []string{"LISTING=1"}, "Listing", Listing("rich")},
		{"bool yes", nil, []string{"LISTING=yes"}, "Listing", Listing("rich")},
		{"listing plain", nil, []string{"LISTING=Plain"}, "Listing", Listing("plain")},
		{"bool on", nil, []string{"LISTING=on"}, "Listing", Listing("rich")},

		{"duration", nil, []string{"IDLE_TIMEOUT=1m30s"}, "IdleTimeout", 90 * time.Second},
		{"duration below a second", nil, []string{"HEADER_TIMEOUT=500ms"}, "HeaderTimeout", time.Second / 2},
		{"duration 0", nil, []string{"SHUTDOWN_TIMEOUT=0"}, "ShutdownTimeout", time.Duration(0)},
		{"delay", nil, []string{"SHUTDOWN_DELAY=5s"}, "ShutdownDelay", 5 * time.Second},
		{"count", nil, []string{"MAX_CONNECTIONS=1"}, "MaxConnections", 1},

		{"size in bytes", nil, []string{"CACHE_SIZE=1048576"}, "CacheSize", Size(1 << 20)},
		{"size off", nil, []string{"CACHE_SIZE=0"}, "CacheSize", Size(0)},
		{"size MiB", nil, []string{"CACHE_SIZE=64MiB"}, "CacheSize", Size(64 << 20)},
		{"size M", nil, []string{"CACHE_SIZE=1M"}, "CacheSize", Size(1 << 20)},
		{"size k", nil, []string{"CACHE_SIZE=1k"}, "CacheSize", Size(1 << 10)},
		{"size gb", nil, []string{"CACHE_SIZE=2gb"}, "CacheSize", Size(2 << 30)},
		{"size Ti with a blank", nil, []string{"CACHE_SIZE=1 Ti"}, "CacheSize", Size(1 << 40)},
		{"size B", nil, []string{"CACHE_MAX_FILE=5B"}, "CacheMaxFile", Size(5)},
		{"size largest", nil, []string{"CACHE_SIZE=9223372036854775807"}, "CacheSize", Size(1<<63 - 1)},

		{"list", nil, []string{"INDEX_PAGES= a.html , b c.html"}, "IndexPages", []string{"a.html", "b c.html"}},
		{"CGI directory with a slash at its end", nil, []string{"CGI_DIRECTORIES=/cgi-bin/,/,/é"}, "CGIDirectories", []string{"/cgi-bin/", "/", "/é"}},
		{"CGI environment that is passed on anyway", nil, []string{"CGI_PASS_ENV=PATH,TZ,LANG,http_proxy,HTTPS"}, "CGIPassEnv", []string{"PATH", "TZ", "LANG", "http_proxy", "HTTPS"}},
		{"CGI settings without CGI", nil, []string{"CGI_PASS_ENV=HOME, _x1"}, "CGIPassEnv", []string{"HOME", "_x1"}},
		{"ALPN", nil, []string{"TLS_ALPN=http/1.1"}, "TLSALPN", []string{"http/1.1"}},
		{"hosts", nil, []string{"TLS_SELF_SIGNED_HOSTS=dev.example,::1"}, "TLSSelfSignedHosts", []string{"dev.example", "::1"}},
		{"TLS port without certificate", nil, []string{"TLS_PORT=8443"}, "TLSPort", Port(8443)},
		{"TLS port without certificate, as the admin port", nil, []string{"TLS_PORT=81", "ADMIN_PORT=81"}, "AdminPort", Port(81)},
		{"TLS port set", nil, []string{"TLS_PORT=0"}, "TLSPortSet", true},
		{"a default spelled out asks for nothing", nil, []string{"COMPRESS=AUTO", "CACHE_CONTROL=no-cache", "HTTPS_REDIRECT=off", "CGI=no"}, "Compress", "auto"},
		{"compression off", nil, []string{"COMPRESS=off"}, "Compress", "off"},

		{"extensions", nil, []string{"EXTENSIONS_MAP=.MD=text/markdown; charset=utf-8 , .x = Image/X-y,Dockerfile=text/x,=text/plain"}, "ExtensionsMap",
			map[string]string{".md": "text/markdown; charset=utf-8", ".x": "Image/X-y", "dockerfile": "text/x", "": "text/plain"}},
		{"proxies", nil, []string{"TRUSTED_PROXIES=10.1.2.3/8, 192.0.2.1,fd00::/8 ,::1,::ffff:1.2.3.4,::ffff:10.0.0.0/104"}, "TrustedProxies",
			prefixes("10.0.0.0/8", "192.0.2.1/32", "fd00::/8", "::1/128", "1.2.3.4/32", "10.0.0.0/8")},
		{"enumeration", nil, []string{"SYMLINKS=follow"}, "Symlinks", "follow"},
		{"enumeration in capitals", nil, []string{"LOG_LEVEL=WARN"}, "LogLevel", "warn"},
		{"hidden", nil, []string{"HIDDEN=deny"}, "Hidden", "deny"},
		{"format", nil, []string{"LOG_FORMAT=json"}, "LogFormat", "json"},

		{"admin port chosen", nil, []string{"ADMIN_PORT=9090"}, "AdminPortSet", true},
		{"admin port default", nil, nil, "AdminPortSet", false},
		{"admin port default gives way", []string{"9090"}, nil, "AdminPort", Port(9090)},
		{"both ports free ones", nil, []string{"PORT=0", "ADMIN_PORT=0"}, "AdminPort", Port(0)},

		{"serve", nil, nil, "Command", Serve},
		{"healthcheck", []string{"healthcheck"}, nil, "Command", Healthcheck},
		{"check", []string{"check"}, nil, "Command", Check},
		{"check of a directory", []string{"check", "./site"}, nil, "Directory", "./site"},
		{"single-page app", []string{"--spa"}, nil, "Fallback", "/index.html"},
		{"reload", []string{"--reload"}, nil, "Reload", true},
		{"reload and waits", nil, []string{"RELOAD=yes"}, "RebuildWait", 5 * time.Second},
		{"reload without waits", nil, []string{"RELOAD=yes", "REBUILD_WAIT=0s"}, "RebuildWait", time.Duration(0)},
		{"waits without reload", nil, []string{"REBUILD_WAIT=2s"}, "RebuildWait", 2 * time.Second},
		{"no reload, no waits", nil, nil, "RebuildWait", time.Duration(0)},
		{"no reload, exactly", []string{"--exact"}, []string{"RELOAD=false", "REBUILD_WAIT=0s"}, "Exact", true},
		{"fallback", nil, []string{"FALLBACK=/app.html"}, "Fallback", "/app.html"},
		{"healthcheck of a URL", []string{"healthcheck", "http://site:80/page"}, nil, "HealthcheckURL", "http://site:80/page"},
		{"healthcheck of a URL, and no port to ask", []string{"healthcheck", "https://site/"}, []string{"ADMIN_PORT=0"}, "Command", Healthcheck},
		{"healthcheck of a URL, and a default that gives way", []string{"healthcheck", "https://site/", "9090"}, nil, "Port", Port(9090)},
		{"healthcheck of no URL", []string{"healthcheck"}, nil, "HealthcheckURL", ""},
		{"healthcheck with options", []string{"-b", "::1", "healthcheck", "80"}, nil, "Port", Port(80)},
		{"-h", []string{"-h"}, nil, "Command", ShowHelp},
		{"--hel", []string{"--hel"}, nil, "Command", ShowHelp},
		{"--help over problems", []string{"--nope", "x", "--help", "abc"}, []string{"PORT=x"}, "Command", ShowHelp},
		{"--version", []string{"--version"}, nil, "Command", ShowVersion},
		{"version", []string{"version"}, nil, "Command", ShowVersion},
		{"version --json", []string{"version", "--json"}, []string{"PORT=x"}, "Command", ShowVersionJSON},
		{"--json --version", []string{"--json", "--version"}, nil, "Command", ShowVersionJSON},
		{"--json behind --help", []string{"--help", "--json"}, nil, "Command", ShowHelp},
		{"--open", []string{"site", "--open"}, nil, "Open", true},
		{"a directory called version", []string{"./version"}, nil, "Directory", "./version"},
		{"the first of --version and --help", []string{"--vers", "-h"}, nil, "Command", ShowVersion},
		{"-h in a cluster that is wrong", []string{"-hz"}, nil, "Command", ShowHelp},
		{"--help behind healthcheck", []string{"healthcheck", "--help"}, nil, "Command", ShowHelp},
	} {
		t.Run(c.name, func(t *testing.T) {
			config, err := load(c.args, c.variables...)
			if err != nil {
				t.Fatalf("got error %q", err)
			}
			if got := reflect.ValueOf(config).FieldByName(c.field).Interface(); !reflect.DeepEqual(got, c.want) {
				t.Errorf("%s: got %#v, want %#v", c.field, got, c.want)
			}
		})
	}
}

// TestRefused has every rule with its whole message.
func TestRefused(t *testing.T) {
	const (
		port     = `: must be a TCP port from 0 to 65535 (0 = any free one)`
		boolean  = `: must be true, false, 1, 0, yes, no, on or off`
		size     = `: must be a size in bytes, or a number of KiB, MiB, GiB or TiB, such as 64MiB`
		duration = `: must be a duration, such as 0s, 500ms, 5s or 1m30s`
		positive = `: must be a duration above 0, such as 500ms, 5s or 1m30s`
		count    = `: must be a whole number from 0 to 2147483647`
		host     = `: must be an address or host name, such as 127.0.0.1, ::1 (no brackets, no port) or localhost`
		link     = `: a Kubernetes service link, not a setting: put enableServiceLinks: false into the pod's spec`
		empty    = `: must be values separated by single commas, and one is empty`
		sitePath = `: must be a plain path of the site, such as /cgi-bin or /a/b, without empty parts, . and .., and without %, ? and #`
		cgiOwn   = `: must not be a variable that CGI sets itself`
		origin   = `: must be * or an origin, such as https://example.org or http://localhost:5173: in lower case, without a path, and without the usual port`
		upstream = ` must be the URL of a server: http or https with a host, a port and a plain path, such as http://localhost:3000 or https://api.example.org/v1`
		domain   = `: must be a domain, such as preview.example.org, without scheme, port, * and a dot at its ends`
		previews = `: must be off, directories or a repository, such as registry.example.com/team/app`
		noRepo   = `; it must be left out, or PREVIEWS be a repository, such as registry.example.com/team/app`
		noHost   = `: must begin with the registry's host, which has a dot or a port, such as registry.example.com/team/app`
		inImage  = `: must be a directory of the image, such as /usr/share/nginx/html, without empty parts, . and ..`
		exact    = `: not possible with EXACT=true, as http.server has nothing like it; it must be `
		beside   = `: HTTPS has no port of its own; set a certificate and TLS_PORT, or give off or a port number`
	)
	for _, c := range []struct {
		name      string
		args      []string
		variables []string
		want      string
	}{
		{"port, no number", nil, []string{"PORT=abc"}, `PORT="abc"` + port},
		{"port, too high", nil, []string{"PORT=65536"}, `PORT="65536"` + port},
		{"port, below 0", nil, []string{"PORT=-1"}, `PORT="-1"` + port},
		{"port, beyond int", nil, []string{"PORT=99999999999999999999"}, `PORT="99999999999999999999"` + port},
		{"port, fraction", nil, []string{"PORT=80.0"}, `PORT="80.0"` + port},
		{"port argument below 0", []string{"-1"}, nil, `port="-1"` + port},
		{"port argument modulo 65536", []string{"70000"}, nil, `port="70000"` + port},
		{"port argument, a fraction", []string{"80.5"}, nil, `port="80.5"` + port},
		{"port argument empty", []string{""}, nil, `port="": the value is empty; leave the option out to use its default`},
		{"port argument under a good variable", []string{"-1"}, []string{"PORT=80"}, `port="-1"` + port},
		{"admin port", nil, []string{"ADMIN_PORT=x"}, `ADMIN_PORT="x"` + port},
		{"TLS port", nil, []string{"TLS_PORT=x"}, `TLS_PORT="x"` + port},
		{"hostile bytes", nil, []string{"PORT=\x1b[2J\n\xff\"\u202e"}, `PORT="\x1b[2J\n\xff\"\u202e"` + port},
		{"long value", nil, []string{"PORT=" + strings.Repeat("9", 8192)}, `PORT="` + strings.Repeat("9", 100) + `"... (8192 bytes)` + port},

		{"service link", nil, []string{"PORT=tcp://10.0.0.1:80"}, `PORT="tcp://10.0.0.1:80"` + link},
		{"service link of a service tls", nil, []string{"TLS_PORT=udp://[fd00::1]:53"}, `TLS_PORT="udp://[fd00::1]:53"` + link},
		{"service link elsewhere", nil, []string{"DIRECTORY=tcp://10.0.0.1:80"}, `DIRECTORY="tcp://10.0.0.1:80"` + link},

		{"bind brackets", nil, []string{"BIND=[::1]"}, `BIND="[::1]"` + host},
		{"bind with port", []string{"--bind", "127.0.0.1:80"}, nil, `--bind="127.0.0.1:80"` + host},
		{"bind short option", []string{"-b", "a b"}, nil, `--bind="a b"` + host},
		{"bind mistyped address", nil, []string{"BIND=256.0.0.1"}, `BIND="256.0.0.1"` + host},
		{"bind empty label", nil, []string{"BIND=a..b"}, `BIND="a..b"` + host},
		{"bind dash", nil, []string{"BIND=-a"}, `BIND="-a"` + host},
		{"bind label too long", nil, []string{"BIND=" + strings.Repeat("a", 64)}, `BIND="` + strings.Repeat("a", 64) + `"` + host},
		{"bind name too long", nil, []string{"BIND=" + strings.Repeat("a.", 127)}, `BIND="` + strings.Repeat("a.", 50) + `"... (254 bytes)` + host},
		{"bind empty", []string{"--bind="}, nil, `--bind="": the value is empty; leave the option out to use its default`},
		{"bind empty, short", []string{"-b="}, nil, `--bind="": the value is empty; leave the option out to use its default`},
		{"admin bind", nil, []string{"ADMIN_BIND=*"}, `ADMIN_BIND="*"` + host},
		{"directory empty", []string{"-d", ""}, nil, `--directory="": the value is empty; leave the option out to use its default`},
		{"protocol", nil, []string{"PROTOCOL=HTTP/2"}, `PROTOCOL="HTTP/2": must be HTTP/1.0 or HTTP/1.1`},
		{"protocol is case-sensitive", []string{"-p", "http/1.1"}, nil, `--protocol="http/1.1": must be HTTP/1.0 or HTTP/1.1`},

		{"boolean", nil, []string{"CLEAN_URLS=maybe"}, `CLEAN_URLS="maybe"` + boolean},
		{"listing", nil, []string{"LISTING=maybe"}, `LISTING="maybe": must be rich, plain or false (true means rich)`},
		{"boolean option", []string{"--cgi=maybe"}, nil, `--cgi="maybe"` + boolean},
		{"boolean T", nil, []string{"CGI=T"}, `CGI="T"` + boolean},
		{"size unit", nil, []string{"CACHE_SIZE=64X"}, `CACHE_SIZE="64X"` + size},
		{"size without number", nil, []string{"CACHE_SIZE=MiB"}, `CACHE_SIZE="MiB"` + size},
		{"size fraction", nil, []string{"CACHE_SIZE=1.5G"}, `CACHE_SIZE="1.5G"` + size},
		{"size below 0", nil, []string{"CACHE_MAX_FILE=-1"}, `CACHE_MAX_FILE="-1"` + size},
		{"size beyond int64", nil, []string{"CACHE_SIZE=8388608T"}, `CACHE_SIZE="8388608T"` + size},
		{"size two units", nil, []string{"CACHE_SIZE=1kM"}, `CACHE_SIZE="1kM"` + size},
		{"duration without unit", nil, []string{"SHUTDOWN_TIMEOUT=5"}, `SHUTDOWN_TIMEOUT="5"` + duration + `, did you mean 5s?`},
		{"timeout without unit", nil, []string{"IDLE_TIMEOUT=60"}, `IDLE_TIMEOUT="60"` + positive + `, did you mean 60s?`},
		{"duration below 0", nil, []string{"SHUTDOWN_DELAY=-5s"}, `SHUTDOWN_DELAY="-5s"` + duration},
		{"header timeout 0", nil, []string{"HEADER_TIMEOUT=0s"}, `HEADER_TIMEOUT="0s"` + positive},
		{"header timeout", nil, []string{"HEADER_TIMEOUT=soon"}, `HEADER_TIMEOUT="soon"` + positive},
		{"idle timeout 0", nil, []string{"IDLE_TIMEOUT=0"}, `IDLE_TIMEOUT="0"` + positive},
		{"CGI timeout 0", nil, []string{"CGI_TIMEOUT=0"}, `CGI_TIMEOUT="0"` + positive},
		{"connections below 0", nil, []string{"MAX_CONNECTIONS=-1"}, `MAX_CONNECTIONS="-1"` + count},
		{"connections beyond int32", nil, []string{"MAX_CONNECTIONS=2147483648"}, `MAX_CONNECTIONS="2147483648"` + count},
		{"processes 0", nil, []string{"CGI_MAX_PROCESSES=0"}, `CGI_MAX_PROCESSES="0": must be a whole number from 1 to 2147483647`},

		{"index with slash", nil, []string{"INDEX_PAGES=a/b"}, `INDEX_PAGES="a/b": must be a file name without a slash, such as index.html`},
		{"index second", nil, []string{"INDEX_PAGES=a,.."}, `INDEX_PAGES="a,..": ".." must be a file name without a slash, such as index.html`},
		{"index empty element", nil, []string{"INDEX_PAGES=a,,b"}, `INDEX_PAGES="a,,b"` + empty},
		{"index only a comma", nil, []string{"INDEX_PAGES=,"}, `INDEX_PAGES=","` + empty},
		{"CGI directory", nil, []string{"CGI_DIRECTORIES=cgi-bin"}, `CGI_DIRECTORIES="cgi-bin"` + sitePath},
		{"CGI directory with a dot", nil, []string{"CGI_DIRECTORIES=/cgi-bin,/./x"}, `CGI_DIRECTORIES="/cgi-bin,/./x": "/./x" ` + sitePath[2:]},
		{"CGI directory with two slashes", nil, []string{"CGI_DIRECTORIES=//cgi-bin"}, `CGI_DIRECTORIES="//cgi-bin"` + sitePath},
		{"CGI directory with two slashes at its end", nil, []string{"CGI_DIRECTORIES=/cgi-bin//"}, `CGI_DIRECTORIES="/cgi-bin//"` + sitePath},
		{"CGI directory with ..", nil, []string{"CGI_DIRECTORIES=/a/../cgi-bin"}, `CGI_DIRECTORIES="/a/../cgi-bin"` + sitePath},
		{"CGI directory encoded", nil, []string{"CGI_DIRECTORIES=/%63gi-bin"}, `CGI_DIRECTORIES="/%63gi-bin"` + sitePath},
		{"CGI directory with a query", nil, []string{"CGI_DIRECTORIES=/cgi-bin?x"}, `CGI_DIRECTORIES="/cgi-bin?x"` + sitePath},
		{"CGI directory with a fragment", nil, []string{"CGI_DIRECTORIES=/cgi-bin#x"}, `CGI_DIRECTORIES="/cgi-bin#x"` + sitePath},
		{"CGI variable", nil, []string{"CGI_PASS_ENV=HOME,SCRIPT_NAME"}, `CGI_PASS_ENV="HOME,SCRIPT_NAME": "SCRIPT_NAME" ` + cgiOwn[2:]},
		{"CGI variable of a field", nil, []string{"CGI_PASS_ENV=HTTP_PROXY"}, `CGI_PASS_ENV="HTTP_PROXY"` + cgiOwn},
		{"CGI environment", nil, []string{"CGI_PASS_ENV=A=B"}, `CGI_PASS_ENV="A=B": must be the name of a variable: letters, digits and underscores`},
		{"ALPN", nil, []string{"TLS_ALPN=h2,h3"}, `TLS_ALPN="h2,h3": "h3" must be h2 or http/1.1`},
		{"self-signed host", nil, []string{"TLS_SELF_SIGNED_HOSTS=*.dev"}, `TLS_SELF_SIGNED_HOSTS="*.dev"` + host},
		{"self-signed host, a URL", nil, []string{"TLS_SELF_SIGNED_HOSTS=https://a.dev"}, `TLS_SELF_SIGNED_HOSTS="https://a.dev"` + host},
		{"self-signed host with a port", nil, []string{"TLS_SELF_SIGNED_HOSTS=a.dev:80"}, `TLS_SELF_SIGNED_HOSTS="a.dev:80"` + host},
		{"self-signed host, brackets", nil, []string{"TLS_SELF_SIGNED_HOSTS=[::1]"}, `TLS_SELF_SIGNED_HOSTS="[::1]"` + host},
		{"self-signed host, a network", nil, []string{"TLS_SELF_SIGNED_HOSTS=192.0.2.0/24"}, `TLS_SELF_SIGNED_HOSTS="192.0.2.0/24"` + host},
		{"self-signed host, all below a name", nil, []string{"TLS_SELF_SIGNED_HOSTS=.dev"}, `TLS_SELF_SIGNED_HOSTS=".dev"` + host},
		{"self-signed host, not ASCII", nil, []string{"TLS_SELF_SIGNED_HOSTS=bücher.dev"}, `TLS_SELF_SIGNED_HOSTS="bücher.dev"` + host},
		{"redirect", nil, []string{"HTTPS_REDIRECT=true"}, `HTTPS_REDIRECT="true": must be off, on or a port from 1 to 65535`},
		{"redirect to 0", nil, []string{"HTTPS_REDIRECT=0"}, `HTTPS_REDIRECT="0": must be off, on or a port from 1 to 65535`},
		{"cache control", nil, []string{"CACHE_CONTROL=a\r\nSet-Cookie: b"}, `CACHE_CONTROL="a\r\nSet-Cookie: b": must have only visible ASCII and blanks`},
		{"extensions with a path", nil, []string{"EXTENSIONS_MAP=a/b.md=text/markdown"}, `EXTENSIONS_MAP="a/b.md=text/markdown": "a/b.md=text/markdown" must be .suffix=media/type or name=media/type, such as .md=text/markdown`},
		{"extensions without type", nil, []string{"EXTENSIONS_MAP=.a=b/c,.md"}, `EXTENSIONS_MAP=".a=b/c,.md": ".md" must be .suffix=media/type or name=media/type, such as .md=text/markdown`},
		{"extensions without subtype", nil, []string{"EXTENSIONS_MAP=.md=text"}, `EXTENSIONS_MAP=".md=text": ".md=text" must be .suffix=media/type or name=media/type, such as .md=text/markdown`},
		{"extensions that split the head", nil, []string{"EXTENSIONS_MAP=.md=text/x\r\nA: b"}, `EXTENSIONS_MAP=".md=text/x\r\nA: b": ".md=text/x\r\nA: b" must be .suffix=media/type or name=media/type, such as .md=text/markdown`},
		{"extensions, empty element", nil, []string{"EXTENSIONS_MAP=.md=a/b,"}, `EXTENSIONS_MAP=".md=a/b,"` + empty},
		{"proxies, empty element", nil, []string{"TRUSTED_PROXIES=::1,,::2"}, `TRUSTED_PROXIES="::1,,::2"` + empty},
		{"extensions twice", nil, []string{"EXTENSIONS_MAP=.md=a/b,.MD=c/d"}, `EXTENSIONS_MAP=".md=a/b,.MD=c/d": ".md" is there twice, and must have one media type`},
		{"proxies", nil, []string{"TRUSTED_PROXIES=10.0.0.0/8,proxy"}, `TRUSTED_PROXIES="10.0.0.0/8,proxy": "proxy" must be an IP address or a network, such as 10.0.0.0/8, 192.0.2.1 or fd00::/8`},
		{"proxies, mask", nil, []string{"TRUSTED_PROXIES=10.0.0.0/33"}, `TRUSTED_PROXIES="10.0.0.0/33": "10.0.0.0/33" must be an IP address or a network, such as 10.0.0.0/8, 192.0.2.1 or fd00::/8`},
		{"proxies, zone", nil, []string{"TRUSTED_PROXIES=fe80::1%eth0"}, `TRUSTED_PROXIES="fe80::1%eth0": "fe80::1%eth0" must be an IP address or a network, such as 10.0.0.0/8, 192.0.2.1 or fd00::/8`},
		{"symlinks", nil, []string{"SYMLINKS=yes"}, `SYMLINKS="yes": must be inside, follow or deny`},
		{"hidden", nil, []string{"HIDDEN=inside"}, `HIDDEN="inside": must be serve or deny`},
		{"format", nil, []string{"LOG_FORMAT=xml"}, `LOG_FORMAT="xml": must be auto, json or text`},
		{"level", nil, []string{"LOG_LEVEL=warning"}, `LOG_LEVEL="warning": must be debug, info, warn or error`},
		{"compress", nil, []string{"COMPRESS=gzip"}, `COMPRESS="gzip": must be auto, static or off`},

		{"admin port as port", nil, []string{"PORT=80", "ADMIN_PORT=80"}, `ADMIN_PORT="80": must be another port than PORT`},
		{"admin port as port, by default", nil, []string{"ADMIN_PORT=8000"}, `ADMIN_PORT="8000": must be another port than PORT`},
		{"admin port as port argument", []string{"9090"}, []string{"ADMIN_PORT=9090"}, `ADMIN_PORT="9090": must be another port than PORT`},
		{"healthcheck of a free port", []string{"healthcheck"}, []string{"ADMIN_PORT=0"}, `ADMIN_PORT="0": must be a port from 1 to 65535, as healthcheck has to know it`},
		{"healthcheck of a default that gives way", []string{"healthcheck", "9090"}, nil, `ADMIN_PORT="9090": must be another port than PORT`},
		{"healthcheck of a URL of another scheme", []string{"healthcheck", "ftp://site/"}, nil, `healthcheck: "ftp://site/" must be a URL, such as http://example.com/`},
		{"healthcheck of a URL without a host", []string{"healthcheck", "http:///page"}, nil, `healthcheck: "http:///page" must be a URL, such as http://example.com/`},
		{"healthcheck of a broken URL", []string{"healthcheck", "http://site:x/"}, nil, `healthcheck: "http://site:x/" must be a URL, such as http://example.com/`},
		{"a proxy without a path", nil, []string{"PROXY=http://backend:3000"}, `PROXY="http://backend:3000": "http://backend:3000" must begin with a plain URL path and =, such as /api=http://localhost:3000`},
		{"a proxy without a scheme", nil, []string{"PROXY=/api=backend:3000"}, `PROXY="/api=backend:3000": "backend:3000"` + upstream},
		{"a proxy with a password", nil, []string{"PROXY=/api=http://u:p@backend"}, `PROXY="/api=http://u:p@backend": "http://u:p@backend"` + upstream},
		{"a proxy with a query", nil, []string{"PROXY=/api=http://backend/?a=b"}, `PROXY="/api=http://backend/?a=b": "http://backend/?a=b"` + upstream},
		{"a proxy with port 0", nil, []string{"PROXY=/api=http://backend:0"}, `PROXY="/api=http://backend:0": "http://backend:0"` + upstream},
		{"a proxy that climbs", nil, []string{"PROXY=/api=http://backend/a/../b"}, `PROXY="/api=http://backend/a/../b": "http://backend/a/../b"` + upstream},
		{"two proxies for a path", nil, []string{"PROXY=/api=http://a,/api/=http://b"}, `PROXY="/api=http://a,/api/=http://b": "/api/" is there twice, and must have one server`},
		{"proxy origin with a path", nil, []string{"PROXY_ORIGINS=https://a/"}, `PROXY_ORIGINS="https://a/": must be the origin of a server, such as https://api.example.org or http://localhost:3000, without a path`},
		{"proxy host", nil, []string{"PROXY_HOST=client"}, `PROXY_HOST="client": must be upstream or keep`},
		{"proxy timeout", nil, []string{"PROXY_TIMEOUT=0"}, `PROXY_TIMEOUT="0"` + positive},
		{"previews that are on", nil, []string{"PREVIEWS=true"}, `PREVIEWS="true"` + previews},
		{"previews of a directory", nil, []string{"PREVIEWS=Directory"}, `PREVIEWS="Directory"` + previews + `, did you mean directories?`},
		{"previews of an image", nil, []string{"PREVIEWS=nginx:1"}, `PREVIEWS="nginx:1"` + previews},
		{"previews of a host", nil, []string{"PREVIEWS=registry.example.com"}, `PREVIEWS="registry.example.com"` + previews},
		{"previews of a host and a slash", nil, []string{"PREVIEWS=localhost:5000/"}, `PREVIEWS="localhost:5000/"` + previews},
		{"previews without a host", nil, []string{"PREVIEWS=team/app"}, `PREVIEWS="team/app"` + noHost},
		{"previews in a directory", nil, []string{"PREVIEWS=/srv/builds"}, `PREVIEWS="/srv/builds"` + noHost},
		{"previews at a URL", nil, []string{"PREVIEWS=https://registry.example.com/team/app"}, `PREVIEWS="https://registry.example.com/team/app": must be a repository without https://, such as registry.example.com/team/app`},
		{"previews at a URL without TLS", nil, []string{"PREVIEWS=http://localhost:5000/app"}, `PREVIEWS="http://localhost:5000/app": must be a repository without http://, such as localhost:5000/app; for plain http set PREVIEWS_INSECURE=true`},
		{"previews at a URL of an image", nil, []string{"PREVIEWS=docker://a.example/App:1"}, `PREVIEWS="docker://a.example/App:1": must be a repository without docker://, such as registry.example.com/team/app`},
		{"previews of one tag", nil, []string{"PREVIEWS=localhost:5000/app:latest"}, `PREVIEWS="localhost:5000/app:latest": must be a repository without a tag, as each of its tags is a preview: localhost:5000/app`},
		{"previews of one digest", nil, []string{"PREVIEWS=a.example/app:v1@sha256:" + strings.Repeat("0", 64)}, `PREVIEWS="a.example/app:v1@sha256:` + strings.Repeat("0", 64) + `": must be a repository without a digest, as each of its tags is a preview: a.example/app`},
		{"previews in upper case", nil, []string{"PREVIEWS=a.example/Team/App"}, `PREVIEWS="a.example/Team/App": must be in lower case, as names of repositories are: a.example/team/app`},
		{"previews with a slash at the end", nil, []string{"PREVIEWS=a.example/app/"}, `PREVIEWS="a.example/app/": must be without a slash at its end: a.example/app`},
		{"previews with an empty part", nil, []string{"PREVIEWS=a.example/team//app"}, `PREVIEWS="a.example/team//app"` + previews},
		{"previews that climb", nil, []string{"PREVIEWS=a.example/team/../app"}, `PREVIEWS="a.example/team/../app"` + previews},
		{"previews with a password", nil, []string{"PREVIEWS=u:p@a.example/app"}, `PREVIEWS="u:p@a.example/app"` + previews},
		{"previews at a mistyped address", nil, []string{"PREVIEWS=10.0.0.256:5000/app"}, `PREVIEWS="10.0.0.256:5000/app"` + previews},
		{"previews at no port", nil, []string{"PREVIEWS=localhost:0/app"}, `PREVIEWS="localhost:0/app"` + previews},
		{"previews at two ports", nil, []string{"PREVIEWS=localhost:1:2/app"}, `PREVIEWS="localhost:1:2/app"` + previews},
		{"two repositories", nil, []string{"PREVIEWS=a.example/app,a.example/site"}, `PREVIEWS="a.example/app,a.example/site"` + previews},
		{"hostile previews", nil, []string{"PREVIEWS=\x1b[2J://a"}, `PREVIEWS="\x1b[2J://a": must be a repository without "\x1b[2J"://, such as registry.example.com/team/app`},
		{"the directory beside a registry", []string{"./site"}, []string{"PREVIEWS=a.example/app"}, `directory="./site": not possible with PREVIEWS="a.example/app", whose images are what is served; it must be left out, or PREVIEWS=off`},
		{"exact and a registry", []string{"--exact"}, []string{"PREVIEWS=a.example/app"}, `PREVIEWS="a.example/app"` + exact + `off, or EXACT=false`},
		{"scripts and a registry", []string{"--cgi"}, []string{"PREVIEWS=a.example/app"}, `PREVIEWS="a.example/app": not possible with CGI=true; it must be off, or CGI=false`},
		{"settings of a registry without one", nil, []string{"PREVIEWS=directories", "PREVIEWS_PATH=/dist", "PREVIEWS_CHECK=5s", "PREVIEWS_SIZE=1GiB", "PREVIEWS_INSECURE=false"},
			`PREVIEWS_PATH="/dist": PREVIEWS is directories` + noRepo + "\n" + `PREVIEWS_CHECK="5s": PREVIEWS is directories` + noRepo + "\n" +
				`PREVIEWS_SIZE="1GiB": PREVIEWS is directories` + noRepo + "\n" + `PREVIEWS_INSECURE="false": PREVIEWS is directories` + noRepo},
		{"a path in images without previews", nil, []string{"PREVIEWS_PATH=/dist"}, `PREVIEWS_PATH="/dist": PREVIEWS is off` + noRepo},
		{"a path in images that climbs", nil, []string{"PREVIEWS=a.example/app", "PREVIEWS_PATH=/a/../b"}, `PREVIEWS_PATH="/a/../b"` + inImage},
		{"a path in images with an empty part", nil, []string{"PREVIEWS=a.example/app", "PREVIEWS_PATH=//a"}, `PREVIEWS_PATH="//a"` + inImage},
		{"a path in images with dots", nil, []string{"PREVIEWS=a.example/app", "PREVIEWS_PATH=./dist"}, `PREVIEWS_PATH="./dist"` + inImage},
		{"a path in images that ends lines", nil, []string{"PREVIEWS=a.example/app", "PREVIEWS_PATH=/a\nb"}, `PREVIEWS_PATH="/a\nb"` + inImage},
		{"checked too often", nil, []string{"PREVIEWS=a.example/app", "PREVIEWS_CHECK=500ms"}, `PREVIEWS_CHECK="500ms": must be a duration of at least 1s, such as 5s or 1m30s`},
		{"checked in numbers", nil, []string{"PREVIEWS=a.example/app", "PREVIEWS_CHECK=5"}, `PREVIEWS_CHECK="5"` + duration + `, did you mean 5s?`},
		{"too small a store", nil, []string{"PREVIEWS=a.example/app", "PREVIEWS_SIZE=2"}, `PREVIEWS_SIZE="2": must be at least 16MiB, such as 500MiB or 2GiB`},
		{"a store of no size", nil, []string{"PREVIEWS=a.example/app", "PREVIEWS_SIZE=much"}, `PREVIEWS_SIZE="much"` + size},
		{"exact and previews", []string{"--exact"}, []string{"PREVIEWS=directories"}, `PREVIEWS="directories"` + exact + `off, or EXACT=false`},
		{"scripts and previews", []string{"--cgi"}, []string{"PREVIEWS=directories"}, `PREVIEWS="directories": not possible with CGI=true; it must be off, or CGI=false`},
		{"a domain without previews", nil, []string{"PREVIEWS_DOMAIN=a.example"}, `PREVIEWS_DOMAIN="a.example": PREVIEWS is off; it must be left out, or PREVIEWS be directories or a repository`},
		{"previews below a star", nil, []string{"PREVIEWS=directories", "PREVIEWS_DOMAIN=*.a.example"}, `PREVIEWS_DOMAIN="*.a.example"` + domain},
		{"previews below an address", nil, []string{"PREVIEWS=directories", "PREVIEWS_DOMAIN=::1"}, `PREVIEWS_DOMAIN="::1"` + domain},
		{"previews with a port", nil, []string{"PREVIEWS=directories", "PREVIEWS_DOMAIN=a.example:80"}, `PREVIEWS_DOMAIN="a.example:80"` + domain},
		{"previews below a dot", nil, []string{"PREVIEWS=directories", "PREVIEWS_DOMAIN=a.example."}, `PREVIEWS_DOMAIN="a.example."` + domain},
		{"exact and a proxy", []string{"--exact"}, []string{"PROXY=/a=http://b", "PROXY_ORIGINS=http://b"}, `PROXY="/a=http://b"` + exact + "left out, or EXACT=false\n" + `PROXY_ORIGINS="http://b"` + exact + "left out, or EXACT=false"},
		{"exact and compressed", []string{"--exact"}, []string{"COMPRESS=auto"}, `COMPRESS="auto"` + exact + `off, or EXACT=false`},
		{"exact by HTTP/1.0, and fingerprints", []string{"-p", "HTTP/1.0"}, []string{"CACHE_FINGERPRINTED=1"}, `CACHE_FINGERPRINTED="1"` + exact + `false, or EXACT=false`},
		{"exact and a fallback", []string{"--exact", "--spa"}, nil, `--spa="/index.html"` + exact + `left out, or EXACT=false`},
		{"exact and reload", []string{"--exact", "--reload"}, nil, `--reload="true"` + exact + `false, or EXACT=false`},
		{"exact and waits", []string{"-p", "HTTP/1.0"}, []string{"REBUILD_WAIT=1s"}, `REBUILD_WAIT="1s"` + exact + `0s, or EXACT=false`},
		{"exact and rules", []string{"--exact"}, []string{"RULES=true"}, `RULES="true"` + exact + `false, or EXACT=false`},
		{"fallback that is a directory", nil, []string{"FALLBACK=/app/"}, `FALLBACK="/app/": must be the path of a page, such as /index.html, without empty parts, . and .., and without %, ? and #`},
		{"exact and cached", []string{"--exact"}, []string{"CACHE_CONTROL=no-store"}, `CACHE_CONTROL="no-store"` + exact + `left out, or EXACT=false`},
		{"exact and one of each", []string{"--exact", "--cors"}, []string{"ISOLATION=1", "BASE_PATH=/a", "ALLOWED_HOSTS=a", "AUTH=a:$2y$x", "AUTH_FILE=f", "PUBLIC_ENV=/e"},
			`--cors="*"` + exact + "left out, or EXACT=false\n" + `ISOLATION="1"` + exact + "false, or EXACT=false\n" + `BASE_PATH="/a"` + exact + "/, or EXACT=false\n" +
				`ALLOWED_HOSTS="a"` + exact + "left out, or EXACT=false\nAUTH" + exact + "left out, or EXACT=false\n" +
				`AUTH_FILE="f"` + exact + "left out, or EXACT=false\n" + `PUBLIC_ENV="/e"` + exact + "left out, or EXACT=false"},
		{"header without a colon", nil, []string{"HEADERS=A: b\nc"}, `HEADERS="A: b\nc": "c" must be 'Name: value', such as 'X-Frame-Options: DENY'`},
		{"header without a name", []string{"-H", ": b"}, nil, `--header=": b": ": b" must be 'Name: value', such as 'X-Frame-Options: DENY'`},
		{"header with a blank in its name", []string{"-H", "A B: c"}, nil, `--header="A B: c": "A B: c" must be 'Name: value', such as 'X-Frame-Options: DENY'`},
		{"header without a value", []string{"-H", "A"}, nil, `argument -H/--header: expected NAME VALUE or 'NAME: VALUE'`},
		{"header with an option for its value", []string{"-H", "A", "--cgi"}, nil, `argument -H/--header: expected NAME VALUE or 'NAME: VALUE'`},
		{"header without anything", []string{"-H"}, nil, `argument -H/--header: expected one argument`},
		{"header beyond ASCII", nil, []string{"HEADERS=A: Ø"}, `HEADERS="A: Ø": "A: Ø" must have only visible ASCII and blanks`},
		{"header of the framing", []string{"-H", "transfer-encoding", "chunked"}, nil, `--header="transfer-encoding: chunked": transfer-encoding says how this answer is sent, which only the server knows: use others, such as Cache-Control`},
		{"header of the type", []string{"-H", "Content-Type: a/b"}, nil, `--header="Content-Type: a/b": Content-Type differs from file to file: use DEFAULT_CONTENT_TYPE or EXTENSIONS_MAP`},
		{"content type", []string{"--content-type", "text"}, nil, `--content-type="text": must be a media type, such as text/plain`},
		{"origin with a path", nil, []string{"CORS=https://a.example/"}, `CORS="https://a.example/"` + origin},
		{"origin without a scheme", nil, []string{"CORS=*,a.example"}, `CORS="*,a.example": "a.example" ` + origin[2:]},
		{"origin with its usual port", nil, []string{"CORS=https://a.example:443"}, `CORS="https://a.example:443"` + origin},
		{"origin in upper case", nil, []string{"CORS=https://A.example"}, `CORS="https://A.example"` + origin},
		{"base path, relative", nil, []string{"BASE_PATH=docs"}, `BASE_PATH="docs": must be a plain URL path, such as / or /docs/v1, without empty parts, . and .., and without %, ? and #`},
		{"allowed host with a port", nil, []string{"ALLOWED_HOSTS=a.example:80"}, `ALLOWED_HOSTS="a.example:80": must be a host name, such as example.org, or .example.org with all below it (no scheme, no port)`},
		{"auth that is none", nil, []string{"AUTH=a:$2y$05$x,b:secret"}, `AUTH: entry 2 must be user:hash, as htpasswd -nB prints it`},
		{"auth with an empty element", nil, []string{"AUTH=a:secret,"}, `AUTH` + empty},
		{"public variables at a directory", nil, []string{"PUBLIC_ENV=/js/"}, `PUBLIC_ENV="/js/": must be the plain URL path of a file, such as /env.js`},
		{"key without certificate", nil, []string{"TLS_KEY=k"}, `TLS_KEY requires TLS_CERT to be set`},
		{"key option without certificate", []string{"--tls-key", "k"}, nil, `--tls-key requires --tls-cert to be set`},
		{"password without certificate", nil, []string{"TLS_PASSWORD_FILE=p"}, `TLS_PASSWORD_FILE requires TLS_CERT to be set`},
		{"password option without certificate", []string{"--tls-p=p"}, nil, `--tls-password-file requires --tls-cert to be set`},

		{"unknown option", []string{"--nope"}, nil, `unrecognized arguments: --nope`},
		{"unknown option and what may be its argument", []string{"--nope", "x", "80"}, nil, `unrecognized arguments: --nope`},
		{"unknown letter", []string{"-z"}, nil, `unrecognized arguments: -z`},
		{"a flag of go test", []string{"-test.v"}, nil, `unrecognized arguments: -test.v`},
		{"hostile option", []string{"--\n\x00"}, nil, `unrecognized arguments: "--\n\x00"`},
		{"ambiguous", []string{"--t", "x"}, nil, `ambiguous option: --t could match --tls-cert, --tls-key, --tls-password-file`},
		{"ambiguous with =", []string{"--tls-=x"}, nil, `ambiguous option: --tls- could match --tls-cert, --tls-key, --tls-password-file`},
		{"extra argument", []string{"80", "81"}, nil, `unrecognized arguments: 81 (port="80" was already given)`},
		{"extra argument behind --", []string{"80", "./a", "--", "--cgi"}, nil, `unrecognized arguments: --cgi (directory="./a" was already given)`},
		{"directory given twice", []string{"./a", "-d", "b"}, nil, `unrecognized arguments: ./a (--directory="b" was already given)`},
		{"--port", []string{"--port", "8100"}, nil, `unrecognized arguments: --port; the port has no option name: previewd 8100`},
		{"--port=", []string{"--port=8100"}, nil, `unrecognized arguments: --port=8100; the port has no option name: previewd 8100`},
		{"no argument", []string{"80", "--bind"}, nil, `argument -b/--bind: expected one argument`},
		{"no argument but an option", []string{"-d", "--cgi=no"}, nil, `argument -d/--directory: expected one argument`},
		{"no argument but --", []string{"--tls-cert", "--"}, nil, `argument --tls-cert: expected one argument`},
		{"version of something", []string{"version", "foo"}, nil, `unrecognized arguments: foo (previewd version takes only --json)`},
		{"version of some things", []string{"version", "--json", "foo", "8000"}, []string{"PORT=x"}, `unrecognized arguments: foo (previewd version takes only --json)`},
		{"version and an option", []string{"version", "--jsn"}, nil, `unrecognized arguments: --jsn`},
		{"json is for version", []string{"--json"}, nil, `--json is for previewd version only`},
		{"help takes none", []string{"--help=x"}, nil, `argument --help: ignored explicit argument "x"`},

		{"all at once, in the order of the contract", []string{"--nope", "-b"}, []string{"LOG_LEVEL=x", "PORT=y", "TLS_KEY=k"},
			"unrecognized arguments: --nope\n" +
				"argument -b/--bind: expected one argument\n" +
				`PORT="y"` + port + "\n" +
				`LOG_LEVEL="x": must be debug, info, warn or error` + "\n" +
				`TLS_KEY requires TLS_CERT to be set`},
		{"two certificates", nil, []string{"TLS_CERT=c", "TLS_SELF_SIGNED=1"},
			`TLS_CERT="c": must not be set when TLS_SELF_SIGNED is true`},
		{"admin port as TLS port", nil, []string{"TLS_CERT=c", "TLS_PORT=81", "ADMIN_PORT=81"},
			`ADMIN_PORT="81": must be another port than TLS_PORT`},
		{"redirect on without a certificate", nil, []string{"HTTPS_REDIRECT=on", "TLS_PORT=81"}, `HTTPS_REDIRECT="on"` + beside},
		{"redirect on with one port", nil, []string{"HTTPS_REDIRECT=on", "TLS_CERT=c"}, `HTTPS_REDIRECT="on"` + beside},
		{"redirect on with the same port", nil, []string{"HTTPS_REDIRECT=on", "TLS_CERT=c", "TLS_PORT=8000"}, `HTTPS_REDIRECT="on"` + beside},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ""
			if _, err := load(c.args, c.variables...); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestAddresses(t *testing.T) {
	c, err := load([]string{"-b", "::1", "80"}, "ADMIN_BIND=localhost", "ADMIN_PORT=81")
	if err != nil || c.Addr() != "[::1]:80" || c.AdminAddr() != "localhost:81" {
		t.Errorf("got %q, %q, %v", c.Addr(), c.AdminAddr(), err)
	}
	if c, _ = load(nil); c.Addr() != ":8000" || c.AdminAddr() != ":9090" {
		t.Errorf("by default: got %q, %q", c.Addr(), c.AdminAddr())
	}
}

// TestTwoListeners: with a certificate and a port of its own HTTPS listens beside HTTP, else in its place.
func TestTwoListeners(t *testing.T) {
	for _, c := range []struct {
		variables     string
		https, beside bool
		addr, tlsAddr string // of the listeners that there are
	}{
		{"PORT=80", false, false, ":80", ""},
		{"PORT=80 TLS_PORT=81", false, false, ":80", ""},
		{"PORT=80 TLS_CERT=c", true, false, ":80", ""},
		{"PORT=80 TLS_CERT=c TLS_PORT=80", true, false, ":80", ""},
		{"PORT=80 TLS_CERT=c TLS_PORT=81", true, true, ":80", ":81"},
		{"PORT=80 TLS_SELF_SIGNED=on TLS_PORT=81 BIND=::1", true, true, "[::1]:80", "[::1]:81"},
		{"PORT=0 TLS_SELF_SIGNED=on TLS_PORT=0", true, true, ":0", ":0"},
		{"TLS_SELF_SIGNED=on TLS_PORT=8000 HTTPS_REDIRECT=8443", true, false, ":8000", ""},
		{"TLS_SELF_SIGNED=on TLS_PORT=8443 HTTPS_REDIRECT=on", true, true, ":8000", ":8443"},
		{"HTTPS_REDIRECT=443", false, false, ":8000", ""},
	} {
		config, err := load(nil, strings.Fields(c.variables)...)
		if err != nil || config.HTTPS() != c.https || config.HTTPSBeside() != c.beside || config.Addr() != c.addr {
			t.Errorf("%s: HTTPS %v, beside %v, at %q, %v", c.variables, config.HTTPS(), config.HTTPSBeside(), config.Addr(), err)
		}
		if c.beside && config.TLSAddr() != c.tlsAddr {
			t.Errorf("%s: HTTPS at %q, want %q", c.variables, config.TLSAddr(), c.tlsAddr)
		}
	}
}

func TestFit(t *testing.T) {
	for _, c := range []struct {
		name       string
		variables  []string
		limit      int64
		goMemLimit int64
		cacheSize  Size
		most       int
	}{
		{"small", nil, 64 << 20, 57042534 - 16<<20, 16 << 20, 512},
		{"large", nil, 1 << 40, 934584883609 - 64<<20, 64 << 20, 8 << 20},
		{"largest", nil, 1<<63 - 1, 7839866231326559435 - 64<<20, 64 << 20, 1<<31 - 1},
		{"CACHE_SIZE set", []string{"CACHE_SIZE=20MiB"}, 64 << 20, 57042534 - 20<<20, 20 << 20, 512},
		{"a cache beyond the limit", []string{"CACHE_SIZE=1GiB"}, 64 << 20, 32 << 20, 1 << 30, 512},
		{"GOMEMLIMIT set", []string{"GOMEMLIMIT=50MiB"}, 64 << 20, -1, 16 << 20, 512},
		{"MAX_CONNECTIONS set", []string{"MAX_CONNECTIONS=0"}, 64 << 20, 57042534 - 16<<20, 16 << 20, 0},
		{"tiny", nil, 1000, 600, 250, 1},
	} {
		config, err := load(nil, c.variables...)
		if err != nil {
			t.Fatal(err)
		}
		if got := config.Fit(c.limit); got != c.goMemLimit || config.CacheSize != c.cacheSize {
			t.Errorf("%s: got %d and a cache of %d, want %d and %d", c.name, got, config.CacheSize, c.goMemLimit, c.cacheSize)
		}
		if config.MaxConnections != c.most {
			t.Errorf("%s: got %d connections, want %d", c.name, config.MaxConnections, c.most)
		}
	}
}

// TestFitDescriptors: the smaller of two defaults counts, and a setting is never changed.
func TestFitDescriptors(t *testing.T) {
	for _, c := range []struct {
		variables   []string
		memory      int64
		descriptors uint64
		want        int
	}{
		{nil, 0, 64, 16},
		{nil, 0, 10, 1},
		{nil, 64 << 20, 1 << 20, 512},
		{nil, 64 << 20, 1024, 496},
		{nil, 0, 1<<64 - 1, (1<<31 - 1 - 32) / 2},
		{[]string{"MAX_CONNECTIONS=0"}, 64 << 20, 64, 0},
		{[]string{"MAX_CONNECTIONS=7"}, 64 << 20, 64, 7},
	} {
		config, err := load(nil, c.variables...)
		if err != nil {
			t.Fatal(err)
		}
		if c.memory > 0 {
			config.Fit(c.memory)
		}
		config.FitDescriptors(c.descriptors)
		if config.MaxConnections != c.want {
			t.Errorf("%q, %d bytes, %d descriptors: %d connections, want %d", c.variables, c.memory, c.descriptors, config.MaxConnections, c.want)
		}
	}
}

func TestFitTasks(t *testing.T) {
	for _, c := range []struct {
		limit, goMaxProcs int64
		diskThreads       int
	}{{64, 4, 16}, {1, 1, 1}, {4096, 256, 1024}, {1 << 60, 1024, 1024}} {
		config, err := load(nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := config.FitTasks(c.limit); int64(got) != c.goMaxProcs || config.DiskThreads != c.diskThreads {
			t.Errorf("%d tasks: got %d and %d, want %d and %d", c.limit, got, config.DiskThreads, c.goMaxProcs, c.diskThreads)
		}
	}
	config, err := load(nil, "GOMAXPROCS=8")
	if got := config.FitTasks(64); err != nil || got != -1 {
		t.Errorf("GOMAXPROCS is set: got %d, %v, want -1", got, err)
	}
}

// FuzzLoad: whatever it is given, Load does not panic, and an error is printable lines, one for each problem.
func FuzzLoad(f *testing.F) {
	f.Add("--bind=x\x00abc", "PORT", "tcp://1.2.3.4:80", "INDEX_PAGES", "a,,b")
	f.Add("--t\x00-hd\x00--\x00-1", "DIRECTROY", "", "CACHE_SIZE", "1T")
	f.Add("-test.v\x00-d\x00-", "EXTENSIONS_MAP", ".a=b/c;d", "TRUSTED_PROXIES", "::ffff:1.2.3.4/97")
	f.Add("healthcheck\x00\n", "ADMIN\nPORT", "\xff", "BIND", "\u202e")
	f.Fuzz(func(t *testing.T, args, name1, value1, name2, value2 string) {
		config, err := Load(strings.Split(args, "\x00"), map[string]string{name1: value1, name2: value2})
		for _, line := range config.Warnings {
			checkLine(t, line)
		}
		if err == nil {
			return
		}
		lines := strings.Split(err.Error(), "\n")
		if want := len(err.(problems)); len(lines) != want {
			t.Errorf("%d lines for %d problems: %q", len(lines), want, err)
		}
		for _, line := range lines {
			checkLine(t, line)
		}
	})
}

func checkLine(t *testing.T, line string) {
	if line == "" || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) {
		t.Errorf("not a printable line: %q", line)
	}
}

// FuzzHeaders: it never panics, what is accepted prints back to the same, and cannot split an answer or frame it.
func FuzzHeaders(f *testing.F) {
	for _, seed := range []string{"", "A: b", "A:b\r\nC : d:e\n\n", "a\x00: b", "Content-Length: 1", ": a", "A: b\rC: d", "A:\t"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseHeaders(text)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\r\n") {
				t.Errorf("more than one line: %q", err)
			}
			return
		}
		var printed strings.Builder
		for _, h := range list {
			if strings.ContainsAny(h.Name+h.Value, "\r\n\x00") || h.Name == "" || strings.EqualFold(h.Name, "content-length") {
				t.Errorf("%q was accepted", h)
			}
			printed.WriteString(h.Name + ": " + h.Value + "\n")
		}
		if again, err := parseHeaders(printed.String()); err != nil || !slices.Equal(again, list) {
			t.Errorf("printed %q, read %v, %v", printed.String(), again, err)
		}
	})
}

// TestFitThreads: threads that wait for a disk, and encoders, are as many as there is memory for.
func TestFitThreads(t *testing.T) {
	for _, c := range []struct {
		memory, tasks   int64
		disks, encoders int
	}{{64 << 20, 0, 128, 2}, {64 << 20, 64, 16, 2}, {64 << 20, 4096, 128, 2}, {1000, 0, 1, 1}, {1 << 40, 0, 256, 32 << 10}, {1 << 40, 4096, 256, 32 << 10}} {
		config, err := load(nil)
		if err != nil {
			t.Fatal(err)
		}
		config.Fit(c.memory)
		if c.tasks > 0 {
			config.FitTasks(c.tasks)
		}
		if config.DiskThreads != c.disks || config.Encoders != c.encoders {
			t.Errorf("%d bytes, %d tasks: %d threads and %d encoders, want %d and %d", c.memory, c.tasks, config.DiskThreads, config.Encoders, c.disks, c.encoders)
		}
	}
}
