package http1

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/previewd/previewd/server/message"
)

// watching serves a handler that waits for its client to go, for the time given, and answers with what it
// saw.
func watching(patience time.Duration, gone chan<- bool) message.Handler {
	return func(ctx context.Context, r *message.Request) message.Response {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		g := r.Watcher.AwaitGone(ctx)
		gone <- g
		return message.Response{Status: 200, Body: message.Bytes(fmt.Sprintf("%s gone=%v", r.Target, g))}
	}
}

func needsLinux(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells a reset from an end")
	}
}

func TestAResetIsSeenWhileTheHandlerWaits(t *testing.T) {
	needsLinux(t)
	for _, raw := range []string{
		"GET / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\r\n\r\nGET /pipelined HTTP/1.1\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nunread",
	} {
		gone := make(chan bool, 1)
		conn, err := net.Dial("tcp", start(t, &Engine{Handler: watching(20*time.Second, gone)}))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, raw)
		time.Sleep(20 * time.Millisecond) // more often than not the handler waits by then; both orders are law
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
		if !<-gone {
			t.Errorf("%q: the reset was not seen", raw)
		}
	}
}

// certified is the configuration of a server with a certificate that nobody trusts.
func certified(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)}, &x509.Certificate{}, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

func TestAResetIsSeenBeneathTLS(t *testing.T) {
	needsLinux(t)
	config := certified(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	gone := make(chan bool, 1)
	e := &Engine{Handler: watching(20*time.Second, gone), HeaderTimeout: 5 * time.Second, IdleTimeout: 5 * time.Second}
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		NewConn(e, tls.Server(conn, config)).Serve(context.Background())
	}()
	conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\n\r\n")
	time.Sleep(20 * time.Millisecond)
	_ = conn.NetConn().(*net.TCPConn).SetLinger(0)
	_ = conn.NetConn().Close()
	if !<-gone {
		t.Error("the reset was not seen")
	}
}

func TestAHalfClosingClientIsStillThere(t *testing.T) {
	gone := make(chan bool, 1)
	address := start(t, &Engine{Handler: watching(300*time.Millisecond, gone)})
	if got := talk(t, address, "GET /a HTTP/1.1\r\n\r\n", true); !strings.Contains(got, "/a gone=false") || <-gone {
		t.Errorf("got %q", got)
	}
}

func TestAConnectionThatWasWatchedGoesOn(t *testing.T) {
	gone := make(chan bool, 3)
	address := start(t, &Engine{Handler: watching(100*time.Millisecond, gone)})
	got := talk(t, address, "GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\nGET /c HTTP/1.1\r\nConnection: close\r\n\r\n", false)
	for _, want := range []string{"/a gone=false", "/b gone=false", "/c gone=false"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in %q", want, got)
		}
	}
}

func TestACutConnectionIsGone(t *testing.T) {
	needsLinux(t)
	server, client, err := tcpPair()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c := NewConn(&Engine{}, server)
	gone := make(chan bool)
	go func() { gone <- c.AwaitGone(context.Background()) }()
	c.Wake() // is for idle connections only
	select {
	case g := <-gone:
		t.Fatalf("AwaitGone = %v after Wake", g)
	case <-time.After(50 * time.Millisecond):
	}
	c.Cut()
	if !<-gone {
		t.Error("AwaitGone = false after Cut")
	}
}

func tcpPair() (server, client net.Conn, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		return nil, nil, err
	}
	server, err = l.Accept()
	return server, client, err
}

// Content may be read in one goroutine while another writes the answer.
func TestContentIsReadWhileTheAnswerIsWritten(t *testing.T) {
	const size = 4 << 20
	address := start(t, &Engine{Handler: func(_ context.Context, r *message.Request) message.Response {
		pipe, into := io.Pipe()
		go func() {
			_, err := io.Copy(into, r.Content)
			into.CloseWithError(err)
		}()
		return message.Response{Status: 200, Body: message.NewStream(func(w io.Writer) error {
			_, err := io.Copy(w, pipe)
			return err
		})}
	}})
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	text := strings.Repeat("0123456789abcdef", size/16)
	go func() {
		_, _ = fmt.Fprintf(conn, "POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s", size, text)
	}()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, err := io.ReadAll(resp.Body); err != nil || string(got) != text {
		t.Errorf("%d bytes came back of %d, err %v", len(got), size, err)
	}
}

// Close ends a Read that waits; what was not read is skipped, and the connection goes on.
func TestContentThatIsClosedIsSkipped(t *testing.T) {
	ended := make(chan error, 1)
	address := start(t, &Engine{Handler: func(_ context.Context, r *message.Request) message.Response {
		if r.Target == "/next" {
			return message.Response{Status: 200, Body: message.Bytes("next"), Close: true}
		}
		read := make(chan error)
		go func() {
			_, err := io.ReadAll(r.Content)
			read <- err
		}()
		time.Sleep(20 * time.Millisecond)
		_ = r.Content.(io.Closer).Close()
		ended <- <-read
		return message.Response{Status: 200, Body: message.Bytes("first")}
	}})
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n01234")
	if err := <-ended; !errors.Is(err, errContentClosed) {
		t.Errorf("the Read that waited ended with %v", err)
	}
	_, _ = io.WriteString(conn, "56789GET /next HTTP/1.1\r\n\r\n")
	got, err := io.ReadAll(conn)
	if err != nil || !strings.Contains(string(got), "first") || !strings.HasSuffix(string(got), "next") {
		t.Errorf("got %q, %v", got, err)
	}
}
