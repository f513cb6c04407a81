package tcp

import (
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// TestReserve: where no descriptors are left, as many connections are accepted as were reserved, one after the other too.
func TestReserve(t *testing.T) {
	const n = 3
	l, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := Reserve(l, n); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		var clients []net.Conn
		for range n {
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(10 * time.Second))
			if _, err := c.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			clients = append(clients, c)
		}
		leave := exhaust(t)
		var accepted []net.Conn
		for range clients {
			c, err := l.Accept()
			if err != nil {
				leave()
				t.Fatalf("after %d connections: %v", len(accepted), err)
			}
			accepted = append(accepted, c)
		}
		for _, c := range accepted {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
		if f, err := os.Open(os.DevNull); err == nil {
			t.Error("a descriptor of the reserve is left to others")
			_ = f.Close()
		}
		leave()
		for _, c := range clients {
			_, _ = io.Copy(io.Discard, c)
		}
	}
}

// exhaust opens all files that the process may have open, and returns what closes them.
func exhaust(t *testing.T) (leave func()) {
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 200, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	var files []*os.File
	for {
		f, err := os.Open(os.DevNull)
		if err != nil {
			break
		}
		files = append(files, f)
	}
	return func() {
		for _, f := range files {
			_ = f.Close()
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
			t.Error(err)
		}
	}
}
