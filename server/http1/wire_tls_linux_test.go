package http1

import (
	"crypto/tls"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/tcp"
	"github.com/previewd/previewd/server/tcp/tcptest"
)

// late is a connection whose next deadlines are over before anything is read, as on a machine that is busy.
type late struct {
	*net.TCPConn
	deadlines int
}

func (l *late) SetReadDeadline(t time.Time) error {
	if l.deadlines > 0 {
		l.deadlines--
		t = time.Unix(1, 0)
	}
	return l.TCPConn.SetReadDeadline(t)
}

// TestWhatHasComeOverTLSIsReadHoweverBusyTheMachineIs: a connection that is to give way answers a request that has come.
func TestWhatHasComeOverTLSIsReadHoweverBusyTheMachineIs(t *testing.T) {
	accepted, dialled := tcptest.Pair(t)
	beneath := &late{TCPConn: accepted}
	client, server := tls.Client(dialled, &tls.Config{InsecureSkipVerify: true}), tls.Server(beneath, certified(t))
	shaken := make(chan error, 1)
	go func() { shaken <- server.Handshake() }()
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-shaken; err != nil {
		t.Fatal(err)
	}
	w := wireOf(server, message.Gate(nil), new(atomic.Int64))
	buf := make([]byte, 100)
	if n, err := w.tryRead(buf); n != 0 || err != nil {
		t.Errorf("got %d bytes, %v, and nothing was sent", n, err)
	}
	const said = "GET / HTTP/1.1\r\n\r\n"
	if _, err := io.WriteString(client, said); err != nil {
		t.Fatal(err)
	}
	for !tcp.HasUnread(server) {
		time.Sleep(time.Millisecond)
	}
	beneath.deadlines = 3
	if n, err := w.tryRead(buf); string(buf[:n]) != said || err != nil {
		t.Errorf("got %q, %v", buf[:n], err)
	}
}
