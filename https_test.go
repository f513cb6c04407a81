package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/previewd/previewd/server/certs/devca"
)

// authority is the CA of all tests.
var authority = sync.OnceValues(func() (*devca.Authority, error) {
	ca, _, err := devca.Open(devca.Options{})
	return ca, err
})

// testCertificate writes a chain with its key for localhost and 127.0.0.1, and returns the name of the file.
func testCertificate(t *testing.T) string {
	t.Helper()
	ca, err := authority()
	if err != nil {
		t.Fatal(err)
	}
	return certificateOf(t, ca)
}

// certificateOf is a file with the certificate that a CA has made, and its key.
func certificateOf(t *testing.T, ca *devca.Authority) string {
	t.Helper()
	pair, err := ca.Certificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]})
	text = append(text, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})...)
	name := filepath.Join(t.TempDir(), "tls.pem")
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// trusting is the configuration of a client that trusts testCertificate.
func trusting(t *testing.T) *tls.Config {
	t.Helper()
	ca, err := authority()
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.PEM())
	return &tls.Config{RootCAs: roots, ServerName: "localhost"}
}

// h2Player is a client of a transcript that says its requests in HTTP/2, on one connection.
type h2Player struct {
	t      *testing.T
	client *http.Client
	asked  string
	got    answer
}

func newH2Player(t *testing.T, addr string) *h2Player {
	config := trusting(t)
	config.NextProtos = []string{"h2"}
	conn, err := tls.Dial("tcp", addr, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	dials := 0
	transport := &http.Transport{Protocols: new(http.Protocols), DisableCompression: true,
		DialTLSContext: func(context.Context, string, string) (net.Conn, error) {
			if dials++; dials > 1 {
				return nil, fmt.Errorf("the connection ended before its time")
			}
			return conn, nil
		}}
	transport.Protocols.SetHTTP2(true)
	return &h2Player{t: t, client: &http.Client{Transport: transport, Timeout: time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (p *h2Player) play(step txtar.File) {
	p.t.Helper()
	switch step.Name {
	case "request":
		p.request(unescape(p.t, step.Data, "\r\n"))
	case "response":
		p.response(parseAnswer(p.t, unescape(p.t, step.Data, "\n")))
	default:
		p.t.Fatalf("HTTP/2 cannot say the section %q: the transcript is h1 only", step.Name)
	}
}

// request says an HTTP/1.1 request in HTTP/2.
func (p *h2Player) request(raw string) {
	p.t.Helper()
	head, content, _ := strings.Cut(raw, "\r\n\r\n")
	line, fields, _ := strings.Cut(head, "\r\n")
	words := strings.Split(line, " ")
	header, err := textproto.NewReader(bufio.NewReader(strings.NewReader(fields + "\r\n\r\n"))).ReadMIMEHeader()
	length := ""
	if content != "" {
		length = strconv.Itoa(len(content))
	}
	if err != nil || len(words) != 3 || words[2] != "HTTP/1.1" || header.Get("Content-Length") != length {
		p.t.Fatalf("HTTP/2 cannot say %q: the transcript is h1 only", raw)
	}
	host := header.Get("Host")
	header.Del("Host")
	header["User-Agent"] = nil
	// This form of a URL has the target reach the wire as it is.
	target := &url.URL{Scheme: "https", Host: host, Opaque: "//" + host + words[1]}
	header.Del("Content-Length") // the transport says it
	r := &http.Request{Method: words[0], URL: target, Host: host, Header: http.Header(header)}
	if content != "" {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(content)), int64(len(content))
	}
	resp, err := p.client.Do(r)
	p.asked, p.got = line, answer{}
	if err != nil {
		p.t.Fatalf("%q: %v", p.asked, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Errorf("%q: reading the content: %v", p.asked, err)
	}
	p.got = answer{resp.Status[:3], textproto.MIMEHeader(resp.Header), string(body)}
}

// response compares the answer with the one wanted of HTTP/1.1, but for what belongs to that: the reason
// phrase, and what is said of the connection.
func (p *h2Player) response(want answer) {
	p.t.Helper()
	want.line = strings.Fields(want.line)[1]
	delete(want.fields, "Connection")
	compareAnswer(p.t, p.asked, p.got, want)
}

func (p *h2Player) finish() {}

var startLines = regexp.MustCompile(`^Serving HTTP on 127\.0\.0\.1 port (\d+) \(http://127\.0\.0\.1:(\d+)/\) \.\.\.
Serving HTTPS on 127\.0\.0\.1 port (\d+) \(https://127\.0\.0\.1:(\d+)/\) \.\.\.
$`)

// TestTwoListeners: HTTP and HTTPS side by side, the redirect from one to the other, and the development CA.
func TestTwoListeners(t *testing.T) {
	adminPort := freePort(t)
	admin := net.JoinHostPort("127.0.0.1", adminPort)
	ctx, stop := context.WithCancel(t.Context())
	var stdout, stderr output
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, nil, []string{"PORT=0", "TLS_PORT=0", "BIND=127.0.0.1", "ADMIN_PORT=" + adminPort, "LOG_FORMAT=text",
			"DIRECTORY=testdata/www", "TLS_SELF_SIGNED=true", "HTTPS_REDIRECT=on", "KERNEL_CONFINEMENT=off"}, &stdout, &stderr)
	}()
	var found []string
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if found = startLines.FindStringSubmatch(stdout.String()); found != nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if found == nil || found[1] != found[2] || found[3] != found[4] {
		stop()
		t.Fatalf("exit code %d, start lines %q\n%s", <-ended, stdout.String(), stderr.String())
	}
	_, ca := fetch(t, http.DefaultClient, "http://"+admin+"/ca.pem")
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(ca)) {
		t.Errorf("/ca.pem: %q", ca)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	plain, secure := "http://localhost:"+found[1], "https://localhost:"+found[3]
	if resp, _ := fetch(t, client, plain+"/log?x"); resp.StatusCode != 308 || resp.Header.Get("Location") != secure+"/log?x" {
		t.Errorf("the redirect: %s to %q", resp.Status, resp.Header.Get("Location"))
	}
	if resp, text := fetch(t, client, secure+"/style.css"); resp.StatusCode != 200 || resp.ProtoMajor != 2 || text == "" {
		t.Errorf("over HTTPS: %s %s", resp.Proto, resp.Status)
	}
	if _, text := fetch(t, http.DefaultClient, "http://"+admin+"/metrics"); !strings.Contains(text, "\npreviewd_tls_certificate_not_after_timestamp_seconds ") {
		t.Errorf("no expiry in the metrics:\n%s", text)
	}
	transport.CloseIdleConnections()
	stop()
	if code := <-ended; code != 0 {
		t.Errorf("exit code %d\n%s", code, stderr.String())
	}
	if !regexp.MustCompile(`info: new development CA.* sha256=([0-9A-F]{2}:){31}[0-9A-F]{2} names=localhost,`).MatchString(stderr.String()) {
		t.Errorf("the log does not tell of the CA:\n%s", stderr.String())
	}
}

func fetch(t *testing.T, client *http.Client, url string) (*http.Response, string) {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

// TestABadCertificateEndsTheStartWithOneLine: what is wrong with it is certs' business.
func TestABadCertificateEndsTheStartWithOneLine(t *testing.T) {
	dir := t.TempDir()
	good, text := testCertificate(t), filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		environ []string
		stderr  string // a regular expression for all of it
	}{
		"not_pem":        {[]string{"TLS_CERT=" + text}, `.*error: certificate ".*text": not PEM\n`},
		"missing_key":    {[]string{"TLS_CERT=" + good, "TLS_KEY=" + dir + "/none"}, `.*error: key ".*none": no such file or directory\n`},
		"state_is_site":  {[]string{"TLS_SELF_SIGNED=1", "TLS_STATE_DIR=" + dir + "/state", "DIRECTORY=" + dir}, `.*error: TLS_STATE_DIR ".*state" is inside DIRECTORY: everyone could download the key\n`},
		"state_is_taken": {[]string{"TLS_SELF_SIGNED=1", "TLS_STATE_DIR=" + text}, `.*error: development CA: stat .*: not a directory\n`},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr output
			environ := slices.Concat([]string{"PORT=0", "BIND=127.0.0.1", "ADMIN_PORT=0", "LOG_FORMAT=text", "DIRECTORY=testdata/www"}, c.environ)
			code := run(t.Context(), nil, environ, &stdout, &stderr)
			if code != 1 || !regexp.MustCompile(`\A(`+c.stderr+`)\z`).MatchString(stderr.String()) {
				t.Errorf("exit code %d and %q, want 1 and %s", code, stderr.String(), c.stderr)
			}
		})
	}
}
