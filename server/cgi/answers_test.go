//go:build linux

package cgi_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/previewd/previewd/server/cgi"
	"github.com/previewd/previewd/server/site"
	"github.com/previewd/previewd/server/site/tree"
)

func TestAnswers(t *testing.T) {
	s := newService(t, nil)
	s.write("sub/cgi-bin/x.txt", "no script\n", 0o755)
	s.write("upload", "#!/bin/sh\necho must not run\n", 0o755)
	check(os.Mkdir(filepath.Join(s.dir, "cgi-bin", "deep"), 0o755))
	check(os.Link(binary, filepath.Join(s.dir, "cgi-bin", "deep", "hello")))
	s.write("cgi-bin/no-interpreter", "#!/nowhere/interpreter\n", 0o755)
	s.write("cgi-bin/no-first-line", "echo\n", 0o755)
	for name, c := range map[string]struct{ raw, want string }{
		"script":            {get("/cgi-bin/hello"), "200 Script output follows [hello\n]"},
		"http10":            {"GET /cgi-bin/hello HTTP/1.0\r\n\r\n", "200 Script output follows [hello\n]"},
		"head":              {"HEAD /cgi-bin/hello HTTP/1.1\r\nConnection: close\r\n\r\n", "200 Script output follows []"},
		"post":              {"POST /cgi-bin/echo HTTP/1.1\r\nContent-Length: 5\r\nConnection: close\r\n\r\nabcde", "200 Script output follows [abcde]"},
		"content_of_a_get":  {"GET /cgi-bin/echo HTTP/1.0\r\nContent-Length: 5\r\n\r\nabcde", "200 Script output follows [abcde]"},
		"no_content":        {get("/cgi-bin/echo"), "200 Script output follows []"},
		"content_is_unread": {"POST /cgi-bin/hello HTTP/1.0\r\nContent-Length: 5\r\n\r\nabcde", "200 Script output follows [hello\n]"},
		"chunked":           {"POST /cgi-bin/echo HTTP/1.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "411 Length Required [page]"},
		"site":              {get("/hello.txt"), "200 OK [Hello, world!\n]"},
		"nested_and_info":   {get("/cgi-bin/deep/hello/a/b"), "200 Script output follows [hello\n]"},
		"only_at_the_top":   {get("/sub/cgi-bin/x.txt"), "200 OK [no script\n]"},
		"redirected":        {get("/cgi-bin"), "301 Moved Permanently []"},
		"post_to_a_file":    {"POST /hello.txt HTTP/1.1\r\nConnection: close\r\n\r\n", "501 Can only POST to CGI scripts [page]"},
		"put":               {"PUT /cgi-bin/hello HTTP/1.1\r\nConnection: close\r\n\r\n", "501 Unsupported method ('PUT') [page]"},
		"missing":           {get("/cgi-bin/mi'ss"), `404 No such CGI script ("/cgi-bin/mi'ss") [page]`},
		"directory":         {get("/cgi-bin/"), "403 CGI script is not a plain file ('/cgi-bin/') [page]"},
		"data":              {get("/cgi-bin/data.txt"), "403 CGI script is not executable ('/cgi-bin/data.txt') [page]"},
		"nul":               {get("/cgi-bin/hello%00"), `404 No such CGI script ('/cgi-bin/hello\x00') [page]`},
		"nul_in_info":       {get("/cgi-bin/hello/%2500"), `404 No such CGI script ('/cgi-bin/hello') [page]`},
		"nul_in_argument":   {get("/cgi-bin/hello%3F%00"), `404 No such CGI script ('/cgi-bin/hello') [page]`},
		"surrogate_in_info": {get("/cgi-bin/hello/%2525ED%2525A0%252580"), `404 No such CGI script ('/cgi-bin/hello') [page]`},
		"too_many_dots":     {get("/../hello.txt"), "404 File not found [page]"},
		// CPython runs any executable of the site that is named like this.
		"second_decoding":      {get("/cgi-bin/%252e%252e/upload"), `404 No such CGI script ('/cgi-bin/%2e%2e/upload') [page]`},
		"second_decoding_deep": {get("/cgi-bin/deep/%252e%252e%252f..%252Fupload"), `404 No such CGI script ('/cgi-bin/deep/%2e%2e%2f..%2Fupload') [page]`},
		"second_decoding_back": {get("/cgi-bin/deep/%252e%252e/hello"), "200 Script output follows [hello\n]"},
		// CPython sends the script, and the names beside it.
		"source":  {get("/cgi-bin/data.txt#/../../.."), "404 File not found [page]"},
		"listing": {get("/cgi-bin/#/../../x"), "404 File not found [page]"},

		"status":           {get("/cgi-bin/status"), "404 Not Found [gone\n]"},
		"no_content_204":   {get("/cgi-bin/204"), "204 Nothing []"},
		"client_redirect":  {get("/cgi-bin/moved"), "302 Found []"},
		"local_redirect":   {get("/cgi-bin/local"), "200 OK [Hello, world!\n]"},
		"local_to_script":  {get("/cgi-bin/to-hello"), "200 Script output follows [hello\n]"},
		"local_after_post": {"POST /cgi-bin/local HTTP/1.1\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc", "200 OK [Hello, world!\n]"},
		"local_loop":       {get("/cgi-bin/loop"), "500 Internal Server Error [page]"},
		"silent":           {get("/cgi-bin/silent"), "500 Internal Server Error [page]"},
		"stderr":           {get("/cgi-bin/stderr"), "500 Internal Server Error [page]"},
		"smuggle":          {get("/cgi-bin/smuggle"), "500 Internal Server Error [page]"},
		"no_interpreter":   {get("/cgi-bin/no-interpreter"), "500 Internal Server Error [page]"},
		"no_first_line":    {get("/cgi-bin/no-first-line"), "500 Internal Server Error [page]"},
		"exit_code":        {get("/cgi-bin/exit3"), "200 Script output follows [about to fail\n]"},
		"signal":           {get("/cgi-bin/killed"), "200 Script output follows []"},
		"too_long":         {get("/cgi-bin/long"), "200 Script output follows [long]"},
		"too_short":        {get("/cgi-bin/short"), "200 Script output follows [short cut: unexpected EOF]"},
		"head_of_length":   {"HEAD /cgi-bin/short HTTP/1.1\r\nConnection: close\r\n\r\n", "200 Script output follows []"},
	} {
		t.Run(name, func(t *testing.T) {
			resp, text := s.ask(c.raw)
			if strings.HasPrefix(text, "<!DOCTYPE") {
				text = "page"
			}
			if got := resp.Status + " [" + text + "]"; got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if resp.Header.Get("X") != "" || resp.Header.Get("Set-Cookie") != "" {
				t.Errorf("fields %q", resp.Header)
			}
		})
	}
	s.eventually("the end of all scripts", func() bool { return s.running == 0 })
}

func TestManyAnswersOnOneConnection(t *testing.T) {
	s := newService(t, nil)
	conn := s.dial()
	raw := "GET /cgi-bin/hello HTTP/1.1\r\n\r\nHEAD /cgi-bin/hello HTTP/1.1\r\n\r\n" +
		"POST /cgi-bin/hello HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc" +
		"POST /cgi-bin/echo HTTP/1.1\r\nContent-Length: 3\r\nConnection: close\r\n\r\nend"
	_, err := io.WriteString(conn, raw)
	check(err)
	text, err := io.ReadAll(conn)
	check(err)
	if n := strings.Count(string(text), "200 Script output follows"); n != 4 || !strings.HasSuffix(string(text), "3\r\nend\r\n0\r\n\r\n") {
		t.Errorf("%d answers: %q", n, text)
	}
}

// CGI_DIRECTORIES=/ makes scripts of the files at the top of the site, as CPython does with that list.
func TestScriptsAtTheTop(t *testing.T) {
	s := newService(t, func(o *cgi.Options, _ *site.Options) { o.Directories = []string{"/"} })
	check(os.Link(binary, filepath.Join(s.dir, "name")))
	s.write("sub/page.txt", "a page\n", 0o755)
	s.write("sub/deep/index.html", "an index\n", 0o644)
	for raw, want := range map[string]string{
		get("/name"):               "200 Script output follows [/name]",
		get("/name?a/b"):           "200 Script output follows [/name]",
		get("/sub/../name"):        "200 Script output follows [/name]",
		get("//name"):              "200 Script output follows [/name]",
		get("/hello.txt"):          "403 CGI script is not executable ('/hello.txt')",
		get("/missing"):            "404 No such CGI script ('/missing')",
		get("/"):                   "403 CGI script is not a plain file ('/')",
		get("/sub"):                "403 CGI script is not a plain file ('/sub')",
		get("/sub/"):               "200 OK",
		get("/sub/page.txt"):       "200 OK [a page\n]",
		get("/sub/deep/"):          "200 OK [an index\n]",
		get("/sub/deep"):           "301 Moved Permanently",
		get("/name#/x"):            "404 File not found",
		get("/#/x/y"):              "404 File not found",
		get("/sub/%2e%2e/name#/x"): "404 File not found",
	} {
		resp, text := s.ask(raw)
		got := resp.Status
		if resp.StatusCode == 200 && !strings.HasPrefix(text, "<!DOCTYPE") {
			got += " [" + text + "]"
		}
		if got != want {
			t.Errorf("%.30q: got %q, want %q", raw, got, want)
		}
	}
}

// RFC 9110, section 15.3.6: "a server MUST NOT generate content in a 205 response".
func TestAnswersWithoutContent(t *testing.T) {
	s := newService(t, nil)
	for _, status := range []string{"204", "205", "304"} {
		say := "#!/bin/sh\nprintf 'Status: " + status + "\\nContent-Length: 6\\n\\nstill\\n'\n"
		s.write("cgi-bin/status"+status, say, 0o755)
		for _, version := range []string{"1.0", "1.1"} {
			conn := s.dial()
			fmt.Fprintf(conn, "GET /cgi-bin/status%s HTTP/%s\r\nConnection: close\r\n\r\n", status, version)
			answer, err := io.ReadAll(conn)
			check(err)
			head, content, _ := strings.Cut(string(answer), "\r\n\r\n")
			if content != "" || strings.Contains(head, "chunked") || strings.Contains(head, "Content-Length: 0") != (status == "205") {
				t.Errorf("HTTP/%s: %q", version, answer)
			}
		}
	}
	s.note(func() {
		if len(s.failures) > 0 {
			t.Errorf("failures %q", s.failures)
		}
	})
}

// The operator is told why, and whom to ask.
func TestCauses(t *testing.T) {
	s := newService(t, nil)
	s.write("cgi-bin/no-interpreter", "#!/nowhere/interpreter\n", 0o755)
	for i, c := range []struct{ script, cause, note, failure string }{
		{"silent", `script "/cgi-bin/silent": invalid answer: it wrote no answer`, "", "head"},
		{"smuggle", `script "/cgi-bin/smuggle": invalid answer: it has a control character in the header "X: a\rSet-Cookie: b"`, "", "head"},
		{"no-interpreter", fmt.Sprintf("starting script %q: no such file or directory (the interpreter that its first line names is missing?)",
			s.dir+"/cgi-bin/no-interpreter"), "CGI script exit code 127", "start"},
		{"exit3", "", "CGI script exit code 3", "exit"},
		{"killed", "", "CGI script exit code -9", "exit"},
		{"to-exit", "", "CGI script exit code 3", "exit"},
		{"short", `script "/cgi-bin/short": its content ended 5 bytes before its Content-Length`, "", "client"},
		{"loop", `script "/cgi-bin/loop": more than 10 local redirects, the last to "/cgi-bin/loop"`, "", "redirect"},
	} {
		s.note(func() { s.causes, s.notes = nil, nil })
		s.ask(get("/cgi-bin/" + c.script))
		s.eventually("the failure of "+c.script, func() bool { return len(s.failures) == i+1 && len(s.causes)+len(s.notes) > 0 })
		s.note(func() {
			if got := strings.Join(s.causes, "|"); got != c.cause {
				t.Errorf("%s: cause %q, want %q", c.script, got, c.cause)
			}
			if got := strings.Join(s.notes, "|"); got != c.note {
				t.Errorf("%s: note %q, want %q", c.script, got, c.note)
			}
			if got := s.failures[i]; got != c.failure {
				t.Errorf("%s: failure %q, want %q", c.script, got, c.failure)
			}
		})
	}
}

func TestStandardErrorIsLoggedLineByLine(t *testing.T) {
	s := newService(t, nil)
	if resp, _ := s.ask(get("/cgi-bin/stderr")); resp.StatusCode != 500 {
		t.Errorf("status %d", resp.StatusCode)
	}
	want := []string{"first", "sec\x1bond", strings.Repeat("x", 4096), "last"}
	s.note(func() {
		if got := fmt.Sprintf("%.20q", s.lines); got != fmt.Sprintf("%.20q", want) || len(s.lines[2]) != 4096 {
			t.Errorf("got %s", got)
		}
	})
}

// The variables of http.server, a few of the server's, and nothing else.
func TestEnvironment(t *testing.T) {
	s := newService(t, func(o *cgi.Options, _ *site.Options) {
		o.Environ = cgi.PassedOn(map[string]string{"SECRET": "s", "TZ": "CET", "PASSED": "p q",
			"GORACE": "atexit_sleep_ms=0"}, []string{"PASSED", "GORACE"})
	})
	port := s.address[strings.LastIndexByte(s.address, ':')+1:]
	base := map[string]string{
		"AUTH_TYPE": "", "CONTENT_LENGTH": "", "CONTENT_TYPE": "text/plain", "GATEWAY_INTERFACE": "CGI/1.1",
		"HTTP_ACCEPT": "", "HTTP_COOKIE": "", "HTTP_REFERER": "", "HTTP_USER_AGENT": "",
		"GORACE": "atexit_sleep_ms=0", "PASSED": "p q", "PATH": "/usr/local/bin:/usr/bin:/bin", "PATH_INFO": "", "PATH_TRANSLATED": s.dir,
		"QUERY_STRING": "", "REMOTE_ADDR": "127.0.0.1", "REMOTE_HOST": "", "REQUEST_METHOD": "GET",
		"SCRIPT_NAME": "/cgi-bin/environ", "SERVER_NAME": "test.example", "SERVER_PORT": port,
		"SERVER_PROTOCOL": "HTTP/1.1", "SERVER_SOFTWARE": "test/1", "TZ": "CET",
	}
	for name, c := range map[string]struct {
		raw, args string
		differs   map[string]string
	}{
		"plain": {get("/cgi-bin/environ"), `[""]`, nil},
		"fields": {"POST /cgi-bin/environ/a%2520b/c/../d/?x=+y HTTP/1.0\r\nHost: h\r\nProxy: http://evil/\r\nX-Test: x\r\n" +
			"Accept: a/b\r\nACCEPT: c/d\r\nCookie: a=1\r\nCookie:\r\nCookie: b=2\r\nReferer: r\r\nUser-Agent: caf\xe9\r\n" +
			"Content-Type: t/t; x=y\r\nContent-Length: 003\r\nAuthorization: Basic dXNlcjpwdw==\r\n\r\nabc", `[]`,
			map[string]string{"REQUEST_METHOD": "POST", "PATH_INFO": "/a b/d/", "PATH_TRANSLATED": s.dir + "/a b/d/", "QUERY_STRING": "x=+y",
				"HTTP_ACCEPT": "a/b,c/d", "HTTP_COOKIE": "a=1, b=2", "HTTP_REFERER": "r", "HTTP_USER_AGENT": "café",
				"CONTENT_TYPE": "t/t; x=y", "CONTENT_LENGTH": "003", "AUTH_TYPE": "Basic", "REMOTE_USER": "user"}},
		"fragment":        {get("/cgi-bin/environ#frag"), `[""]`, map[string]string{"SCRIPT_NAME": "/cgi-bin/environ#frag"}},
		"encoded_slashes": {get("/cgi-bin/environ/a%2Fb%252Fc//d"), `[""]`, map[string]string{"PATH_INFO": "/a/b/c/d", "PATH_TRANSLATED": s.dir + "/a/b/c/d"}},
		"dots_in_info":    {get("/cgi-bin/environ/%252e%252e/%252e%252e/etc"), `[""]`, map[string]string{"PATH_INFO": "/../../etc", "PATH_TRANSLATED": s.dir + "/etc"}},
		"query_in_info":   {get("/cgi-bin/environ/a%3Fb/c?d"), `["b/c?d"]`, map[string]string{"PATH_INFO": "/a", "PATH_TRANSLATED": s.dir + "/a", "QUERY_STRING": "b/c?d"}},
		"first_of_several": {"GET /cgi-bin/environ HTTP/1.0\r\nUser-Agent: a\r\nUser-Agent: b\r\nReferer: c\r\nReferer: d\r\nContent-Type: e/f\r\n" +
			"Content-Type: g/h\r\nAuthorization: Digest i\r\nAuthorization: Basic dXNlcjpwdw==\r\n\r\n", `[""]`,
			map[string]string{"HTTP_USER_AGENT": "a", "HTTP_REFERER": "c", "CONTENT_TYPE": "e/f", "AUTH_TYPE": "Digest"}},
		"empty_fields": {"GET /cgi-bin/environ HTTP/1.0\r\nAccept:\r\nAccept: a\r\nCookie:\r\nContent-Type:\r\nAuthorization: Basic\r\n\r\n", `[""]`,
			map[string]string{"HTTP_ACCEPT": ",a", "CONTENT_TYPE": ""}},
		"encoded_question": {get("/cgi-bin/environ%3Fa+%2B"), `["a  "]`, map[string]string{"QUERY_STRING": "a++"}},
		"third_decoding":   {get("/cgi-bin/environ/%252541"), `[""]`, map[string]string{"PATH_INFO": "/%41", "PATH_TRANSLATED": s.dir + "/A"}},
	} {
		t.Run(name, func(t *testing.T) {
			want := map[string]string{}
			for k, v := range base {
				want[k] = v
			}
			for k, v := range c.differs {
				want[k] = v
			}
			if want["AUTH_TYPE"] == "" {
				delete(want, "AUTH_TYPE")
			}
			_, text := s.ask(c.raw)
			args, environ, _ := strings.Cut(text, "\n")
			if args != c.args {
				t.Errorf("arguments %s, want %s", args, c.args)
			}
			for line := range strings.Lines(environ) {
				k, v, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
				if w, found := want[k]; !found || v != w {
					t.Errorf("%s=%q, want %q (set: %v)", k, v, w, found)
				}
				delete(want, k)
			}
			if len(want) > 0 {
				t.Errorf("missing: %q", want)
			}
		})
	}
}

// SYMLINKS and HIDDEN hold for scripts as for files.
func TestPolicies(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*site.Options)
		want   map[string]int
	}{
		"inside": {nil, map[string]int{"inside": 200, "outside": 404, "absolute": 404, ".hidden": 200, "out/binary": 404}},
		"follow": {func(o *site.Options) { o.Tree.Symlinks = tree.SymlinksFollow },
			map[string]int{"inside": 200, "outside": 200, "absolute": 200, ".hidden": 200, "out/outside-hello": 200}},
		"deny": {func(o *site.Options) { o.Tree.Symlinks, o.Tree.Hidden = tree.SymlinksDeny, tree.HiddenDeny },
			map[string]int{"inside": 404, "outside": 404, ".hidden": 404, "hello": 200}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, func(_ *cgi.Options, o *site.Options) {
				if c.change != nil {
					c.change(o)
				}
			})
			outside, err := os.MkdirTemp(base, "outside-")
			check(err)
			check(os.Chmod(outside, 0o755))
			say := "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\noutside'\n"
			check(os.WriteFile(filepath.Join(outside, "outside-hello"), []byte(say), 0o755))
			relative := filepath.Join("..", "..", filepath.Base(outside))
			for link, target := range map[string]string{"inside": "hello", "outside": filepath.Join(relative, "outside-hello"),
				"absolute": filepath.Join(outside, "outside-hello"), "out": relative} {
				check(os.Symlink(target, filepath.Join(s.dir, "cgi-bin", link)))
			}
			s.write("cgi-bin/.hidden", say, 0o755)
			for script, want := range c.want {
				if resp, text := s.ask(get("/cgi-bin/" + script)); resp.StatusCode != want {
					t.Errorf("%s: %d %q, want %d", script, resp.StatusCode, text, want)
				}
			}
		})
	}
}

// A script is told nothing of the server but what is listed: descriptors, signals, rights.
func TestNothingIsInherited(t *testing.T) {
	// One that the server was started with, and is not marked.
	leaked, err := os.Open("/etc/hostname")
	check(err)
	defer leaked.Close()
	clearCloseOnExec(leaked)
	s := newService(t, nil)
	if _, got := s.ask("POST /cgi-bin/fds HTTP/1.0\r\nContent-Length: 2\r\n\r\nab"); got != "0 pipe nonblock false\n1 pipe nonblock false\n2 pipe nonblock false\n" {
		t.Errorf("descriptors: %q", got)
	}
	if _, got := s.ask(get("/cgi-bin/fds")); !strings.HasPrefix(got, "0 /dev/null ") || strings.Count(got, "\n") != 3 {
		t.Errorf("descriptors without content: %q", got)
	}
	if _, got := s.ask(get("/cgi-bin/signals")); got != "0000000000000000 0000000000000000 group leader true" {
		t.Errorf("ignored and blocked signals: %q", got)
	}
	if os.Geteuid() == 0 {
		if _, got := s.ask(get("/cgi-bin/user")); got != "65534 65534 65534 65534[]" && got != "65534 65534 65534 65534 []" {
			t.Errorf("user: %q", got)
		}
	}
}

// Law: scripts start with default signals, however the server was started: under nohup, in the background of a shell
// script, or by a program that blocks some.
func TestIgnoredAndBlockedSignalsAreNotInherited(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	blocked, before := unix.Sigset_t{}, unix.Sigset_t{}
	blocked.Val[0] = 1<<(unix.SIGUSR1-1) | 1<<(unix.SIGTERM-1)
	check(unix.PthreadSigmask(unix.SIG_BLOCK, &blocked, &before))
	defer func() { check(unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)) }()
	server := exec.Command("sh", "-c", `trap "" HUP INT QUIT USR2; exec "$0" -test.run "^TestNothingIsInherited$"`, binary)
	if text, err := server.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
}

// Each piece is at the client before the next is written.
func TestContentStreamsBothWays(t *testing.T) {
	s := newService(t, nil)
	conn := s.dial()
	fmt.Fprint(conn, "POST /cgi-bin/echo HTTP/1.0\r\nContent-Length: 10\r\n\r\n")
	buf := make([]byte, 4096)
	all := ""
	for i := range 10 {
		fmt.Fprint(conn, i)
		for !strings.HasSuffix(all, "\r\n\r\n"+"0123456789"[:i+1]) {
			n, err := conn.Read(buf)
			all += string(buf[:n])
			if err != nil {
				t.Fatalf("after %q: %v", all, err)
			}
		}
	}
}

func TestAHalfClosingClientIsAnswered(t *testing.T) {
	s := newService(t, nil)
	conn := s.dial()
	fmt.Fprint(conn, get("/cgi-bin/slow"))
	check(conn.CloseWrite())
	if _, text := s.answer(conn, "GET"); text != "at last\n" {
		t.Errorf("got %q", text)
	}
}

// Nor is one that sent more than the script reads.
func TestAHalfClosingClientWithUnreadContentIsAnswered(t *testing.T) {
	s := newService(t, nil)
	conn := s.dial()
	const size = 300 << 10
	fmt.Fprintf(conn, "POST /cgi-bin/slow HTTP/1.1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", size, strings.Repeat("x", size))
	check(conn.CloseWrite())
	if _, text := s.answer(conn, "POST"); text != "at last\n" {
		t.Errorf("got %q", text)
	}
}

// The clock of a script stands still while its content comes slowly.
func TestASlowUploadIsNoTimeout(t *testing.T) {
	t.Parallel()
	s := newService(t, func(o *cgi.Options, _ *site.Options) { o.Timeout = 3 * time.Second })
	conn := s.dial()
	fmt.Fprint(conn, "POST /cgi-bin/sum HTTP/1.0\r\nContent-Length: 8\r\n\r\n")
	for range 8 {
		time.Sleep(500 * time.Millisecond)
		fmt.Fprint(conn, "x")
	}
	if resp, text := s.answer(conn, "POST"); !strings.HasPrefix(text, "8 ") {
		t.Errorf("%s %q", resp.Status, text)
	}
}

func TestContentThatEndsEarlyIsRefused(t *testing.T) {
	s := newService(t, nil)
	conn := s.dial()
	fmt.Fprint(conn, "POST /cgi-bin/sum HTTP/1.0\r\nContent-Length: 8\r\n\r\nabc")
	check(conn.CloseWrite())
	if resp, _ := s.answer(conn, "POST"); resp.Status != "400 Request content ended early" {
		t.Errorf("got %q", resp.Status)
	}
}
