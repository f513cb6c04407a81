// Proxied asks another server through a server that passes requests on (PROXY), and looks at what its clients see:
//
//   - content of any size goes through in both directions with constant memory,
//   - when the other server gets SIGTERM under load and ends at once: each answer is whole, or its client is told that it is not; none hangs;
//     and once it is there again, it is asked again,
//   - when the server gets SIGTERM under load: each request that it has taken gets its whole answer, and the exit code is 0,
//   - a server that does not answer keeps no file waiting, and gets no more requests than there are connections,
//   - with -limit: clients that hardly read fast answers, and answers with large heads, do not fill so many MiB of memory. It
//     needs root.
//
// A run:
//
//	go run ./testdata/load/proxied [-size 10737418240] [-clients 32] [-load 2s] [-limit 64] BINARY
package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/previewd/previewd/testdata/internal/subject"
)

const (
	// patience is how long an answer may take.
	patience = 40 * time.Second
	// growth is how much resident memory may grow by content.
	growth = 24 << 20
	// connections are how many requests a server gets at a time.
	connections = 512
)

func main() {
	size := flag.Int64("size", 1<<30, "bytes of content each way")
	clients := flag.Int("clients", 32, "clients that ask without a pause")
	load := flag.Duration("load", 2*time.Second, "how long the load runs before a signal")
	limit := flag.Int("limit", 0, "MiB of memory for slow clients; 0 does without them")
	other := flag.String("other", "", "be the other server, at this address")
	flag.Parse()
	var err error
	if *other != "" {
		err = serve(*other)
	} else {
		err = run(flag.Args(), *size, *clients, *limit, *load)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "proxied:", err)
		os.Exit(1)
	}
}

func run(command []string, size int64, clients, limit int, load time.Duration) error {
	scratch, err := os.MkdirTemp("", "proxied-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	if err := os.WriteFile(filepath.Join(scratch, "page.html"), []byte("a page"), 0o644); err != nil {
		return err
	}
	port, err := subject.FreePort()
	if err != nil {
		return err
	}
	address := "127.0.0.1:" + port
	other, err := start(address)
	if err != nil {
		return err
	}
	defer func() { other.Kill() }()
	server, err := subject.Start(command, scratch, scratch, "LOG_FORMAT=json", "PROXY=/api=http://"+address, "SHUTDOWN_TIMEOUT=10s")
	if err != nil {
		return err
	}
	defer server.Kill()
	url := "http://" + server.Addr

	if err := large(server, url, size); err != nil {
		return err
	}
	if err := silent(url, address); err != nil {
		return err
	}

	if limit > 0 {
		if err := limited(command, scratch, address, limit); err != nil {
			return fmt.Errorf("%d MiB: %w", limit, err)
		}
	}

	l := ask(url, clients)
	time.Sleep(load)
	if err := more(&l.whole, clients); err != nil {
		return fmt.Errorf("before the other server got SIGTERM: whole answers: %w", err)
	}
	if err := other.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if _, err := other.Wait(patience); err != nil {
		return err
	}
	time.Sleep(load / 2)
	if err := more(&l.errors, 1); err != nil {
		return fmt.Errorf("the other server is not missed: errors: %w", err)
	}
	if other, err = start(address); err != nil {
		return err
	}
	time.Sleep(load / 2)
	whole := l.whole.Load()
	time.Sleep(load / 2)
	if err := more(&l.whole, clients); err != nil {
		return fmt.Errorf("the other server is not asked again: whole answers: %w", err)
	}
	recovered := l.whole.Load() - whole
	if err := l.end(); err != nil {
		return fmt.Errorf("the other server got SIGTERM: %w", err)
	}
	fmt.Printf("the other server got SIGTERM: %d whole answers, %d errors, %d cut, none hung; %d whole ones since it is back\n",
		l.whole.Load(), l.errors.Load(), l.cut.Load(), recovered)

	l = ask(url, clients)
	time.Sleep(load)
	if err := more(&l.whole, clients); err != nil {
		return fmt.Errorf("before SIGTERM: whole answers: %w", err)
	}
	if err := server.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	code, err := server.Wait(patience)
	if err := errors.Join(err, l.end()); err != nil {
		return fmt.Errorf("SIGTERM: %w", err)
	}
	fmt.Printf("SIGTERM: %d whole answers, %d errors, %d cut, %d refused, exit code %d\n", l.whole.Load(), l.errors.Load(), l.cut.Load(), l.refused.Load(), code)
	if code != 0 || l.errors.Load()+l.cut.Load() > 0 {
		return errors.New("a request was lost")
	}
	return nil
}

// more waits until a number has grown by n.
func more(number *atomic.Int64, n int) error {
	least := number.Load() + int64(n)
	for end := time.Now().Add(patience); number.Load() < least; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("%d after %v, want %d", number.Load(), patience, least)
		}
	}
	return nil
}

// start starts this program as the other server.
func start(address string) (*subject.Process, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.Command(program, "-other", address)
	command.Stderr = os.Stderr
	p, err := subject.Run(command)
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if conn, err := net.Dial("tcp", address); err == nil {
			_ = conn.Close()
			return p, nil
		}
	}
	p.Kill()
	return nil, errors.New("the other server did not start")
}

// serve is the other server.
func serve(address string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/api/pieces", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Query().Get("n"))
		text, sum := pieces(n)
		w.Header().Set("X-Sum", sum)
		for piece := range strings.SplitAfterSeq(text, "\n") {
			_, _ = io.WriteString(w, piece)
			_ = http.NewResponseController(w).Flush()
			time.Sleep(time.Millisecond)
		}
	})
	mux.HandleFunc("/api/sink", func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n, err)
	})
	mux.HandleFunc("/api/source", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.ParseInt(r.URL.Query().Get("n"), 10, 64)
		w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
		_, _ = io.CopyN(w, zeros{}, n)
	})
	mux.HandleFunc("/api/head", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Large", strings.Repeat("x", 200<<10))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	var waiting atomic.Int32
	mux.HandleFunc("/api/silent", func(_ http.ResponseWriter, r *http.Request) {
		waiting.Add(1)
		<-r.Context().Done()
		waiting.Add(-1)
	})
	mux.HandleFunc("/waiting", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, waiting.Load()) })
	return http.ListenAndServe(address, mux)
}

// pieces is content of some lines, and its sum.
func pieces(n int) (text, sum string) {
	text = strings.Repeat(strings.Repeat(strconv.Itoa(n), 200)+"\n", 1+n%8)
	return text, fmt.Sprintf("%x", sha256.Sum256([]byte(text)))
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// large sends content each way while it looks at the server's memory.
func large(server *subject.Server, url string, size int64) error {
	if _, err := get(context.Background(), url+"/api/pieces?n=1"); err != nil {
		return err
	}
	before, err := server.Resident()
	if err != nil {
		return err
	}
	var most atomic.Int64
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() {
		for ; ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
			if n, err := server.Resident(); err == nil {
				most.Store(max(most.Load(), n))
			}
		}
	}()
	began := time.Now()
	for _, length := range []int64{size, -1} { // with a length, and in chunks
		request, err := http.NewRequest("POST", url+"/api/sink", io.NopCloser(io.LimitReader(zeros{}, size)))
		if err != nil {
			return err
		}
		request.ContentLength = length
		resp, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if want := fmt.Sprint(size, error(nil)); err != nil || string(text) != want {
			return fmt.Errorf("sent %d bytes: %q, %v", size, text, err)
		}
	}
	resp, err := http.Get(fmt.Sprintf("%s/api/source?n=%d", url, size))
	if err != nil {
		return err
	}
	n, err := io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	if err != nil || n != size {
		return fmt.Errorf("got %d bytes of %d: %v", n, size, err)
	}
	grown := most.Load() - before
	fmt.Printf("%d MiB sent with a length, in chunks, and fetched: %.0f MiB/s, %d MiB resident, %d more than before\n", size>>20,
		float64(3*size)/(1<<20)/time.Since(began).Seconds(), most.Load()>>20, grown>>20)
	if grown > growth {
		return fmt.Errorf("memory has grown by %d bytes", grown)
	}
	return nil
}

// silent has many requests wait for a server that says nothing, which gets no more of them than there are connections, and a
// file come meanwhile.
func silent(url, other string) error {
	ctx, stop := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for range 600 {
		all.Go(func() { _, _ = get(ctx, url+"/api/silent") })
	}
	if err := awaitWaiting(ctx, other, strconv.Itoa(connections)); err != nil {
		stop()
		return err
	}
	time.Sleep(time.Second)
	if err := awaitWaiting(ctx, other, strconv.Itoa(connections)); err != nil {
		stop()
		return err
	}
	began := time.Now()
	text, err := get(ctx, url+"/page.html")
	took := time.Since(began)
	stop()
	all.Wait()
	if err != nil || text != "a page" {
		return fmt.Errorf("a file beside a silent server: %q, %w", text, err)
	}
	fmt.Printf("a file beside 600 requests to a silent server, which got %d of them, took %v\n", connections, took.Round(time.Millisecond))
	if err := awaitWaiting(context.Background(), other, "0"); err != nil {
		return fmt.Errorf("clients that have gone: %w", err)
	}
	if _, err := get(context.Background(), url+"/api/pieces?n=2"); err != nil {
		return fmt.Errorf("after requests that were given up: %w", err)
	}
	return nil
}

// awaitWaiting waits until so many requests wait for the silent server.
func awaitWaiting(ctx context.Context, other, want string) error {
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		got, err := get(ctx, "http://"+other+"/waiting")
		if err != nil || got == want {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s requests wait for the silent server, want %s", got, want)
		}
	}
}

func get(ctx context.Context, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}

// load are clients that ask without a pause.
type load struct {
	whole, errors, cut, refused atomic.Int64

	stop context.CancelFunc
	all  sync.WaitGroup
	mu   sync.Mutex
	bad  error
}

func ask(url string, clients int) *load {
	ctx, stop := context.WithCancel(context.Background())
	l := &load{stop: stop}
	for c := range clients {
		l.all.Go(func() {
			client := http.Client{Timeout: patience, Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for n := c; ctx.Err() == nil; n += clients {
				if !l.request(&client, url, n) {
					return
				}
			}
		})
	}
	return l
}

// request asks once, and judges the answer. It reports false when there is nobody any more.
func (l *load) request(client *http.Client, url string, n int) bool {
	resp, err := client.Get(fmt.Sprintf("%s/api/pieces?n=%d", url, n))
	if errors.Is(err, syscall.ECONNREFUSED) {
		l.refused.Add(1)
		return false
	}
	if err != nil {
		l.judge(err)
		return true
	}
	text, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	want, sum := pieces(n)
	switch {
	case resp.StatusCode >= 500 && err == nil:
		l.errors.Add(1)
		time.Sleep(10 * time.Millisecond)
	case err != nil:
		l.judge(err)
	case resp.StatusCode != 200 || string(text) != want || resp.Header.Get("X-Sum") != sum:
		l.fail(fmt.Errorf("%s, %d bytes of %d passed off as whole", resp.Status, len(text), len(want)))
	default:
		l.whole.Add(1)
	}
	return true
}

// judge counts an answer that was cut; one that hung is a failure.
func (l *load) judge(err error) {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		l.fail(fmt.Errorf("a request hung: %w", err))
		return
	}
	l.cut.Add(1)
}

func (l *load) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bad = errors.Join(l.bad, err)
}

func (l *load) end() error {
	l.stop()
	l.all.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bad
}
