package upstream_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/previewd/previewd/server/upstream"
)

const handshake = "GET /ws HTTP/1.1\r\nHost: s\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n"

// switching is a server that switches, and then hands the connection to serve.
func switching(t *testing.T, serve func(conn net.Conn, r *bufio.Reader)) string {
	return other(t, func(conn net.Conn, r *bufio.Reader) {
		text, ok := head(r)
		if !ok {
			return
		}
		if !strings.Contains(text, "\r\nConnection: Upgrade\r\n") || !strings.Contains(text, "\r\nUpgrade: websocket\r\n") || !strings.Contains(text, "\r\nSec-Websocket-Key: x\r\n") {
			if strings.Contains(text, "\r\nContent-Length: 1\r\n") {
				_, _ = r.ReadByte() // a close resets the connection where something is unread
			}
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
			return
		}
		// What follows may come with the head.
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: y\r\n\r\nwelcome")
		serve(conn, r)
	})
}

// Law: bytes go both ways as they are, those that came with a head too, and the end of each direction is passed on alone.
func TestTunnelsPassBytesBothWays(t *testing.T) {
	address := switching(t, func(conn net.Conn, r *bufio.Reader) {
		all, err := io.ReadAll(r) // up to the client's end
		_, _ = fmt.Fprint(conn, len(all), bytes.Count(all, []byte("x")), err)
	})
	opts := upstream.Options{Routes: []upstream.Route{{Prefix: "/ws", Target: "http://" + address}}}
	for _, protocol := range []string{"", "http/1.1"} {
		var f *front
		var conn interface {
			net.Conn
			CloseWrite() error
		}
		if protocol == "" {
			f = start(t, opts)
			conn = f.dial(t).(*net.TCPConn)
		} else {
			f = start(t, opts, protocol)
			conn = tls.Client(f.dial(t), &tls.Config{RootCAs: roots(), ServerName: "localhost"})
		}
		const size = 4 << 20
		go func() {
			_, _ = io.WriteString(conn, handshake+"xx")
			_, _ = conn.Write(bytes.Repeat([]byte("x"), size-2))
			_ = conn.CloseWrite()
		}()
		answer, err := io.ReadAll(conn)
		want := "HTTP/1.1 101 Switching Protocols\r\nServer: previewd\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-Websocket-Accept: y\r\n\r\nwelcome" + fmt.Sprint(size, size, nil)
		if got := withoutDate(string(answer)); err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", protocol, got, err, want)
		}
		seen, outcomes := f.end(t)
		sent := int64(len("welcome") + len(fmt.Sprint(size, size, nil)))
		if len(seen) != 1 || len(outcomes) != 1 || seen[0].Status != 101 || seen[0].Sent != sent || seen[0].Err != nil || f.requests[0].Upstream.Received != size ||
			!outcomes[0].Tunnel || outcomes[0].Sent != sent || outcomes[0].Received != size || f.tunnels.Load() != 1 {
			t.Errorf("%q: observed %+v, %+v", protocol, seen, outcomes)
		}
	}
}

// Law: the server's end reaches the client, and a break is seen as one on the other side.
func TestTunnelsEnd(t *testing.T) {
	ended := make(chan error, 1)
	for name, serve := range map[string]func(conn net.Conn, r *bufio.Reader){
		"the server ends": func(conn net.Conn, r *bufio.Reader) {
			_ = conn.(*net.TCPConn).CloseWrite()
			_, err := io.ReadAll(r)
			ended <- err
		},
		"the server breaks": func(conn net.Conn, r *bufio.Reader) {
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
			ended <- nil
		},
		"the client breaks": func(_ net.Conn, r *bufio.Reader) {
			_, err := io.ReadAll(r)
			ended <- err
		},
	} {
		f := start(t, upstream.Options{Routes: []upstream.Route{{Prefix: "/", Target: "http://" + switching(t, serve)}}})
		conn := f.dial(t).(*net.TCPConn)
		if _, err := io.WriteString(conn, handshake); err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReader(conn)
		if _, err := http.ReadResponse(r, nil); err != nil {
			t.Fatal(name, err)
		}
		if name == "the client breaks" {
			_ = conn.SetLinger(0)
			_ = conn.Close()
		} else if _, err := io.ReadAll(r); (err != nil) != (name == "the server breaks") {
			t.Errorf("%s: the client saw %v", name, err)
		}
		_ = conn.Close()
		<-ended
		seen, _ := f.end(t)
		if len(seen) != 1 || seen[0].Status != 101 || (seen[0].Err != nil) != strings.HasSuffix(name, "breaks") {
			t.Errorf("%s: observed %+v", name, seen)
		}
	}
}

// Law: a side that says nothing more once the other has ended is not waited for for ever.
func TestHalfATunnelEnds(t *testing.T) {
	left := make(chan struct{})
	address := switching(t, func(conn net.Conn, r *bufio.Reader) {
		_, _ = io.Copy(io.Discard, r)
		_, _ = conn.Read(make([]byte, 1)) // it neither speaks nor ends
		close(left)
		<-t.Context().Done()
	})
	f := start(t, upstream.Options{Timeout: 2 * time.Second, Routes: []upstream.Route{{Prefix: "/", Target: "http://" + address}}})
	conn := f.dial(t).(*net.TCPConn)
	if _, err := io.WriteString(conn, handshake); err != nil {
		t.Fatal(err)
	}
	_ = conn.CloseWrite()
	if _, err := io.ReadAll(conn); err == nil {
		t.Error("the tunnel ended well")
	}
	<-left
}

// Law: when the server stops a tunnel has as long as every request, and is then cut.
func TestTunnelsAtTheEnd(t *testing.T) {
	address := switching(t, func(conn net.Conn, r *bufio.Reader) { _, _ = io.Copy(conn, r) })
	f := start(t, upstream.Options{Routes: []upstream.Route{{Prefix: "/", Target: "http://" + address}}})
	conn := f.dial(t)
	if _, err := io.WriteString(conn, handshake); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	if _, err := http.ReadResponse(r, nil); err != nil {
		t.Fatal(err)
	}
	f.stop()
	echo := make([]byte, len("welcome")+4)
	if _, err := io.WriteString(conn, "more"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(r, echo); err != nil || string(echo) != "welcomemore" {
		t.Errorf("while the server stops: %q, %v", echo, err)
	}
	if _, err := io.ReadAll(r); err == nil {
		t.Error("the tunnel ended well")
	}
	if seen, _ := f.end(t); len(seen) != 1 || seen[0].Status != 101 {
		t.Errorf("observed %+v", seen)
	}
}

// Law: nothing is switched to HTTP in another form, nor with content, and a refusal is passed on.
func TestWhatIsNotSwitched(t *testing.T) {
	address := switching(t, func(net.Conn, *bufio.Reader) {})
	f := start(t, upstream.Options{Routes: []upstream.Route{{Prefix: "/", Target: "http://" + address}}})
	for _, request := range []string{
		"GET / HTTP/1.1\r\nHost: s\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: s\r\nConnection: Upgrade, close\r\nUpgrade: TLS/1.0\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: s\r\nConnection: Upgrade, close\r\nUpgrade: websocket, h2c\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: s\r\nConnection: close\r\nUpgrade: websocket\r\n\r\n",
		"GET / HTTP/1.0\r\nHost: s\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: s\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\nx",
	} {
		if got := f.exchange(t, request); !strings.HasPrefix(got, "HTTP/1.1 400 ") || strings.Contains(got, "Upgrade") {
			t.Errorf("%q: got %q", request, got)
		}
	}
}

// Law: HTTP/2 offers no tunnels (RFC 8441), so browsers open a connection of HTTP/1.1 for a WebSocket.
func TestHTTP2OffersNoTunnels(t *testing.T) {
	f := start(t, upstream.Options{Routes: []upstream.Route{{Prefix: "/", Target: "http://" + answering(t, "")}}}, "h2")
	conn := tls.Client(f.dial(t), &tls.Config{RootCAs: roots(), ServerName: "localhost", NextProtos: []string{"h2"}})
	if _, err := io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"); err != nil {
		t.Fatal(err)
	}
	frame := make([]byte, 9)
	if _, err := io.ReadFull(conn, frame); err != nil || frame[3] != 4 {
		t.Fatalf("the first frame is %x, %v, and not SETTINGS", frame, err)
	}
	settings := make([]byte, int(frame[1])<<8|int(frame[2]))
	if _, err := io.ReadFull(conn, settings); err != nil {
		t.Fatal(err)
	}
	for ; len(settings) >= 6; settings = settings[6:] {
		if id := int(settings[0])<<8 | int(settings[1]); id == 8 { // SETTINGS_ENABLE_CONNECT_PROTOCOL
			t.Errorf("extended CONNECT is offered: %x", settings[:6])
		}
	}
}
