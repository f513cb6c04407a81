package http2

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/previewd/previewd/server/certs/devca"
	"github.com/previewd/previewd/server/message"
)

// peer is a client of one connection that an Engine serves, and what was observed of its exchanges.
type peer struct {
	*http.Client
	conn     *Conn
	observed chan observation
	over     chan struct{} // closed when Serve has returned
}

// observation is an Exchange, kept.
type observation struct {
	line    string
	status  int
	sent    int64
	refused bool
	failure *message.Failure
	err     error
}

// connect serves a client's connection. What it takes for the server is whatever URL it asks for.
func connect(t *testing.T, e *Engine) *peer {
	t.Helper()
	p := &peer{observed: make(chan observation, 2*maxStreams), over: make(chan struct{})}
	e.Observe = func(x *message.Exchange) {
		p.observed <- observation{x.Request.Line, x.Status, x.Sent, x.Refused, x.Failure, x.Err}
	}
	here, there := tlsPair(t)
	p.conn = e.NewConn(here, unbounded)
	go func() {
		defer close(p.over)
		p.conn.Serve(context.Background())
	}()
	transport := &http.Transport{Protocols: new(http.Protocols), DialTLSContext: func(context.Context, string, string) (net.Conn, error) {
		return there, nil
	}}
	transport.Protocols.SetHTTP2(true)
	p.Client = &http.Client{Transport: transport, Timeout: time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(func() {
		_ = there.Close()
		<-p.over
	})
	return p
}

var authority = sync.OnceValue(func() *devca.Authority {
	ca, _, err := devca.Open(devca.Options{})
	if err != nil {
		panic(err)
	}
	return ca
})

// tlsPair returns the two ends of a connection on which ALPN has chosen h2.
func tlsPair(t *testing.T) (server, client *tls.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority().PEM())
	accepted := make(chan net.Conn, 1)
	go func() {
		conn, _ := l.Accept()
		accepted <- conn
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	client = tls.Client(conn, &tls.Config{RootCAs: roots, ServerName: "localhost", NextProtos: []string{"h2"}})
	server = tls.Server(<-accepted, &tls.Config{GetCertificate: authority().Certificate, NextProtos: []string{"h2"}})
	done := make(chan error, 1)
	go func() { done <- server.Handshake() }()
	if err := errors.Join(client.Handshake(), <-done); err != nil {
		t.Fatal(err)
	}
	return server, client
}

// ask asks once, and returns the answer with its content and the error of reading it.
func (p *peer) ask(t *testing.T, method, target string, content io.Reader) (resp *http.Response, text string, err error) {
	t.Helper()
	r, err := http.NewRequest(method, "https://localhost"+target, content)
	if err != nil {
		t.Fatal(err)
	}
	resp, err = p.Do(r)
	if err != nil {
		return &http.Response{}, "", err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return resp, string(raw), err
}

// answering is a Handler that always answers the same.
func answering(resp message.Response) message.Handler {
	return func(context.Context, *message.Request) message.Response { return resp }
}

func stream(parts ...string) message.Body {
	return message.NewStream(func(w io.Writer) error {
		for _, part := range parts {
			if _, err := io.WriteString(w, part); err != nil {
				return err
			}
		}
		return nil
	})
}

// TestAnswersAreTheResponseAndNothingElse: no field is added but Date, Server and Content-Length.
func TestAnswersAreTheResponseAndNothingElse(t *testing.T) {
	text := message.Fields{{Name: "Content-Type", Value: "text/plain"}}
	large := message.Bytes(strings.Repeat("0123456789abcdef", 20000))
	for _, c := range []struct {
		name    string
		method  string
		resp    message.Response
		status  int
		fields  string // names but Date and Server, with their values unless they are long
		content string
	}{
		{"content", "GET", message.Response{Status: 200, Fields: text, Body: message.Bytes("hello")}, 200, "Content-Length: 5, Content-Type: text/plain", "hello"},
		{"content, asked for by HEAD", "HEAD", message.Response{Status: 200, Fields: text, Body: message.Bytes("hello")}, 200, "Content-Length: 5, Content-Type: text/plain", ""},
		{"large content", "GET", message.Response{Status: 200, Body: large}, 200, "Content-Length: 320000", string(large)},
		{"no media type is guessed", "GET", message.Response{Status: 200, Body: message.Bytes("<html>")}, 200, "Content-Length: 6", "<html>"},
		{"no content", "GET", message.Response{Status: 301, Fields: message.Fields{{Name: "Location", Value: "/a/"}}}, 301, "Content-Length: 0, Location: /a/", ""},
		{"empty content", "GET", message.Response{Status: 200, Body: message.Bytes("")}, 200, "Content-Length: 0", ""},
		{"not modified", "GET", message.Response{Status: 304, Fields: message.Fields{{Name: "Etag", Value: `"a"`}}}, 304, `Etag: "a"`, ""},
		{"content that may not be", "GET", message.Response{Status: 204, Body: message.Bytes("x")}, 204, "", ""},
		{"unknown length", "GET", message.Response{Status: 200, Body: stream("a", "b")}, 200, "", "ab"},
		{"unknown length, asked for by HEAD", "HEAD", message.Response{Status: 200, Body: stream("a", "b")}, 200, "", ""},
		{"stream of known length", "GET", message.Response{Status: 200, Body: message.NewSizedStream(2, func(w io.Writer) error {
			_, err := w.Write([]byte("ab"))
			return err
		})}, 200, "Content-Length: 2", "ab"},
		{"two of a name", "GET", message.Response{Status: 200, Fields: message.Fields{{Name: "x-a", Value: "1"}, {Name: "X-A", Value: "2"}}}, 200, "Content-Length: 0, X-A: 1|2", ""},
		{"fields of a connection", "GET", message.Response{Status: 200, Close: true, Fields: message.Fields{
			{Name: "connection", Value: "keep-alive"}, {Name: "Keep-Alive", Value: "timeout=5"}, {Name: "Transfer-Encoding", Value: "chunked"},
			{Name: "Upgrade", Value: "h2c"}, {Name: "Proxy-Connection", Value: "close"}}}, 200, "Content-Length: 0", ""},
		{"205", "GET", message.Fail(205, ""), 205, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := connect(t, &Engine{Handler: answering(c.resp), Profile: message.Profile{Server: "test/1"}})
			for range 2 { // the second time on the same connection
				resp, content, err := p.ask(t, c.method, "/", nil)
				if err != nil || resp.StatusCode != c.status || content != c.content || resp.Proto != "HTTP/2.0" {
					t.Fatalf("got %s %s, %d bytes, %v", resp.Proto, resp.Status, len(content), err)
				}
				if resp.Header.Get("Server") != "test/1" || resp.Header.Get("Date") == "" {
					t.Errorf("Server %q, Date %q", resp.Header.Get("Server"), resp.Header.Get("Date"))
				}
				if got := shown(resp.Header); got != c.fields {
					t.Errorf("fields %q, want %q", got, c.fields)
				}
				x := <-p.observed
				if x.status != c.status || x.sent != int64(len(c.content)) || x.err != nil || x.line != c.method+" / HTTP/2.0" {
					t.Errorf("observed %+v", x)
				}
			}
		})
	}
}

func shown(header http.Header) string {
	var list []string
	for name, values := range header {
		if name != "Date" && name != "Server" {
			list = append(list, name+": "+strings.Join(values, "|"))
		}
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func TestErrorsHaveTheirPage(t *testing.T) {
	for _, c := range []struct {
		name    string
		handler message.Handler
		status  int
		page    string
		cause   string
	}{
		{"failure", answering(message.Fail(404, "File <not> found")), 404, "Message: File &lt;not&gt; found.", ""},
		{"panic", func(context.Context, *message.Request) message.Response { panic("oops") }, 500, "Message: Internal Server Error.", "panic in the handler: oops\n"},
		{"no answer", answering(message.Response{}), 500, "Message: Internal Server Error.", "the handler answered with status 0"},
		{"a split field", answering(message.Response{Status: 200, Fields: message.Fields{{Name: "A", Value: "b\r\nC: d"}}}), 500, "Message: Internal Server Error.", "CR, LF or NUL, in the field"},
		{"a body that fails before its first byte", answering(message.Response{Status: 200, Body: message.NewStream(func(io.Writer) error { return errors.New("gone") })}),
			500, "Message: Internal Server Error.", "gone"},
		{"a body that fails before its first byte, and says how", answering(message.Response{Status: 200, Body: message.NewStream(func(io.Writer) error {
			return fmt.Errorf("making it: %w", &message.Failure{Status: 504, Cause: errors.New("late")})
		})}), 504, "Message: Gateway Timeout.", "late"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := connect(t, &Engine{Handler: c.handler})
			resp, page, err := p.ask(t, "GET", "/", nil)
			if err != nil || resp.StatusCode != c.status || !strings.Contains(page, c.page) || resp.Header.Get("Content-Type") != message.DefaultErrorContentType {
				t.Errorf("got %s %v, %v\n%s", resp.Status, resp.Header, err, page)
			}
			x := <-p.observed
			if x.status != c.status || x.failure == nil || !strings.Contains(fmt.Sprint(x.failure.Cause), c.cause) {
				t.Errorf("observed %+v", x)
			}
			if _, _, err := p.ask(t, "GET", "/", nil); err != nil {
				t.Errorf("the connection did not survive: %v", err)
			}
		})
	}
}

func TestContentThatBreaksOffResetsTheStream(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, make([]byte, 200<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	open := func() *os.File {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	for _, c := range []struct {
		name string
		body func() message.Body
		want string
	}{
		{"too short", func() message.Body {
			return message.NewSizedStream(3, func(w io.Writer) error { _, err := w.Write([]byte("ab")); return err })
		}, errTooShort.Error()},
		{"too long", func() message.Body {
			return message.NewSizedStream(3, func(w io.Writer) error {
				_, _ = w.Write([]byte("ab"))
				_, err := w.Write([]byte("cd"))
				return err
			})
		}, errTooLong.Error()},
		{"error, unknown length", func() message.Body {
			return message.NewStream(func(w io.Writer) error { _, _ = w.Write([]byte("ab")); return errors.New("gone") })
		}, "gone"},
		{"panic", func() message.Body {
			return message.NewStream(func(w io.Writer) error { _, _ = w.Write([]byte("ab")); panic("oops") })
		}, "panic in the body: oops"},
		{"a file that changed", func() message.Body {
			return &message.FileSection{File: open(), Length: 200 << 10, Unchanged: func() error { return message.ErrChanged }}
		}, message.ErrChanged.Error()},
		{"a file that is too short", func() message.Body { return &message.FileSection{File: open(), Length: 300 << 10} }, message.ErrChanged.Error()},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad := true
			p := connect(t, &Engine{Handler: func(context.Context, *message.Request) message.Response {
				if bad {
					return message.Response{Status: 200, Body: c.body()}
				}
				return message.Response{Status: 200}
			}})
			if resp, content, err := p.ask(t, "GET", "/", nil); err == nil {
				t.Errorf("the client takes %s with %d bytes for complete", resp.Status, len(content))
			}
			if x := <-p.observed; x.err == nil || !strings.Contains(x.err.Error(), c.want) {
				t.Errorf("observed %+v, want %q", x, c.want)
			}
			bad = false
			if _, _, err := p.ask(t, "GET", "/", nil); err != nil {
				t.Errorf("the connection did not survive: %v", err)
			}
		})
	}
}

func TestEachWriteOfUnknownLengthReachesTheClientAtOnce(t *testing.T) {
	next := make(chan struct{})
	p := connect(t, &Engine{Handler: answering(message.Response{Status: 200, Body: message.NewStream(func(w io.Writer) error {
		for range 3 {
			if _, err := io.WriteString(w, "tick"); err != nil {
				return err
			}
			<-next
		}
		return nil
	})})})
	resp, err := p.Get("https://localhost/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for range 3 {
		text := make([]byte, 4)
		if _, err := io.ReadFull(resp.Body, text); err != nil || string(text) != "tick" {
			t.Fatalf("got %q, %v", text, err)
		}
		next <- struct{}{}
	}
}

func TestTheRequestIsAsInHTTP1(t *testing.T) {
	var got message.Request
	var content string
	p := connect(t, &Engine{Handler: func(_ context.Context, r *message.Request) message.Response {
		raw, err := io.ReadAll(r.Content)
		got, content = *r, fmt.Sprint(string(raw), " ", err)
		return message.Response{Status: 200}
	}})
	r, err := http.NewRequest("SPAM", "https://localhost//a//b%2Fc?d=e%20f", strings.NewReader("some content"))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "here.example:8443"
	r.Header = http.Header{"B": {"2", "3"}, "A": {"1"}, "User-Agent": nil, "Accept-Encoding": {"identity"}}
	if resp, err := p.Do(r); err != nil || resp.StatusCode != 200 {
		t.Fatalf("got %v, %v", resp, err)
	}
	if got.Line != "SPAM //a//b%2Fc?d=e%20f HTTP/2.0" || got.Method != "SPAM" || got.Target != "/a//b%2Fc?d=e%20f" ||
		got.Proto != "HTTP/2.0" || got.Version != (message.Version{Major: 2}) {
		t.Errorf("request line: %q %q %q %q %v", got.Line, got.Method, got.Target, got.Proto, got.Version)
	}
	want := message.Fields{{Name: "Host", Value: "here.example:8443"}, {Name: "A", Value: "1"}, {Name: "Accept-Encoding", Value: "identity"},
		{Name: "B", Value: "2"}, {Name: "B", Value: "3"}, {Name: "Content-Length", Value: "12"}}
	if !slices.Equal(got.Fields, want) {
		t.Errorf("fields %q, want %q", got.Fields, want)
	}
	if content != "some content <nil>" || got.ContentLength != 12 {
		t.Errorf("content %q of length %d", content, got.ContentLength)
	}
	if got.Scheme != "https" || got.TLS == nil || got.TLS.NegotiatedProtocol != "h2" || !got.Peer.Addr().IsLoopback() || got.Client != got.Peer.Addr() || !got.Local.IsValid() {
		t.Errorf("scheme %q, TLS %v, peer %v, client %v, local %v", got.Scheme, got.TLS, got.Peer, got.Client, got.Local)
	}
	if _, _, err = p.ask(t, "GET", "/", nil); err != nil || got.ContentLength != 0 || content != " <nil>" {
		t.Errorf("GET: content %q of length %d, %v", content, got.ContentLength, err)
	}
	if _, _, err = p.ask(t, "POST", "/", io.MultiReader(strings.NewReader("x"))); err != nil || got.ContentLength != -1 || content != "x <nil>" {
		t.Errorf("unknown length: content %q of length %d, %v", content, got.ContentLength, err)
	}
}

func TestBoundsRefuses(t *testing.T) {
	p := connect(t, &Engine{Handler: answering(message.Response{Status: 200}), Bounds: func(r *message.Request) *message.Failure {
		if len(r.Target) > 10 {
			return &message.Failure{Status: 414}
		}
		return nil
	}})
	for target, want := range map[string]int{"/": 200, "/01234567890": 414} {
		resp, _, err := p.ask(t, "GET", target, nil)
		if err != nil || resp.StatusCode != want {
			t.Errorf("%s: got %s, %v, want %d", target, resp.Status, err, want)
		}
		if x := <-p.observed; x.refused != (want != 200) {
			t.Errorf("%s: observed %+v", target, x)
		}
	}
}

func TestAnswersWhileDrainingPart(t *testing.T) {
	e := &Engine{Handler: answering(message.Response{Status: 200})}
	p := connect(t, e)
	e.Drain(time.Time{})
	resp, _, err := p.ask(t, "GET", "/", nil)
	if err != nil || resp.Header.Get("Connection") != "" {
		t.Fatalf("got %v, %v", resp.Header, err)
	}
	select {
	case <-p.over:
	case <-time.After(time.Minute):
		t.Error("the connection stayed")
	}
}

func TestWaking(t *testing.T) {
	hello := answering(message.Response{Status: 200})
	t.Run("idle", func(t *testing.T) {
		p := connect(t, &Engine{Handler: hello})
		if _, waiting := p.conn.Waiting(); !waiting {
			t.Error("a connection that was asked nothing does not wait")
		}
		_, _, _ = p.ask(t, "GET", "/", nil)
		p.conn.Wake()
		p.ends(t)
	})
	_ = authority() // made in real time
	t.Run("never asked", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f, conn := inBubble(t, &Engine{Handler: hello})
			conn.Wake()
			time.Sleep(firstRequestGrace / 2)
			f.say(request(1, "/")...)
			if _, open := f.await(frameHeaders); !open {
				t.Error("no answer within the grace")
			}
			<-conn.ended
		})
	})
	t.Run("silent", func(t *testing.T) {
		p := connect(t, &Engine{Handler: hello})
		p.conn.Wake()
		p.ends(t)
	})
	t.Run("busy", func(t *testing.T) {
		inside, release := make(chan struct{}), make(chan struct{})
		p := connect(t, &Engine{Handler: func(context.Context, *message.Request) message.Response {
			close(inside)
			<-release
			return message.Response{Status: 200}
		}})
		answered := make(chan error, 1)
		go func() {
			_, err := p.Get("https://localhost/")
			answered <- err
		}()
		<-inside
		if _, waiting := p.conn.Waiting(); waiting {
			t.Error("a connection with a request waits")
		}
		p.conn.Wake()
		time.Sleep(1200 * time.Millisecond)
		close(release)
		if err := <-answered; err != nil {
			t.Errorf("the request that had begun: %v", err)
		}
		p.ends(t)
	})
	t.Run("cut", func(t *testing.T) {
		p := connect(t, &Engine{Handler: hello})
		p.conn.Cut()
		p.ends(t)
	})
}

func (p *peer) ends(t *testing.T) {
	t.Helper()
	select {
	case <-p.over:
	case <-time.After(time.Minute):
		t.Error("the connection stayed")
	}
}

func TestAnIdleConnectionEnds(t *testing.T) {
	p := connect(t, &Engine{Handler: answering(message.Response{Status: 200}), IdleTimeout: 100 * time.Millisecond})
	_, _, _ = p.ask(t, "GET", "/", nil)
	p.ends(t)
}

func TestComplaintsOfNetHTTPAreHeard(t *testing.T) {
	heard := make(chan string, 10)
	e := &Engine{Handler: answering(message.Response{Status: 200}), Complaint: func(_ netip.AddrPort, text string) { heard <- text }}
	here, there := tlsPair(t)
	c := e.NewConn(here, unbounded)
	over := make(chan struct{})
	go func() { defer close(over); c.Serve(context.Background()) }()
	fmt.Fprint(there, "GET / HTTP/1.1\r\nHost: not the preface of HTTP/2\r\n\r\n")
	select {
	case text := <-heard:
		if !strings.Contains(text, "preface") {
			t.Errorf("heard %q", text)
		}
	case <-time.After(time.Minute):
		t.Error("nothing was heard")
	}
	_ = there.Close()
	<-over
}

func TestExpectContinueIsAnsweredWhenContentIsRead(t *testing.T) {
	p := connect(t, &Engine{Handler: func(_ context.Context, r *message.Request) message.Response {
		_, err := io.ReadAll(r.Content)
		return message.Response{Status: 200, Err: err}
	}})
	p.Transport.(*http.Transport).ExpectContinueTimeout = time.Minute
	continued := false
	trace := &httptrace.ClientTrace{Got100Continue: func() { continued = true }}
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), "POST", "https://localhost/", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Expect", "100-continue")
	if resp, err := p.Do(r); err != nil || resp.StatusCode != 200 || !continued {
		t.Errorf("got %v, %v, continued %v", resp, err, continued)
	}
}

// An answer that does not want the content is the last word: no 100 follows it.
func TestExpectContinueIsNotAnsweredBehindTheAnswer(t *testing.T) {
	p := connect(t, &Engine{Handler: answering(message.Fail(413, "No more"))})
	p.Transport.(*http.Transport).ExpectContinueTimeout = time.Minute
	for range 2 {
		r, err := http.NewRequest("POST", "https://localhost/", strings.NewReader(strings.Repeat("x", 100_000)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Expect", "100-continue")
		resp, err := p.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		page, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != 413 || err != nil || !strings.Contains(string(page), "No more") {
			t.Errorf("got %s, %v\n%s", resp.Status, err, page)
		}
	}
}

// Close ends a Read that waits for content which does not come: a CGI script that ended needs no more.
func TestContentThatIsClosedIsNotWaitedFor(t *testing.T) {
	p := connect(t, &Engine{Handler: func(_ context.Context, r *message.Request) message.Response {
		read := make(chan error)
		go func() {
			_, err := io.ReadAll(r.Content)
			read <- err
		}()
		time.Sleep(20 * time.Millisecond)
		_ = r.Content.(io.Closer).Close()
		if err := <-read; err == nil {
			t.Error("content that did not come was read to its end")
		}
		return message.Response{Status: 200, Body: message.Bytes("early")}
	}})
	unfinished, into := io.Pipe()
	defer into.Close()
	go func() { _, _ = io.WriteString(into, "some") }()
	if resp, text, err := p.ask(t, "POST", "/", unfinished); err != nil || resp.StatusCode != 200 || text != "early" {
		t.Errorf("got %v %q, %v", resp, text, err)
	}
}

// Law: a request names one host. A Host field that says the same as :authority adds nothing, one that differs is
// refused (RFC 9113, section 8.3.1).
func TestOneHost(t *testing.T) {
	for host, want := range map[string]string{"localhost": "200 localhost", "LOCALHOST": "200 localhost", "other.example": "400 ", "localhost:80": "400 "} {
		asked, observed := make(chan string, 1), make(chan string, 1)
		e := &Engine{
			Handler: func(_ context.Context, r *message.Request) message.Response {
				asked <- strings.Join(r.Fields.Values("Host"), "|")
				return message.Response{Status: 200}
			},
			Observe: func(x *message.Exchange) { observed <- fmt.Sprint(x.Status, " ") },
		}
		f, _ := dialFrames(t, e)
		f.say(request(1, "/", [2]string{"host", host})...)
		if _, found := f.await(frameHeaders); !found {
			t.Errorf("Host %q: no answer", host)
			continue
		}
		got := <-observed
		select {
		case hosts := <-asked:
			got += hosts
		default:
		}
		if got != want {
			t.Errorf("Host %q: got %q, want %q", host, got, want)
		}
	}
}
