// The race detector makes sync.Pool forget.
//go:build !race

package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
)

// An answer from the cache, with its record as JSON and its metrics, allocates twice at most in the whole process,
// and so does a 304. What is measured is with the client, which allocates nothing.
func TestACachedAnswerAllocatesTwiceAtMost(t *testing.T) {
	const page = "testdata/www/index.html" // at rest since long ago, or it would not be kept
	conn := dialLogging(t, []string{"PORT=0", "BIND=127.0.0.1", "ADMIN_PORT=0", "LOG_FORMAT=json", "DIRECTORY=testdata/www"})
	const request = "GET /index.html HTTP/1.1\r\nHost: localhost\r\nUser-Agent: a browser\r\nAccept: */*\r\n"
	content, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	etag := ""
	for _, c := range []struct {
		status int
		field  func() string
	}{
		{200, func() string { return "" }},
		{304, func() string { return "If-None-Match: " + etag + "\r\n" }},
	} {
		ask := []byte(request + c.field() + "\r\n")
		length := 0
		for range 200 { // until the pools and the record queue are as large as they get
			counted := &counter{r: conn}
			if _, err := conn.Write(ask); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReaderSize(counted, 1<<16), nil)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != c.status || c.status == 200 && string(text) != string(content) {
				t.Fatalf("%s, %d bytes, %v", resp.Status, len(text), err)
			}
			length, etag = counted.n, resp.Header.Get("ETag")
		}
		buf := make([]byte, length)
		n := testing.AllocsPerRun(2000, func() {
			if _, err := conn.Write(ask); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(conn, buf); err != nil {
				t.Fatal(err)
			}
		})
		t.Logf("%d: %v allocations", c.status, n)
		if n > 2 {
			t.Errorf("%d: %v allocations, want 2 at most", c.status, n)
		}
	}
}

// counter counts what is read.
type counter struct {
	r io.Reader
	n int
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

// launched is the program in this process, whose allocations are measured.
type launched struct {
	ended chan struct{}
	code  int // once it has ended
}

// launch runs the program until the end of the test. The kernel does not confine it, as it could never be undone.
func launch(t *testing.T, environ []string, stderr io.Writer) *launched {
	ctx, cancel := context.WithCancel(context.Background())
	l := &launched{ended: make(chan struct{})}
	go func() {
		defer close(l.ended)
		l.code = run(ctx, nil, append(environ, "KERNEL_CONFINEMENT=off"), io.Discard, stderr)
	}()
	t.Cleanup(func() {
		cancel()
		<-l.ended
	})
	return l
}

// dialLogging starts the service and connects to it. What it logs behind its first line goes nowhere.
func dialLogging(t *testing.T, environ []string) net.Conn {
	t.Helper()
	first := firstLine{address: make(chan string, 1)}
	l := launch(t, environ, &first)
	select {
	case address := <-first.address:
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	case <-l.ended:
		t.Fatalf("the program ended with %d", l.code)
	}
	return nil
}

// firstLine takes the address out of the start record.
type firstLine struct {
	once    sync.Once
	address chan string
}

func (f *firstLine) Write(p []byte) (int, error) {
	if found := loggedURL.FindSubmatch(p); found != nil {
		f.once.Do(func() { f.address <- string(found[1]) })
	}
	return len(p), nil
}
