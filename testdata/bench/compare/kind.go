package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/previewd/previewd/testdata/internal/subject"
)

// kind is a server to measure.
type kind struct {
	name string
	// tool is the command it needs, in the Debian packages named; empty if there is nothing to install.
	tool, packages string
	// version are the arguments that make the tool print its version.
	version []string
	// built says that it is a program below this directory.
	built bool
	// logs says that it writes an access log, one line for a request.
	logs bool
	// lacks has the works that it cannot do; noListing says that those with listings are among them.
	lacks     map[string]bool
	noListing bool
	// command returns what starts it in the foreground, and how its environment differs.
	command func(p place) (words, variables []string, err error)
}

// place is where and with what one server runs.
type place struct {
	site   site
	work   work
	kind   string // its name
	binary string // previewd's
	port   string
	log    string // the file for its access log
	files  string // a path in scratch that its own files begin with
	other  string // the address of the server that requests are passed on to, if they are
}

func kinds() []kind {
	return []kind{
		{name: "previewd", version: []string{"--version"}, logs: true, command: previewd},
		{name: "nginx", tool: "nginx", packages: "nginx-light", version: []string{"-v"}, logs: true, command: nginx},
		{name: "lighttpd", tool: "lighttpd", packages: "lighttpd lighttpd-mod-openssl", version: []string{"-v"}, logs: true, command: lighttpd,
			lacks: map[string]bool{"proxy": true}},
		{name: "python", tool: "python3", packages: "python3", version: []string{"--version"}, logs: true, command: python,
			lacks: map[string]bool{"proxy": true, "small-tls": true, "big-tls": true, "small-h2": true, "mid-h2": true}},
		// It keeps what it serves in memory, and builds no listing.
		{name: "nethttp", built: true, logs: true, command: program, noListing: true,
			lacks: map[string]bool{"proxy": true, "big": true, "big-tls": true}},
		{name: "fileserver", built: true, command: program, lacks: map[string]bool{"proxy": true}},
		{name: "reverseproxy", built: true, command: reverseProxy, lacks: allBut("proxy")},
		// The floor copies no file and builds no listing.
		{name: "loop", built: true, command: loop, noListing: true, lacks: map[string]bool{"proxy": true, "big": true, "small-tls": true, "big-tls": true,
			"small-h2": true, "mid-h2": true}},
	}
}

// previewd runs with its defaults: the log is JSON, as standard error is a file, and the metrics are on.
func previewd(p place) (words, variables []string, err error) {
	admin, err := subject.FreePort()
	if err != nil {
		return nil, nil, err
	}
	variables = []string{"PORT=" + p.port, "BIND=127.0.0.1", "DIRECTORY=" + p.site.root, "ADMIN_PORT=" + admin}
	if p.work.tls {
		variables = append(variables, "TLS_CERT="+p.site.certificate)
	}
	if p.work.proxied {
		variables = append(variables, "PROXY=/=http://"+p.other)
	}
	if p.work.plain {
		variables = append(variables, "LISTING=plain")
	}
	return []string{p.binary}, variables, nil
}

// suite is the one of TLS 1.3 that crypto/tls chooses on a machine with AES instructions; OpenSSL would
// take AES-256.
const suite = "TLS_AES_128_GCM_SHA256"

func nginx(p place) (words, variables []string, err error) {
	listen, secure := "127.0.0.1:"+p.port, ""
	if p.work.tls {
		listen += " ssl"
		if p.work.http2 {
			listen += " http2"
		}
		secure = fmt.Sprintf("ssl_certificate %s; ssl_certificate_key %s; ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites %s;",
			p.site.certificate, p.site.certificate, suite)
	}
	var own strings.Builder
	for _, name := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&own, "\t%s_temp_path %s-%s;\n", name, p.files, name)
	}
	others, pass := "", ""
	if p.work.proxied {
		others = "upstream other { server " + p.other + "; keepalive 64; keepalive_requests 1000000000; }"
		// What previewd tells the other server.
		pass = `location / {
			proxy_pass http://other;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header X-Forwarded-For $remote_addr;
			proxy_set_header X-Forwarded-Host $http_host;
			proxy_set_header X-Forwarded-Proto $scheme;
			proxy_set_header Forwarded "for=$remote_addr;host=\"$http_host\";proto=$scheme";
			proxy_set_header Via "1.1 nginx";
		}`
	}
	text := fmt.Sprintf(`daemon off;
user root root;
worker_processes auto;
worker_rlimit_nofile 8192;
pid %s.pid;
error_log %s.err;
events {
	worker_connections 4096;
}
http {
	types { text/plain txt; }
	default_type application/octet-stream;
	access_log %s combined;
	sendfile on;
	open_file_cache off;
	keepalive_requests 1000000000;
	autoindex on;
%s
	%s
	server {
		listen %s;
		root %s;
		%s
		%s
	}
}
`, p.files, p.files, p.log, own.String(), others, listen, p.site.root, secure, pass)
	file := p.files + ".conf"
	return []string{toolPath("nginx"), "-c", file, "-e", p.files + ".err"}, nil, os.WriteFile(file, []byte(text), 0o644)
}

func lighttpd(p place) (words, variables []string, err error) {
	modules, secure := `"mod_accesslog", "mod_dirlisting"`, ""
	if p.work.tls {
		modules += `, "mod_openssl"`
		secure = fmt.Sprintf("ssl.engine = \"enable\"\nssl.pemfile = %q\nssl.openssl.ssl-conf-cmd = (\"MinProtocol\" => \"TLSv1.3\", \"Ciphersuites\" => %q)\n",
			p.site.certificate, suite)
	}
	text := fmt.Sprintf(`server.modules = (%s)
server.document-root = %q
server.bind = "127.0.0.1"
server.port = %s
server.errorlog = %q
server.stat-cache-engine = "disable"
server.max-fds = 8192
server.max-connections = 4096
server.max-keep-alive-requests = 65535
accesslog.filename = %q
dir-listing.activate = "enable"
mimetype.assign = (".txt" => "text/plain", "" => "application/octet-stream")
%s`, modules, p.site.root, p.port, p.files+".err", p.log, secure)
	file := p.files + ".conf"
	return []string{toolPath("lighttpd"), "-D", "-f", file}, nil, os.WriteFile(file, []byte(text), 0o644)
}

// python runs with its defaults too, which is HTTP/1.0: a connection for each request.
func python(p place) (words, variables []string, err error) {
	return []string{toolPath("python3"), "-m", "http.server", p.port, "--bind", "127.0.0.1", "-d", p.site.root}, nil, nil
}

// program is one below this directory that serves files, with net/http: both are given HTTP/2 by it.
func program(p place) (words, variables []string, err error) {
	words = []string{filepath.Join(p.site.scratch, p.kind), "127.0.0.1:" + p.port, p.site.root}
	if p.work.tls {
		words = append(words, p.site.certificate)
	}
	return words, nil, nil
}

// allBut are the names of all works but one.
func allBut(name string) map[string]bool {
	lacks := map[string]bool{}
	for _, w := range works() {
		lacks[w.name] = w.name != name
	}
	return lacks
}

// reverseProxy gets the address of the other server.
func reverseProxy(p place) (words, variables []string, err error) {
	return []string{filepath.Join(p.site.scratch, p.kind), "127.0.0.1:" + p.port, "http://" + p.other}, nil, nil
}

// loop gets the bytes to answer with: what previewd would send, or nearly so.
func loop(p place) (words, variables []string, err error) {
	head := "HTTP/1.1 200 OK\r\nServer: loop\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Type: text/plain\r\n" +
		"Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\nETag: \"0123456789abcdef0123456789abcdef\"\r\nCache-Control: no-cache\r\n"
	content, err := os.ReadFile(filepath.Join(p.site.root, p.work.path))
	if err != nil {
		return nil, nil, err
	}
	if p.work.conditional {
		head, content = strings.Replace(head, "200 OK", "304 Not Modified", 1), nil
	} else {
		head += fmt.Sprintf("Content-Length: %d\r\n", len(content))
	}
	words = []string{filepath.Join(p.site.scratch, "loop"), "127.0.0.1:" + p.port, p.files + ".answer"}
	if p.work.name == "close" {
		head += "Connection: close\r\n"
		words = append(words, "close")
	}
	return words, nil, os.WriteFile(p.files+".answer", append([]byte(head+"\r\n"), content...), 0o644)
}

// other is what requests are passed on to: the floor, with nothing of its own to do.
func other() kind { return kind{name: "loop", built: true, command: loop} }

// findTools returns an error that names the Debian packages of the commands that are missing.
func findTools(opt options) error {
	if _, err := os.Stat(opt.binary); err != nil {
		return err
	}
	var tools, packages []string
	need := func(tool, in string) {
		if tool != "" && toolPath(tool) == "" && !slices.Contains(tools, tool) {
			tools, packages = append(tools, tool), append(packages, in)
		}
	}
	need("ip", "iproute2")
	for _, w := range opt.works {
		need(w.load.tool, w.load.packages)
	}
	for _, k := range opt.kinds {
		need(k.tool, k.packages)
	}
	if len(tools) == 0 {
		return nil
	}
	return fmt.Errorf("missing %s: apt-get install --no-install-recommends %s", strings.Join(tools, ", "), strings.Join(packages, " "))
}

// toolPath returns the path of a command, also where only root's PATH leads; empty if it is missing.
func toolPath(name string) string {
	for _, candidate := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path
		}
	}
	return ""
}
