package tcp

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/net/nettest"
)

func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	l, err := Listen(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// pair returns both ends of a connection; the client has sent one byte, which has been read.
func pair(t *testing.T, l net.Listener) (server, client net.Conn) {
	t.Helper()
	return pairAt(t, l, l.Addr().String())
}

// pairAt is pair by one of the addresses of the listener.
func pairAt(t *testing.T, l net.Listener, address string) (server, client net.Conn) {
	t.Helper()
	client, err := net.Dial("tcp", address)
	if err == nil {
		_, err = client.Write([]byte("!"))
	}
	if err == nil {
		server, err = l.Accept()
	}
	if err == nil {
		_, err = io.ReadFull(server, make([]byte, 1))
	}
	if err != nil {
		t.Fatal(err)
	}
	return server, client
}

// TestConn holds what every net.Conn does, for connections that have not had to wait yet.
func TestConn(t *testing.T) {
	nettest.TestConn(t, func() (server, client net.Conn, stop func(), err error) {
		l := listen(t, "127.0.0.1:0")
		server, client = pair(t, l)
		return server, client, func() { _ = errors.Join(server.Close(), client.Close(), l.Close()) }, nil
	})
}

func TestAddresses(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := Listen(context.Background(), address)
		if err != nil {
			t.Logf("%s: %v", address, err) // a machine without IPv6
			continue
		}
		defer l.Close()
		server, client := pair(t, l)
		defer server.Close()
		defer client.Close()
		if got, want := server.RemoteAddr().String(), client.LocalAddr().String(); got != want {
			t.Errorf("%s: the peer is %s, want %s", address, got, want)
		}
		if got, want := server.LocalAddr().String(), l.Addr().String(); got != want {
			t.Errorf("%s: the local address is %s, want %s", address, got, want)
		}
	}
}

// A socket of both families has an IPv4 peer's address in IPv6, and tells where it was spoken to.
func TestAddressesOfBothFamilies(t *testing.T) {
	l := listen(t, ":0")
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, client := pairAt(t, l, "127.0.0.1:"+port)
	defer server.Close()
	defer client.Close()
	if got, want := server.RemoteAddr().String(), client.LocalAddr().String(); got != want {
		t.Errorf("the peer is %s, want %s", got, want)
	}
	if got, want := server.LocalAddr().String(), client.RemoteAddr().String(); got != want {
		t.Errorf("the local address is %s, want %s", got, want)
	}
}

func TestAcceptEnds(t *testing.T) {
	l := listen(t, "127.0.0.1:0")
	deadline := l.(interface{ SetDeadline(time.Time) error })
	if err := deadline.SetDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Accept(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after the deadline: %v", err)
	}
	if err := deadline.SetDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() {
		_, err := l.Accept()
		ended <- err
	}()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// A connection that is closed while a call waits is closed for both.
func TestCloseEndsAWait(t *testing.T) {
	server, client := pair(t, listen(t, "127.0.0.1:0"))
	defer client.Close()
	ended := make(chan error)
	go func() {
		_, err := server.Read(make([]byte, 1))
		ended <- err
	}()
	time.Sleep(10 * time.Millisecond) // more often than not it waits by then; either way it has to end
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read ends with %v", err)
	}
	if n, err := client.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("the client reads %d bytes, %v", n, err)
	}
	if err := server.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed twice: %v", err)
	}
}
