package main

import (
	"bufio"
	"crypto/tls"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"
)

// upstream stands in a transcript for the address of another server.
const upstream = "UPSTREAM"

// otherServer is the one that a transcript calls UPSTREAM. It answers each request with what the section "answer" before it
// has, and shows what it was asked to the section "asked" behind it.
type otherServer struct {
	net.Listener
	t       *testing.T
	answers chan string
	asked   chan answer
}

func newOtherServer(t *testing.T) *otherServer {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	s := &otherServer{l, t, make(chan string, 1), make(chan answer, 1)}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(conn)
		}
	}()
	return s
}

// serve answers the requests of one connection. Errors are seen by who asked.
func (s *otherServer) serve(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
	r := bufio.NewReader(conn)
	for {
		request, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		content, err := io.ReadAll(request.Body)
		if err != nil {
			return
		}
		fields := textproto.MIMEHeader(request.Header)
		fields["Host"] = []string{request.Host}
		if request.TransferEncoding != nil {
			fields["Transfer-Encoding"] = request.TransferEncoding
		}
		s.asked <- answer{request.Method + " " + request.RequestURI + " " + request.Proto, fields, string(content)}
		text := <-s.answers
		if _, err := io.WriteString(conn, text); err != nil || text == "" {
			return
		}
	}
}

// play plays a section that is for the server, and says whether it is one.
func (s *otherServer) play(step txtar.File) bool {
	if s == nil {
		return false
	}
	s.t.Helper()
	text := strings.ReplaceAll(unescape(s.t, step.Data, "\n"), upstream, s.Addr().String())
	switch step.Name {
	case "answer":
		head, content, isHead := strings.Cut(text, "\n\n")
		if isHead {
			text = strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n" + content
		}
		s.answers <- text
	case "asked":
		want := parseRequest(s.t, text)
		select {
		case got := <-s.asked:
			s.compare(got, want)
		case <-time.After(time.Minute):
			s.t.Fatalf("%q: the other server was not asked", want.line)
		}
	default:
		return false
	}
	return true
}

func (s *otherServer) compare(got, want answer) {
	s.t.Helper()
	if got.line != want.line || got.content != want.content {
		s.t.Errorf("the other server was asked %q with %q, want %q with %q", got.line, got.content, want.line, want.content)
	}
	for _, name := range slices.Sorted(maps.Keys(want.fields)) {
		if values := got.fields[name]; len(values) == 0 || want.fields.Get(name) != elided && !slices.Equal(values, want.fields[name]) {
			s.t.Errorf("%q: the other server got %s: %q, want %q", want.line, name, values, want.fields[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got.fields)) {
		if _, wanted := want.fields[name]; !wanted {
			s.t.Errorf("%q: the other server got %s: %q, which is not in the transcript", want.line, name, got.fields[name])
		}
	}
}

// parseRequest reads a section "asked".
func parseRequest(t *testing.T, text string) answer {
	t.Helper()
	head, content, _ := strings.Cut(text, "\n\n")
	line, fields, _ := strings.Cut(head, "\n")
	header, err := textproto.NewReader(bufio.NewReader(strings.NewReader(strings.TrimSuffix(fields, "\n") + "\n\n"))).ReadMIMEHeader()
	if err != nil {
		t.Fatalf("the fields of a section: %v", err)
	}
	return answer{line, header, content}
}

// Law: a server of https is asked where its certificate is signed by an authority of PROXY_CA or of the system, whose file
// SSL_CERT_FILE may name; also while the kernel confines the process.
func TestAuthoritiesOfOtherServers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	name := testCertificate(t)
	certificate, err := tls.LoadX509KeyPair(name, name)
	if err != nil {
		t.Fatal(err)
	}
	secure := &http.Server{TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}}, ErrorLog: log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "secret") })}
	go func() { _ = secure.ServeTLS(l, "", "") }()
	t.Cleanup(func() { _ = secure.Close() })
	ca, err := authority()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, ca.PEM(), 0o644); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	layOut(t, dir, "app/dist/page.html", nil) // what lies beside it may be read
	for setting, want := range map[string]int{"PROXY_CA=" + file: 200, "SSL_CERT_FILE=" + file: 200, "LOG_LEVEL=info": 502} {
		_, port, _ := net.SplitHostPort(l.Addr().String())
		service := startService(t, []string{"PORT=0", "BIND=127.0.0.1", "ADMIN_PORT=0", "LOG_FORMAT=text", "DIRECTORY=" + dir + "/app/dist", "PROXY=/api=https://localhost:" + port, setting})
		resp, err := http.Get("http://" + service.addr + "/api")
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != want || (string(text) == "secret") != (want == 200) || want == 502 && !strings.Contains(string(text), "unknown authority; PROXY_CA can name it") {
			t.Errorf("%s: got %d %q, %v, want %d", setting, resp.StatusCode, text, err, want)
		}
	}
}
