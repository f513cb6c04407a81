// Package config reads the settings of previewd: the command line of http.server, and one environment
// variable for each setting. The struct Config is the contract; its tags make the parser, --help and the
// table in README.md, so that they cannot disagree.
//
// Nothing here touches the process: environment, arguments and files come from the caller.
package config

import (
	"cmp"
	"math"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Command is what the command line asks for.
type Command int

const (
	Serve           Command = iota
	Check                   // previewd check: what the rules files of Directory say, and what is wrong with them
	Healthcheck             // previewd healthcheck: ask a running server's /readyz, or HealthcheckURL
	ShowHelp                // -h, --help
	ShowVersion             // previewd version, --version
	ShowVersionJSON         // the same with --json
)

// Port is a TCP port; 0 lets the kernel choose a free one.
type Port uint16

// Size is a number of bytes.
type Size int64

// Listing is a kind of directory listings: rich, plain or false.
type Listing string

// Header is a field that is added to answers.
type Header struct{ Name, Value string }

// Proxy is a path that another server answers for: Prefix and all below it. Target is its origin, and the path that
// stands in place of Prefix, if there is one.
type Proxy struct{ Prefix, Target string }

// Config holds every setting. Load fills and checks it.
//
// Tags: env, envDefault are caarlos0/env's. option, short and metavar are the command line's (the option
// "port" is a positional argument). oneof lists the only values. positive:"true" refuses zero. shown is
// printed in tables where the default is computed or empty. bare is what the option means without a value, repeated
// makes a line of each, secret keeps the value out of messages. doc is the meaning, one line.
type Config struct {
	Port Port `env:"PORT" envDefault:"8000" option:"port" doc:"TCP port to listen on; 0 picks a free one"`
	// Empty is the wildcard address of both families, on one dual-stack socket.
	Bind      string `env:"BIND" option:"bind" short:"b" metavar:"ADDRESS" shown:"all interfaces, IPv4 and IPv6" doc:"address or host name to listen on"`
	Directory string `env:"DIRECTORY" envDefault:"." option:"directory" short:"d" metavar:"DIRECTORY" shown:"the current directory (/srv in the image)" doc:"directory to serve; also as an argument: previewd ./dir"`
	Protocol  string `env:"PROTOCOL" envDefault:"HTTP/1.1" option:"protocol" short:"p" metavar:"VERSION" oneof:"HTTP/1.0,HTTP/1.1" doc:"HTTP/1.0 or HTTP/1.1: version of answers to clients that do not use HTTP/2"`
	// Exact is true with HTTP/1.0 unless it is set, as that is http.server's own default.
	Exact bool `env:"EXACT" envDefault:"false" option:"exact" shown:"true with -p HTTP/1.0, else false" doc:"turn off what previewd adds to http.server's answers, such as entity-tags, ranges, compression and charset"`

	CGI             bool          `env:"CGI" envDefault:"false" option:"cgi" doc:"run executable files in CGI_DIRECTORIES as CGI scripts"`
	CGIDirectories  []string      `env:"CGI_DIRECTORIES" envDefault:"/cgi-bin,/htbin" doc:"URL paths whose files are CGI scripts, comma separated"`
	CGITimeout      time.Duration `env:"CGI_TIMEOUT" envDefault:"30s" positive:"true" doc:"time limit for a CGI script; then it is killed"`
	CGIMaxProcesses int           `env:"CGI_MAX_PROCESSES" envDefault:"16" positive:"true" doc:"CGI scripts that may run at once; further requests wait"`
	CGIPassEnv      []string      `env:"CGI_PASS_ENV" shown:"none" doc:"names of environment variables to pass on to CGI scripts, comma separated"`

	TLSCert         string `env:"TLS_CERT" option:"tls-cert" metavar:"PATH" shown:"none" doc:"file with the certificate chain (PEM); turns HTTPS on"`
	TLSKey          string `env:"TLS_KEY" option:"tls-key" metavar:"PATH" shown:"in the TLS_CERT file" doc:"file with the private key (PEM)"`
	TLSPasswordFile string `env:"TLS_PASSWORD_FILE" option:"tls-password-file" metavar:"PATH" shown:"none" doc:"file with the password of an encrypted private key"`
	// TLSPort is ignored without a certificate, as the image always sets it. TLSPortSet tells 0 from unset.
	TLSPort            Port     `env:"TLS_PORT" shown:"none (8443 in the image)" doc:"with a certificate: port for HTTPS, beside HTTP on PORT; if unset, PORT is for HTTPS and there is no HTTP"`
	TLSALPN            []string `env:"TLS_ALPN" envDefault:"h2,http/1.1" doc:"protocols offered to HTTPS clients, in order of preference"`
	TLSSelfSigned      bool     `env:"TLS_SELF_SIGNED" envDefault:"false" doc:"make a certificate for development; turns HTTPS on"`
	TLSSelfSignedHosts []string `env:"TLS_SELF_SIGNED_HOSTS" shown:"none" doc:"further host names and addresses in the development certificate, comma separated"`
	TLSStateDir        string   `env:"TLS_STATE_DIR" shown:"none: a new CA at each start" doc:"directory that keeps the development CA across restarts"`
	// HTTPSRedirect is off, on, or a port in decimal.
	HTTPSRedirect string `env:"HTTPS_REDIRECT" envDefault:"off" doc:"redirect HTTP to HTTPS: off, on (to TLS_PORT), or the HTTPS port that browsers see"`

	// CacheSize defaults to less where Fit has found a memory limit.
	CacheSize          Size   `env:"CACHE_SIZE" envDefault:"64MiB" shown:"64MiB, or a quarter of the container's memory limit if that is less" doc:"memory for cached files, in bytes or with KiB, MiB, GiB; 0 turns the cache off"`
	CacheMaxFile       Size   `env:"CACHE_MAX_FILE" envDefault:"1MiB" doc:"size of the largest file that is cached uncompressed"`
	CacheControl       string `env:"CACHE_CONTROL" envDefault:"no-cache" doc:"value of the Cache-Control header that is sent with files"`
	CacheFingerprinted bool   `env:"CACHE_FINGERPRINTED" envDefault:"false" doc:"let browsers keep files with a content hash in the name, such as app.3f9a1c2b.js, for a year"`
	Compress           string `env:"COMPRESS" envDefault:"auto" oneof:"auto,static,off" doc:"compression: auto, static (send existing .br, .zst and .gz files, compress nothing) or off"`

	IndexPages []string `env:"INDEX_PAGES" envDefault:"index.html,index.htm" doc:"file names, comma separated; the first that exists is sent instead of a directory listing"`
	// ExtensionsMap has suffixes with their dot, whole names, and "" for names without a suffix, all in lower case, and
	// media types as they were written.
	ExtensionsMap map[string]string `env:"EXTENSIONS_MAP" shown:"none" doc:"media types by suffix or file name, such as .log=text/html,LICENSE=text/html; an entry without a name, =text/plain, is for files without a suffix"`
	// DefaultContentType is default_content_type of CPython 3.15.
	DefaultContentType string `env:"DEFAULT_CONTENT_TYPE" envDefault:"application/octet-stream" option:"content-type" metavar:"TYPE" doc:"media type of files whose suffix is unknown"`
	CleanURLs          bool   `env:"CLEAN_URLS" envDefault:"true" doc:"serve guide.html for /guide, if there is no file guide and no directory guide with an index page"`
	ErrorPages         bool   `env:"ERROR_PAGES" envDefault:"true" doc:"for a 404 send 404.html: of the directories on the path, that of the deepest that has one"`
	Fallback           string `env:"FALLBACK" option:"spa" metavar:"PAGE" bare:"/index.html" shown:"200.html of the site, if there is one" doc:"page sent with 200 instead of a 404 when a browser opens a page (by Sec-Fetch-Mode or Accept), for single-page apps; --spa alone means /index.html"`
	Rules              bool   `env:"RULES" envDefault:"true" doc:"apply the _redirects and _headers files of the site, and do not serve them"`
	Reload             bool   `env:"RELOAD" envDefault:"false" option:"reload" doc:"open pages reload when what they show has changed"`
	// RebuildWait is 5 s with RELOAD unless it is set.
	RebuildWait       time.Duration `env:"REBUILD_WAIT" envDefault:"0s" shown:"5s with RELOAD, else 0s" doc:"how long a request waits for a file that was there up to 10 s ago, while a build replaces it"`
	Listing           Listing       `env:"LISTING" envDefault:"rich" doc:"directory listings: rich (or true), plain (http.server's page) or false (404, and no archives)"`
	Archive           bool          `env:"ARCHIVE" envDefault:"true" doc:"let clients download a directory as an archive: ?archive=zip or ?archive=tar.gz"`
	Symlinks          string        `env:"SYMLINKS" envDefault:"inside" oneof:"inside,follow,deny" doc:"which symbolic links are followed: inside (relative ones that stay in DIRECTORY), follow (all) or deny (none)"`
	Hidden            string        `env:"HIDDEN" envDefault:"serve" oneof:"serve,deny" doc:"what to do with files and directories whose name begins with a dot: serve, or deny (404, except .well-known)"`
	KernelConfinement string        `env:"KERNEL_CONFINEMENT" envDefault:"auto" oneof:"auto,off" doc:"let the kernel confine the server to the files and ports it needs (Landlock): auto (if the kernel can), or off"`
	// TrustedProxies are masked; an address is a prefix of its full length.
	TrustedProxies []netip.Prefix `env:"TRUSTED_PROXIES" shown:"none" doc:"IP addresses and networks of proxies whose X-Forwarded-* and Forwarded headers are used, comma separated"`

	// Headers are extra_response_headers of CPython 3.15.
	Headers      []Header `env:"HEADERS" option:"header" short:"H" metavar:"NAME VALUE" repeated:"true" shown:"none" doc:"headers for every answer, one 'Name: value' per line; as an option -H NAME VALUE or -H 'NAME: VALUE', once for each"`
	CORS         []string `env:"CORS" option:"cors" metavar:"ORIGINS" bare:"*" shown:"none" doc:"origins whose pages may read answers, comma separated; * or --cors alone means all"`
	Isolation    bool     `env:"ISOLATION" envDefault:"false" doc:"send the headers that isolate pages from other origins, so that they may use SharedArrayBuffer"`
	BasePath     string   `env:"BASE_PATH" envDefault:"/" doc:"URL path under which the directory is served, such as /docs"`
	AllowedHosts []string `env:"ALLOWED_HOSTS" shown:"any" doc:"accept only requests for these host names, comma separated; .example.org includes subdomains; localhost and IP addresses are always accepted"`
	Auth         []string `env:"AUTH" secret:"true" shown:"none" doc:"users and bcrypt hashes of their passwords as user:hash (htpasswd -nB), comma separated; turns authentication on"`
	AuthFile     string   `env:"AUTH_FILE" shown:"none" doc:"password file with a line user:hash for each user (htpasswd -B); read again when it changes"`
	PublicEnv    string   `env:"PUBLIC_ENV" shown:"none" doc:"URL path of a generated JavaScript file with the values of the PUBLIC_* variables, such as /env.js"`

	Previews Previews `env:"PREVIEWS" envDefault:"off" doc:"off, or directories: each directory in DIRECTORY is a site with a host name of its own, such as pr-42.localhost; or a repository, such as registry.example.com/team/app: so is each of its tags"`
	// PreviewsDomain is in lower case.
	PreviewsDomain string `env:"PREVIEWS_DOMAIN" shown:"none: only names below localhost" doc:"domain of the previews: with preview.example.com, pr-42.preview.example.com shows the directory or the tag pr-42"`
	PreviewsList   bool   `env:"PREVIEWS_LIST" envDefault:"true" doc:"list the previews at PREVIEWS_DOMAIN itself, at localhost and at IP addresses"`
	// PreviewsPath is clean and begins with a slash, or is empty.
	PreviewsPath     string        `env:"PREVIEWS_PATH" shown:"the first with an index page of /usr/share/nginx/html, /usr/local/apache2/htdocs, /var/www/html and /" doc:"with a repository: directory of the site in each image"`
	PreviewsCheck    time.Duration `env:"PREVIEWS_CHECK" envDefault:"5s" doc:"with a repository: how often the registry is asked whether a tag in use has moved; at least 1s"`
	PreviewsStore    string        `env:"PREVIEWS_STORE" shown:"previewd/previews in the user's cache directory (/previews in the image)" doc:"with a repository: directory in which images are kept and unpacked"`
	PreviewsSize     Size          `env:"PREVIEWS_SIZE" envDefault:"2GiB" doc:"with a repository: how large PREVIEWS_STORE may become; what has not been asked for longest is deleted; at least 16MiB"`
	PreviewsInsecure bool          `env:"PREVIEWS_INSECURE" envDefault:"false" doc:"with a repository: ask the registry over plain http"`

	Proxies []Proxy `env:"PROXY" shown:"none" doc:"paths that other servers answer, such as /api=http://localhost:3000, comma separated; http://localhost:3000/v1 also replaces /api by /v1"`
	// ProxyOrigins have no path.
	ProxyOrigins []string      `env:"PROXY_ORIGINS" shown:"none" doc:"origins, such as https://api.example.org, that lines with 200 in _redirects may fetch from, comma separated"`
	ProxyHost    string        `env:"PROXY_HOST" envDefault:"upstream" oneof:"upstream,keep" doc:"Host header for PROXY: upstream (the host in PROXY) or keep (that of the client)"`
	ProxyTimeout time.Duration `env:"PROXY_TIMEOUT" envDefault:"60s" positive:"true" doc:"how long a server of PROXY may send and take nothing; then the answer is 504"`
	ProxyCA      string        `env:"PROXY_CA" shown:"those of the system" doc:"file with further CA certificates (PEM) for https in PROXY"`

	LogFormat string `env:"LOG_FORMAT" envDefault:"auto" oneof:"auto,json,text" doc:"format of the log: auto (text on a terminal, else JSON), json or text"`
	LogLevel  string `env:"LOG_LEVEL" envDefault:"info" oneof:"debug,info,warn,error" doc:"lowest level to log: debug, info, warn or error; the access log has the level info"`
	// AdminPortSet is false where 9090 is only the default, which gives way to a free port when it is taken.
	AdminPort Port   `env:"ADMIN_PORT" envDefault:"9090" doc:"port for metrics, health checks and the development CA; 0 picks a free one, as does the default if 9090 is taken"`
	AdminBind string `env:"ADMIN_BIND" shown:"same as BIND" doc:"address or host name for the admin port"`

	HeaderTimeout time.Duration `env:"HEADER_TIMEOUT" envDefault:"10s" positive:"true" doc:"time limit for receiving a request up to the end of its headers"`
	// CPython waits for ever between requests; a pod must drain.
	IdleTimeout time.Duration `env:"IDLE_TIMEOUT" envDefault:"60s" positive:"true" doc:"time after which a connection without a request is closed"`
	// 1 serves one connection at a time, as HTTPServer does without ThreadingMixIn. Fit and FitDescriptors make the default.
	MaxConnections  int           `env:"MAX_CONNECTIONS" envDefault:"0" shown:"one for each 128 KiB of the memory limit" doc:"connections that may be open at the same time; to make room for a new one, the one that has been idle longest is closed; 0 means no limit"`
	ShutdownDelay   time.Duration `env:"SHUTDOWN_DELAY" envDefault:"0s" doc:"how long to keep serving after SIGTERM, with /readyz failing, so that load balancers stop sending requests"`
	ShutdownTimeout time.Duration `env:"SHUTDOWN_TIMEOUT" envDefault:"8s" doc:"time limit for finishing open requests on shutdown; then their connections are reset"`

	// The fields below have no variable of their own.
	Command Command
	// Open says that a browser is to be opened at the start.
	Open bool
	// HealthcheckURL is the URL that healthcheck requests; if it is empty, /readyz on the admin port.
	HealthcheckURL string
	// AdminPortSet and TLSPortSet say that the user chose the port, not the default.
	AdminPortSet, TLSPortSet bool
	// DirectoryName is the name that DIRECTORY was given under: the variable's, the option's, or PositionalDirectory.
	DirectoryName string
	// Warnings are lines for the log that do not keep the server from starting.
	Warnings []string

	// MaxInFlight bounds the content in memory for answers in progress, in bytes, DiskThreads the threads that wait for a
	// disk, and Encoders the files that are compressed at the same time; 0 is the default. Fit and FitTasks set them.
	MaxInFlight           Size
	DiskThreads, Encoders int
	// MemoryBudget bounds what answers and clients may hold in all, beside the cache and the connections themselves, in bytes;
	// 0 is no bound. MaxInFlight and MaxListings are parts of it. Fit sets it.
	MemoryBudget Size
	// MaxListings bounds the memory for names in directories that are being listed, in bytes; 0 is the default. Fit sets
	// it.
	MaxListings Size

	cacheSizeSet, maxConnectionsSet, goMemLimitSet, goMaxProcsSet bool
}

// HTTPS says whether the server uses TLS: it has a certificate, or makes one.
func (c Config) HTTPS() bool { return c.TLSCert != "" || c.TLSSelfSigned }

// HTTPSBeside says whether HTTPS has a port of its own beside HTTP. If not, and there is a certificate, PORT is
// for HTTPS. Two ports of 0 are two different free ports.
func (c Config) HTTPSBeside() bool {
	return c.HTTPS() && c.TLSPortSet && (c.TLSPort != c.Port || c.TLSPort == 0)
}

// Addr is where the listener of PORT listens, in the form of net.Listen: for HTTP, or for HTTPS if that is
// not beside it.
func (c Config) Addr() string { return address(c.Bind, c.Port) }

// TLSAddr is where the listener of TLS_PORT listens.
func (c Config) TLSAddr() string { return address(c.Bind, c.TLSPort) }

// AdminAddr is where the admin port listens.
func (c Config) AdminAddr() string { return address(c.AdminBind, c.AdminPort) }

func address(host string, port Port) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// Fit adapts the defaults to limit, the memory limit of the control group in bytes. The cache takes at most a
// quarter of it, unless CACHE_SIZE is set. Another quarter is the budget of all that clients make the server hold. Content for
// answers in progress takes at most a tenth, and the names in directories a fifth. MaxConnections is one for each
// connectionShare of it, unless it is set; there is a thread that may wait for a disk for each diskShare, and an encoder for
// each encoderShare.
//
// It returns the value for debug.SetMemoryLimit: 85 % of limit, less the cache, which is outside the Go heap, but at
// least half of limit. The rest is for memory that the runtime does not count. If GOMEMLIMIT is set, the runtime
// obeys that already, and Fit returns -1, which changes nothing.
func (c *Config) Fit(limit int64) (goMemLimit int64) {
	if !c.cacheSizeSet {
		c.CacheSize = min(c.CacheSize, Size(limit/4))
	}
	c.MemoryBudget = Size(limit / 4)
	c.MaxInFlight = min(16<<20, Size(limit/10))
	if !c.maxConnectionsSet {
		c.MaxConnections = int(min(max(1, limit/connectionShare), math.MaxInt32))
	}
	c.MaxListings = min(256<<20, Size(limit/5))
	c.DiskThreads = int(min(max(1, limit/diskShare), maxDiskThreads))
	c.Encoders = int(min(max(1, limit/encoderShare), math.MaxInt32))
	if c.goMemLimitSet {
		return -1
	}
	return max(limit/100*85+limit%100*85/100-int64(c.CacheSize), limit/2)
}

// connectionShare is how many bytes of the memory limit there have to be for each connection. An idle one takes 9 KiB, half a
// TLS handshake 13, one of TLS 28, one of HTTP/2 45: a quarter of the limit holds them, on the average, when all are open.
const connectionShare = 128 << 10

const (
	// diskShare is how many bytes of the memory limit there have to be for each thread that waits for a disk: it has three
	// stacks and a piece of a file. maxDiskThreads is how many there are where memory is no matter.
	diskShare      = 512 << 10
	maxDiskThreads = 256
	// encoderShare is how many there have to be for each encoder of content that is kept. It takes 5 MiB, beside source and
	// result.
	encoderShare = 32 << 20
)

// FitDescriptors adapts to limit, the number of files that the process may have open. A connection may have a file beside
// its own descriptor; ownDescriptors are left for what the server itself has open. It comes after Fit.
func (c *Config) FitDescriptors(limit uint64) {
	if c.maxConnectionsSet {
		return
	}
	each, own := int64(2), int64(ownDescriptors)
	if c.HasPreviews() { // one in use has its directory open
		each, own = 3, own+previewDescriptors
	}
	n := int(max(1, (int64(min(limit, math.MaxInt32))-own)/each))
	if c.MaxConnections == 0 || n < c.MaxConnections {
		c.MaxConnections = n
	}
}

// ownDescriptors is how many files the server has open without connections, those of the admin port included.
const ownDescriptors = 32

// previewDescriptors is how many previews are open that are not in use, at most.
const previewDescriptors = 64

// FitTasks adapts to limit, the number of tasks that the control group may have, health checks included. A quarter
// of them may wait for a disk, but no more than Fit has found room for. It comes after Fit. It returns the largest GOMAXPROCS that leaves room for the threads that wait in system
// calls; or -1, which changes nothing, if GOMAXPROCS is set.
func (c *Config) FitTasks(limit int64) (goMaxProcs int) {
	c.DiskThreads = min(cmp.Or(c.DiskThreads, 1<<10), int(min(max(1, limit/4), 1<<10)))
	if c.goMaxProcsSet {
		return -1
	}
	return int(min(max(1, limit/16), 1<<10))
}

// rebuildWait is REBUILD_WAIT with RELOAD.
const rebuildWait = 5 * time.Second

// Load reads the arguments, without the program's name, and the environment, and checks every value. The
// command line wins over the environment, the environment over the defaults. A variable that is empty or
// blank counts as unset. Blanks around a variable's value are removed (an env-file with CRLF line ends leaves one);
// arguments are taken as they are.
//
// All problems are returned at once: err's text has one printable line for each. After
// an error, only Warnings of the Config may be used. --help and --version take precedence over any problem.
func Load(args []string, environ map[string]string) (Config, error) {
	line := parseArguments(args)
	if line.command == ShowHelp || line.command == ShowVersion || line.command == ShowVersionJSON {
		if line.isWord && len(line.problems) > 0 {
			return Config{}, line.problems
		}
		return Config{Command: line.command}, nil
	}
	l := loader{
		given: merge(line.given, environ),
		wrong: map[string]string{},
	}
	l.config.Command, l.config.HealthcheckURL, l.config.Open = line.command, line.url, line.open
	_, l.config.AdminPortSet = l.given["ADMIN_PORT"]
	_, l.config.TLSPortSet = l.given["TLS_PORT"]
	l.config.DirectoryName = cmp.Or(l.given["DIRECTORY"].name, "DIRECTORY")
	l.parse()
	if _, set := l.given["EXACT"]; !set {
		l.config.Exact = l.config.Protocol == "HTTP/1.0"
	}
	if _, set := l.given["REBUILD_WAIT"]; !set && l.config.Reload {
		l.config.RebuildWait = rebuildWait
	}
	l.config.PreviewsDomain = strings.ToLower(l.config.PreviewsDomain)
	l.check()
	if l.config.PreviewsPath != "" {
		l.config.PreviewsPath = cleanImagePath(l.config.PreviewsPath)
	}
	c := l.config
	_, c.cacheSizeSet = l.given["CACHE_SIZE"]
	_, c.maxConnectionsSet = l.given["MAX_CONNECTIONS"]
	c.goMemLimitSet = strings.TrimSpace(environ["GOMEMLIMIT"]) != ""
	n, err := strconv.ParseInt(environ["GOMAXPROCS"], 10, 32)
	c.goMaxProcsSet = err == nil && n > 0
	if c.AdminBind == "" {
		c.AdminBind = c.Bind
	}
	c.Warnings = append(unknownVariables(environ), l.idle()...)

	found := append(line.problems, l.problems()...)
	found = append(found, l.conflicts()...)
	if len(found) > 0 {
		return c, found
	}
	return c, nil
}

// problems is the error of Load: what is wrong, one line each.
type problems []string

func (p problems) Error() string { return strings.Join(p, "\n") }

// value is what the user gave for a variable, and the name it was given under: the variable's own, or the
// option's.
type value struct {
	name, text string
	secret     bool
}

// String shows the value as messages do: a secret one only by its name.
func (v value) String() string {
	if v.secret {
		return v.name
	}
	return v.name + "=" + quote(v.text)
}

// merge lays the command line over the environment. Only variables of the contract are kept.
func merge(line map[string]value, environ map[string]string) map[string]value {
	given := map[string]value{}
	for _, f := range fields() {
		if text := strings.TrimSpace(environ[f.variable]); text != "" {
			given[f.variable] = value{f.variable, text, f.secret}
		}
		if v, ok := line[f.variable]; ok {
			given[f.variable] = v
		}
	}
	return given
}
