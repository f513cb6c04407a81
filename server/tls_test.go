package server

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/previewd/previewd/server/certs/devca"
	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/secure"
)

// trust is a CA for all tests, and a client's configuration that trusts it.
var trust = sync.OnceValues(func() (*devca.Authority, *tls.Config) {
	ca, _, err := devca.Open(devca.Options{})
	if err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.PEM())
	return ca, &tls.Config{RootCAs: roots, ServerName: "localhost"}
})

// serveTLS starts s on a loopback port that speaks TLS.
func serveTLS(t *testing.T, s *Server, protocols ...string) *serving {
	t.Helper()
	ca, _ := trust()
	return serveWith(t, s, &tls.Config{GetCertificate: ca.Certificate, NextProtos: protocols})
}

func serveWith(t *testing.T, s *Server, config *tls.Config) *serving {
	t.Helper()
	l, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	running := &serving{s, l.Addr().String(), stop, make(chan error, 1)}
	go func() { running.ended <- s.Serve(ctx, Secure(l, config)) }()
	return running
}

// end stops the server and wants it to end well.
func (s *serving) end(t *testing.T) {
	t.Helper()
	s.stop()
	if err := <-s.ended; err != nil {
		t.Errorf("Serve = %v", err)
	}
}

// client is an HTTP client that trusts the server. It speaks HTTP/2 where it is offered.
func client(t *testing.T) *http.Client {
	_, config := trust()
	transport := &http.Transport{TLSClientConfig: config.Clone(), ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

// dialTLS makes a connection with ALPN protocols.
func (s *serving) dialTLS(t *testing.T, protocols ...string) *tls.Conn {
	t.Helper()
	_, config := trust()
	config = config.Clone()
	config.NextProtos = protocols
	conn := tls.Client(s.dial(t), config)
	if err := conn.Handshake(); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestALPNChoosesTheProtocol(t *testing.T) {
	seen := make(chan string, 1)
	handler := func(ctx context.Context, r *message.Request) message.Response {
		seen <- fmt.Sprint(r.Proto, " ", r.Version, " ", r.Scheme, " ", r.TLS.NegotiatedProtocol)
		return hello(ctx, r)
	}
	both := serveTLS(t, &Server{Handler: handler}, "h2", "http/1.1")
	old := serveTLS(t, &Server{Handler: handler}, "http/1.1")
	for _, c := range []struct {
		name   string
		server *serving
		offers []string
		chosen string
		want   string
	}{
		{"h2 only", both, []string{"h2"}, "h2", "HTTP/2.0 HTTP/2.0 https h2"},
		{"http/1.1 only", both, []string{"http/1.1"}, "http/1.1", "HTTP/1.1 HTTP/1.1 https http/1.1"},
		{"both, the server prefers", both, []string{"http/1.1", "h2"}, "h2", "HTTP/2.0 HTTP/2.0 https h2"},
		{"http/1.0 only, as curl --http1.0", both, []string{"http/1.0"}, "http/1.0", "HTTP/1.1 HTTP/1.1 https http/1.0"},
		{"http/1.0 before http/1.1", old, []string{"http/1.0", "http/1.1"}, "http/1.1", "HTTP/1.1 HTTP/1.1 https http/1.1"},
		{"no ALPN", both, nil, "", "HTTP/1.1 HTTP/1.1 https "},
		{"an unknown one beside", both, []string{"spam", "http/1.1"}, "http/1.1", "HTTP/1.1 HTTP/1.1 https http/1.1"},
		{"TLS_ALPN=http/1.1", old, []string{"h2", "http/1.1"}, "http/1.1", "HTTP/1.1 HTTP/1.1 https http/1.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := c.server.dialTLS(t, c.offers...)
			if got := conn.ConnectionState().NegotiatedProtocol; got != c.chosen {
				t.Errorf("chosen %q, want %q", got, c.chosen)
			}
			askOver(t, conn)
			if got := <-seen; got != c.want {
				t.Errorf("the handler saw %q, want %q", got, c.want)
			}
		})
	}
	both.end(t)
	old.end(t)
}

// askOver sends a GET over a connection in the protocol that it has chosen.
func askOver(t *testing.T, conn *tls.Conn) {
	t.Helper()
	transport := &http.Transport{DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetHTTP2(conn.ConnectionState().NegotiatedProtocol == "h2")
	transport.Protocols.SetHTTP1(conn.ConnectionState().NegotiatedProtocol != "h2")
	resp, err := (&http.Client{Transport: transport}).Get("https://localhost/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err != nil || string(text) != "hello" {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestHandshakesThatFailAreCountedByReason(t *testing.T) {
	_, trusting := trust()
	reasons := make(chan string, 1)
	within := func(limit time.Duration) *serving {
		return serveTLS(t, &Server{Handler: hello, HeaderTimeout: limit, HandshakeFailed: func(reason string, peer net.Addr, err error) {
			if peer == nil || err == nil {
				t.Errorf("peer %v, error %v", peer, err)
			}
			reasons <- reason
		}}, "h2", "http/1.1")
	}
	// Who has no time is too slow, whatever else is wrong.
	patient, impatient := within(time.Hour), within(300*time.Millisecond)
	with := func(change func(*tls.Config)) func(*testing.T, net.Conn) {
		return func(_ *testing.T, conn net.Conn) {
			config := trusting.Clone()
			change(config)
			_ = tls.Client(conn, config).Handshake()
		}
	}
	sends := func(text string) func(*testing.T, net.Conn) {
		return func(_ *testing.T, conn net.Conn) {
			_, _ = io.WriteString(conn, text)
			_, _ = io.ReadAll(conn)
		}
	}
	for _, c := range []struct {
		name string
		does func(*testing.T, net.Conn)
		want string
	}{
		{"an unknown protocol", with(func(c *tls.Config) { c.NextProtos = []string{"spam"} }), secure.NoProtocol},
		{"an old version", with(func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }), secure.NoVersion},
		{"no common cipher suite", with(func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
		}), secure.NoCipher},
		{"a certificate that is not trusted", with(func(c *tls.Config) { c.RootCAs = x509.NewCertPool() }), secure.ClientAlert},
		{"a certificate that OpenSSL does not trust", func(_ *testing.T, conn net.Conn) {
			config := trusting.Clone()
			config.VerifyConnection = func(tls.ConnectionState) error {
				_, err := io.WriteString(conn, "\x14\x03\x03\x00\x01\x01\x15\x03\x03\x00\x02\x02\x30")
				// Nothing else is said: the client of crypto/tls would say it once more, encrypted.
				return errors.Join(err, conn.(interface{ CloseWrite() error }).CloseWrite(), errors.New("not trusted"))
			}
			_ = tls.Client(conn, config).Handshake()
		}, secure.ClientAlert},
		{"a client that leaves", func(_ *testing.T, conn net.Conn) { _ = conn.Close() }, secure.WentAway},
		{"a silent client", func(t *testing.T, conn net.Conn) {
			if text, err := io.ReadAll(conn); len(text) > 0 || err != nil {
				t.Errorf("a silent client got %q, %v", text, err)
			}
		}, secure.TooSlow},
		{"half a handshake", sends("\x16\x03\x01\x02\x00\x01"), secure.TooSlow},
		{"another protocol", sends("\x00\x00\x00\x2a\x01\x02"), secure.NotTLS},
		{"a protocol of words", sends("SSH-2.0-x\r\n"), secure.NotTLS},
		{"HTTP", sends("GET / HTTP/1.1\r\n\r\n"), secure.PlainHTTP},
		{"HTTP, a longer method", sends("PROPFIND / HTTP/1.1\r\n\r\n"), secure.PlainHTTP},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := patient
			if c.want == secure.TooSlow {
				s = impatient
			}
			c.does(t, s.dial(t))
			select {
			case got := <-reasons:
				if got != c.want {
					t.Errorf("reason %q, want %q", got, c.want)
				}
			case <-time.After(time.Minute):
				t.Error("no failure was reported")
			}
		})
	}
	patient.end(t)
	impatient.end(t)
}

func TestASilentClientKeepsNobodyElseOut(t *testing.T) {
	s := serveTLS(t, &Server{Handler: hello, HeaderTimeout: time.Hour, ShutdownTimeout: time.Minute}, "h2", "http/1.1")
	for range 10 {
		s.dial(t)
	}
	resp, err := client(t).Get("https://" + s.address)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.ProtoMajor != 2 {
		t.Errorf("got %s", resp.Proto)
	}
	s.end(t) // handshakes that held up the drain would be cut
}

func TestWhoSpeaksHTTPToAPortOfTLSIsToldSo(t *testing.T) {
	var seen []string
	s := serveTLS(t, &Server{Handler: hello, Observe: func(x *message.Exchange) {
		seen = append(seen, fmt.Sprint(x.Request.Line, " ", x.Status, " ", x.Request.TLS))
	}}, "h2", "http/1.1")
	conn := s.dial(t)
	// In pieces, of which the first is too short to tell.
	for _, piece := range []string{"GE", "T /a?b HTTP/1.1\r\nHo", "st: here.example:8443\r\n\r\n"} {
		if _, err := io.WriteString(conn, piece); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 400 || !resp.Close || !strings.Contains(string(page), "Ask for https://here.example:8443/a?b instead.") {
		t.Errorf("got %s, %v\n%s", resp.Status, err, page)
	}
	s.end(t)
	if want := []string{"GET /a?b HTTP/1.1 400 <nil>"}; !slices.Equal(seen, want) {
		t.Errorf("observed %q, want %q", seen, want)
	}
}

func TestASessionResumes(t *testing.T) {
	s := serveTLS(t, &Server{Handler: hello}, "http/1.1")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		_, config := trust()
		config = config.Clone()
		config.MaxVersion, config.ClientSessionCache = version, tls.NewLRUClientSessionCache(1)
		for i, want := range []bool{false, true, true} {
			conn := tls.Client(s.dial(t), config)
			_, _ = ask(t, conn) // TLS 1.3 sends its tickets behind the handshake
			if got := conn.ConnectionState().DidResume; got != want {
				t.Errorf("%s, connection %d: resumed %v, want %v", tls.VersionName(version), i, got, want)
			}
			_ = conn.Close()
		}
	}
	s.end(t)
}

func TestDrainOverTLSAnswersWhatHasBegun(t *testing.T) {
	for _, protocol := range []string{"http/1.1", "h2"} {
		t.Run(protocol, func(t *testing.T) {
			inside, release := make(chan struct{}), make(chan struct{})
			s := serveTLS(t, &Server{Handler: func(ctx context.Context, r *message.Request) message.Response {
				if r.Target == "/slow" {
					close(inside)
					<-release
				}
				return hello(ctx, r)
			}}, protocol)
			idle, busy := client(t), client(t)
			if _, err := get(idle, "https://"+s.address); err != nil {
				t.Fatal(err)
			}
			answered := make(chan string, 1)
			go func() {
				text, err := get(busy, "https://"+s.address+"/slow")
				answered <- fmt.Sprint(text, " ", err)
			}()
			<-inside
			s.stop()
			time.Sleep(100 * time.Millisecond)
			select {
			case err := <-s.ended:
				t.Fatalf("Serve = %v while a request is answered", err)
			default:
			}
			close(release)
			if got := <-answered; got != "hello <nil>" {
				t.Errorf("the request that had begun: %s", got)
			}
			select {
			case err := <-s.ended:
				if err != nil {
					t.Errorf("Serve = %v", err)
				}
			case <-time.After(time.Minute):
				t.Error("the idle connection holds up the drain")
			}
		})
	}
}

func get(c *http.Client, url string) (string, error) {
	resp, err := c.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}

// halving is a connection whose writes can be kept back in part.
type halving struct {
	net.Conn
	keep bool
	rest []byte
}

func (h *halving) Write(p []byte) (int, error) {
	if !h.keep {
		return h.Conn.Write(p)
	}
	h.rest = append(h.rest, p[len(p)/2:]...)
	n, err := h.Conn.Write(p[:len(p)/2])
	return n + len(p) - len(p)/2, err
}

// release writes what was kept back.
func (h *halving) release(t *testing.T) {
	t.Helper()
	h.keep = false
	if _, err := h.Conn.Write(h.rest); err != nil {
		t.Error(err)
	}
}

// TestDrainAnswersARequestOfWhichHalfARecordHasCome: crypto/tls hands out nothing of it before the record is
// whole, and the kernel has nothing any more.
func TestDrainAnswersARequestOfWhichHalfARecordHasCome(t *testing.T) {
	for _, c := range []struct {
		name     string
		version  uint16
		asked    bool   // the connection has been used before
		together string // what comes whole with the half record
	}{
		{"new", tls.VersionTLS13, false, ""},
		{"used", tls.VersionTLS13, true, ""},
		{"TLS 1.2", tls.VersionTLS12, true, ""},
		{"with another request", tls.VersionTLS13, true, "GET /first HTTP/1.1\r\n\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := serveTLS(t, &Server{Handler: hello}, "http/1.1")
			_, config := trust()
			config = config.Clone()
			config.MaxVersion = c.version
			wire := &halving{Conn: s.dial(t)}
			conn, idle := tls.Client(wire, config), s.dialTLS(t, "http/1.1")
			if err := conn.Handshake(); err != nil {
				t.Fatal(err)
			}
			_, _ = ask(t, idle)
			if c.asked {
				_, _ = ask(t, conn)
			}
			if c.together != "" {
				whole := &bytes.Buffer{}
				wire.Conn = writesTo{wire.Conn, whole}
				fmt.Fprint(conn, c.together)
				fmt.Fprint(conn, "GET / HTTP/1.1\r\n\r\n")
				wire.Conn = wire.Conn.(writesTo).Conn
				cut := whole.Len() - 20
				wire.rest = bytes.Clone(whole.Bytes()[cut:])
				if _, err := wire.Conn.Write(whole.Bytes()[:cut]); err != nil {
					t.Fatal(err)
				}
				if text, _ := answer(t, conn); text != "hello" {
					t.Errorf("first: %q", text)
				}
			} else {
				wire.keep = true
				fmt.Fprint(conn, "GET / HTTP/1.1\r\n\r\n")
			}
			time.Sleep(50 * time.Millisecond) // nothing tells when the bytes were read
			s.stop()
			if _, err := io.ReadAll(idle); err != nil {
				t.Errorf("the idle connection: %v", err)
			}
			time.Sleep(time.Second + 100*time.Millisecond)
			wire.release(t)
			if text, closing := answer(t, conn); text != "hello" || !closing {
				t.Errorf("got %q, close %v", text, closing)
			}
			if err := <-s.ended; err != nil {
				t.Errorf("Serve = %v", err)
			}
		})
	}
}

// writesTo is a connection of which the writes go elsewhere.
type writesTo struct {
	net.Conn
	io.Writer
}

func (w writesTo) Write(p []byte) (int, error) { return w.Writer.Write(p) }

// TestDrainGoesOnServingHTTP2ForTheDelay: old connections are told to part with their next answer, new ones
// are served.
func TestDrainGoesOnServingHTTP2ForTheDelay(t *testing.T) {
	t.Parallel()
	s := serveTLS(t, &Server{Handler: hello, ShutdownDelay: delay}, "h2")
	old := client(t)
	if _, err := get(old, "https://"+s.address); err != nil {
		t.Fatal(err)
	}
	s.stop()
	time.Sleep(50 * time.Millisecond)
	for range 5 {
		for _, c := range []*http.Client{old, client(t)} {
			if text, err := get(c, "https://"+s.address); text != "hello" {
				t.Errorf("during the delay: %q, %v", text, err)
			}
		}
	}
	if err := <-s.ended; err != nil {
		t.Errorf("Serve = %v", err)
	}
}

// TestDrainUnderLoadOverHTTP2: until a client is refused, each request has its whole answer.
func TestDrainUnderLoadOverHTTP2(t *testing.T) {
	page := message.Bytes(strings.Repeat("x", 10000))
	s := serveTLS(t, &Server{ShutdownDelay: 500 * time.Millisecond, Handler: func(context.Context, *message.Request) message.Response {
		return message.Response{Status: 200, Body: page}
	}}, "h2")
	const before = 20 // requests of each client
	var group, begun sync.WaitGroup
	for i := range 8 {
		c := client(t)
		begun.Add(1)
		group.Go(func() {
			begins := sync.OnceFunc(begun.Done)
			defer begins()
			for n := 0; ; n++ {
				if n == before {
					begins()
				}
				text, err := get(c, "https://"+s.address)
				if errors.Is(err, syscall.ECONNREFUSED) && n > before {
					return
				}
				if err != nil || len(text) != len(page) {
					t.Errorf("client %d, request %d: %d bytes, %v", i, n, len(text), err)
					return
				}
			}
		})
	}
	begun.Wait()
	s.stop()
	if err := <-s.ended; err != nil {
		t.Errorf("Serve = %v", err)
	}
	group.Wait()
}

func TestDrainOverTLSCutsAtItsTimeout(t *testing.T) {
	for _, protocol := range []string{"http/1.1", "h2"} {
		inside := make(chan struct{})
		s := serveTLS(t, &Server{ShutdownTimeout: 100 * time.Millisecond, Handler: func(ctx context.Context, _ *message.Request) message.Response {
			close(inside)
			<-ctx.Done()
			return message.Fail(503, "")
		}}, protocol)
		said := make(chan string, 1)
		go func() {
			text, _ := get(client(t), "https://"+s.address)
			said <- text
		}()
		<-inside
		s.stop()
		var cut *CutError
		if err := <-s.ended; !errors.As(err, &cut) || cut.Connections != 1 {
			t.Errorf("%s: Serve = %v, want a cut of 1 connection", protocol, err)
		}
		// A handler that heeds its context has the last word.
		if text := <-said; !strings.Contains(text, "Error code: 503") {
			t.Errorf("%s: got %q", protocol, text)
		}
	}
}

func TestListenersShareTheSlotsOfMaxConnections(t *testing.T) {
	ca, _ := trust()
	plain, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	secure, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	var open, most atomic.Int64
	s := &Server{Handler: hello, MaxConnections: 1, Closed: func() { open.Add(-1) }, Opened: func() {
		if n := open.Add(1); n > most.Load() {
			most.Store(n)
		}
	}}
	go func() {
		ended <- s.Serve(ctx, plain, Secure(secure, &tls.Config{GetCertificate: ca.Certificate, NextProtos: []string{"h2"}}))
	}()
	var group sync.WaitGroup
	for range 3 {
		for _, url := range []string{"http://" + plain.Addr().String(), "https://" + secure.Addr().String()} {
			c := client(t)
			group.Go(func() {
				defer c.CloseIdleConnections()
				text, err := get(c, url)
				for tries := 1; err != nil && tries < 100; tries++ { // who has not asked within waitTime has given way to another
					text, err = get(c, url)
				}
				if text != "hello" || err != nil {
					t.Errorf("%s: %q, %v", url, text, err)
				}
			})
		}
	}
	group.Wait()
	if most.Load() != 1 {
		t.Errorf("%d connections were served at once", most.Load())
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Serve = %v", err)
	}
}

// TestAtTheLimitTLSConnectionsGiveWay: in their handshake, and without a request in either protocol.
func TestAtTheLimitTLSConnectionsGiveWay(t *testing.T) {
	for _, name := range []string{"handshake", "http/1.1", "h2"} {
		t.Run(name, func(t *testing.T) {
			s := serveTLS(t, &Server{Handler: hello, MaxConnections: 1, HeaderTimeout: time.Hour, IdleTimeout: time.Hour}, "h2", "http/1.1")
			var first net.Conn
			if name == "handshake" {
				first = s.dial(t)
				_, _ = first.Write([]byte{22, 3, 1, 0, 200, 1}) // the beginning of a ClientHello
			} else {
				first = s.dialTLS(t, name)
			}
			for range 3 {
				if text, err := get(client(t), "https://"+s.address); text != "hello" || err != nil {
					t.Fatalf("a further client got %q, %v", text, err)
				}
			}
			if _, err := io.ReadAll(first); err != nil && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("the oldest is not closed: %v", err)
			}
			s.end(t)
		})
	}
}

// TestContentThatBrokeOffIsNotComplete: where only the end of the connection ends the content, a TLS client
// must not be told goodbye.
func TestContentThatBrokeOffIsNotComplete(t *testing.T) {
	for _, c := range []struct {
		fail error
		want error
	}{{nil, nil}, {errors.New("broke off"), syscall.ECONNRESET}} {
		s := serveTLS(t, &Server{Handler: func(context.Context, *message.Request) message.Response {
			return message.Response{Status: 200, Body: message.NewStream(func(w io.Writer) error {
				_, _ = io.WriteString(w, "some of it")
				time.Sleep(50 * time.Millisecond)
				return c.fail
			})}
		}}, "http/1.1")
		conn := s.dialTLS(t, "http/1.1")
		fmt.Fprint(conn, "GET / HTTP/1.0\r\n\r\n")
		text, err := io.ReadAll(conn)
		if !errors.Is(err, c.want) || !bytes.HasSuffix(text, []byte("some of it")) {
			t.Errorf("%v: the client got %q, %v, want %v", c.fail, text, err, c.want)
		}
		s.end(t)
	}
}

// TestAnAnswerBeforeTheContentIsReadReachesTheClient: linger half-closes TLS and TCP, and reads on.
func TestAnAnswerBeforeTheContentIsReadReachesTheClient(t *testing.T) {
	s := serveTLS(t, &Server{Handler: func(context.Context, *message.Request) message.Response {
		return message.Fail(413, "No more")
	}}, "http/1.1")
	conn := s.dialTLS(t, "http/1.1")
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nContent-Length: 200000\r\n\r\n%s", strings.Repeat("x", 100000))
	time.Sleep(50 * time.Millisecond)
	_, _ = io.WriteString(conn, strings.Repeat("x", 50000))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != 413 {
		t.Fatalf("got %v, %v", resp, err)
	}
	if page, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(page), "No more") {
		t.Errorf("got %q, %v", page, err)
	}
	_ = conn.Close()
	s.end(t)
}

// TestAClientThatSendsAllBeforeItReadsSeesTheAnswer: as most clients do that are no browsers.
func TestAClientThatSendsAllBeforeItReadsSeesTheAnswer(t *testing.T) {
	refuse := &Server{Handler: func(context.Context, *message.Request) message.Response {
		return message.Fail(413, "No more")
	}}
	const size = 16 << 20 // more than the sockets hold
	content := strings.Repeat("x", size)
	request := fmt.Sprintf("POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n", size)
	send := func(t *testing.T, conn net.Conn) {
		defer conn.Close()
		if n, err := io.WriteString(conn, request+content); err != nil {
			t.Fatalf("sent %d bytes: %v", n, err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || resp.StatusCode != 413 {
			t.Fatalf("got %v, %v", resp, err)
		}
	}
	t.Run("http", func(t *testing.T) {
		s := serve(t, refuse)
		send(t, s.dial(t))
		s.end(t)
	})
	t.Run("https", func(t *testing.T) {
		s := serveTLS(t, refuse, "http/1.1")
		send(t, s.dialTLS(t, "http/1.1"))
		s.end(t)
	})
}

func TestAnAnswerIsReadThoughMoreInputCameThanWasRead(t *testing.T) {
	inside, release := make(chan struct{}), make(chan struct{})
	s := serveTLS(t, &Server{Handler: func(ctx context.Context, r *message.Request) message.Response {
		close(inside)
		<-release
		return hello(ctx, r)
	}}, "http/1.1")
	conn := s.dialTLS(t, "http/1.1")
	fmt.Fprint(conn, "GET / HTTP/1.0\r\n\r\n")
	<-inside
	// The kernel has these when the connection is to close: closed like that, it would be reset.
	fmt.Fprint(conn, strings.Repeat("GET / HTTP/1.0\r\n\r\n", 1000))
	time.Sleep(50 * time.Millisecond)
	close(release)
	time.Sleep(50 * time.Millisecond)
	if answer, err := io.ReadAll(conn); err != nil || !bytes.HasSuffix(answer, []byte("hello")) {
		t.Errorf("got %q, %v", answer, err)
	}
	if _, err := conn.NetConn().Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("beneath TLS the connection ended with %v", err)
	}
	_ = conn.Close()
	s.end(t)
}
