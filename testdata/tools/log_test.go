package tools

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// record is a record of the access log.
type record struct {
	Logger, Msg, Method, Path, Query, Via, Protocol, Client, Error string
	RequestID                                                      string `json:"request_id"`
	TraceID                                                        string `json:"trace_id"`
	Code                                                           int
}

// records are those of the access log.
func (s site) records(t *testing.T) (list []record) {
	t.Helper()
	for line := range strings.Lines(s.log(t)) {
		var r record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if r.Logger == "access" {
			list = append(list, r)
		}
	}
	return list
}

// TestIDsInTheLog: an identifier is taken from a proxy that is trusted, else made; the trace from whoever names one. That holds
// over HTTP/1.1 and HTTP/2.
func TestIDsInTheLog(t *testing.T) {
	need(t, "curl")
	const trace = "0af7651916cd43dd8448eb211c80319c"
	dir := build(t, map[string]string{"new.txt": "new", "_redirects": "/old /new.txt 200\n"})
	for trusted, variables := range map[bool][]string{false: nil, true: {"TRUSTED_PROXIES=127.0.0.0/8"}} {
		s := serve(t, dir, append(variables, "TLS_SELF_SIGNED=true", "LOG_FORMAT=json")...)
		for _, way := range []string{"--http1.1", "--http2"} {
			for _, parent := range []string{"00-" + trace + "-b7ad6b7169203331-01", "00-" + trace, ""} {
				run(t, dir, "", "curl", "-ksSf", way, "-H", "X-Request-Id: of-the-proxy", "-H", "X-Forwarded-For: 192.0.2.7", "-H", "traceparent: "+parent, "https://"+s.Addr+"/old?a=b&c")
			}
		}
		s.stop(t)
		list := s.records(t)
		if len(list) != 6 {
			t.Fatalf("%d records", len(list))
		}
		seen := map[string]bool{}
		for i, got := range list {
			want := record{"access", got.Msg, "GET", "/old", "a=b&c", "_redirects:1", "HTTP/1.1", "127.0.0.1", "", got.RequestID, "", 200}
			if i >= 3 {
				want.Protocol = "HTTP/2.0"
			}
			if i%3 == 0 {
				want.TraceID = trace
			}
			if trusted {
				want.Client, want.RequestID = "192.0.2.7", "of-the-proxy"
			}
			if got != want || !trusted && (got.RequestID == "of-the-proxy" || got.RequestID == "" || seen[got.RequestID]) {
				t.Errorf("trusted %v, record %d: got %+v\nwant %+v", trusted, i, got, want)
			}
			seen[got.RequestID] = true
		}
	}
}

// TestJQ: each line with jq in the documentation of the log works on a real one.
func TestJQ(t *testing.T) {
	need(t, "jq", "curl", "sh")
	s := serve(t, build(t, map[string]string{"a.txt": "a"}), "LOG_FORMAT=json")
	for _, path := range []string{"/a.txt", "/nowhere", "/a.txt", "/%1b%5b31m"} {
		run(t, ".", "", "curl", "-sS", "-o", os.DevNull, s.url+path)
	}
	s.stop(t)
	page, err := os.ReadFile(filepath.Join(module, "server/accesslog/README.md"))
	check(t, err)
	commands := regexp.MustCompile(`(?m)^docker logs previewd 2>&1 \| (jq .*)$`).FindAllStringSubmatch(string(page), -1)
	if len(commands) != 2 {
		t.Fatalf("%d commands in the page", len(commands))
	}
	errors, longest := run(t, ".", s.log(t), "sh", "-c", commands[0][1]), run(t, ".", s.log(t), "sh", "-c", commands[1][1])
	if lines := strings.Split(errors, "\n"); len(lines) != 3 || !regexp.MustCompile(`^20\S+Z\t404\t127\.0\.0\.1\t/nowhere\tFile not found$`).MatchString(lines[0]) || !strings.Contains(lines[1], "\t/%1b%5b31m\t") {
		t.Errorf("%s\n%s", commands[0][1], errors)
	}
	if lines := strings.Split(longest, "\n"); len(lines) != 5 || !regexp.MustCompile(`^0\.\d+ "GET \S+ HTTP/1\.1" \d+ \d+$`).MatchString(lines[0]) {
		t.Errorf("%s\n%s", commands[1][1], longest)
	}
}

// TestHelloOnThePlainPort: who speaks TLS there is told so once in the log, without its bytes.
func TestHelloOnThePlainPort(t *testing.T) {
	need(t, "openssl")
	for _, format := range []string{"json", "text"} {
		s := serve(t, t.TempDir(), "LOG_FORMAT="+format)
		_ = exec.Command("openssl", "s_client", "-connect", s.Addr).Run() // it fails: there is no TLS
		s.stop(t)
		log := s.log(t)
		if strings.Count(log, "This was TLS") != 1 || strings.Contains(log, `\x16`) {
			t.Errorf("%s: %s", format, log)
		}
	}
}
