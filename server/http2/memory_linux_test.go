package http2

import (
	"crypto/tls"
	"errors"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

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
	if err := client.(*net.TCPConn).SetReadBuffer(16 << 10); err != nil {
		t.Fatal(err)
	}
	fill(t, socket.(*net.TCPConn))
	now := time.Now()
	e := &Engine{}
	c := &Conn{engine: e, conn: tls.Server(socket, &tls.Config{})}
	c.idle.Store(message.Instant(now.Add(-time.Hour)))
	e.conns = map[*Conn]struct{}{c: {}}
	for _, after := range []time.Duration{0, stillTime / 2, stillTime} {
		e.makeRoom(now.Add(after))
		if len(e.conns) != 1 {
			t.Fatalf("it is closed after %v", after)
		}
	}
	// The kernel may still be busy with what was written.
	for after := 2 * stillTime; len(e.conns) > 0; after += 2 * stillTime {
		time.Sleep(time.Millisecond)
		e.makeRoom(now.Add(after))
	}
	if _, err := socket.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("what stood still is open: %v", err)
	}
}

// fill writes as much as the kernel takes.
func fill(t *testing.T, socket *net.TCPConn) {
	t.Helper()
	if err := socket.SetWriteBuffer(1 << 20); err != nil {
		t.Fatal(err)
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64<<10)
	failed := raw.Write(func(fd uintptr) bool {
		for err == nil {
			_, err = unix.Write(int(fd), buf)
		}
		return true
	})
	if failed != nil || err != unix.EAGAIN {
		t.Fatal(failed, err)
	}
}
