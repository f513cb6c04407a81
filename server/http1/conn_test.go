package http1

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
	"weak"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/tcp/tcptest"
)

// echo answers with what it was asked, and fails, streams or panics on demand.
func echo(_ context.Context, r *message.Request) message.Response {
	text := message.Fields{{Name: "Content-Type", Value: "text/plain"}}
	switch r.Target {
	case "/stream":
		return message.Response{Status: 200, Fields: text, Body: message.NewStream(func(w io.Writer) error {
			for _, s := range []string{"one", "two"} {
				if _, err := io.WriteString(w, s); err != nil {
					return err
				}
			}
			return nil
		})}
	case "/broken-stream":
		return message.Response{Status: 200, Body: message.NewStream(func(w io.Writer) error {
			_, err := io.WriteString(w, "one")
			return errors.Join(err, errors.New("no more"))
		})}
	case "/unstarted-stream":
		return message.Response{Status: 200, Body: message.NewStream(func(io.Writer) error { return errors.New("no start") })}
	case "/unstarted-failure":
		return message.Response{Status: 200, Body: message.NewStream(func(io.Writer) error {
			return fmt.Errorf("making it: %w", &message.Failure{Status: 504, Cause: errors.New("no start")})
		})}
	case "/short":
		return message.Response{Status: 200, Body: message.NewSizedStream(10, func(w io.Writer) error {
			_, err := io.WriteString(w, "short")
			return err
		})}
	case "/long":
		return message.Response{Status: 200, Body: message.NewSizedStream(2, func(w io.Writer) error {
			_, err := io.WriteString(w, "long")
			return err
		})}
	case "/panic":
		panic("on demand")
	case "/split":
		return message.Response{Status: 200, Fields: message.Fields{{Name: "X", Value: "a\r\nSet-Cookie: b"}}}
	case "/304":
		return message.Response{Status: 304, Body: message.Bytes("dropped")}
	case "/close":
		return message.Response{Status: 200, Body: message.Bytes("bye"), Close: true}
	case "/404":
		return message.Fail(404, "File not found")
	case "/odd":
		return message.Response{Status: 799, Reason: "Café", Fields: message.Fields{{Name: "X", Value: "y"}}}
	}
	content, err := io.ReadAll(r.Content)
	if err != nil {
		return (&message.Failure{Status: 500, Cause: err}).Response()
	}
	return message.Response{Status: 200, Fields: text, Body: message.Bytes(fmt.Sprintf("%s %s [%s]", r.Method, r.Target, content))}
}

// observed collects exchanges in a form that can be compared.
type observed struct {
	mu    sync.Mutex
	lines []string
}

func (o *observed) observe(x *message.Exchange) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lines = append(o.lines, fmt.Sprintf("%q %d %d refused=%v failed=%v err=%v", x.Request.Line, x.Status, x.Sent, x.Refused, x.Failure != nil, x.Err))
}

func (o *observed) all() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.lines, "\n")
}

// start serves connections with e on a loopback port, until the test ends.
func start(t *testing.T, e *Engine) (address string) {
	t.Helper()
	e.HeaderTimeout, e.IdleTimeout = cmp(e.HeaderTimeout, 5*time.Second), cmp(e.IdleTimeout, 5*time.Second)
	if e.Handler == nil {
		e.Handler = echo
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var connections sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	accepting := make(chan struct{})
	go func() {
		defer close(accepting)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c := NewConn(e, conn)
			context.AfterFunc(ctx, c.Cut)
			connections.Go(func() { c.Serve(ctx) })
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-accepting
		cancel()
		connections.Wait()
	})
	return l.Addr().String()
}

func cmp(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

var volatile = regexp.MustCompile(`(Date|Server): [^\r]*\r\n`)

// talk sends raw bytes, and returns all that comes back until the server closes, without Date and Server.
// With end set it closes its sending side first.
func talk(t *testing.T, address, raw string, end bool) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	go func() {
		// The server may close before it has read all.
		_, _ = io.WriteString(conn, raw)
		if end {
			_ = conn.(*net.TCPConn).CloseWrite()
		}
	}()
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Errorf("reading the answer to %.80q: %v", raw, err)
	}
	head := answer[:min(len(answer), 64<<10)] // with the race detector it would take minutes to look for fields in a large file
	return volatile.ReplaceAllString(string(head), "") + string(answer[len(head):])
}

func errorPage(code int, text, explain string) string {
	p := message.Profile{}.WithDefaults()
	resp := p.Complete((&message.Failure{Status: code, Message: text, Explain: explain}).Response())
	page, _ := message.InMemory(resp.Body)
	return string(page)
}

func errorAnswer(proto string, code int, text string) string {
	page := errorPage(code, text, "")
	p := message.Profile{}.WithDefaults()
	if text == "" {
		text = p.Reason(code)
	}
	return fmt.Sprintf("%s %d %s\r\nConnection: close\r\nContent-Type: text/html;charset=utf-8\r\nContent-Length: %d\r\n\r\n%s", proto, code, text, len(page), page)
}

func ok(connection, content string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\n%sContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", connection, len(content), content)
}

func TestExchanges(t *testing.T) {
	const closing = "Connection: close\r\n"
	for name, c := range map[string]struct{ raw, want string }{
		"keep_alive_and_pipelining":   {"GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\nConnection: close\r\n\r\n", ok("", "GET /a []") + ok(closing, "GET /b []")},
		"http10_closes":               {"GET /a HTTP/1.0\r\n\r\nGET /b HTTP/1.0\r\n\r\n", ok(closing, "GET /a []")},
		"http10_keeps_on_request":     {"GET /a HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\nGET /b HTTP/1.0\r\n\r\n", ok("Connection: keep-alive\r\n", "GET /a []") + ok(closing, "GET /b []")},
		"blank_line_ends":             {"GET /a HTTP/1.1\r\n\r\n\r\nGET /b HTTP/1.1\r\n\r\n", ok("", "GET /a []")},
		"http09":                      {"GET /a\r\n", "GET /a []"},
		"http09_in_words":             {"GET /a HTTP/0.9\r\nHost: a\r\n\r\n", "GET /a []"},
		"http09_keeps_no_stream":      {"GET /stream HTTP/0.9\r\nConnection: keep-alive\r\n\r\nGET /b HTTP/0.9\r\n\r\n", "onetwo"},
		"http09_error":                {"GET /404\r\n", errorPage(404, "File not found", "")},
		"http09_nothing":              {"GET /304\r\n", ""},
		"head":                        {"HEAD /a HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\r\n"},
		"head_of_a_stream":            {"HEAD /stream HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\n"},
		"head_of_an_error":            {"HEAD /404 HTTP/1.1\r\n\r\n", strings.SplitAfter(errorAnswer("HTTP/1.1", 404, "File not found"), "\r\n\r\n")[0]},
		"not_modified_has_no_content": {"GET /304 HTTP/1.1\r\nConnection: close\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n"},
		"an_error_closes":             {"GET /404 HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n", errorAnswer("HTTP/1.1", 404, "File not found")},
		"a_panic_is_500":              {"GET /panic HTTP/1.1\r\n\r\n", errorAnswer("HTTP/1.1", 500, "")},
		"a_split_answer_is_500":       {"GET /split HTTP/1.1\r\n\r\n", errorAnswer("HTTP/1.1", 500, "")},
		"unknown_code":                {"GET /odd HTTP/1.0\r\n\r\n", "HTTP/1.1 799 Caf\xe9\r\nConnection: close\r\nX: y\r\nContent-Length: 0\r\n\r\n"},
		"stream_is_chunked": {"GET /stream HTTP/1.1\r\n\r\nGET /close HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n" +
			"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbye"},
		"stream_to_http10":         {"GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\nonetwo"},
		"broken_stream_has_no_end": {"GET /broken-stream HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n"},
		"unstarted_stream_is_500":  {"GET /unstarted-stream HTTP/1.1\r\n\r\n", errorAnswer("HTTP/1.1", 500, "")},
		"unstarted_stream_says":    {"GET /unstarted-failure HTTP/1.1\r\n\r\n", errorAnswer("HTTP/1.1", 504, "")},
		"short_content_is_cut":     {"GET /short HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"},
		"long_content_is_500":      {"GET /long HTTP/1.1\r\n\r\n", errorAnswer("HTTP/1.1", 500, "")},
		"content_length":           {"POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /close HTTP/1.1\r\n\r\n", ok("", "POST /a [abc]") + "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbye"},
		"chunked_content":          {"POST /a HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\nA: b\r\n\r\nGET /close HTTP/1.1\r\n\r\n", ok("", "POST /a [abcde]") + "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbye"},
		"unread_content_is_skipped": {"POST /304 HTTP/1.1\r\nContent-Length: 4\r\n\r\nGET GET /close HTTP/1.1\r\n\r\n",
			"HTTP/1.1 304 Not Modified\r\n\r\nHTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbye"},
		"content_too_long_to_skip": {"POST /304 HTTP/1.1\r\nContent-Length: 300000\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n"},
		"bad_chunk_read":           {"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n", errorAnswer("HTTP/1.1", 400, "Bad chunk line")},
		"bad_chunk_not_read":       {"POST /304 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", errorAnswer("HTTP/1.1", 400, "Bad chunk size")},
		"smuggled_request":         {"POST /a HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /b HTTP/1.1\r\n\r\n", errorAnswer("HTTP/1.1", 400, "Transfer-Encoding with Content-Length")},
		"expect":                   {"POST /a HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi", "HTTP/1.1 100 Continue\r\n\r\n" + ok(closing, "POST /a [hi]")},
		"expect_of_http10":         {"GET /a HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", ok(closing, "GET /a []")},
		"expect_of_http0101":       {"GET /close HTTP/01.1\r\nExpect: 100-continue\r\n\r\n", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbye"},
		"bad_line":                 {"GET\r\n\r\n", errorAnswer("HTTP/1.1", 400, "Bad request syntax ('GET')")},
		"bad_version_head":         {"HEAD / HTTP/9.9\r\n\r\n", errorAnswer("HTTP/1.1", 505, "Invalid HTTP version (9.9)")},
		"line_too_long_at_once":    {"GET /" + strings.Repeat("x", 65536), errorAnswer("HTTP/1.1", 414, "")},
		"too_many_fields_head":     {"HEAD / HTTP/1.1\r\n" + strings.Repeat("A: b\r\n", 101), strings.SplitAfter(strings.Replace(errorAnswer("HTTP/1.1", 431, "Too many headers"), fmt.Sprint("Content-Length: ", len(errorPage(431, "Too many headers", ""))), fmt.Sprint("Content-Length: ", len(errorPage(431, "Too many headers", "got more than 100 headers"))), 1), "\r\n\r\n")[0]},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := talk(t, start(t, &Engine{}), c.raw, false); got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

// Law: close counts wherever a client says it (RFC 9112, section 9.6), and an answer that only the end of the connection
// ends gets that end. http.server reads the first Connection field, if it is one word.
func TestConnectionOptions(t *testing.T) {
	const closing, keeping = "Connection: close\r\n", "Connection: keep-alive\r\n"
	const next = "GET /close HTTP/1.1\r\n\r\n"
	const bye = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbye"
	kept, closed := ok("", "GET /a []")+bye, ok(closing, "GET /a []")
	for name, c := range map[string]struct{ line, fields, want, exact string }{
		"close":                {"GET /a HTTP/1.1", "Connection: close\r\n", closed, closed},
		"any case":             {"GET /a HTTP/1.1", "connection: Close\r\n", closed, closed},
		"first of a list":      {"GET /a HTTP/1.1", "Connection: close, te\r\n", closed, kept},
		"last of a list":       {"GET /a HTTP/1.1", "Connection: te ,\tclose\r\n", closed, kept},
		"in an empty list":     {"GET /a HTTP/1.1", "Connection: ,close,\r\n", closed, kept},
		"in the second field":  {"GET /a HTTP/1.1", "Connection: te\r\nHost: a\r\nConnection: close\r\n", closed, kept},
		"after keep-alive":     {"GET /a HTTP/1.1", "Connection: keep-alive, close\r\n", closed, kept},
		"before keep-alive":    {"GET /a HTTP/1.1", "Connection: close\r\nConnection: keep-alive\r\n", closed, closed},
		"part of a word":       {"GET /a HTTP/1.1", "Connection: closed, x-close\r\n", kept, kept},
		"in another field":     {"GET /a HTTP/1.1", "Keep-Alive: close\r\nProxy-Connection: close\r\n", kept, kept},
		"nothing":              {"GET /a HTTP/1.1", "Connection:\r\n", kept, kept},
		"HTTP/1.0 in a list":   {"GET /a HTTP/1.0", "Connection: te, keep-alive\r\n", ok(keeping, "GET /a []") + bye, closed},
		"HTTP/1.0 with both":   {"GET /a HTTP/1.0", "Connection: keep-alive\r\nConnection: close\r\n", closed, ok(keeping, "GET /a []") + bye},
		"HTTP/0.9 in words":    {"GET /a HTTP/0.9", "Connection: keep-alive\r\n", "GET /a []", "GET /a []" + bye},
		"HTTP/0.9 with zeros":  {"GET /a HTTP/0.09", "Connection: keep-alive\r\n", closed, ok(keeping, "GET /a []") + bye},
		"HTTP/0.9 and nothing": {"GET /304 HTTP/0.9", "Connection: keep-alive\r\n", "", bye},
		"HTTP/0.9, a stream":   {"GET /stream HTTP/0.9", "Connection: keep-alive\r\n", "onetwo", "onetwo"},
	} {
		for exact, want := range map[bool]string{false: c.want, true: c.exact} {
			t.Run(fmt.Sprint(name, " exact=", exact), func(t *testing.T) {
				t.Parallel()
				address := start(t, &Engine{Profile: message.Profile{Exact: exact}})
				if got := talk(t, address, c.line+"\r\n"+c.fields+"\r\n"+next, false); got != want {
					t.Errorf("got  %q\nwant %q", got, want)
				}
			})
		}
	}
}

func TestEndOfInputInsideAHead(t *testing.T) {
	address := start(t, &Engine{})
	for raw, want := range map[string]string{
		"":                           "",
		"GET /hel":                   "GET /hel []",
		"HEAD /close HTTP/1.1\r\nA:": "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\n",
		"POST /close HTTP/1.1\r\nA:": "",
	} {
		if got := talk(t, address, raw, true); got != want {
			t.Errorf("%q: got %q, want %q", raw, got, want)
		}
	}
}

func TestProtocolHTTP10(t *testing.T) {
	address := start(t, &Engine{Profile: message.Profile{Protocol: "HTTP/1.0", Server: "BaseHTTP/0.6"}})
	got := talk(t, address, "GET /close HTTP/1.1\r\nExpect: 100-continue\r\nConnection: keep-alive\r\n\r\n", false)
	if want := "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nbye"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := talk(t, address, "GET /stream HTTP/1.1\r\n\r\n", false); got != "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nonetwo" {
		t.Errorf("a stream: %q", got)
	}
	if got := talk(t, address, "X\r\n", false); got != errorAnswer("HTTP/1.0", 400, "Bad request syntax ('X')") {
		t.Errorf("an error: %q", got)
	}
}

func TestExpectationRefused(t *testing.T) {
	e := &Engine{Expect: func(context.Context, *message.Request) *message.Failure { return &message.Failure{Status: 417} }}
	got := talk(t, start(t, e), "POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", false)
	if want := errorAnswer("HTTP/1.1", 417, ""); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEachAnswerIsObservedOnce(t *testing.T) {
	var o observed
	var started atomic.Int32
	e := &Engine{Observe: o.observe, Started: func() { started.Add(1) }}
	address := start(t, e)
	raw := "GET /a HTTP/1.1\r\n\r\nHEAD /b HTTP/1.1\r\n\r\nGET /stream HTTP/1.1\r\n\r\nGET /404 HTTP/1.1\r\n\r\n"
	_ = talk(t, address, raw, false)
	_ = talk(t, address, "BAD\xe9\r\n", false)
	_ = talk(t, address, "\r\n", false)
	_ = talk(t, address, "", true)
	_ = talk(t, address, "GET /broken-stream HTTP/1.1\r\n\r\n", false)
	want := strings.Join([]string{
		`"GET /a HTTP/1.1" 200 9 refused=false failed=false err=<nil>`,
		`"HEAD /b HTTP/1.1" 200 0 refused=false failed=false err=<nil>`,
		`"GET /stream HTTP/1.1" 200 6 refused=false failed=false err=<nil>`,
		fmt.Sprintf(`"GET /404 HTTP/1.1" 404 %d refused=false failed=true err=<nil>`, len(errorPage(404, "File not found", ""))),
		fmt.Sprintf(`"BAD\xe9" 400 %d refused=true failed=true err=<nil>`, len(errorPage(400, "Bad request syntax ('BADé')", ""))),
		`"GET /broken-stream HTTP/1.1" 200 3 refused=false failed=false err=no more`,
	}, "\n")
	if got := o.all(); got != want || started.Load() != 6 {
		t.Errorf("%d started; got\n%s\nwant\n%s", started.Load(), got, want)
	}
}

// TestAHelloOfTLSIsToldSo: at once, as a ClientHello need not have a line feed in it. http.server takes it for a request
// line, which EXACT leaves so.
func TestAHelloOfTLSIsToldSo(t *testing.T) {
	const hello = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
	var o observed
	got := talk(t, start(t, &Engine{Observe: o.observe}), hello, false)
	want := errorAnswer("HTTP/1.1", 400, "This was TLS on the port for plain HTTP: use http here, or https on TLS_PORT")
	if got != want || !strings.HasPrefix(o.all(), `"" 400 `) {
		t.Errorf("got %q, observed %s, want %q", got, o.all(), want)
	}
	got = talk(t, start(t, &Engine{Profile: message.Profile{Exact: true}}), hello+"\n", false)
	if !strings.Contains(got, `400 Bad request syntax ('\x16`) {
		t.Errorf("exact: got %q", got)
	}
}

// closeCounter is a body that counts its Close.
type closeCounter struct {
	message.Bytes
	closed *atomic.Int32
}

func (c closeCounter) Close() error { c.closed.Add(1); return nil }

func TestBodyIsClosedExactlyOnce(t *testing.T) {
	var closed atomic.Int32
	e := &Engine{Handler: func(_ context.Context, r *message.Request) message.Response {
		resp := message.Response{Status: 200, Body: closeCounter{message.Bytes("x"), &closed}}
		if r.Target == "/bad" {
			resp.Fields = message.Fields{{Name: "X", Value: "\n"}}
		}
		return resp
	}}
	address := start(t, e)
	for _, raw := range []string{"GET / HTTP/1.0\r\n\r\n", "HEAD / HTTP/1.0\r\n\r\n", "GET /bad HTTP/1.0\r\n\r\n", "GET /\r\n",
		"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"} {
		closed.Store(0)
		_ = talk(t, address, raw, false)
		if n := closed.Load(); n != 1 {
			t.Errorf("%q: closed %d times", raw, n)
		}
	}
}

func TestLargeFileArrivesWhole(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 20<<16) // 20 MiB: lent, copied, and held back
	name := filepath.Join(t.TempDir(), "big")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	e := &Engine{Handler: func(_ context.Context, r *message.Request) message.Response {
		f, err := os.Open(name)
		if err != nil {
			return message.Fail(404, "")
		}
		section := &message.FileSection{File: f, Length: int64(len(content))}
		if r.Target == "/changed" {
			section.Unchanged = func() error { return message.ErrChanged }
		}
		return message.Response{Status: 200, Body: section}
	}}
	var o observed
	e.Observe = o.observe
	e.prepare()
	e.margin = 8 << 20
	address := start(t, e)
	want := fmt.Sprintf("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(content), content)
	if got := talk(t, address, "GET / HTTP/1.0\r\n\r\n", false); got != want {
		t.Errorf("got %d bytes, want %d, or their content differs", len(got), len(want))
	}
	if got := talk(t, address, "GET /changed HTTP/1.0\r\n\r\n", false); len(got) >= len(want) || !strings.HasPrefix(want, got) {
		t.Errorf("a changed file: got %d bytes of %d", len(got), len(want))
	}
	if !strings.Contains(o.all(), message.ErrChanged.Error()) {
		t.Errorf("observed %s", o.all())
	}
}

func TestBrokenStreamIsResetWhereOnlyTheEndOfTheConnectionEndsIt(t *testing.T) {
	conn, err := net.Dial("tcp", start(t, &Engine{}))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err = io.WriteString(conn, "GET /broken-stream HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(conn); err == nil {
		t.Errorf("the connection ended as if %q were complete", answer)
	}
}

func TestAnswerIsReadThoughMoreInputCameThanWasRead(t *testing.T) {
	inside, release := make(chan struct{}), make(chan struct{})
	e := &Engine{Handler: func(ctx context.Context, r *message.Request) message.Response {
		close(inside)
		<-release
		return message.Response{Status: 200, Body: message.Bytes("hello")}
	}}
	conn, err := net.Dial("tcp", start(t, e))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.0\r\n\r\n")
	<-inside
	// The kernel has these when the connection is to close: closed like that, it would be reset.
	fmt.Fprint(conn, strings.Repeat("GET / HTTP/1.0\r\n\r\n", 100))
	time.Sleep(50 * time.Millisecond)
	close(release)
	_ = conn.(*net.TCPConn).CloseWrite()
	if answer, err := io.ReadAll(conn); err != nil || !strings.HasSuffix(string(answer), "hello") {
		t.Errorf("got %q, %v", answer, err)
	}
}

func TestAnswersSurviveARequestThatComesAfterAnUnexpectedClose(t *testing.T) {
	big := message.Bytes(strings.Repeat("x", 3<<20))
	e := &Engine{Handler: func(_ context.Context, r *message.Request) message.Response {
		if r.Target == "/big" {
			return message.Response{Status: 200, Body: big}
		}
		return message.Fail(404, "File not found")
	}}
	conn, err := net.Dial("tcp", start(t, e))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET /big HTTP/1.1\r\n\r\nGET /404 HTTP/1.1\r\n\r\n")
	if _, err := io.CopyN(io.Discard, conn, 1<<20); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond) // until the server waits for the client to read on, or has closed
	fmt.Fprint(conn, "GET /late HTTP/1.1\r\n\r\n")
	time.Sleep(100 * time.Millisecond)
	_ = conn.(*net.TCPConn).CloseWrite()
	rest, err := io.ReadAll(conn)
	if want := errorPage(404, "File not found", ""); err != nil || !strings.HasSuffix(string(rest), want) {
		t.Errorf("the rest has %d bytes, %v; want all, and the error page at its end", len(rest), err)
	}
}

// serveOne serves one end of a pipe, under a synctest clock, and returns the other end.
func serveOne(e *Engine) (client net.Conn, c *Conn, done chan struct{}) {
	client, conn := net.Pipe()
	c, done = serveConn(e, conn)
	return client, c, done
}

func serveConn(e *Engine, conn net.Conn) (c *Conn, done chan struct{}) {
	c, done = NewConn(e, conn), make(chan struct{})
	go func() {
		defer close(done)
		c.Serve(context.Background())
	}()
	return c, done
}

func TestTimeouts(t *testing.T) {
	for name, c := range map[string]struct {
		raw  string
		want string
		end  time.Duration
	}{
		"idle_closes_silently": {"", "", 60 * time.Second},
		"head_gets_408":        {"GET / HT", "HTTP/1.1 408 Request Timeout\r\n", 10 * time.Second},
		"fields_get_408":       {"GET / HTTP/1.1\r\nA: b\r\n", "HTTP/1.1 408 Request Timeout\r\n", 10 * time.Second},
		"content_is_cut":       {"POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nab", "HTTP/1.1 500 Internal Server Error\r\n", 30 * time.Second},
		"unread_content":       {"POST /304 HTTP/1.1\r\nContent-Length: 5\r\n\r\nab", "HTTP/1.1 304 Not Modified\r\n", 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				client, _, done := serveOne(&Engine{Handler: echo, HeaderTimeout: 10 * time.Second, IdleTimeout: 60 * time.Second})
				go func() { _, _ = io.WriteString(client, c.raw) }()
				answer, _ := io.ReadAll(client)
				if !strings.HasPrefix(string(answer), c.want) || c.want == "" && len(answer) > 0 {
					t.Errorf("got %q, want %q", answer, c.want)
				}
				if took := time.Since(begin); took != c.end {
					t.Errorf("ended after %v, want %v", took, c.end)
				}
				<-done
			})
		})
	}
}

// halfPipe is an end of a pipe whose sending side can be closed by itself, which its other end does not see.
type halfPipe struct{ net.Conn }

func (halfPipe) CloseWrite() error { return nil }

// serveHalf is serveOne over a halfPipe. What is answered is read.
func serveHalf(e *Engine) (client net.Conn, done chan struct{}) {
	client, conn := net.Pipe()
	_, done = serveConn(e, halfPipe{conn})
	go func() { _, _ = io.Copy(io.Discard, client) }()
	return client, done
}

func TestLinger(t *testing.T) {
	for name, c := range map[string]struct {
		every time.Duration // after the answer the client sends size bytes so often
		size  int
		drain time.Duration // when the server begins to drain
		end   time.Duration
	}{
		"silence":       {time.Hour, 1, time.Hour, 2 * time.Second},
		"byte_by_byte":  {100 * time.Millisecond, 1, time.Hour, 2 * time.Second},
		"too_slow":      {time.Second / 2, 8<<10 - 1, time.Hour, 2 * time.Second},
		"goes_on":       {time.Second / 2, 8 << 10, time.Hour, 30 * time.Second},
		"drain":         {time.Second / 2, 16 << 10, 5 * time.Second, 6 * time.Second},
		"drain_at_once": {time.Second / 2, 16 << 10, 0, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := &Engine{Handler: echo, HeaderTimeout: 10 * time.Second, IdleTimeout: 60 * time.Second}
				client, done := serveHalf(e)
				if _, err := io.WriteString(client, "BAD / HTTP/1.1 x\r\n"); err != nil {
					t.Fatal(err)
				}
				synctest.Wait() // it has answered and lingers
				begin := time.Now()
				time.AfterFunc(c.drain, func() { e.Drain(time.Time{}) })
				go func() {
					for next := c.every / 2; ; next = c.every {
						select {
						case <-done:
							return
						case <-time.After(next):
							_, _ = client.Write(make([]byte, c.size))
						}
					}
				}()
				<-done
				if took := time.Since(begin); took != c.end {
					t.Errorf("closed after %v, want %v", took, c.end)
				}
			})
		})
	}
}

// TestWhatLingersHoldsNoHead: its client decides for how long.
func TestWhatLingersHoldsNoHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var head weak.Pointer[byte]
		e := &Engine{HeaderTimeout: time.Second, IdleTimeout: time.Minute, Handler: func(_ context.Context, r *message.Request) message.Response {
			head = weak.Make(unsafe.StringData(r.Fields[0].Value))
			return message.Fail(413, "No more")
		}}
		client, done := serveHalf(e)
		value := strings.Repeat("x", 60_000)
		if _, err := io.WriteString(client, "POST / HTTP/1.1\r\nA: "+value+"\r\nContent-Length: 1000000\r\n\r\nmore"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // it has answered and lingers
		if n, _ := e.heads.Use(); n != 0 {
			t.Errorf("%d bytes of the budget are held", n)
		}
		runtime.GC()
		if head.Value() != nil {
			t.Error("the head is held")
		}
		select {
		case <-done:
			t.Error("it does not linger")
		default:
		}
		<-done
	})
}

func TestABusyConnectionIsNotIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _, done := serveOne(&Engine{Handler: echo, HeaderTimeout: 10 * time.Second, IdleTimeout: 60 * time.Second})
		buf := make([]byte, 4096)
		for range 5 {
			time.Sleep(50 * time.Second)
			if _, err := io.WriteString(client, "GET /304 HTTP/1.1\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			if _, err := client.Read(buf); err != nil {
				t.Fatal(err)
			}
		}
		begin := time.Now()
		<-done
		if took := time.Since(begin); took != 60*time.Second {
			t.Errorf("closed after %v of idleness, want 60s", took)
		}
	})
}

func TestWake(t *testing.T) {
	engine := func() *Engine {
		return &Engine{Handler: echo, HeaderTimeout: 10 * time.Second, IdleTimeout: 60 * time.Second}
	}
	t.Run("closes_an_idle_connection", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			client, c, done := serveOne(engine())
			if _, err := io.WriteString(client, "GET /304 HTTP/1.1\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			if _, err := client.Read(make([]byte, 4096)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			c.Wake()
			<-done
		})
	})
	t.Run("gives_a_new_connection_a_moment", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			client, c, done := serveOne(engine())
			synctest.Wait()
			c.Wake()
			time.Sleep(firstRequestGrace / 2)
			go func() { _, _ = io.WriteString(client, "GET /close HTTP/1.1\r\n\r\n") }()
			answer, _ := io.ReadAll(client)
			if !strings.HasSuffix(string(answer), "bye") {
				t.Errorf("got %q", answer)
			}
			<-done
		})
	})
	t.Run("lets_a_head_go_on", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e := engine()
			client, c, done := serveOne(e)
			if _, err := io.WriteString(client, "GET /a HTTP/1.1\r\n"); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			e.Drain(time.Time{})
			c.Wake()
			time.Sleep(time.Second)
			go func() { _, _ = io.WriteString(client, "\r\n") }()
			answer, _ := io.ReadAll(client)
			if !strings.HasSuffix(string(answer), "GET /a []") || !strings.Contains(string(answer), "Connection: close\r\n") {
				t.Errorf("got %q", answer)
			}
			<-done
		})
	})
}

// TestWhatGivesWayIsTakenWhole: of its last answer the kernel has a part that the client takes later.
func TestWhatGivesWayIsTakenWhole(t *testing.T) {
	const size = 512 << 10
	accepted, client := tcptest.Pair(t)
	if err := client.SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	written := make(chan struct{})
	c := NewConn(&Engine{HeaderTimeout: time.Minute, IdleTimeout: time.Minute, Observe: func(*message.Exchange) { close(written) },
		Handler: func(context.Context, *message.Request) message.Response {
			return message.Response{Status: 200, Body: make(message.Bytes, size)}
		}}, accepted)
	done := make(chan struct{})
	go func() { c.Serve(t.Context()); close(done) }()
	if _, err := io.WriteString(client, "GET / HTTP/1.1\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-written
	c.GiveWay()
	answer, err := io.ReadAll(client)
	if n := len(answer); err != nil || n <= size {
		t.Errorf("got %d bytes, %v", n, err)
	}
	<-done
}

// TestTheHeadOfARequestIsOfTheBudgetUntilItIsAnswered: as its text is held, and the next request's is another's business.
func TestTheHeadOfARequestIsOfTheBudgetUntilItIsAnswered(t *testing.T) {
	for _, size := range []int{100, 50_000, 700_000} {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan bool)
			e := &Engine{HeaderTimeout: time.Minute, IdleTimeout: time.Minute, Handler: func(_ context.Context, r *message.Request) message.Response {
				<-release
				return message.Response{Status: 200, Body: message.Bytes(r.Fields.Get("Last"))}
			}}
			client, _, done := serveOne(e)
			head := "GET / HTTP/1.1\r\n"
			for len(head) < size {
				head += "A: " + strings.Repeat("x", min(50_000, size-len(head))) + "\r\n"
			}
			head += "Last: last\r\n\r\n"
			reader := bufio.NewReader(client)
			for range 2 {
				if _, err := io.WriteString(client, head); err != nil {
					t.Fatal(err)
				}
				synctest.Wait() // the handler has it
				if held, _ := e.heads.Use(); held != int64(max(0, len(head)-bufferSize)) {
					t.Errorf("of a head of %d bytes %d are of the budget", len(head), held)
				}
				release <- true
				resp, err := http.ReadResponse(reader, nil)
				if err != nil {
					t.Fatalf("a head of %d bytes: %v", len(head), err)
				}
				if text, err := io.ReadAll(resp.Body); string(text) != "last" || err != nil {
					t.Errorf("got %q, %v", text, err)
				}
				synctest.Wait()
				if held, _ := e.heads.Use(); held != 0 {
					t.Errorf("%d bytes are of the budget behind the answer", held)
				}
			}
			_ = client.Close()
			<-done
		})
	}
}

func TestUnfinishedHeadsShareABudget(t *testing.T) {
	e := &Engine{}
	address := start(t, e)
	half := "GET / HTTP/1.1\r\n" + strings.Repeat("A: "+strings.Repeat("x", 60000)+"\r\n", 4)
	var conns []net.Conn
	refused := 0
	for range 40 {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err = io.WriteString(conn, half); err != nil {
			refused++
			continue
		}
		conns = append(conns, conn)
	}
	for _, conn := range conns {
		_ = conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		answer, _ := io.ReadAll(conn)
		if strings.HasPrefix(string(answer), "HTTP/1.1 503 ") {
			refused++
		}
	}
	if held, _ := e.heads.Use(); refused == 0 || held > headBudget {
		t.Errorf("%d refused, %d bytes held, want some and at most %d", refused, held, headBudget)
	}
}
