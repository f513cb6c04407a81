package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/previewd/previewd/config"
)

// TestTranscripts plays testdata/transcripts against the whole service, over HTTP/1.x, the same over TLS, and
// HTTP/2. README.txt there says how to write one.
func TestTranscripts(t *testing.T) {
	names, err := filepath.Glob("testdata/transcripts/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("found %d transcripts: %v", len(names), err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, way := range []string{"h1", "https1", "h2"} {
				if way == "h2" && strings.Contains(string(archive.Comment), "# h1 only: ") {
					continue
				}
				t.Run(way, func(t *testing.T) { playTranscript(t, archive, way) })
			}
		})
	}
}

// playTranscript lays out the site, starts the service, and plays the sections in order.
func playTranscript(t *testing.T, archive *txtar.Archive, way string) {
	dir := t.TempDir()
	environ := []string{"PORT=0", "BIND=127.0.0.1", "ADMIN_PORT=0", "LOG_FORMAT=text", "DIRECTORY=" + dir}
	if way != "h1" {
		environ = append(environ, "TLS_CERT="+testCertificate(t))
	}
	var log []string
	var steps []txtar.File
	var other *otherServer
	for _, f := range archive.Files {
		path, isSite := strings.CutPrefix(f.Name, "site/")
		switch {
		case isSite:
			layOut(t, dir, path, f.Data)
		case f.Name == "environment":
			text := string(f.Data)
			if strings.Contains(text, upstream) {
				other = newOtherServer(t)
				text = strings.ReplaceAll(text, upstream, other.Addr().String())
			}
			environ = append(environ, strings.Fields(text)...)
		case f.Name == "log":
			log = strings.Split(strings.TrimSuffix(unescape(t, f.Data, "\n"), "\n"), "\n")
		default:
			steps = append(steps, f)
		}
	}
	dateAll(t, dir)
	// Scripts of root run as nobody, who has to get there.
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	service := startService(t, environ)
	var p interface {
		play(txtar.File)
		finish()
	} = &player{t: t, addr: service.addr, tls: way == "https1"}
	if way == "h2" {
		p = newH2Player(t, service.addr)
		for i, line := range log {
			log[i] = strings.Replace(line, ` HTTP/1.1" `, ` HTTP/2.0" `, 1)
		}
	}
	for _, step := range steps {
		if !other.play(step) {
			p.play(step)
		}
	}
	p.finish()
	code, stderr := service.stop()
	if code != 0 {
		t.Errorf("exit code %d, want 0\n%s", code, stderr)
	}
	if log != nil {
		compareLog(t, stderr, log)
	}
}

// siteDate is the modification time of all files of a transcript.
var siteDate = time.Date(1994, time.November, 6, 8, 49, 37, 0, time.UTC)

// layOut makes a file, executable if it is a script; a directory if the name ends in a slash; a link if it
// has an arrow.
func layOut(t *testing.T, dir, name string, content []byte) {
	t.Helper()
	name, target, isLink := strings.Cut(name, " -> ")
	path := filepath.Join(dir, name)
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	switch {
	case err != nil:
	case isLink:
		err = os.Symlink(target, path)
	case strings.HasSuffix(name, "/"):
		err = os.MkdirAll(path, 0o755)
	case bytes.HasPrefix(content, []byte("#!")):
		err = os.WriteFile(path, content, 0o755)
	default:
		err = os.WriteFile(path, content, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func dateAll(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		return os.Chtimes(path, siteDate, siteDate)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// runningService is a run of the program.
type runningService struct {
	addr   string
	stop   func() (code int, stderr string)
	stderr *output
	pid    int
}

var startLine = regexp.MustCompile(`^Serving HTTP(?:S on 127\.0\.0\.1 port ([0-9]+) \(https| on 127\.0\.0\.1 port ([0-9]+) \(http)://127\.0\.0\.1:([0-9]+)/\) \.\.\.$`)

// loggedURL finds the address in the record of the start.
var loggedURL = regexp.MustCompile(`"urls":\["https?://([^/"]+)/"\]`)

// startService runs the program as a process of its own, which the kernel confines, until stop, which waits for its end, or
// the end of the test.
func startService(t *testing.T, environ []string) runningService {
	t.Helper()
	return startProgram(t, os.Args[0], append([]string{"PREVIEWD_TEST_PROGRAM=1"}, environ...))
}

// endsAtOnce is for a program with the race detector, which sleeps for a second at its end unless it is told not to.
const endsAtOnce = "GORACE=atexit_sleep_ms=0"

// startProgram is startService for another build of the program.
func startProgram(t *testing.T, path string, environ []string) runningService {
	t.Helper()
	program := exec.Command(path)
	program.Env = append([]string{endsAtOnce}, environ...)
	stdout, err := program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr output
	program.Stderr = &stderr
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	stop := sync.OnceValues(func() (int, string) {
		_ = program.Process.Signal(syscall.SIGTERM)
		_ = program.Wait()
		return program.ProcessState.ExitCode(), stderr.String()
	})
	t.Cleanup(func() { stop() })
	lines := bufio.NewReader(stdout)
	line, err := lines.ReadString('\n')
	if err != nil {
		code, text := stop()
		t.Fatalf("the program ended with %d and no start line: %s", code, text)
	}
	found := startLine.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
	if found == nil || found[1]+found[2] != found[3] {
		t.Fatalf("start line %q", line)
	}
	return runningService{net.JoinHostPort("127.0.0.1", found[3]), stop, &stderr, program.Process.Pid}
}

// player is the client of a transcript. It opens a connection for the first request, and again after one
// that was closed.
type player struct {
	t      *testing.T
	addr   string
	tls    bool
	conn   halfCloser
	reader *bufio.Reader
	asked  string // the first line of the last request
	closes bool   // the last answer says, or the transcript, that the connection ends behind it
}

type halfCloser interface {
	net.Conn
	CloseWrite() error
}

func (p *player) play(step txtar.File) {
	p.t.Helper()
	switch step.Name {
	case "request":
		p.request([]byte(unescape(p.t, step.Data, "\r\n")))
	case "half-close":
		if err := p.conn.CloseWrite(); err != nil {
			p.t.Fatal(err)
		}
	case "response":
		p.response(parseAnswer(p.t, unescape(p.t, step.Data, "\n")))
	case "closed":
		p.closes = true
	default:
		p.t.Fatalf("a section named %q", step.Name)
	}
}

func (p *player) request(raw []byte) {
	p.t.Helper()
	if p.closes {
		p.finish()
	}
	line, _, _ := strings.Cut(string(raw), "\r\n")
	p.asked = line
	if p.conn == nil {
		conn, err := net.Dial("tcp", p.addr)
		if err != nil {
			p.t.Fatal(err)
		}
		p.t.Cleanup(func() { _ = conn.Close() })
		if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			p.t.Fatal(err)
		}
		p.conn = conn.(*net.TCPConn)
		if p.tls {
			p.conn = tls.Client(conn, trusting(p.t))
		}
		p.reader = bufio.NewReader(p.conn)
	}
	if _, err := p.conn.Write(raw); err != nil {
		p.t.Fatal(err)
	}
}

// response reads an answer and compares it with the one wanted.
func (p *player) response(want answer) {
	p.t.Helper()
	got, err := readAnswer(p.reader, want)
	if err != nil {
		p.t.Fatalf("%q: no answer like %q: %v", p.asked, want.line, err)
	}
	compareAnswer(p.t, p.asked, got, want)
	p.closes = want.line == "" || strings.EqualFold(want.fields.Get("Connection"), "close")
}

// compareAnswer compares an answer with the one wanted, field by field in any order.
func compareAnswer(t *testing.T, asked string, got, want answer) {
	t.Helper()
	if got.line != want.line {
		t.Errorf("%q: status line %q, want %q", asked, got.line, want.line)
	}
	for _, name := range slices.Sorted(maps.Keys(want.fields)) {
		if values := got.fields[name]; !slices.Equal(values, want.fields[name]) && (len(values) == 0 || want.fields.Get(name) != elided) {
			t.Errorf("%q: field %s is %q, want %q", asked, name, values, want.fields[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got.fields)) {
		if _, wanted := want.fields[name]; !wanted && name != "Date" && name != "Server" {
			t.Errorf("%q: field %s: %q is not in the transcript", asked, name, got.fields[name])
		}
	}
	if got.line != "" && !strings.HasPrefix(got.line, "HTTP/1.1 100 ") {
		if _, err := http.ParseTime(got.fields.Get("Date")); err != nil || got.fields.Get("Server") == "" {
			t.Errorf("%q: Date %q, Server %q", asked, got.fields.Get("Date"), got.fields.Get("Server"))
		}
	}
	if got.content != want.content && want.content != elided+"\n" {
		t.Errorf("%q: content\n%q, want\n%q", asked, got.content, want.content)
	}
}

// finish sees whether the connection is closed where it should be. One that should be open must answer one
// request more, and nothing else.
func (p *player) finish() {
	p.t.Helper()
	if p.conn == nil {
		return
	}
	if !p.closes {
		p.request([]byte("GET " + lastTarget + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
		line, err := p.reader.ReadString('\n')
		if err != nil || line != "HTTP/1.1 404 File not found\r\n" {
			p.t.Errorf("the connection should be open: %q, %v", line, err)
		}
		_, _ = io.Copy(io.Discard, p.reader)
	}
	if rest, err := io.ReadAll(p.reader); err != nil || len(rest) > 0 {
		p.t.Errorf("%q: before the connection's end came %q, %v", p.asked, rest, err)
	}
	_ = p.conn.Close()
	p.conn, p.closes = nil, false
}

// lastTarget is what the player asks for to see that a connection is open.
const lastTarget = "/is-this-connection-open"

// elided stands in a transcript for the value of a field, or for content, that it does not show.
const elided = "..."

// answer is a response as a transcript shows it. line is empty for HTTP/0.9.
type answer struct {
	line    string
	fields  textproto.MIMEHeader
	content string
}

// parseAnswer reads a response section.
func parseAnswer(t *testing.T, text string) answer {
	t.Helper()
	if !strings.HasPrefix(text, "HTTP/") {
		return answer{content: text}
	}
	head, content, _ := strings.Cut(text, "\n\n")
	line, fields, _ := strings.Cut(head, "\n")
	header, err := textproto.NewReader(bufio.NewReader(strings.NewReader(strings.TrimSuffix(fields, "\n") + "\n\n"))).ReadMIMEHeader()
	if err != nil && fields != "" {
		t.Fatalf("the fields of a response section: %v", err)
	}
	return answer{line, header, content}
}

// readAnswer reads an answer from the wire. Content is read where some is wanted: what comes without being
// wanted is found by whatever is read next.
func readAnswer(r *bufio.Reader, want answer) (got answer, err error) {
	body := io.Reader(r)
	if want.line != "" {
		if got.line, err = textproto.NewReader(r).ReadLine(); err != nil {
			return got, err
		}
		if got.fields, err = textproto.NewReader(r).ReadMIMEHeader(); err != nil {
			return got, err
		}
		if want.content == "" {
			return got, nil
		}
		if length := got.fields.Get("Content-Length"); length != "" {
			n, err := strconv.ParseInt(length, 10, 64)
			if err != nil {
				return got, err
			}
			body = io.LimitReader(r, n)
		}
		if got.fields.Get("Transfer-Encoding") == "chunked" {
			body = httputil.NewChunkedReader(r)
		}
	}
	content, err := io.ReadAll(body)
	got.content = string(content)
	if err == nil && got.fields.Get("Transfer-Encoding") == "chunked" {
		_, err = r.Discard(len("\r\n")) // the end of the trailer section, which the reader leaves
	}
	return got, err
}

// unescape reads a section's lines: each gets lineEnd, unless it ends in a single backslash; \r, \n, \t,
// \xNN and \\ are what they are in Go.
func unescape(t *testing.T, text []byte, lineEnd string) string {
	t.Helper()
	var b strings.Builder
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		for line != "" && line != `\` {
			if line[0] != '\\' {
				b.WriteByte(line[0])
				line = line[1:]
				continue
			}
			char, _, rest, err := strconv.UnquoteChar(line, 0)
			if err != nil {
				t.Fatalf("a line of a section: %q: %v", line, err)
			}
			b.WriteByte(byte(char))
			line = rest
		}
		if line == "" {
			b.WriteString(lineEnd)
		}
	}
	return b.String()
}

var logPrefix = regexp.MustCompile(`^127\.0\.0\.1 - - \[\d\d/[A-Z][a-z]{2}/\d{4} \d\d:\d\d:\d\d\] `)

// compareLog compares the access log's lines without address and time, in any order: two connections may
// end at once. Other lines are for the operator; the player's own request has two lines.
func compareLog(t *testing.T, stderr string, want []string) {
	t.Helper()
	var got []string
	for line := range strings.Lines(stderr) {
		line = strings.TrimSuffix(line, "\n")
		text := logPrefix.ReplaceAllString(line, "")
		switch {
		case text == line:
		case strings.Contains(text, lastTarget) && len(got) > 0:
			got = got[:len(got)-1]
		default:
			got = append(got, text)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("log\n%s\nwant\n%s", quoteAll(got), quoteAll(want))
	}
}

func quoteAll(lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		fmt.Fprintf(&b, "\t%q\n", line)
	}
	return b.String()
}

// output collects what the program writes, from whichever goroutine.
type output struct {
	mu   sync.Mutex
	text []byte
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p...)
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text)
}

// What CGI says of a request is not mixed with the server's own environment: CGI_PASS_ENV may not name it.
func TestWhatScriptsAreToldOfTheRequestIsNotPassedOn(t *testing.T) {
	dir := t.TempDir()
	layOut(t, dir, "cgi-bin/environ", []byte("#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nenv\n"))
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	service := startService(t, []string{"PORT=0", "BIND=127.0.0.1", "ADMIN_PORT=0", "LOG_FORMAT=text", "DIRECTORY=" + dir, "CGI=true",
		"PATH=" + os.Getenv("PATH"), "TZ=UTC", "LANG=C", "HTTP_PROXY=http://localhost:1", "CGI_PASS_ENV=TZ,LANG,PATH"})
	r, err := http.NewRequest("POST", "http://"+service.addr+"/cgi-bin/environ/info?a=b", strings.NewReader("content"))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("user", "password")
	r.Header.Set("Proxy", "http://localhost:1")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]int{}
	for line := range strings.Lines(string(text)) {
		name, _, _ := strings.Cut(line, "=")
		told[name]++
	}
	for name, times := range told {
		if times > 1 || name == "HTTP_PROXY" {
			t.Errorf("%s is there %d times", name, times)
		}
		switch name {
		case "PATH", "TZ", "LANG", "PWD", "OLDPWD", "SHLVL", "_": // the last four are the shell's
		default:
			if _, err := config.Load(nil, map[string]string{"CGI_PASS_ENV": name}); err == nil {
				t.Errorf("CGI_PASS_ENV=%s is allowed", name)
			}
		}
	}
	if len(told) < 20 {
		t.Errorf("got %s", text)
	}
}

func TestExitCodes(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, takenPort, _ := net.SplitHostPort(taken.Addr().String())
	missing := filepath.Join(t.TempDir(), "missing")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args    []string
		environ []string
		code    int
		stderr  string // a regular expression for all of it
	}{
		"bad_value":           {[]string{"70000"}, nil, 2, `port="70000": must be a TCP port.*\n`},
		"misspelt_variable":   {[]string{"70000"}, []string{"DIRECTROY=/srv"}, 2, `DIRECTROY: .*DIRECTORY\?\nport="70000".*\n`},
		"missing_directory":   {[]string{"0", "-d", missing}, nil, 1, `.*error: --directory=".*missing": no such directory\n`},
		"not_a_directory":     {[]string{"0", "-d", file}, nil, 1, `.*error: --directory=".*file": not a directory\n`},
		"port_taken":          {[]string{takenPort}, []string{"ADMIN_PORT=0"}, 1, `.*error: port \d+ is in use by .*: stop it, or choose another port, for example previewd \d+\n`},
		"admin_port_taken":    {[]string{"0"}, []string{"ADMIN_PORT=" + takenPort}, 1, `.*error: port \d+ is in use by .*: stop it, or choose another port, for example ADMIN_PORT=\d+\n`},
		"nobody_to_ask":       {[]string{"healthcheck"}, []string{"ADMIN_PORT=1"}, 1, `previewd healthcheck: .*connection refused\n`},
		"help_wins":           {[]string{"--help", "abc"}, nil, 0, ``},
		"version_wins":        {[]string{"--version"}, []string{"PORT=x"}, 0, ``},
		"nobody_at_url":       {[]string{"healthcheck", "http://127.0.0.1:1/"}, []string{"ADMIN_PORT=0"}, 1, `previewd healthcheck: .*connection refused\n`},
		"health_without_port": {[]string{"healthcheck"}, []string{"ADMIN_PORT=0"}, 2, `.*ADMIN_PORT.*\n`},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr output
			environ := append([]string{"BIND=127.0.0.1", "LOG_FORMAT=text"}, c.environ...)
			code := run(t.Context(), c.args, environ, &stdout, &stderr)
			if code != c.code || !regexp.MustCompile(`\A`+c.stderr+`\z`).MatchString(stderr.String()) {
				t.Errorf("exit code %d and %q, want %d and %s", code, stderr.String(), c.code, c.stderr)
			}
		})
	}
}

// freePort returns a port for a program to listen on. The system hands it to nobody meanwhile: the ports that it chooses begin
// at 32768 or above.
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(20_000 + rand.IntN(12_000))
		if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port)); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return ""
}

func TestAdminPortTellsOfTheService(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.txt"), []byte("a"), 0o644); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	admin := net.JoinHostPort("127.0.0.1", port)
	environ := []string{"PORT=0", "BIND=127.0.0.1", "ADMIN_PORT=" + port, "LOG_FORMAT=text", "DIRECTORY=" + dir}
	s := startService(t, environ)
	if resp, err := http.Get("http://" + s.addr + "/a.txt"); err != nil || resp.Body.Close() != nil || resp.StatusCode != 200 {
		t.Fatalf("GET /a.txt: %v, %v", resp, err)
	}
	ask := func(path string) (int, string) {
		resp, err := http.Get("http://" + admin + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(text)
	}
	// The record of an answer is made after its last byte: the count may come a moment later.
	const counted = `previewd_http_requests_total{code="200",method="GET",protocol="HTTP/1.1"} 1`
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		_, text := ask("/metrics")
		if strings.Contains(text, counted) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("/metrics does not count the request:\n%s", text)
		}
	}
	if code, text := ask("/readyz"); code != 200 {
		t.Errorf("/readyz: %d %q", code, text)
	}
	healthcheck := func(args ...string) (int, string) {
		var stderr output
		code := run(t.Context(), append([]string{"healthcheck"}, args...), environ, io.Discard, &stderr)
		return code, stderr.String()
	}
	if code, text := healthcheck(); code != 0 || text != "" {
		t.Errorf("healthcheck: %d %q", code, text)
	}
	if code, text := healthcheck("http://" + s.addr + "/a.txt"); code != 0 || text != "" {
		t.Errorf("healthcheck of a file: %d %q", code, text)
	}
	if code, text := healthcheck("http://" + s.addr + "/nowhere"); code != 1 || !strings.Contains(text, "answered 404 File not found") {
		t.Errorf("healthcheck of no file: %d %q", code, text)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if code, text := ask("/readyz"); code != 503 || !strings.Contains(text, "directory: ") {
		t.Errorf("/readyz without the directory: %d %q", code, text)
	}
	if code, text := healthcheck(); code != 1 || strings.Count(text, "\n") != 1 {
		t.Errorf("healthcheck without the directory: %d %q", code, text)
	}
}
