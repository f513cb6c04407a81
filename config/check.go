package config

import (
	"errors"
	"fmt"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/caarlos0/env/v11"
)

// loader turns what was given into a Config and remembers what is wrong with it.
type loader struct {
	config Config
	given  map[string]value  // by variable
	wrong  map[string]string // by variable: the problem's whole line
}

// rules are what values must fulfil beyond the type of their field.
var rules = []struct {
	variable string
	check    func(c *Config) error
}{
	{"BIND", func(c *Config) error { return each(isHost, hosts, c.Bind) }},
	{"ADMIN_BIND", func(c *Config) error { return each(isHost, hosts, c.AdminBind) }},
	{"TLS_SELF_SIGNED_HOSTS", func(c *Config) error { return each(isHost, hosts, c.TLSSelfSignedHosts...) }},
	{"CGI_DIRECTORIES", func(c *Config) error {
		return each(isSitePath, "must be a plain path of the site, such as /cgi-bin or /a/b, without empty parts, . and .., and without %, ? and #", c.CGIDirectories...)
	}},
	{"CGI_PASS_ENV", func(c *Config) error {
		if err := each(isVariableName, "must be the name of a variable: letters, digits and underscores", c.CGIPassEnv...); err != nil {
			return err
		}
		return each(isFree, "must not be a variable that CGI sets itself", c.CGIPassEnv...)
	}},
	{"TLS_ALPN", func(c *Config) error {
		return each(isALPN, "must be h2 or http/1.1", c.TLSALPN...)
	}},
	{"HTTPS_REDIRECT", func(c *Config) error {
		return each(isRedirect, "must be off, on or a port from 1 to 65535", c.HTTPSRedirect)
	}},
	{"CACHE_CONTROL", func(c *Config) error {
		return each(isFieldValue, "must have only visible ASCII and blanks", c.CacheControl)
	}},
	{"DEFAULT_CONTENT_TYPE", func(c *Config) error {
		return each(isMediaType, "must be a media type, such as text/plain", c.DefaultContentType)
	}},
	{"CORS", func(c *Config) error {
		return each(isOrigin, "must be * or an origin, such as https://example.org or http://localhost:5173: in lower case, without a path, and without the usual port", c.CORS...)
	}},
	{"BASE_PATH", func(c *Config) error {
		return each(isSitePath, "must be a plain URL path, such as / or /docs/v1, without empty parts, . and .., and without %, ? and #", c.BasePath)
	}},
	{"ALLOWED_HOSTS", func(c *Config) error {
		return each(isAllowedHost, "must be a host name, such as example.org, or .example.org with all below it (no scheme, no port)", c.AllowedHosts...)
	}},
	{"AUTH", func(c *Config) error { return checkAuth(c.Auth) }},
	{"PUBLIC_ENV", func(c *Config) error {
		return each(isFilePath, "must be the plain URL path of a file, such as /env.js", c.PublicEnv)
	}},
	{"PREVIEWS_DOMAIN", func(c *Config) error {
		return each(isPreviewsDomain, "must be a domain, such as preview.example.org, without scheme, port, * and a dot at its ends", c.PreviewsDomain)
	}},
	{"PREVIEWS_PATH", func(c *Config) error {
		return each(isImagePath, "must be a directory of the image, such as /usr/share/nginx/html, without empty parts, . and ..", c.PreviewsPath)
	}},
	{"PREVIEWS_CHECK", func(c *Config) error {
		if c.PreviewsCheck < minPreviewsCheck {
			return errors.New("must be a duration of at least 1s, such as 5s or 1m30s")
		}
		return nil
	}},
	{"PREVIEWS_SIZE", func(c *Config) error {
		if c.PreviewsSize < minPreviewsSize {
			return errors.New("must be at least 16MiB, such as 500MiB or 2GiB")
		}
		return nil
	}},
	{"PROXY_ORIGINS", func(c *Config) error {
		return each(isUpstreamOrigin, "must be the origin of a server, such as https://api.example.org or http://localhost:3000, without a path", c.ProxyOrigins...)
	}},
	{"FALLBACK", func(c *Config) error {
		return each(isFilePath, "must be the path of a page, such as /index.html, without empty parts, . and .., and without %, ? and #", c.Fallback)
	}},
	{"INDEX_PAGES", func(c *Config) error {
		return each(isFileName, "must be a file name without a slash, such as index.html", c.IndexPages...)
	}},
}

// beyondExact are the settings that contradict EXACT when they are given and on.
var beyondExact = []struct {
	variable string
	on       func(c *Config) bool
	but      string // what it may be
}{
	{"CACHE_CONTROL", func(*Config) bool { return true }, "left out"},
	{"CACHE_FINGERPRINTED", func(c *Config) bool { return c.CacheFingerprinted }, "false"},
	{"COMPRESS", func(c *Config) bool { return c.Compress != "off" }, "off"},
	{"CORS", func(*Config) bool { return true }, "left out"},
	{"ISOLATION", func(c *Config) bool { return c.Isolation }, "false"},
	{"BASE_PATH", func(c *Config) bool { return c.BasePath != "/" }, "/"},
	{"ALLOWED_HOSTS", func(*Config) bool { return true }, "left out"},
	{"AUTH", func(*Config) bool { return true }, "left out"},
	{"AUTH_FILE", func(*Config) bool { return true }, "left out"},
	{"PUBLIC_ENV", func(*Config) bool { return true }, "left out"},
	{"PREVIEWS", func(c *Config) bool { return c.HasPreviews() }, "off"},
	{"PROXY", func(*Config) bool { return true }, "left out"},
	{"PROXY_ORIGINS", func(*Config) bool { return true }, "left out"},
	{"CLEAN_URLS", func(c *Config) bool { return c.CleanURLs }, "false"},
	{"ERROR_PAGES", func(c *Config) bool { return c.ErrorPages }, "false"},
	{"FALLBACK", func(*Config) bool { return true }, "left out"},
	{"RULES", func(c *Config) bool { return c.Rules }, "false"},
	{"RELOAD", func(c *Config) bool { return c.Reload }, "false"},
	{"REBUILD_WAIT", func(c *Config) bool { return c.RebuildWait > 0 }, "0s"},
}

const hosts = "must be an address or host name, such as 127.0.0.1, ::1 (no brackets, no port) or localhost"

// each returns the first of values that is not ok, with the words for it.
func each(ok func(string) bool, wrong string, values ...string) error {
	for _, v := range values {
		if v == "" || ok(v) {
			continue
		}
		if len(values) == 1 {
			return errors.New(wrong) // the line shows the value already
		}
		return fmt.Errorf("%s %s", quote(v), wrong)
	}
	return nil
}

// isSitePath says whether a path is what it is after decoding and without its empty and dotted parts, but for a
// slash at its end: another would never be found in a request.
func isSitePath(s string) bool {
	trimmed := strings.TrimSuffix(s, "/")
	return strings.HasPrefix(s, "/") && path.Clean(s) == "/"+strings.TrimPrefix(trimmed, "/") &&
		!strings.HasPrefix(s, "//") && !strings.ContainsAny(s, "%?#") && utf8.ValidString(s)
}

// isFilePath says whether a path is a plain one of something that is no directory.
func isFilePath(s string) bool { return isSitePath(s) && !strings.HasSuffix(s, "/") }

// userHash is what AUTH has for a user: a name, and what begins as a hash does. Whether it is one is told at the start.
var userHash = regexp.MustCompile(`^[^:\x00-\x1f\x7f]+:[${]`)

// checkAuth never shows what stands in AUTH, as it may be a password.
func checkAuth(list []string) error {
	for i, entry := range list {
		if !userHash.MatchString(entry) {
			return fmt.Errorf("entry %d must be user:hash, as htpasswd -nB prints it", i+1)
		}
	}
	return nil
}

func isFileName(s string) bool { return s != "." && s != ".." && !strings.ContainsAny(s, "/\x00") }

func isALPN(s string) bool { return s == "h2" || s == "http/1.1" }

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func isVariableName(s string) bool { return variableName.MatchString(s) }

// ofCGI are the variables of RFC 3875, section 4.1. HTTP_PROXY is what programs take for the server's own setting
// (httpoxy), so one that a field seems to have set is never there.
var ofCGI = regexp.MustCompile(`^(HTTP_.*|AUTH_TYPE|CONTENT_LENGTH|CONTENT_TYPE|GATEWAY_INTERFACE|PATH_INFO|PATH_TRANSLATED|QUERY_STRING|` +
	`REMOTE_ADDR|REMOTE_HOST|REMOTE_IDENT|REMOTE_USER|REQUEST_METHOD|SCRIPT_NAME|SERVER_NAME|SERVER_PORT|SERVER_PROTOCOL|SERVER_SOFTWARE)$`)

func isFree(variable string) bool { return !ofCGI.MatchString(variable) }

func isRedirect(s string) bool {
	port, err := parsePort(s)
	return s == "off" || s == "on" || err == nil && port > 0
}

// parse fills the Config from what was given, through caarlos0/env.
func (l *loader) parse() {
	// Never nil: env would then read the process's own environment.
	environment := map[string]string{}
	byName := map[string]field{}
	for _, f := range fields() {
		byName[f.name] = f
		v, ok := l.given[f.variable]
		if !ok {
			continue
		}
		if text, err := f.prepare(v.text); err != nil {
			l.refuse(f, err.Error())
		} else {
			environment[f.variable] = text
		}
	}
	err := env.ParseWithOptions(&l.config, env.Options{Environment: environment, FuncMap: parsers()})
	var all env.AggregateError
	if !errors.As(err, &all) {
		return
	}
	for _, err := range all.Errors {
		var bad env.ParseError
		if !errors.As(err, &bad) {
			panic(err) // the tags of Config are wrong
		}
		f := byName[bad.Name]
		if errors.Is(bad.Err, errValue) {
			l.refuse(f, f.allowed()+f.meant(environment[f.variable]))
			continue
		}
		l.refuse(f, bad.Err.Error())
	}
}

// serviceLink is what Kubernetes puts into NAME_PORT for every service of the namespace.
var serviceLink = regexp.MustCompile(`^(tcp|udp|sctp)://\S*$`)

// prepare looks at a value before it is parsed: empty ones, those of Kubernetes, and the closed sets.
func (f field) prepare(text string) (string, error) {
	if text == "" {
		return "", errors.New("the value is empty; leave the option out to use its default")
	}
	if serviceLink.MatchString(text) {
		return "", errors.New("a Kubernetes service link, not a setting: put enableServiceLinks: false into the pod's spec")
	}
	if f.oneof == nil {
		return text, nil
	}
	for _, word := range f.oneof {
		// Words of lower case are taken in any; HTTP/1.1 is case-sensitive (RFC 9112, section 2.3).
		if text == word || strings.ToLower(text) == word {
			return word, nil
		}
	}
	return "", errors.New("must be " + enumerate(f.oneof))
}

// allowed says what a value of the field's type is.
func (f field) allowed() string {
	switch f.kind {
	case reflect.TypeFor[Port]():
		return "must be a TCP port from 0 to 65535 (0 = any free one)"
	case reflect.TypeFor[bool]():
		return "must be true, false, 1, 0, yes, no, on or off"
	case reflect.TypeFor[Listing]():
		return "must be rich, plain or false (true means rich)"
	case reflect.TypeFor[Size]():
		return "must be a size in bytes, or a number of KiB, MiB, GiB or TiB, such as 64MiB"
	case reflect.TypeFor[time.Duration]():
		if f.positive {
			return "must be a duration above 0, such as 500ms, 5s or 1m30s"
		}
		return "must be a duration, such as 0s, 500ms, 5s or 1m30s"
	}
	if f.positive {
		return "must be a whole number from 1 to 2147483647"
	}
	return "must be a whole number from 0 to 2147483647"
}

// meant is a question to end a refusal with, where it is plain what was meant: a number that lacks its unit.
func (f field) meant(text string) string {
	if f.kind != reflect.TypeFor[time.Duration]() || !seconds.MatchString(text) {
		return ""
	}
	return ", did you mean " + text + "s?"
}

var seconds = regexp.MustCompile(`^[0-9]{1,9}$`)

// check applies the rules to what could be parsed.
func (l *loader) check() {
	c := reflect.ValueOf(l.config)
	byVariable := map[string]field{}
	for _, f := range fields() {
		byVariable[f.variable] = f
		if f.positive && c.Field(f.index).IsZero() {
			l.refuse(f, f.allowed())
		}
	}
	for _, rule := range rules {
		if err := rule.check(&l.config); err != nil {
			l.refuse(byVariable[rule.variable], err.Error())
		}
	}
}

// refuse notes the one line about a value, unless there is one already.
func (l *loader) refuse(f field, why string) {
	if v := l.given[f.variable]; l.fine(f.variable) {
		l.wrong[f.variable] = fmt.Sprintf("%s: %s", v, why)
	}
}

// fine says that nothing is known against any of the variables.
func (l *loader) fine(variables ...string) bool {
	return !slices.ContainsFunc(variables, func(v string) bool { return l.wrong[v] != "" })
}

// problems lists what is wrong with single values, in the order of Config.
func (l *loader) problems() problems {
	var lines problems
	for _, f := range fields() {
		if line := l.wrong[f.variable]; line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// conflicts lists what is wrong with values that are each fine alone.
func (l *loader) conflicts() problems {
	var lines problems
	complain := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }

	for _, variable := range []string{"TLS_KEY", "TLS_PASSWORD_FILE"} {
		v, given := l.given[variable]
		if _, cert := l.given["TLS_CERT"]; given && !cert {
			complain("%s requires %s to be set", v.name, l.inStyleOf(v, "TLS_CERT", "--tls-cert"))
		}
	}
	if l.config.TLSCert != "" && l.config.TLSSelfSigned {
		complain("%s=%s: must not be set when TLS_SELF_SIGNED is true", l.given["TLS_CERT"].name, quote(l.config.TLSCert))
	}
	if v := l.given["HTTPS_REDIRECT"]; l.config.HTTPSRedirect == "on" && l.fine("PORT", "TLS_PORT") && !l.config.HTTPSBeside() {
		complain("%s=%s: HTTPS has no port of its own; set a certificate and TLS_PORT, or give off or a port number", v.name, quote(v.text))
	}
	l.previewsConflicts(complain)
	if c := &l.config; c.Exact && l.fine("EXACT", "PROTOCOL") {
		for _, more := range beyondExact {
			if v, given := l.given[more.variable]; given && l.fine(more.variable) && more.on(c) {
				complain("%s: not possible with EXACT=true, as http.server has nothing like it; it must be %s, or EXACT=false", v, more.but)
			}
		}
	}
	if line := l.adminPort(); line != "" {
		complain("%s", line)
	}
	return lines
}

// idle warns of what is set for other servers where nothing asks one.
func (l *loader) idle() (warnings []string) {
	c := &l.config
	if !l.fine("PROXY", "PROXY_ORIGINS", "RULES") {
		return nil
	}
	var targets []string
	for _, p := range c.Proxies {
		targets = append(targets, p.Target)
	}
	if c.Rules {
		targets = append(targets, c.ProxyOrigins...)
	}
	secure := slices.ContainsFunc(targets, func(t string) bool { return strings.HasPrefix(strings.ToLower(t), "https:") })
	for _, one := range []struct {
		variable string
		idle     bool
		why      string
	}{
		{"PROXY_ORIGINS", !c.Rules, "only _redirects can name a server of it, and RULES is false"},
		{"PROXY_HOST", len(targets) == 0, "neither PROXY nor PROXY_ORIGINS names a server"},
		{"PROXY_TIMEOUT", len(targets) == 0, "neither PROXY nor PROXY_ORIGINS names a server"},
		{"PROXY_CA", !secure, "neither PROXY nor PROXY_ORIGINS names a server of https"},
	} {
		if v, given := l.given[one.variable]; given && one.idle {
			warnings = append(warnings, fmt.Sprintf("%s: this changes nothing, as %s", v, one.why))
		}
	}
	return warnings
}

// inStyleOf names another setting as v was named: by its option or its variable.
func (l *loader) inStyleOf(v value, variable, option string) string {
	if strings.HasPrefix(v.name, "-") {
		return option
	}
	return variable
}

// adminPort finds the admin port where another listener is to be. The default port only gives way there (to
// any free one, when it is bound), but then healthcheck cannot know where to ask.
func (l *loader) adminPort() string {
	c := &l.config
	v, set := l.given["ADMIN_PORT"]
	if !set {
		v = value{name: "ADMIN_PORT", text: fmt.Sprint(c.AdminPort)}
	}
	if !l.fine("ADMIN_PORT", "PORT", "TLS_PORT") {
		return ""
	}
	// A URL has a port of its own.
	asks := c.Command == Healthcheck && c.HealthcheckURL == ""
	if asks && c.AdminPort == 0 {
		return fmt.Sprintf("%s=%s: must be a port from 1 to 65535, as healthcheck has to know it", v.name, quote(v.text))
	}
	if c.AdminPort == 0 || !set && !asks {
		return ""
	}
	switch {
	case c.AdminPort == c.Port:
		return fmt.Sprintf("%s=%s: must be another port than PORT", v.name, quote(v.text))
	case c.HTTPSBeside() && c.AdminPort == c.TLSPort:
		return fmt.Sprintf("%s=%s: must be another port than TLS_PORT", v.name, quote(v.text))
	}
	return ""
}

// enumerate joins words as a sentence does: a, b or c.
func enumerate(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
