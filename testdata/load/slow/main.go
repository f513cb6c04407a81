// Slow plays clients that send one byte a second, and clients that send nothing: the first are cut with 408
// when HEADER_TIMEOUT is over, the others are closed without a word after IDLE_TIMEOUT, and meanwhile another
// client gets its answers.
//
//	go run ./testdata/load/slow [-n 100] BINARY
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/previewd/previewd/testdata/internal/subject"
)

const (
	headerTimeout = 2 * time.Second
	idleTimeout   = 4 * time.Second
	// slack is how much later than its deadline a connection may be cut: as late as a busy machine may be.
	slack = 30 * time.Second
)

func main() {
	n := flag.Int("n", 100, "slow clients of each kind")
	flag.Parse()
	if err := run(flag.Args(), *n); err != nil {
		fmt.Fprintln(os.Stderr, "slow:", err)
		os.Exit(1)
	}
}

func run(command []string, n int) error {
	scratch, err := os.MkdirTemp("", "slow-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	if err := os.WriteFile(filepath.Join(scratch, "page.html"), []byte("<p>slow\n"), 0o644); err != nil {
		return err
	}
	server, err := subject.Start(command, scratch, scratch,
		"HEADER_TIMEOUT="+headerTimeout.String(), "IDLE_TIMEOUT="+idleTimeout.String())
	if err != nil {
		return err
	}
	defer server.Kill()

	var wait sync.WaitGroup
	results := make(chan error)
	play := func(name string, f func(addr string) error) {
		wait.Go(func() {
			if err := f(server.Addr); err != nil {
				results <- fmt.Errorf("%s: %w", name, err)
				return
			}
			results <- nil
		})
	}
	for range n {
		play("one byte a second of the request line", func(addr string) error { return trickle(addr, "") })
		play("one byte a second of the fields", func(addr string) error { return trickle(addr, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ") })
		play("nothing", silent)
	}
	play("the other client", keepAsking)
	go func() { wait.Wait(); close(results) }()

	var problems []error
	total := 0
	for err := range results {
		if total++; err != nil {
			problems = append(problems, err)
		}
	}
	fmt.Printf("%d clients, %d of them not treated as they should be\n", total, len(problems))
	if len(problems) > 5 {
		problems = problems[:5]
	}
	return errors.Join(problems...)
}

// trickle sends what it is given and then a byte a second, and wants 408 at headerTimeout after the first byte.
func trickle(addr, head string) error {
	start := time.Now()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := io.WriteString(c, head+"G"); err != nil {
		return err
	}
	var sending sync.WaitGroup
	done := make(chan struct{})
	defer sending.Wait()
	defer close(done)
	sending.Go(func() { sendBytes(c, done) })
	if err := c.SetReadDeadline(start.Add(headerTimeout + 2*slack)); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return fmt.Errorf("want 408, got no answer: %w", err)
	}
	took := time.Since(start)
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusRequestTimeout || !resp.Close {
		return fmt.Errorf("got %s, want 408 and the end of the connection", resp.Status)
	}
	return between(took, headerTimeout)
}

// sendBytes sends a byte a second until the connection or done ends it.
func sendBytes(c net.Conn, done chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		if _, err := c.Write([]byte{'G'}); err != nil {
			return
		}
	}
}

// silent sends nothing, and wants the end at idleTimeout with nothing before it.
func silent(addr string) error {
	start := time.Now()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetReadDeadline(start.Add(idleTimeout + 2*slack)); err != nil {
		return err
	}
	got, err := io.ReadAll(c)
	if err != nil {
		return err
	}
	if len(got) > 0 {
		return fmt.Errorf("got %q, want no answer", got)
	}
	return between(time.Since(start), idleTimeout)
}

func between(took, deadline time.Duration) error {
	if took < deadline || took > deadline+slack {
		return fmt.Errorf("cut after %v, want %v", took.Round(time.Millisecond), deadline)
	}
	return nil
}

// keepAsking has an answer every 10 ms for as long as the others wait.
func keepAsking(addr string) error {
	client := http.Client{Timeout: slack}
	for end := time.Now().Add(idleTimeout); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		resp, err := client.Get("http://" + addr + "/page.html")
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK {
			return errors.New(resp.Status)
		}
	}
	return nil
}
