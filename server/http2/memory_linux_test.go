package http2

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/previewd/previewd/server/message"
)

// TestWhoTakesTheRestOfAnAnswerDoesNotMakeRoom: the server has written all of it, and the kernel has most.
func TestWhoTakesTheRestOfAnAnswerDoesNotMakeRoom(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	socket, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	// As much as the kernel takes: a deadline ends it.
	_ = socket.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	if _, err := socket.Write(make([]byte, 64<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	now := time.Now()
	c := &Conn{conn: tls.Server(socket, &tls.Config{})}
	c.idle.Store(message.Instant(now.Add(-time.Hour)))
	e := &Engine{conns: map[*Conn]struct{}{c: {}}}
	for _, after := range []time.Duration{0, stillTime / 2, stillTime} {
		e.makeRoom(now.Add(after))
		if len(e.conns) != 1 {
			t.Fatalf("it is closed after %v", after)
		}
	}
	e.makeRoom(now.Add(stillTime + 1))
	if _, err := socket.Write([]byte("x")); len(e.conns) != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("what stood still is open: %v", err)
	}
}
