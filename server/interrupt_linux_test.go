package server

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
)

// TestWhoIsInterruptedWaitsForNoSilentConnection: the kernel keeps one of which no byte has come out of the backlog for a
// second. On other ends of the server it is accepted, and told; on this one nobody is there once its request comes.
func TestWhoIsInterruptedWaitsForNoSilentConnection(t *testing.T) {
	for _, c := range []struct{ cause, want error }{{ErrInterrupted, syscall.ECONNRESET}, {nil, io.EOF}} {
		l, err := Listen(t.Context(), "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if d, ok := l.(deferring); !ok || d.Deferring() {
			t.Fatalf("%T keeps no connections out, or some already", l)
		}
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(c.cause)
		if err := (&Server{Handler: hello}).Serve(ctx, l); err != nil {
			t.Errorf("%v: Serve = %v", c.cause, err)
		}
		if c.cause != nil { // the client notices once it sends something
			_, _ = conn.Write([]byte("GET"))
		}
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, c.want) {
			t.Errorf("%v: the silent client got %v, want %v", c.cause, err, c.want)
		}
		_ = conn.Close()
	}
}
