package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/previewd/previewd/server/message"
)

// relay stands between clients and a server, as the one of a published port: it takes what the server sends at once,
// hands it on slowly, passes on the end of each direction, and dies with the server.
type relay struct {
	net.Listener
	to    string
	mu    sync.Mutex
	conns []net.Conn
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{Listener: l, to: to}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				_ = client.Close()
				continue
			}
			r.mu.Lock()
			r.conns = append(r.conns, client, server)
			r.mu.Unlock()
			go func() {
				_, _ = io.Copy(server, client)
				_ = server.(*net.TCPConn).CloseWrite()
			}()
			go r.slowly(client, server)
		}
	}()
	t.Cleanup(r.die)
	return r
}

// slowly buffers all that the server sends, and hands it on over more than a second.
func (r *relay) slowly(client, server net.Conn) {
	var mu sync.Mutex
	var buffer bytes.Buffer
	ended := false
	go func() {
		piece := make([]byte, 64<<10)
		for {
			n, err := server.Read(piece)
			mu.Lock()
			buffer.Write(piece[:n])
			ended = err != nil
			mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	for {
		mu.Lock()
		piece := bytes.Clone(buffer.Next(64 << 10))
		over := ended && len(piece) == 0
		mu.Unlock()
		if _, err := client.Write(piece); err != nil || over {
			_ = client.(*net.TCPConn).CloseWrite()
			return
		}
		time.Sleep(20 * time.Millisecond) // it is slow, as a relay may be
	}
}

// die drops all connections with what they hold.
func (r *relay) die() {
	_ = r.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
	}
	r.conns = nil
}

const largeSize = 5 << 20

func large(context.Context, *message.Request) message.Response {
	return message.Response{Status: 200, Body: message.Bytes(make([]byte, largeSize))}
}

// Law: an answer that the server has sent before it ends is with its client before it ends, though a relay holds it that
// goes with the server.
func TestDrainWaitsForWhatARelayHolds(t *testing.T) {
	for _, c := range []struct {
		name      string
		protocols []string // of TLS
		closes    bool     // the client asks for the close
		first     bool     // the answer is sent before the drain begins
	}{
		{"h1", nil, false, false}, {"h1 that closes", nil, true, false},
		{"h1, sent before", nil, false, true}, {"h1 that closes, sent before", nil, true, true},
		{"https1", []string{"http/1.1"}, false, false}, {"https1, sent before", []string{"http/1.1"}, true, true},
		{"h2", []string{"h2"}, false, false}, {"h2, sent before", []string{"h2"}, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			began, sent := make(chan struct{}, 1), make(chan struct{}, 1)
			s := &Server{ShutdownTimeout: time.Minute, Observe: func(*message.Exchange) { sent <- struct{}{} },
				Handler: func(ctx context.Context, r *message.Request) message.Response {
					began <- struct{}{}
					return large(ctx, r)
				}}
			scheme := "http"
			var running *serving
			if c.protocols == nil {
				running = serve(t, s)
			} else {
				scheme, running = "https", serveTLS(t, s, c.protocols...)
			}
			r := newRelay(t, running.address)
			type result struct {
				n   int64
				err error
			}
			got := make(chan result, 1)
			go func() {
				request, err := http.NewRequest("GET", scheme+"://"+r.Addr().String()+"/", nil)
				if err != nil {
					got <- result{0, err}
					return
				}
				request.Close = c.closes
				cl := client(t)
				cl.Transport.(*http.Transport).DisableKeepAlives = c.closes
				resp, err := cl.Do(request)
				if err != nil {
					got <- result{0, err}
					return
				}
				n, err := io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				got <- result{n, err}
				cl.CloseIdleConnections()
			}()
			<-began
			if c.first {
				<-sent
			}
			running.stop()
			err := <-running.ended
			r.die()
			if x := <-got; err != nil || x.n != largeSize || x.err != nil {
				t.Errorf("Serve = %v; the client got %d of %d bytes, %v", err, x.n, largeSize, x.err)
			}
		})
	}
}

// Law: a download that the end of the drain cuts is reset, on every protocol: the client knows at once.
func TestACutIsAReset(t *testing.T) {
	for _, protocol := range []string{"", "http/1.1", "h2"} {
		t.Run("TLS "+protocol, func(t *testing.T) {
			t.Parallel()
			s := &Server{ShutdownTimeout: 100 * time.Millisecond, Handler: func(context.Context, *message.Request) message.Response {
				return message.Response{Status: 200, Body: message.Bytes(make([]byte, 64<<20))}
			}}
			var running *serving
			var conn, raw net.Conn
			if protocol == "" {
				running = serve(t, s)
				conn = running.dial(t)
				raw = conn
			} else {
				running = serveTLS(t, s, protocol)
				secured := running.dialTLS(t, protocol)
				conn, raw = secured, secured.NetConn()
			}
			request := "GET / HTTP/1.1\r\n\r\n"
			if protocol == "h2" {
				// The preface, and HEADERS of GET https://localhost/ (RFC 9113; RFC 7541, appendix A).
				request = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x04\x7f\xff\xff\xff" + "\x00\x00\x04\x08\x00\x00\x00\x00\x00\x7f\x00\x00\x00" +
					"\x00\x00\x0e\x01\x05\x00\x00\x00\x01\x82\x87\x84\x41\x09localhost"
			}
			if _, err := io.WriteString(conn, request); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(conn, make([]byte, 100)); err != nil {
				t.Fatal(err)
			}
			running.stop()
			var cut *CutError
			if err := <-running.ended; !errors.As(err, &cut) || cut.Connections != 1 {
				t.Errorf("Serve = %v, want 1 connection cut", err)
			}
			if _, err := io.Copy(io.Discard, raw); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the client's read ends with %v, want a reset", err)
			}
		})
	}
}
