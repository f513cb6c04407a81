package upstream_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/netip"
	"net/textproto"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/previewd/previewd/server"
	"github.com/previewd/previewd/server/basepath"
	"github.com/previewd/previewd/server/certs/devca"
	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/origin"
	"github.com/previewd/previewd/server/upstream"
)

// front is a server under test that answers for others.
type front struct {
	address string
	stop    context.CancelFunc
	ended   chan error

	mu       sync.Mutex
	observed []message.Exchange
	requests []message.Request
	outcomes []upstream.Outcome
	inFlight atomic.Int32
	tunnels  atomic.Int32
}

// trust is a CA for all tests.
var trust = sync.OnceValue(func() *devca.Authority {
	ca, _, err := devca.Open(devca.Options{})
	if err != nil {
		panic(err)
	}
	return ca
})

func roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(trust().PEM())
	return pool
}

// limit is how long a test waits for what comes at once, on any machine.
const limit = 30 * time.Second

// start starts a server; with protocols it speaks TLS.
func start(t *testing.T, opts upstream.Options, protocols ...string) *front {
	t.Helper()
	f := &front{ended: make(chan error, 1)}
	if opts.Timeout == 0 {
		opts.Timeout = time.Minute
	}
	opts.Started = func(string) { f.inFlight.Add(1) }
	opts.Switched = func(string) { f.tunnels.Add(1) }
	opts.Ended = func(o upstream.Outcome) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.inFlight.Add(-1)
		f.outcomes = append(f.outcomes, o)
	}
	u, err := upstream.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.Close)
	handler := u.Handler(func(context.Context, *message.Request) message.Response {
		return message.Response{Status: 200, Body: message.Bytes("the site")}
	})
	if opts.Trusted != nil {
		handler = origin.TrustedProxies{netip.MustParsePrefix("127.0.0.0/8")}.Handler(handler)
	}
	s := &server.Server{ShutdownTimeout: 3 * time.Second, Handler: handler, Observe: func(x *message.Exchange) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.observed, f.requests = append(f.observed, *x), append(f.requests, *x.Request)
	}}
	l, err := server.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.address = l.Addr().String()
	if len(protocols) > 0 {
		l = server.Secure(l, &tls.Config{GetCertificate: trust().Certificate, NextProtos: protocols})
	}
	ctx, stop := context.WithCancel(context.Background())
	f.stop = stop
	go func() { f.ended <- s.Serve(ctx, l) }()
	t.Cleanup(stop)
	return f
}

// end stops the server, and returns what it observed.
func (f *front) end(t *testing.T) ([]message.Exchange, []upstream.Outcome) {
	t.Helper()
	f.stop()
	var cut *server.CutError
	if err := <-f.ended; err != nil && !errors.As(err, &cut) {
		t.Error(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := f.inFlight.Load(); n != 0 {
		t.Errorf("%d requests are left", n)
	}
	return f.observed, f.outcomes
}

func (f *front) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", f.address)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(2 * limit))
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// exchange sends a request as text, and returns all that comes until the end, without the Date.
func (f *front) exchange(t *testing.T, request string) string {
	t.Helper()
	conn := f.dial(t)
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatalf("%q: %v", answer, err)
	}
	return withoutDate(string(answer))
}

func withoutDate(answer string) string {
	lines := strings.SplitAfter(answer, "\r\n")
	return strings.Join(slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, "Date: ") }), "")
}

// client trusts the server, and speaks HTTP/2 where it is offered.
func client(t *testing.T) *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots(), ServerName: "localhost"}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: limit, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// other is a server that is asked. Each of its connections is handed to serve.
func other(t *testing.T, serve func(conn net.Conn, r *bufio.Reader)) string {
	t.Helper()
	return otherOn(t, "127.0.0.1", serve)
}

func otherOn(t *testing.T, address string, serve func(conn net.Conn, r *bufio.Reader)) string {
	t.Helper()
	l, err := net.Listen("tcp", address+":0")
	if err != nil {
		t.Skip(err) // not every system has all of 127.0.0.0/8
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(2 * limit))
				serve(conn, bufio.NewReader(conn))
			}()
		}
	}()
	return l.Addr().String()
}

// head reads the head of a request.
func head(r *bufio.Reader) (string, bool) {
	var b strings.Builder
	for {
		line, err := r.ReadString('\n')
		b.WriteString(line)
		if err != nil || line == "\r\n" {
			return b.String(), err == nil
		}
	}
}

// answering is a server that answers each request with a text, and then closes.
func answering(t *testing.T, answer string) string {
	return other(t, func(conn net.Conn, r *bufio.Reader) {
		if _, ok := head(r); ok {
			_, _ = io.WriteString(conn, answer)
		}
	})
}

// heard is a server that answers with the head that it got, and what of the content is there.
func heard(t *testing.T) string {
	return other(t, func(conn net.Conn, r *bufio.Reader) {
		text, ok := head(r)
		if !ok {
			return
		}
		if strings.Contains(text, "\r\nContent-Length: ") || strings.Contains(text, "\r\nTransfer-Encoding: ") {
			asked, err := http.ReadRequest(bufio.NewReader(io.MultiReader(strings.NewReader(text), r)))
			if err != nil {
				text += err.Error()
			} else {
				content, err := io.ReadAll(asked.Body)
				text += fmt.Sprint(string(content), err)
			}
		}
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
	})
}

// Law: fields of the connection stay on it, however they are spelled; what tells who asks is what is believed.
func TestWhatTheServerHears(t *testing.T) {
	address := heard(t)
	routes := []upstream.Route{{Prefix: "/api", Target: "http://" + address}, {Prefix: "/ws", Target: "http://" + address + "/socket"}}
	loopback := func(a netip.Addr) bool { return a.IsLoopback() }
	for _, c := range []struct {
		name    string
		opts    upstream.Options
		request string
		want    string
	}{
		{"plain", upstream.Options{}, "GET /api/a%2Fb?c HTTP/1.1\r\nHost: site:80\r\n", `GET /api/a%2Fb?c HTTP/1.1
Host: ` + address + `
Forwarded: for=127.0.0.1;host="site:80";proto=http
Via: 1.1 previewd
X-Forwarded-For: 127.0.0.1
X-Forwarded-Host: site:80
X-Forwarded-Proto: http

`},
		{"replaced, and the host kept", upstream.Options{KeepHost: true}, "OPTIONS /ws/x HTTP/1.1\r\nHost: site\r\nUser-Agent: t\r\n", `OPTIONS /socket/x HTTP/1.1
Host: site
User-Agent: t
Forwarded: for=127.0.0.1;host=site;proto=http
Via: 1.1 previewd
X-Forwarded-For: 127.0.0.1
X-Forwarded-Host: site
X-Forwarded-Prefix: /ws
X-Forwarded-Proto: http

`},
		{"HTTP/1.0 without Host", upstream.Options{KeepHost: true}, "DELETE /api HTTP/1.0\r\n", `DELETE /api HTTP/1.1
Host: ` + address + `
Forwarded: for=127.0.0.1;proto=http
Via: 1.0 previewd
X-Forwarded-For: 127.0.0.1
X-Forwarded-Proto: http

`},
		{"hostile fields", upstream.Options{}, "GET /api HTTP/1.1\r\nHost: s\r\nConnection: keep-alive, X-Secret\r\nConnection: X-Forwarded-For\r\nX-Secret: a\r\nKeep-Alive: 1\r\n" +
			"Proxy-Connection: x\r\nProxy-Authorization: x\r\nTE: trailers\r\nTrailer: x\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\nX-Forwarded-For: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\n" +
			"X-Forwarded-Port: 1\r\nx-forwarded-proto: https\r\nForwarded: for=6.6.6.6\r\nTransfer_Encoding: chunked\r\nContent_Length: 4\r\nX_Fine: yes\r\nCookie: a\r\ncookie: b\r\nVia: 1.1 a\r\n", `GET /api HTTP/1.1
Host: ` + address + `
Cookie: a
Cookie: b
Forwarded: for=127.0.0.1;host=s;proto=http
Via: 1.1 a
Via: 1.1 previewd
X-Forwarded-For: 127.0.0.1
X-Forwarded-Host: s
X-Forwarded-Proto: http
X_fine: yes

`},
		{"a trusted proxy", upstream.Options{Trusted: loopback}, "GET /api HTTP/1.1\r\nHost: s\r\nX-Forwarded-Host: public\r\nX-Forwarded-Port: 443\r\n", `GET /api HTTP/1.1
Host: ` + address + `
Forwarded: for=127.0.0.1;host=public;proto=http
Via: 1.1 previewd
X-Forwarded-For: 127.0.0.1
X-Forwarded-Host: public
X-Forwarded-Port: 443
X-Forwarded-Proto: http

`},
		{"a trusted proxy behind another", upstream.Options{Trusted: loopback}, "GET /api HTTP/1.1\r\nHost: s\r\nX-Forwarded-Host: first, second\r\nX-Forwarded-Host: third , last\r\n", `GET /api HTTP/1.1
Host: ` + address + `
Forwarded: for=127.0.0.1;host=last;proto=http
Via: 1.1 previewd
X-Forwarded-For: 127.0.0.1
X-Forwarded-Host: last
X-Forwarded-Proto: http

`},
		{"content", upstream.Options{}, "PUT /api HTTP/1.1\r\nHost: s\r\nContent-Length: 5\r\nContent-Type: x/y\r\n\r\nhello", `PUT /api HTTP/1.1
Host: ` + address + `
Content-Length: 5
Content-Type: x/y
Forwarded: for=127.0.0.1;host=s;proto=http
Via: 1.1 previewd
X-Forwarded-For: 127.0.0.1
X-Forwarded-Host: s
X-Forwarded-Proto: http

hello<nil>`},
		{"no content", upstream.Options{}, "POST /api HTTP/1.1\r\nHost: s\r\nContent-Length: 0\r\n", `POST /api HTTP/1.1
Host: ` + address + `
Content-Length: 0
Forwarded: for=127.0.0.1;host=s;proto=http
Via: 1.1 previewd
X-Forwarded-For: 127.0.0.1
X-Forwarded-Host: s
X-Forwarded-Proto: http

<nil>`},
		{"chunks", upstream.Options{}, "PATCH /api HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\nX: y\r\n\r\n", `PATCH /api HTTP/1.1
Host: ` + address + `
Transfer-Encoding: chunked
Forwarded: for=127.0.0.1;host=s;proto=http
Via: 1.1 previewd
X-Forwarded-For: 127.0.0.1
X-Forwarded-Host: s
X-Forwarded-Proto: http

abc<nil>`},
	} {
		c.opts.Routes = routes
		f := start(t, c.opts)
		request := strings.Replace(c.request, "\r\n", "\r\nConnection: close\r\n", 1)
		if !strings.Contains(request, "\r\n\r\n") {
			request += "\r\n"
		}
		answer := strings.TrimPrefix(f.exchange(t, request), "HTTP/1.1 100 Continue\r\n\r\n")
		status, content, _ := strings.Cut(answer, "\r\n\r\n")
		if got := strings.ReplaceAll(content, "\r\n", "\n"); !strings.HasPrefix(status, "HTTP/1.1 200 OK\r\n") || got != c.want {
			t.Errorf("%s: got %s\n%s\nwant\n%s", c.name, status, got, c.want)
		}
	}
}

// Law: what a trusted proxy says by Forwarded counts as what it says by X-Forwarded-For and the like, and this hop is added
// to both. What contradicts itself is not believed.
func TestForwardedOfTrustedProxies(t *testing.T) {
	address := heard(t)
	f := start(t, upstream.Options{Trusted: func(a netip.Addr) bool { return a.IsLoopback() }, Routes: []upstream.Route{{Prefix: "/", Target: "http://" + address}}})
	for name, c := range map[string]struct{ fields, standard, addresses, host, scheme string }{
		"all of it":    {"Forwarded: for=192.0.2.1;host=public;proto=https;by=127.0.0.1", "for=192.0.2.1;host=public;proto=https, for=127.0.0.1", "192.0.2.1, 127.0.0.1", "public", "https"},
		"two proxies":  {"Forwarded: for=\"[2001:db8::1]:4711\";host=\"a:81\";proto=https, for=127.0.0.9;host=b;proto=http", `for="[2001:db8::1]";host="a:81";proto=https, for=127.0.0.9;host=b;proto=http, for=127.0.0.1`, "2001:db8::1, 127.0.0.9, 127.0.0.1", "a:81", "https"},
		"a client's":   {"Forwarded: for=6.6.6.6;host=evil\r\nForwarded: for=192.0.2.1", "for=192.0.2.1;host=s;proto=http, for=127.0.0.1", "192.0.2.1, 127.0.0.1", "s", "http"},
		"no address":   {"Forwarded: host=public;proto=https", "for=127.0.0.1;host=public;proto=https", "127.0.0.1", "public", "https"},
		"hidden":       {"Forwarded: for=_secret;host=public;proto=https", "for=127.0.0.1;host=public;proto=https", "127.0.0.1", "public", "https"},
		"no host":      {"Forwarded: for=192.0.2.1;host=\"a b\"", "for=192.0.2.1;host=s;proto=http, for=127.0.0.1", "192.0.2.1, 127.0.0.1", "s", "http"},
		"both":         {"Forwarded: for=192.0.2.1;host=public\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Host: public", "for=192.0.2.1;host=public;proto=http, for=127.0.0.1", "192.0.2.1, 127.0.0.1", "public", "http"},
		"two hosts":    {"Forwarded: for=192.0.2.1;host=public\r\nX-Forwarded-Host: evil", "for=192.0.2.1;host=s;proto=http, for=127.0.0.1", "192.0.2.1, 127.0.0.1", "s", "http"},
		"two clients":  {"Forwarded: for=6.6.6.6;host=evil;proto=https\r\nX-Forwarded-For: 192.0.2.1", "for=127.0.0.1;host=s;proto=http", "127.0.0.1", "s", "http"},
		"other fields": {"X-Forwarded-For: 192.0.2.1, 127.0.0.9\r\nX-Forwarded-Proto: https", "for=192.0.2.1;host=s;proto=https, for=127.0.0.9, for=127.0.0.1", "192.0.2.1, 127.0.0.9, 127.0.0.1", "s", "https"},
	} {
		want := "\r\nForwarded: " + c.standard + "\r\nVia: 1.1 previewd\r\nX-Forwarded-For: " + c.addresses + "\r\nX-Forwarded-Host: " + c.host + "\r\nX-Forwarded-Proto: " + c.scheme + "\r\n"
		if got := f.exchange(t, "GET / HTTP/1.1\r\nHost: s\r\nConnection: close\r\n"+c.fields+"\r\n\r\n"); !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// Law: path and query arrive as they were sent, to the byte, or are refused: where two readings are possible, and where
// net/http cannot write them.
func TestTheSpellingArrives(t *testing.T) {
	address := heard(t)
	f := start(t, upstream.Options{Routes: []upstream.Route{
		{Prefix: "/kept", Target: "http://" + address}, {Prefix: "/ws", Target: "http://" + address + "/socket"}, {Prefix: "/top", Target: "http://" + address + "/"}}})
	for _, rest := range []string{"/", "//", "///x//y/", "/%2f%2F", "/a%2Fb%2e", "/%7e~", "/%zz%", "/|^`{}<>\"", "/\xff\xc3\xa9", "/./a/.", "/a/../b", "?", "??a", "?a=%00&b=//c/../d", "/?a=%2f+%20|\"", "/;a=b;c", "/:80@x",
		"/[x]", "/a\\b", "/%5C%00", "//|", "//%zz", "//\xff", "/*", "/http://a/b", "/&'()!$,=+-_.~"} {
		for prefix, path := range map[string]string{"/kept": "/kept", "/ws": "/socket", "/top": ""} {
			got := f.exchange(t, "GET "+prefix+rest+" HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n")
			_, got, _ = strings.Cut(got, "\r\n\r\n")
			want := path + rest
			if !strings.HasPrefix(want, "/") {
				want = "/" + want // the target of /top?x has a path
			}
			if strings.HasPrefix(want, "//") && (strings.Contains(rest, "|") || strings.Contains(rest, "\xff")) || want == "//%zz" {
				want = "" // it is refused
			}
			if line, isLine := strings.CutPrefix(strings.SplitAfter(got, "\r\n")[0], "GET "); isLine != (want != "") || isLine && line != want+" HTTP/1.1\r\n" {
				t.Errorf("%s%q: the server was asked for %q, want %q", prefix, rest, line, want)
			}
		}
	}
}

// Law: a target that servers may read in two ways is not passed on.
func TestTargetsWithTwoReadings(t *testing.T) {
	address := heard(t)
	kept := start(t, upstream.Options{Routes: []upstream.Route{{Prefix: "/api", Target: "http://" + address}}})
	all := start(t, upstream.Options{Routes: []upstream.Route{{Prefix: "/", Target: "http://" + address}}})
	for _, c := range []struct {
		front          *front
		target, status string
	}{
		{kept, "/api/x", "200"},
		{kept, "/api/x%23/y", "200"},
		{kept, "/api/x#/../../admin", "400"},
		{kept, "/api#", "400"},
		{kept, "/api?x#y", "400"},
		{all, "/x", "200"},
		{all, "?x", "400"},
		{all, "#", "400"},
		{all, "/#", "400"},
	} {
		if got := c.front.exchange(t, "GET "+c.target+" HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 "+c.status) {
			t.Errorf("%q: got %q, want %s", c.target, got[:min(len(got), 40)], c.status)
		}
	}
}

// Law: a Location that names the server gets what was taken away of the path once, by PROXY and by a rule of the site.
func TestLocationGetsThePrefixOnce(t *testing.T) {
	var address string
	address = other(t, func(conn net.Conn, r *bufio.Reader) {
		if _, ok := head(r); ok {
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 302 Found\r\nConnection: close\r\nLocation: http://%s/v1/login\r\nContent-Length: 0\r\n\r\n", address)
		}
	})
	u, err := upstream.New(upstream.Options{Timeout: time.Minute, Origins: []string{"http://" + address}, Routes: []upstream.Route{{Prefix: "/api", Target: "http://" + address + "/v1"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.Close)
	rule := func(ctx context.Context, r *message.Request) message.Response {
		resp, _ := u.Fetch(ctx, r, "http://"+address, "/v1"+strings.TrimPrefix(r.Target, "/api"))
		return resp
	}
	proxy := u.Handler(nil)
	for _, c := range []struct {
		name, target, prefix, want string
		handler                    message.Handler
	}{
		{"PROXY", "/api/x", "", "/api/login", proxy},
		{"PROXY behind a proxy", "/api/x", "/app", "/app/api/login", proxy},
		{"a rule", "/api/x", "", "/api/login", basepath.Handler("/", rule)},
		{"a rule behind a proxy", "/api/x", "/app", "/app/api/login", basepath.Handler("/", rule)},
		{"a rule below a path", "/docs/api/x", "", "/docs/api/login", basepath.Handler("/docs", rule)},
		{"a rule below a path behind a proxy", "/docs/api/x", "/app", "/app/docs/api/login", basepath.Handler("/docs", rule)},
	} {
		resp := c.handler(t.Context(), &message.Request{Method: "GET", Target: c.target, Prefix: c.prefix, Scheme: "http", Version: message.Version{Major: 1, Minor: 1}})
		if got := resp.Fields.Get("Location"); got != c.want {
			t.Errorf("%s: got %d %q, want %q", c.name, resp.Status, got, c.want)
		}
		resp.Discard()
	}
}

// Law: the answer is the server's, but for what is of its connection.
func TestAnswersArePassedOn(t *testing.T) {
	const server = "Server: previewd\r\n"
	for _, c := range []struct{ name, method, answer, want string }{
		{"with a length", "GET", "HTTP/1.1 201 Made Up\r\nServer: x\r\nDate: x\r\nContent-Length: 2\r\nX-b: 1\r\nSet-Cookie: a=1, b\r\nSet-Cookie: c\r\n\r\nhi",
			"HTTP/1.1 201 Made Up\r\n" + server + "Connection: close\r\nSet-Cookie: a=1, b\r\nSet-Cookie: c\r\nX-B: 1\r\nContent-Length: 2\r\n\r\nhi"},
		{"chunks with a trailer", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\nContent-Type: a/b\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 9\r\n\r\n",
			"HTTP/1.1 200 OK\r\n" + server + "Connection: close\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 9\r\n\r\n"},
		{"up to the end of the connection", "GET", "HTTP/1.0 200 OK\r\n\r\nall",
			"HTTP/1.1 200 OK\r\n" + server + "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nall\r\n0\r\n\r\n"},
		{"fields of the connection", "GET", "HTTP/1.1 200 OK\r\nConnection: X-Own\r\nX-Own: 1\r\nKeep-Alive: 2\r\nProxy-Connection: 3\r\nUpgrade: h2\r\nContent-Length: 0\r\n\r\n",
			"HTTP/1.1 200 OK\r\n" + server + "Connection: close\r\nContent-Length: 0\r\n\r\n"},
		{"HEAD", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", "HTTP/1.1 200 OK\r\n" + server + "Connection: close\r\nContent-Length: 7\r\n\r\n"},
		{"204", "GET", "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 204 No Content\r\n" + server + "Connection: close\r\n\r\n"},
		{"304", "GET", "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 9\r\n\r\n", "HTTP/1.1 304 Not Modified\r\n" + server + "Connection: close\r\nEtag: \"a\"\r\nContent-Length: 9\r\n\r\n"},
		{"a range", "GET", "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-1/9\r\nContent-Length: 2\r\n\r\nab",
			"HTTP/1.1 206 Partial Content\r\n" + server + "Connection: close\r\nContent-Range: bytes 0-1/9\r\nContent-Length: 2\r\n\r\nab"},
		{"compressed", "GET", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b",
			"HTTP/1.1 200 OK\r\n" + server + "Connection: close\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b"},
		{"its own error", "GET", "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 1\r\n\r\nx",
			"HTTP/1.1 503 Service Unavailable\r\n" + server + "Connection: close\r\nContent-Length: 1\r\n\r\nx"},
		{"interim answers", "GET", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\nLink: </b>\r\nConnection: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
			"HTTP/1.1 103 Early Hints\r\n" + server + "Link: </a>\r\nLink: </b>\r\n\r\nHTTP/1.1 200 OK\r\n" + server + "Connection: close\r\nContent-Length: 0\r\n\r\n"},
	} {
		f := start(t, upstream.Options{Routes: []upstream.Route{{Prefix: "/", Target: "http://" + answering(t, c.answer)}}})
		if got := f.exchange(t, c.method+" / HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n"); got != c.want {
			t.Errorf("%s:\ngot  %q\nwant %q", c.name, got, c.want)
		}
		if seen, outcomes := f.end(t); len(seen) != 1 || len(outcomes) != 1 || seen[0].Status != outcomes[0].Status || seen[0].Sent != outcomes[0].Sent || seen[0].Err != nil {
			t.Errorf("%s: observed %+v, %+v", c.name, seen, outcomes)
		}
	}
}

// Law: what breaks off is not passed off as complete, and what is no answer is 502. A client is told which server and why.
func TestServersThatFail(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().String()
	_ = closed.Close()
	secret := func(conn net.Conn, r *bufio.Reader) {
		secured := tls.Server(conn, &tls.Config{GetCertificate: trust().Certificate})
		if _, ok := head(bufio.NewReader(secured)); ok {
			_, _ = io.WriteString(secured, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")
		}
	}
	secure, named := other(t, secret), otherOn(t, "127.0.0.2", secret)
	silent := other(t, func(_ net.Conn, r *bufio.Reader) { _, _ = io.Copy(io.Discard, r) })
	for _, c := range []struct {
		name, target, status, want string
		opts                       upstream.Options
	}{
		{"refused", "http://" + nobody, "502", "http://" + nobody + ": connection refused", upstream.Options{}},
		{"silent", "http://" + silent, "504", "http://" + silent + ": no byte came for 50ms (PROXY_TIMEOUT)", upstream.Options{Timeout: 50 * time.Millisecond}},
		{"closes", "http://" + answering(t, ""), "502", ": it closed the connection before the end of its answer", upstream.Options{}},
		{"no HTTP", "http://" + answering(t, "SSH-2.0-x\r\n\r\n"), "502", `: net/http: HTTP/1.x transport connection broken: malformed HTTP`, upstream.Options{}},
		{"a control character", "http://" + answering(t, "HTTP/1.1 200 OK\r\nX: a\x01b\r\n\r\n"), "502", `: net/http: HTTP/1.x transport connection broken: malformed MIME header`, upstream.Options{}},
		{"a control character in the reason phrase", "http://" + answering(t, "HTTP/1.1 200 O\rK\x01\r\nContent-Length: 0\r\n\r\n"), "502", ": control character in the reason phrase", upstream.Options{}},
		{"two lengths", "http://" + answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"), "502", "Content-Length", upstream.Options{}},
		{"a switch that nobody asked for", "http://" + answering(t, "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"), "502", ": it switched to a protocol", upstream.Options{}},
		{"an unknown authority", "https://" + secure, "502", ": its certificate is signed by an unknown authority; PROXY_CA can name it", upstream.Options{}},
		{"the wrong name", "https://" + named, "502", ": x509: certificate is valid for ", upstream.Options{Roots: roots()}},
		{"no TLS", "https://" + silentTo(t), "502", ": it does not speak TLS there", upstream.Options{Roots: roots()}},
		{"the right name", "https://" + secure, "200", "secret", upstream.Options{Roots: roots()}},
	} {
		c.opts.Routes = []upstream.Route{{Prefix: "/", Target: c.target}}
		f := start(t, c.opts)
		page := f.exchange(t, "GET / HTTP/1.1\r\nHost: s\r\nConnection: close\r\nAccept: text/html\r\n\r\n")
		if !strings.HasPrefix(page, "HTTP/1.1 "+c.status) || !strings.Contains(page, c.want) || (c.status != "200") != strings.Contains(page, "\r\nRefresh: 2\r\n") {
			t.Errorf("%s: got %s\nwant %s and %s", c.name, page, c.status, c.want)
		}
		data := f.exchange(t, "POST / HTTP/1.1\r\nHost: s\r\nConnection: close\r\nAccept: application/json\r\n\r\n")
		if c.status != "200" && (!strings.Contains(data, "\r\nContent-Type: application/json\r\n") || !strings.Contains(data, `{"status":`+c.status+`,"error":"`)) {
			t.Errorf("%s: got %s", c.name, data)
		}
	}
}

// silentTo is a server that answers anything with a line of another protocol.
func silentTo(t *testing.T) string {
	return other(t, func(conn net.Conn, r *bufio.Reader) {
		if _, err := r.ReadByte(); err == nil {
			_, _ = io.WriteString(conn, "220 mail.example ready\r\n")
		}
	})
}

func TestAnswersThatBreakOff(t *testing.T) {
	for name, answer := range map[string]string{
		"a length":    "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
		"chunks":      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
		"a bad chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nx\r\n",
	} {
		for _, protocol := range []string{"http/1.1", "h2"} {
			f := start(t, upstream.Options{Routes: []upstream.Route{{Prefix: "/", Target: "http://" + answering(t, answer)}}}, protocol)
			resp, err := client(t).Get("https://" + f.address + "/")
			content := []byte("half")
			if err == nil { // of a little content, HTTP/2 may have sent nothing yet
				content, err = io.ReadAll(resp.Body)
				_ = resp.Body.Close()
			}
			if err == nil || string(content) != "half" {
				t.Errorf("%s, %s: got %q, %v", name, protocol, content, err)
			}
			if seen, _ := f.end(t); len(seen) != 1 || seen[0].Err == nil {
				t.Errorf("%s, %s: observed %+v", name, protocol, seen)
			}
		}
	}
}

// Law: content is passed on as it comes, in both directions at the same time, and over each protocol.
func TestContentIsPassedOnAsItComes(t *testing.T) {
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		_ = control.EnableFullDuplex()
		w.Header().Set("Trailer", "X-Sum")
		w.WriteHeader(http.StatusOK)
		_ = control.Flush()
		n, _ := io.Copy(flushing{w, control}, r.Body)
		w.Header().Set("X-Sum", fmt.Sprint(n))
	}))
	defer echo.Close()
	for _, protocol := range []string{"http/1.1", "h2"} {
		f := start(t, upstream.Options{Routes: []upstream.Route{{Prefix: "/echo", Target: echo.URL}}}, protocol)
		in, out := io.Pipe()
		request, err := http.NewRequest("POST", "https://"+f.address+"/echo", in)
		if err != nil {
			t.Fatal(err)
		}
		next := make(chan string, 1)
		go func() {
			for text := range next {
				_, _ = io.WriteString(out, text) // an error is seen by who reads
			}
			_ = out.Close()
		}()
		piece := func(i int) string { return fmt.Sprintf("piece %02d", i) }
		next <- piece(0) // net/http sends the head with it
		resp, err := client(t).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			text := piece(i)
			if i > 0 {
				next <- text
			}
			got := make([]byte, len(text))
			if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != text {
				t.Fatalf("%s: got %q, %v, want %q", protocol, got, err, text)
			}
		}
		close(next)
		rest, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if len(rest) > 0 || err != nil || resp.Trailer.Get("X-Sum") != "160" {
			t.Errorf("%s: got %q, %v, trailer %v", protocol, rest, err, resp.Trailer)
		}
		if _, outcomes := f.end(t); len(outcomes) != 1 || outcomes[0].Sent != 160 || outcomes[0].Received != 160 {
			t.Errorf("%s: %+v", protocol, outcomes)
		}
	}
}

type flushing struct {
	io.Writer
	control *http.ResponseController
}

func (f flushing) Write(p []byte) (int, error) {
	n, err := f.Writer.Write(p)
	return n, errors.Join(err, f.control.Flush())
}

// Law: a server that ends the connection while the client pauses in its content is told of at once; so is a shutdown.
func TestServersThatEndWhileTheClientPauses(t *testing.T) {
	half := map[string]string{
		"a length": "Content-Length: 10\r\n\r\nabcde",
		"chunks":   "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n",
	}
	for name, content := range half {
		for _, scheme := range []string{"http", "https"} {
			for _, warm := range []bool{false, true} {
				address := other(t, func(conn net.Conn, r *bufio.Reader) {
					if scheme == "https" {
						conn = tls.Server(conn, &tls.Config{GetCertificate: trust().Certificate})
						r = bufio.NewReader(conn)
					}
					for {
						text, ok := head(r)
						if !ok || strings.HasPrefix(text, "POST") {
							_, _ = io.ReadFull(r, make([]byte, 5))
							return
						}
						_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
					}
				})
				f := start(t, upstream.Options{Roots: roots(), Routes: []upstream.Route{{Prefix: "/", Target: scheme + "://" + address}}})
				if warm {
					f.exchange(t, "GET / HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n")
				}
				got := f.exchange(t, "POST / HTTP/1.1\r\nHost: s\r\nConnection: close\r\n"+content)
				if !strings.HasPrefix(got, "HTTP/1.1 502") || !strings.Contains(got, "it closed the connection before the end of its answer") {
					t.Errorf("%s, %s, warm %v: got %q", name, scheme, warm, got)
				}
			}
		}
	}
	asked := make(chan struct{})
	silent := other(t, func(_ net.Conn, r *bufio.Reader) {
		_, _ = head(r)
		close(asked)
		_, _ = io.Copy(io.Discard, r)
	})
	f := start(t, upstream.Options{Routes: []upstream.Route{{Prefix: "/", Target: "http://" + silent}}})
	if _, err := io.WriteString(f.dial(t), "POST / HTTP/1.1\r\nHost: s\r\n"+half["chunks"]); err != nil {
		t.Fatal(err)
	}
	<-asked
	began := time.Now()
	if f.end(t); time.Since(began) > limit {
		t.Errorf("the end took %v", time.Since(began))
	}
}

// Law: a server that does not read keeps its client from sending, and nothing is held here.
func TestContentHasBackPressure(t *testing.T) {
	release := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-release
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n, err)
	}))
	defer slow.Close()
	f := start(t, upstream.Options{Routes: []upstream.Route{{Prefix: "/", Target: slow.URL}}})
	conn := f.dial(t)
	const size = 64 << 20
	if _, err := fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", size); err != nil {
		t.Fatal(err)
	}
	piece := make([]byte, 1<<20)
	sent := 0
	for sent < size {
		_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := conn.Write(piece[:min(len(piece), size-sent)])
		if sent += n; err != nil {
			break
		}
	}
	if sent == size {
		t.Error("everything was taken though nobody reads")
	}
	close(release)
	_ = conn.SetWriteDeadline(time.Now().Add(2 * limit))
	for sent < size {
		n, err := conn.Write(piece[:min(len(piece), size-sent)])
		if sent += n; err != nil {
			t.Fatal(err)
		}
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasSuffix(string(answer), fmt.Sprint(size, "<nil>")) && !strings.HasSuffix(string(answer), fmt.Sprint(size, " <nil>")) {
		t.Errorf("got %q, %v", answer, err)
	}
}

// Law: interim answers reach clients of HTTP/1.1 and 2, and no others.
func TestInterimAnswers(t *testing.T) {
	address := answering(t, "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	for _, protocol := range []string{"http/1.1", "h2"} {
		f := start(t, upstream.Options{Routes: []upstream.Route{{Prefix: "/", Target: "http://" + address}}}, protocol)
		var got []string
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
			got = append(got, fmt.Sprint(code, header["Link"]))
			return nil
		}})
		request, err := http.NewRequestWithContext(ctx, "GET", "https://"+f.address+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client(t).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || string(content) != "ok" || len(resp.Header["Link"]) > 0 || !slices.Equal(got, []string{"103 [</style.css>]"}) {
			t.Errorf("%s: got %q, %v, %v, %q", protocol, content, err, resp.Header, got)
		}
	}
	f := start(t, upstream.Options{Routes: []upstream.Route{{Prefix: "/", Target: "http://" + address}}})
	if got := f.exchange(t, "GET / HTTP/1.0\r\n\r\n"); strings.Contains(got, "103") || !strings.HasSuffix(got, "\r\n\r\nok") {
		t.Errorf("HTTP/1.0: got %q", got)
	}
}

// Law: a server that sends interim answers without an end is cut off, and its client is told.
func TestAFloodOfInterimAnswers(t *testing.T) {
	for _, interim := range []string{"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n"} {
		address := other(t, func(conn net.Conn, r *bufio.Reader) {
			_, ok := head(r)
			for ok {
				_, err := io.WriteString(conn, interim)
				ok = err == nil
			}
		})
		f := start(t, upstream.Options{Routes: []upstream.Route{{Prefix: "/", Target: "http://" + address}}})
		for _, version := range []string{"1.1", "1.0"} {
			got := f.exchange(t, "GET / HTTP/"+version+"\r\nHost: s\r\nConnection: close\r\n\r\n")
			if !strings.Contains(got, "HTTP/1.1 502 Bad Gateway\r\n") || !strings.Contains(got, ": it sent more than 256 KiB of interim answers") || len(got) > 1<<20 {
				t.Errorf("HTTP/%s: got %d bytes, the last %q", version, len(got), got[max(0, len(got)-400):])
			}
		}
	}
}

// Law: what a server may have seen is not sent a second time.
func TestRequestsThatWereSentAreNotRepeated(t *testing.T) {
	for _, method := range []string{"GET", "HEAD", "POST", "DELETE"} {
		var mu sync.Mutex
		var heads []string
		address := other(t, func(conn net.Conn, r *bufio.Reader) {
			for n := 0; ; n++ {
				text, ok := head(r)
				if !ok {
					return
				}
				mu.Lock()
				heads = append(heads, strings.Fields(text)[1])
				mu.Unlock()
				if n == 1 {
					return // the second request on a connection finds its end
				}
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			}
		})
		f := start(t, upstream.Options{Routes: []upstream.Route{{Prefix: "/", Target: "http://" + address}}})
		if got := f.exchange(t, "GET /first HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 200") {
			t.Fatal(got)
		}
		got := f.exchange(t, method+" /second HTTP/1.1\r\nHost: s\r\nConnection: close\r\nIdempotency-Key: a\r\nX-Idempotency-Key: a\r\n\r\n")
		mu.Lock()
		times := len(heads) - 1
		mu.Unlock()
		if !strings.HasPrefix(got, "HTTP/1.1 502") || times != 1 {
			t.Errorf("%s: got %q, and the server was asked %d times", method, got[:min(len(got), 40)], times)
		}
	}
}

// Law: a server that leads back here does not do so for ever.
func TestLoopsEnd(t *testing.T) {
	var f *front
	back := other(t, func(conn net.Conn, r *bufio.Reader) {
		text, ok := head(r)
		if !ok {
			return
		}
		there, err := net.Dial("tcp", f.address)
		if err != nil {
			return
		}
		defer there.Close()
		_, _ = io.WriteString(there, text)
		_, _ = io.Copy(conn, there)
	})
	f = start(t, upstream.Options{Routes: []upstream.Route{{Prefix: "/", Target: "http://" + back}}})
	if got := f.exchange(t, "GET / HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 508 Loop Detected") {
		t.Errorf("got %q", got)
	}
	f = start(t, upstream.Options{Routes: []upstream.Route{{Prefix: "/", Target: "http://" + back}}}) // which keeps no connection yet
	if got := f.exchange(t, "GET / HTTP/1.1\r\nHost: s\r\nConnection: close\r\nAccept: application/json\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 508 ") || !strings.Contains(got, `{"status":508,"error":"`) {
		t.Errorf("as JSON: got %q", got)
	}
}

// Law: a server is not asked any more for a client that has gone.
func TestServersAreLeftWhenTheClientIsGone(t *testing.T) {
	for _, protocol := range []string{"", "http/1.1", "h2"} {
		asked, left := make(chan struct{}), make(chan struct{})
		address := other(t, func(conn net.Conn, r *bufio.Reader) {
			if _, ok := head(r); ok {
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
				close(asked)
				_, _ = io.Copy(io.Discard, r)
				close(left)
			}
		})
		opts := upstream.Options{Routes: []upstream.Route{{Prefix: "/", Target: "http://" + address}}}
		if protocol == "h2" {
			f := start(t, opts, protocol)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			request, err := http.NewRequestWithContext(ctx, "GET", "https://"+f.address+"/", nil)
			if err != nil {
				t.Fatal(err)
			}
			go func() { <-asked; cancel() }()
			if resp, err := client(t).Do(request); err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
		} else {
			var conn, socket net.Conn
			if protocol == "" {
				socket = start(t, opts).dial(t)
				conn = socket
			} else {
				socket = start(t, opts, protocol).dial(t)
				conn = tls.Client(socket, &tls.Config{RootCAs: roots(), ServerName: "localhost"})
			}
			if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: s\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			<-asked
			// A reset, as the answer has begun: of a client that only closes, the next byte tells.
			_ = socket.(*net.TCPConn).SetLinger(0)
			_ = socket.Close()
		}
		select {
		case <-left:
		case <-time.After(limit):
			t.Errorf("%q: the server was not left", protocol)
		}
	}
}

// Law: a server is left soon after its client has gone, though neither says anything; a client that has only closed its
// sending side gets its answer, after an interim one at most.
func TestClientsThatCloseWhileTheServerIsSilent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells")
	}
	for _, protocol := range []string{"", "http/1.1"} {
		asked, left := make(chan struct{}), make(chan struct{})
		address := other(t, func(_ net.Conn, r *bufio.Reader) {
			if _, ok := head(r); ok {
				close(asked)
				_, _ = io.Copy(io.Discard, r)
				close(left)
			}
		})
		opts := upstream.Options{Timeout: time.Hour, Routes: []upstream.Route{{Prefix: "/", Target: "http://" + address}}}
		var conn net.Conn
		if protocol == "" {
			conn = start(t, opts).dial(t)
		} else {
			conn = tls.Client(start(t, opts, protocol).dial(t), &tls.Config{RootCAs: roots(), ServerName: "localhost"})
		}
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: s\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		<-asked
		_ = conn.Close()
		select {
		case <-left:
		case <-time.After(limit):
			t.Errorf("%q: the server was not left", protocol)
		}
	}
	release := make(chan struct{})
	address := other(t, func(conn net.Conn, r *bufio.Reader) {
		if _, ok := head(r); ok {
			<-release
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nanswer")
		}
	})
	f := start(t, upstream.Options{Timeout: time.Hour, Routes: []upstream.Route{{Prefix: "/", Target: "http://" + address}}})
	conn := f.dial(t).(*net.TCPConn)
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: s\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	_ = conn.CloseWrite()
	r := bufio.NewReader(conn)
	if first, ok := head(r); !ok || !strings.HasPrefix(first, "HTTP/1.1 102 Processing\r\n") {
		t.Errorf("got %q", first)
	}
	close(release)
	if rest, err := io.ReadAll(r); err != nil || !strings.HasPrefix(string(rest), "HTTP/1.1 200 OK\r\n") || !strings.HasSuffix(string(rest), "\r\n\r\nanswer") {
		t.Errorf("got %q, %v", rest, err)
	}
}

// Law: the head of a stream arrives before its first event.
func TestHeadsOfStreamsDoNotWait(t *testing.T) {
	for _, protocol := range []string{"http/1.1", "h2"} {
		release := make(chan struct{})
		address := other(t, func(conn net.Conn, r *bufio.Reader) {
			if _, ok := head(r); ok {
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
				<-release
				_, _ = io.WriteString(conn, "data: 1\n\n")
			}
		})
		f := start(t, upstream.Options{Routes: []upstream.Route{{Prefix: "/", Target: "http://" + address}}}, protocol)
		resp, err := client(t).Get("https://" + f.address + "/")
		close(release)
		if err != nil {
			t.Errorf("%s: %v", protocol, err)
			continue
		}
		content, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || string(content) != "data: 1\n\n" {
			t.Errorf("%s: got %q, %v", protocol, content, err)
		}
	}
}
