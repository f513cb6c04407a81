package upstream

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/previewd/previewd/server/message"
)

// serve answers each request on each connection of a listener with 200 and a text, and counts them. A connection whose
// client ends its side stays.
func serve(t *testing.T, l net.Listener, fields, text string) (requests *atomic.Int32) {
	requests = new(atomic.Int32)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
			go func() {
				r := bufio.NewReader(conn)
				for {
					if _, err := http.ReadRequest(r); err != nil {
						return
					}
					requests.Add(1)
					_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s", fields, len(text), text)
				}
			}()
		}
	}()
	return requests
}

// get asks the only server of u, and returns the status code and the content.
func get(t *testing.T, u *Upstreams, method string) (status int, content string) {
	t.Helper()
	r := &message.Request{Method: method, Target: "/", Scheme: "http", Version: message.Version{Major: 1, Minor: 1}}
	resp := u.Handler(nil)(t.Context(), r)
	read, write := io.Pipe()
	go func() {
		var err error
		if resp.Body != nil {
			_, err = resp.Body.WriteTo(write)
			_ = resp.Body.Close()
		}
		_ = write.CloseWithError(err)
	}()
	all, err := io.ReadAll(read)
	if err != nil {
		t.Error(err)
	}
	return resp.Status, string(all)
}

// Law: a request of which no byte could be sent on a kept connection is sent on another one, if it is safe; no other is.
func TestWhatCouldNotBeSent(t *testing.T) {
	for method, want := range map[string]int{"GET": 200, "HEAD": 200, "OPTIONS": 200, "POST": 502, "DELETE": 502, "PATCH": 502} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		requests := serve(t, l, "", "")
		u, err := New(Options{Timeout: time.Minute, Routes: []Route{{"/", "http://" + l.Addr().String()}}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(u.Close)
		made := make(chan *connection, 10)
		next := u.transport.DialContext
		u.transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := next(ctx, network, address)
			if err == nil {
				made <- conn.(*connection)
			}
			return conn, err
		}
		if status, _ := get(t, u, "GET"); status != 200 {
			t.Fatalf("got %d", status)
		}
		_ = (<-made).CloseWrite() // a write fails from now on, and nothing is there to read
		status, _ := get(t, u, method)
		if n := requests.Load(); status != want || (n == 2) != (want == 200) {
			t.Errorf("%s: got %d, and the server %d requests, want %d", method, status, n, want)
		}
	}
}

// Law: a name is looked up for each connection, so that a server that has moved is asked where it is.
func TestAServerThatMoves(t *testing.T) {
	first, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(first.Addr().String())
	second, err := net.Listen("tcp", "127.0.0.2:"+port)
	if err != nil {
		t.Skip(err) // not every system has all of 127.0.0.0/8, and the port may be another's there
	}
	serve(t, first, "Connection: close\r\n", "first")
	serve(t, second, "Connection: close\r\n", "second")
	var where atomic.Pointer[[4]byte]
	u, err := New(Options{Timeout: time.Minute, Routes: []Route{{"/", "http://backend.test:" + port}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.Close)
	u.transport.DialContext = dialing(&net.Dialer{Timeout: dialTimeout, Resolver: names(t, &where)})
	for i, want := range []string{"first", "second", "first"} {
		where.Store(&[4]byte{127, 0, 0, byte(1 + i%2)})
		if status, got := get(t, u, "GET"); status != 200 || got != want {
			t.Errorf("%v: got %d %q, want %q", *where.Load(), status, got, want)
		}
	}
}

// names is a resolver that knows one address for all names.
func names(t *testing.T, where *atomic.Pointer[[4]byte]) *net.Resolver {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			m.Response, m.Authoritative, m.Additionals = true, true, nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 3600}, Body: &dnsmessage.AResource{A: *where.Load()}}}
			}
			if answer, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}
