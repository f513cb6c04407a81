// Modules measures how long Chromium takes to load a page of 500 JavaScript modules, as the development builds of front
// ends have them, from previewd and from nginx in turn: cold, with an empty cache, and warm, when each module is asked
// for again; over HTTP/1.1, and over HTTP/2 with TLS.
//
//	go run ./testdata/bench/modules [-rounds 9] BINARY
//
// It prints Markdown: milliseconds from the navigation until the last module has run, the median of the rounds, and the
// ratio to nginx's in the same round.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/previewd/previewd/testdata/internal/chromium"
	"github.com/previewd/previewd/testdata/internal/subject"
)

// modules is how many the page has.
const modules = 500

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "modules:", err)
		os.Exit(1)
	}
}

func run() (err error) {
	rounds := flag.Int("rounds", 9, "how often each server's page is loaded")
	flag.Parse()
	if flag.NArg() != 1 || *rounds < 1 {
		return errors.New("which previewd? give its binary as the only argument")
	}
	binary, err := filepath.Abs(flag.Arg(0))
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "modules-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	root, certificate := filepath.Join(scratch, "site"), filepath.Join(scratch, "certificate.pem")
	text, _, err := subject.Certificate(1)
	if err != nil {
		return err
	}
	if err := errors.Join(os.WriteFile(certificate, text, 0o600), furnish(root)); err != nil {
		return err
	}
	servers := []*server{{name: "previewd"}, {name: "nginx"}}
	for _, s := range servers {
		if s.plain, err = subject.FreePort(); err != nil {
			return err
		}
		if s.secure, err = subject.FreePort(); err != nil {
			return err
		}
	}
	if err := servers[0].start(scratch, []string{binary}, "PORT="+servers[0].plain, "TLS_PORT="+servers[0].secure, "BIND=127.0.0.1", "ADMIN_PORT=0",
		"TLS_CERT="+certificate, "DIRECTORY="+root); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, servers[0].process.Stop()) }()
	file, err := configure(scratch, root, certificate, servers[1])
	if err != nil {
		return err
	}
	if err := servers[1].start(scratch, []string{"nginx", "-c", file, "-e", filepath.Join(scratch, "nginx.err")}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, servers[1].process.Stop()) }()
	browser, err := chromium.Start(scratch, "--ignore-certificate-errors")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, browser.Close()) }()
	time.Sleep(3 * time.Second) // previewd keeps what has not changed for 2 s
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2"} {
		if err := compare(browser, servers, protocol, *rounds); err != nil {
			return fmt.Errorf("%s: %w", protocol, err)
		}
	}
	return nil
}

// furnish writes a page with one script, which imports all modules.
func furnish(root string) error {
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	var all strings.Builder
	for i := range modules {
		fmt.Fprintf(&all, "import { value as v%d } from './m%d.js'\n", i, i)
		text := fmt.Sprintf("export const value = %d\n%s", i,
			strings.Repeat("// what a module of a front end has, some two kilobytes of it\n", 32))
		if err := os.WriteFile(filepath.Join(root, fmt.Sprintf("m%d.js", i)), []byte(text), 0o644); err != nil {
			return err
		}
	}
	fmt.Fprintf(&all, "window.took = performance.now()\n")
	return errors.Join(os.WriteFile(filepath.Join(root, "main.js"), []byte(all.String()), 0o644),
		os.WriteFile(filepath.Join(root, "index.html"), []byte("<!doctype html><meta charset=utf-8><link rel=icon href=data:,><script type=module src=main.js></script>\n"), 0o644))
}

// server is one to compare.
type server struct {
	name, plain, secure string // its ports
	process             *subject.Process
}

func (s *server) start(scratch string, words []string, variables ...string) (err error) {
	log, err := os.Create(filepath.Join(scratch, s.name+".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	command := exec.Command(words[0], words[1:]...)
	command.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + scratch}, variables...)
	command.Stdout, command.Stderr = log, log
	s.process, err = subject.Run(command)
	return err
}

func configure(scratch, root, certificate string, s *server) (file string, err error) {
	var own strings.Builder
	for _, name := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&own, "%s_temp_path %s;\n", name, filepath.Join(scratch, "nginx-"+name))
	}
	text := fmt.Sprintf(`daemon off; user root root; worker_processes auto; pid %[1]s/nginx.pid; error_log %[1]s/nginx.err;
events { worker_connections 256; }
http {
	types { text/javascript js; text/html html; }
	access_log %[1]s/nginx-access.log combined;
	sendfile on; gzip on; gzip_types text/javascript; add_header Cache-Control no-cache;
	%[2]s
	server {
		listen 127.0.0.1:%[3]s; listen 127.0.0.1:%[4]s ssl http2; root %[5]s;
		ssl_certificate %[6]s; ssl_certificate_key %[6]s; ssl_protocols TLSv1.3;
	}
}
`, scratch, own.String(), s.plain, s.secure, root, certificate)
	file = filepath.Join(scratch, "nginx.conf")
	return file, os.WriteFile(file, []byte(text), 0o644)
}

func compare(browser *chromium.Browser, servers []*server, protocol string, rounds int) error {
	took := map[string][]float64{} // by cold or warm, and the server
	for range rounds {
		for _, s := range servers {
			url := "http://127.0.0.1:" + s.plain + "/"
			if protocol == "HTTP/2" {
				url = "https://127.0.0.1:" + s.secure + "/"
			}
			cold, warm, err := load(browser, url)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			took["cold "+s.name] = append(took["cold "+s.name], cold)
			took["warm "+s.name] = append(took["warm "+s.name], warm)
		}
	}
	fmt.Printf("\n%s\n\n| load | previewd ms | nginx ms | ratio |\n|---|--:|--:|--:|\n", protocol)
	for _, kind := range []string{"cold", "warm"} {
		ours, theirs := took[kind+" previewd"], took[kind+" nginx"]
		var ratios []float64
		for i := range ours {
			ratios = append(ratios, ours[i]/theirs[i])
		}
		slices.Sort(ratios)
		fmt.Printf("| %s | %.0f | %.0f | %.2f (%.2f–%.2f) |\n", kind, median(ours), median(theirs), median(ratios), ratios[0], ratios[len(ratios)-1])
	}
	return nil
}

func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2]
}

// load opens a page with an empty cache, and then again.
func load(browser *chromium.Browser, url string) (cold, warm float64, err error) {
	page, err := browser.Open()
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, page.Close()) }()
	for _, into := range []*float64{&cold, &warm} {
		if err := errors.Join(page.Go(url), page.Await("window.took > 0"), page.Value("window.took", into)); err != nil {
			return 0, 0, err
		}
	}
	if n := len(page.Requests()); n < 2*(modules+2) {
		return 0, 0, fmt.Errorf("%d requests, want %d", n, 2*(modules+2))
	}
	return cold, warm, nil
}
