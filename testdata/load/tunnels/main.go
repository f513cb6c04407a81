// Tunnels opens WebSocket connections through a server that passes them on (PROXY), and looks at what comes out at both
// ends, and what they cost the server in resident memory:
//
//   - while nothing is said,
//   - while both sides send messages without a pause: every byte arrives, in order,
//   - while one side sends and the other does not read: the sender has to wait, and nothing piles up,
//   - when one side ends: the other hears of it, and can still answer,
//   - when the server gets SIGTERM: tunnels go on until SHUTDOWN_TIMEOUT, and each leaves one record with its bytes.
//
// A run:
//
//	go run ./testdata/load/tunnels [-n 200] [-messages 50] [-max 65536] BINARY
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/previewd/previewd/testdata/internal/subject"
)

const (
	// message is how many bytes one has.
	message = 64 << 10
	// patience is how long any step may take.
	patience = 60 * time.Second
	// shutdown is SHUTDOWN_TIMEOUT.
	shutdown = 6 * time.Second
)

func main() {
	n := flag.Int("n", 200, "tunnels")
	messages := flag.Int("messages", 50, "messages of 64 KiB that each tunnel sends, and gets back")
	limit := flag.Int64("max", 64<<10, "most resident bytes a tunnel while nothing is said; 0 = only report")
	flag.Parse()
	if err := run(flag.Args(), *n, *messages, *limit); err != nil {
		fmt.Fprintln(os.Stderr, "tunnels:", err)
		os.Exit(1)
	}
}

func run(command []string, n, messages int, limit int64) error {
	if err := subject.RaiseDescriptors(uint64(8*n) + 1000); err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "tunnels-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	far, err := newFar()
	if err != nil {
		return err
	}
	defer far.Close()
	server, err := subject.Start(command, scratch, scratch, "LOG_FORMAT=json", "PROXY=/=http://"+far.Addr().String(), "SHUTDOWN_TIMEOUT="+shutdown.String())
	if err != nil {
		return err
	}
	defer server.Kill()
	memory := watch(server)
	before := memory.now()

	idle, err := open(server.Addr, "/echo", n)
	if err != nil {
		return err
	}
	time.Sleep(2 * time.Second)
	each := (memory.now() - before) / int64(n)
	fmt.Printf("%d idle tunnels: %d bytes each, %d MiB in all\n", n, each, memory.now()>>20)
	began := time.Now()
	memory.reset()
	if err := forEach(idle, func(c *tunnel) error { return c.converse(messages) }); err != nil {
		return fmt.Errorf("messages: %w", err)
	}
	moved := float64(2*n*messages*message) / (1 << 20)
	fmt.Printf("%d messages of 64 KiB each way: %.0f MiB/s, at most %d MiB\n", n*messages, moved/time.Since(began).Seconds(), memory.most()>>20)

	memory.reset()
	flood, err := open(server.Addr, "/flood", n)
	if err != nil {
		return err
	}
	sent := far.settled()
	most := memory.most()
	fmt.Printf("%d tunnels whose client does not read: the server took %d KiB of each, at most %d MiB\n", n, sent/int64(n)>>10, most>>20)
	closeAll(flood)
	if most-before > int64(2*n)*128<<10+(16<<20) {
		return fmt.Errorf("memory has grown by %d MiB", (most-before)>>20)
	}

	halves, err := open(server.Addr, "/count", n)
	if err != nil {
		return err
	}
	if err := forEach(halves, (*tunnel).half); err != nil {
		return fmt.Errorf("half close: %w", err)
	}
	closeAll(halves)
	fmt.Printf("%d half-closed tunnels had their answer\n", n)

	if err := server.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	time.Sleep(time.Second)
	if err := forEach(idle, func(c *tunnel) error { return c.converse(1) }); err != nil {
		return fmt.Errorf("after SIGTERM: %w", err)
	}
	began = time.Now()
	code, err := server.Wait(shutdown + 30*time.Second)
	if err != nil || code != 0 {
		return fmt.Errorf("exit code %d, %v", code, err)
	}
	if err := forEach(idle, (*tunnel).isCut); err != nil {
		return err
	}
	closeAll(idle)
	if err := records(server.Output, n, int64(messages+1)*message); err != nil {
		return err
	}
	fmt.Printf("after SIGTERM: tunnels went on and were cut, one record each, exit code 0 %v later\n", time.Since(began).Round(10*time.Millisecond))
	if limit > 0 && each > limit {
		return fmt.Errorf("an idle tunnel costs %d bytes, more than %d", each, limit)
	}
	return nil
}

// far is the server at the other end of the tunnels.
type far struct {
	net.Listener
	flooded atomic.Int64
}

func newFar() (*far, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	f := &far{Listener: l}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go f.serve(conn)
		}
	}()
	return f, nil
}

// serve switches, and then does what the path says. Errors are seen by the client's side.
func (f *far) serve(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	asked, err := http.ReadRequest(r)
	if err != nil {
		return
	}
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	switch asked.URL.Path {
	case "/echo":
		_, _ = io.CopyBuffer(struct{ io.Writer }{conn}, r, make([]byte, message))
	case "/flood":
		piece := make([]byte, message)
		for {
			n, err := conn.Write(piece)
			f.flooded.Add(int64(n))
			if err != nil {
				return
			}
		}
	case "/count":
		n, err := io.Copy(io.Discard, r)
		_, _ = fmt.Fprint(conn, n, err)
	}
}

// settled waits until nothing more is taken of the flood, and returns how much was.
func (f *far) settled() int64 {
	for n := int64(-1); ; time.Sleep(time.Second) {
		now := f.flooded.Load()
		if now == n {
			return n
		}
		n = now
	}
}

// tunnel is the client's end of one.
type tunnel struct {
	*net.TCPConn
	r      *bufio.Reader
	number byte
}

func open(address, path string, n int) ([]*tunnel, error) {
	list := make([]*tunnel, n)
	for i := range list {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return nil, err
		}
		t := &tunnel{conn.(*net.TCPConn), bufio.NewReader(conn), byte(i)}
		_ = t.SetDeadline(time.Now().Add(patience))
		if _, err := fmt.Fprintf(t, "GET %s HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", path); err != nil {
			return nil, err
		}
		resp, err := http.ReadResponse(t.r, nil)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode != http.StatusSwitchingProtocols {
			return nil, fmt.Errorf("status %s", resp.Status)
		}
		list[i] = t
	}
	return list, nil
}

func forEach(list []*tunnel, do func(*tunnel) error) error {
	errs := make([]error, len(list))
	var all sync.WaitGroup
	for i, t := range list {
		all.Go(func() {
			_ = t.SetDeadline(time.Now().Add(patience))
			errs[i] = do(t)
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func closeAll(list []*tunnel) {
	for _, t := range list {
		_ = t.Close()
	}
}

// content is the message that a tunnel sends as its i-th.
func (t *tunnel) content(i int) []byte { return bytes.Repeat([]byte{t.number, byte(i)}, message/2) }

// converse sends messages and wants them back.
func (t *tunnel) converse(messages int) error {
	sent := make(chan error, 1)
	go func() {
		for i := range messages {
			if _, err := t.Write(t.content(i)); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	got := make([]byte, message)
	for i := range messages {
		if _, err := io.ReadFull(t.r, got); err != nil {
			return err
		}
		if !bytes.Equal(got, t.content(i)) {
			return fmt.Errorf("message %d of tunnel %d came back as another", i, t.number)
		}
	}
	return <-sent
}

// half sends, ends its side, and wants an answer.
func (t *tunnel) half() error {
	if _, err := t.Write(t.content(0)); err != nil {
		return err
	}
	if err := t.CloseWrite(); err != nil {
		return err
	}
	answer, err := io.ReadAll(t.r)
	if want := fmt.Sprint(message, error(nil)); err != nil || string(answer) != want {
		return fmt.Errorf("got %q, %v, want %q", answer, err, want)
	}
	return nil
}

func (t *tunnel) isCut() error {
	n, err := io.Copy(io.Discard, t.r)
	if n > 0 || err == nil {
		return fmt.Errorf("a tunnel that was cut ended with %d bytes and %v", n, err)
	}
	return nil
}

// records wants n records of tunnels that have moved so many bytes each way.
func records(path string, n int, moved int64) error {
	log, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	found := 0
	for line := range bytes.Lines(log) {
		var r struct {
			Logger, Path   string
			Code           int
			Size, Received int64
		}
		if json.Unmarshal(line, &r) == nil && r.Logger == "access" && r.Path == "/echo" && r.Code == 101 && r.Size == moved && r.Received == moved {
			found++
		}
	}
	if found != n {
		return fmt.Errorf("%d records of %d tunnels with %d bytes each way", found, n, moved)
	}
	return nil
}

// usage is a server's resident memory.
type usage struct {
	server *subject.Server
	max    atomic.Int64
}

// watch looks at the memory all the time.
func watch(s *subject.Server) *usage {
	u := &usage{server: s}
	go func() {
		for ; !s.Ended(); time.Sleep(20 * time.Millisecond) {
			u.max.Store(max(u.max.Load(), u.now()))
		}
	}()
	return u
}

func (u *usage) now() int64 {
	n, err := u.server.Resident()
	if err != nil {
		return 0
	}
	return n
}

func (u *usage) reset()      { u.max.Store(0) }
func (u *usage) most() int64 { return max(u.max.Load(), u.now()) }
