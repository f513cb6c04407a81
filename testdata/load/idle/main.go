// Idle holds keep-alive connections, each of which has had one answer, while another client keeps getting
// answers, and reports what one costs the server in resident memory, without what it has freed and not yet returned: that is
// different each time, and goes away by itself.
//
//	go run ./testdata/load/idle [-n 10000] [-max 9216] BINARY
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/previewd/previewd/testdata/internal/subject"
)

const (
	// perAddress is how many connections come from one client address: ip_local_port_range has 28,232.
	perAddress = 20000
	// patience is how long any one answer may take.
	patience = 30 * time.Second
)

func main() {
	n := flag.Int("n", 10000, "connections to hold")
	limit := flag.Float64("max", 9216, "most resident bytes a connection; 0 = only report")
	flag.Parse()
	if err := run(flag.Args(), *n, *limit); err != nil {
		fmt.Fprintln(os.Stderr, "idle:", err)
		os.Exit(1)
	}
}

func run(command []string, n int, limit float64) error {
	if err := subject.RaiseDescriptors(uint64(n) + 1000); err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "idle-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	if err := os.WriteFile(filepath.Join(scratch, "page.html"), bytes.Repeat([]byte("idle\n"), 200), 0o644); err != nil {
		return err
	}
	server, err := subject.Start(command, scratch, scratch, "IDLE_TIMEOUT=15m", fmt.Sprint("MAX_CONNECTIONS=", n+100))
	if err != nil {
		return err
	}
	defer server.Kill()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()

	other := &client{}
	var wait sync.WaitGroup
	asking, stopAsking := context.WithCancel(ctx)
	wait.Go(func() { other.keepAsking(asking, server.Addr) })
	defer wait.Wait()
	defer stopAsking()

	before, err := settled(ctx, server)
	if err != nil {
		return err
	}
	started := time.Now()
	held, err := open(server.Addr, n)
	if err != nil {
		return err
	}
	opened := time.Since(started)
	defer closeAll(held)
	after, err := settled(ctx, server)
	if err != nil {
		return err
	}
	each := float64(after-before) / float64(n)
	fmt.Printf("%d connections opened and answered in %.1fs\n", n, opened.Seconds())
	fmt.Printf("resident without what is freed: %.1f MiB before, %.1f MiB after two collections, %.0f bytes a connection\n",
		float64(before)/(1<<20), float64(after)/(1<<20), each)
	if err := composition(server); err != nil {
		return err
	}

	for i, c := range held {
		if err := ask(c, ""); err != nil {
			return fmt.Errorf("connection %d does not answer any more: %w", i, err)
		}
	}
	stopAsking()
	wait.Wait()
	fmt.Println("every one of them answers again")
	if err := other.report(); err != nil {
		return err
	}
	if limit > 0 && each > limit {
		return fmt.Errorf("%.0f bytes a connection, want at most %.0f", each, limit)
	}
	return nil
}

// settled returns the server's resident memory once its garbage has been collected twice, without what is freed.
func settled(ctx context.Context, server *subject.Server) (int64, error) {
	if err := server.AwaitCollections(ctx, 2); err != nil {
		return 0, err
	}
	idle, err := server.Metric("go_memstats_heap_idle_bytes")
	if err != nil {
		return 0, err
	}
	released, err := server.Metric("go_memstats_heap_released_bytes")
	if err != nil {
		return 0, err
	}
	resident, err := server.Resident()
	return resident - int64(idle-released), err
}

// composition prints what the runtime says resident memory is made of.
func composition(server *subject.Server) error {
	var mebibytes [4]float64
	for i, name := range [...]string{"stack_inuse", "heap_inuse", "heap_idle", "heap_released"} {
		value, err := server.Metric("go_memstats_" + name + "_bytes")
		if err != nil {
			return err
		}
		mebibytes[i] = value / (1 << 20)
	}
	fmt.Printf("stacks %.1f MiB, heap %.1f MiB, freed and not yet returned %.1f MiB\n",
		mebibytes[0], mebibytes[1], mebibytes[2]-mebibytes[3])
	return nil
}

// open makes n connections from as many client addresses as their ports need, and has one answer on each
// to a request with 2 KiB of fields.
func open(addr string, n int) ([]net.Conn, error) {
	fields := manyFields()
	held := make([]net.Conn, 0, n)
	for i := range n {
		from := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+i/perAddress))}}
		c, err := from.Dial("tcp", addr)
		if err != nil {
			closeAll(held)
			return nil, fmt.Errorf("connection %d: %w", i, err)
		}
		held = append(held, c)
		if err := ask(c, fields); err != nil {
			closeAll(held)
			return nil, fmt.Errorf("connection %d: %w", i, err)
		}
	}
	return held, nil
}

func closeAll(held []net.Conn) {
	for _, c := range held {
		_ = c.Close()
	}
}

// manyFields returns 2 KiB of field lines as a browser sends them: a few, one of them a long cookie.
func manyFields() string {
	lines := "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0\r\n" +
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n" +
		"Accept-Language: en-GB,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n" +
		"Sec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: none\r\n"
	const cookie = "Cookie: session="
	return lines + cookie + strings.Repeat("x", 2048-len(lines)-len(cookie)-2) + "\r\n"
}

// ask sends one request and reads its whole answer, byte by byte of what is there: nothing of the next
// answer is taken, so that no reader has to be kept for each connection.
func ask(c net.Conn, fields string) error {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := io.WriteString(c, "GET /page.html HTTP/1.1\r\nHost: "+c.RemoteAddr().String()+"\r\n"+fields+"\r\n"); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

// client is the other client: it asks again and again on one connection, and notes how long answers took.
type client struct {
	took []time.Duration
	err  error
}

func (cl *client) keepAsking(ctx context.Context, addr string) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		cl.err = err
		return
	}
	defer c.Close()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		start := time.Now()
		if cl.err = ask(c, ""); cl.err != nil {
			return
		}
		cl.took = append(cl.took, time.Since(start))
	}
}

func (cl *client) report() error {
	if cl.err != nil {
		return fmt.Errorf("the other client, after %d answers: %w", len(cl.took), cl.err)
	}
	if len(cl.took) == 0 {
		return errors.New("the other client got no answer")
	}
	slices.Sort(cl.took)
	fmt.Printf("the other client got %d answers: median %v, 99 in 100 within %v, slowest %v\n", len(cl.took),
		cl.took[len(cl.took)/2], cl.took[len(cl.took)*99/100], cl.took[len(cl.took)-1])
	return nil
}
