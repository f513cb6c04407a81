//go:build linux

package http1

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/tcp"
	"github.com/previewd/previewd/server/tcp/tcptest"
)

func TestUnderWayIsWhatTheReceiverHasNotRead(t *testing.T) {
	for _, at := range []struct{ network, address string }{{"tcp4", "127.0.0.1:0"}, {"tcp6", "[::1]:0"}, {"tcp", ":0"}} {
		t.Run(at.network, func(t *testing.T) {
			l, err := net.Listen(at.network, at.address)
			if err != nil {
				t.Skip(err)
			}
			defer l.Close()
			client, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			server, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			if _, err := server.Write(make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
			w := newWire(server, nil, new(atomic.Int64))
			for _, c := range []struct{ read, left int64 }{{0, 1000}, {400, 600}, {600, 0}} {
				if _, err := io.CopyN(io.Discard, client, c.read); err != nil {
					t.Fatal(err)
				}
				// Until the acknowledgement comes, bytes are counted twice.
				n, err := w.underWay()
				for end := time.Now().Add(10 * time.Second); n > c.left && time.Now().Before(end); time.Sleep(time.Millisecond) {
					n, err = w.underWay()
				}
				if errors.Is(err, tcp.ErrNoReceiver) {
					t.Skip("the kernel does not tell of sockets")
				}
				if n != c.left || err != nil {
					t.Errorf("%d bytes are under way, want %d; %v", n, c.left, err)
				}
			}
			client.Close()
			server.Close()
			if n, err := w.underWay(); err == nil {
				t.Errorf("%d bytes are under way on a closed connection", n)
			}
		})
	}
}

// Law: a file is looked at for the last time when the receiver has read all that was lent.
func TestPagesAreReturnedBeforeTheCheck(t *testing.T) {
	const size = 12 << 20
	name := filepath.Join(t.TempDir(), "big")
	if err := os.WriteFile(name, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	var read, readAtCheck atomic.Int64
	e := &Engine{Handler: func(context.Context, *message.Request) message.Response {
		f, err := os.Open(name)
		if err != nil {
			return message.Fail(404, "")
		}
		return message.Response{Status: 200, Body: &message.FileSection{File: f, Length: size, Unchanged: func() error {
			readAtCheck.Store(read.Load())
			return nil
		}}}
	}}
	conn, err := net.Dial("tcp", start(t, e))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	piece := make([]byte, 256<<10)
	for err == nil {
		var n int
		n, err = io.ReadFull(conn, piece)
		read.Add(int64(n))
		time.Sleep(5 * time.Millisecond)
	}
	// The count follows the reading, by a piece at most.
	if lent, got := int64(size-seenMargin-(64<<10)), readAtCheck.Load(); read.Load() < size || got < lent-int64(len(piece)) {
		t.Errorf("%d bytes had been read at the check, want the %d that were lent; %d in all", got, lent, read.Load())
	}
}

// TestACutConnectionIsNotWaitedFor: what its client had not read is nobody's any more.
func TestACutConnectionIsNotWaitedFor(t *testing.T) {
	const size = 1 << 20
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	accepted, client := tcptest.Pair(t)
	if _, err := newWire(accepted, nil, new(atomic.Int64)).underWay(); errors.Is(err, tcp.ErrNoReceiver) {
		t.Skip("the kernel does not tell of sockets")
	}
	e := &Engine{HeaderTimeout: time.Minute, IdleTimeout: time.Minute, Handler: func(context.Context, *message.Request) message.Response {
		f, err := os.Open(name)
		if err != nil {
			return message.Fail(404, err.Error())
		}
		return message.Response{Status: 200, Body: &message.FileSection{File: f, Length: size}}
	}}
	c := NewConn(e, accepted)
	done := make(chan struct{})
	go func() { c.Serve(t.Context()); close(done) }()
	if _, err := io.WriteString(client, "GET / HTTP/1.1\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	for still := false; !still; time.Sleep(time.Millisecond) {
		_, still = c.Still()
	}
	c.Cut()
	select {
	case <-done:
	case <-time.After(writeTimeout / 2):
		t.Error("it goes on")
	}
}
