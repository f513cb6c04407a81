package http2

import (
	"crypto/tls"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/tcp/tcptest"
)

// TestWhoTakesTheRestOfAnAnswerDoesNotMakeRoom: the server has written all of it, and the kernel has most.
func TestWhoTakesTheRestOfAnAnswerDoesNotMakeRoom(t *testing.T) {
	socket, client := tcptest.Pair(t)
	if err := client.SetReadBuffer(16 << 10); err != nil {
		t.Fatal(err)
	}
	tcptest.Fill(t, socket)
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
