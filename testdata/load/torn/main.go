// Torn asks for files while they change under the server: replaced by rename, rewritten in place, deleted.
// Every file says of itself which version it is, how long and with which checksum, so that an answer that
// mixes two versions, or is short, is found; and an answer must not be older than its request.
//
//	go run ./testdata/load/torn [-requests 200000] [-connections 64] [-slow 4] [-large 25165824] [-truncate | -disguise] BINARY
//
// An answer counts when it is 200 and complete. 404, 503 and a connection that is cut are the ways in which
// a server may refuse, and only counted. -truncate lets writers also cut a file to nothing before they write
// it, as a shell does; between the two calls the file is empty, and an empty answer is counted apart. -disguise
// has them do nothing but rewrite in place with the same size and give the file its old mtime back.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/previewd/previewd/testdata/internal/subject"
)

// patience is how long one answer may take, a slow reader's too.
const patience = 60 * time.Second

// sizes are those of the files, with how many of 1000 requests ask for one of each.
var sizes = []struct{ bytes, share int }{{100, 600}, {60 << 10, 280}, {900 << 10, 100}, {8 << 20, 20}}

// options are the command line.
type options struct {
	requests    int64
	connections int
	slow        int
	large       int
	truncate    bool
	disguise    bool
}

func main() {
	var opt options
	flag.Int64Var(&opt.requests, "requests", 200000, "requests to make")
	flag.IntVar(&opt.connections, "connections", 64, "connections to make them over")
	flag.IntVar(&opt.slow, "slow", 4, "how many of the connections read slowly")
	flag.IntVar(&opt.large, "large", 24<<20, "size of one more file, which slow readers ask for; 0 = none")
	flag.BoolVar(&opt.truncate, "truncate", false, "also truncate files before rewriting them")
	flag.BoolVar(&opt.disguise, "disguise", false, "only rewrite files in place, with the same size and mtime")
	flag.Parse()
	if err := run(flag.Args(), opt); err != nil {
		fmt.Fprintln(os.Stderr, "torn:", err)
		os.Exit(1)
	}
}

func run(command []string, opt options) error {
	scratch, err := os.MkdirTemp("", "torn-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	dir, err := os.MkdirTemp(scratch, "site-")
	if err != nil {
		return err
	}
	files, err := makeFiles(dir, opt)
	if err != nil {
		return err
	}
	server, err := subject.Start(command, dir, scratch, "LOG_FORMAT=text", "LOG_LEVEL=error")
	if err != nil {
		return err
	}
	defer server.Kill()
	l := &load{files: files, opt: opt, addr: server.Addr}
	if err := l.askOnceForEach(); err != nil {
		return err
	}
	before, err := atRest(server)
	if err != nil {
		return err
	}

	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Minute)
	defer cancel()
	started := time.Now()
	l.run(ctx)
	fmt.Printf("%d requests over %d connections in %.1fs, %.1f GiB read, %d changes of %d files\n", l.asked.Load(),
		opt.connections, time.Since(started).Seconds(), float64(l.read.Load())/(1<<30), changes(files), len(files))
	fmt.Printf("whole %d, 404 %d, 503 %d, cut %d, empty %d\n",
		l.whole.Load(), l.missing.Load(), l.refused.Load(), l.cut.Load(), l.empty.Load())
	hits, err := server.Metric("previewd_cache_hits_total")
	if err != nil {
		return err
	}
	fmt.Printf("%.0f answers from the cache\n", hits)
	if opt.disguise && hits == 0 {
		return errors.New("no answer came from the cache, whose freshness is in question")
	}
	after, err := returned(server, before)
	fmt.Printf("descriptors %d before, %d after; goroutines %d before, %d after\n",
		before.descriptors, after.descriptors, before.goroutines, after.goroutines)
	return errors.Join(l.verdict(), err)
}

// usage is what must be the same after the load as before it.
type usage struct{ descriptors, goroutines int }

// measure counts descriptors first, when the connection of an earlier look at the metrics is gone.
func measure(server *subject.Server) (usage, error) {
	descriptors, err := server.Descriptors()
	if err != nil {
		return usage{}, err
	}
	goroutines, err := server.Metric("go_goroutines")
	return usage{descriptors, int(goroutines)}, err
}

// atRest returns the most that the server uses while nothing is asked of it but its metrics, which cost a
// goroutine more or less.
func atRest(server *subject.Server) (most usage, err error) {
	for range 5 {
		time.Sleep(100 * time.Millisecond)
		now, err := measure(server)
		if err != nil {
			return most, err
		}
		most = usage{max(most.descriptors, now.descriptors), max(most.goroutines, now.goroutines)}
	}
	return most, nil
}

// returned waits until the server uses no more than before.
func returned(server *subject.Server, before usage) (after usage, err error) {
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if after, err = measure(server); err != nil {
			return after, err
		}
		if after.descriptors <= before.descriptors && after.goroutines <= before.goroutines {
			return after, nil
		}
		if time.Now().After(end) {
			return after, errors.New("descriptors or goroutines did not return to where they were")
		}
	}
}

// load is the readers' side: how many answers of each kind there were, and the first wrong ones.
type load struct {
	files []*file
	opt   options
	addr  string
	// until is how long readers go on, whatever the number of their requests.
	until time.Time

	// turns counts the requests given out, asked those that were made.
	turns, asked, read, whole, missing, refused, cut, empty atomic.Int64

	mu    sync.Mutex
	count int
	wrong []string
}

// askOnceForEach has one answer of each file, so that what a server keeps for good is there before measuring.
func (l *load) askOnceForEach() error {
	c := &connection{load: l}
	defer c.close()
	for _, f := range l.files {
		if err := c.ask(f); err != nil {
			return err
		}
	}
	if err := l.verdict(); err != nil {
		return err
	}
	if got := l.whole.Swap(0); got != int64(len(l.files)) {
		return fmt.Errorf("%d of %d files at rest were answered", got, len(l.files))
	}
	return nil
}

// run lets readers ask until there were enough requests, and writers change the files meanwhile.
func (l *load) run(ctx context.Context) {
	if l.opt.disguise {
		l.until = time.Now().Add(2 * cacheable) // what is read comes from the cache by then
	}
	writing, stop := context.WithCancel(ctx)
	var readers, writers sync.WaitGroup
	for _, f := range l.files {
		writers.Go(func() { f.keepChanging(writing, l.opt) })
	}
	for i := range l.opt.connections {
		readers.Go(func() { l.keepAsking(ctx, i < l.opt.slow) })
	}
	readers.Wait()
	stop()
	writers.Wait()
	for _, f := range l.files {
		if f.err != nil {
			l.fail("writing %s: %v", f.name, f.err)
		}
	}
}

func (l *load) keepAsking(ctx context.Context, slow bool) {
	c := &connection{load: l, slow: slow}
	defer c.close()
	for ctx.Err() == nil && (l.turns.Add(1) <= l.opt.requests || time.Now().Before(l.until)) {
		l.asked.Add(1)
		if err := c.ask(l.choose(slow)); err != nil {
			l.fail("%v", err)
			return
		}
	}
}

// choose picks a file: by the shares of the sizes, for slow readers one of the largest.
func (l *load) choose(slow bool) *file {
	if slow {
		return l.files[len(l.files)-1-rand.IntN(2)]
	}
	n := rand.IntN(1000)
	for i, size := range sizes {
		if n -= size.share; n < 0 {
			return l.files[i*filesOfASize+rand.IntN(filesOfASize)]
		}
	}
	panic("the shares of the sizes are not 1000 in all")
}

func (l *load) fail(format string, values ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count++; len(l.wrong) < 10 {
		l.wrong = append(l.wrong, fmt.Sprintf(format, values...))
	}
}

func (l *load) verdict() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count == 0 {
		return nil
	}
	return fmt.Errorf("%d wrong answers, the first:\n\t%s", l.count, strings.Join(l.wrong, "\n\t"))
}

// connection is one client: it keeps its connection as long as the server does.
type connection struct {
	load   *load
	slow   bool
	conn   net.Conn
	reader *bufio.Reader
	body   []byte
}

func (c *connection) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

func (c *connection) open() error {
	if c.conn != nil {
		return nil
	}
	conn, err := net.Dial("tcp", c.load.addr)
	if err != nil {
		return err
	}
	c.conn, c.reader = conn, bufio.NewReaderSize(conn, 64<<10)
	return nil
}

// ask makes one request and judges its answer. An error means that the server cannot be asked at all.
func (c *connection) ask(f *file) error {
	if err := c.open(); err != nil {
		return err
	}
	oldest := f.settled.Load()
	resp, body, err := c.exchange(f.name)
	if err != nil {
		c.close()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("no whole answer for %s within %v", f.name, patience)
		}
		c.load.cut.Add(1)
		return nil
	}
	c.load.read.Add(int64(len(body)))
	if resp.Close {
		c.close()
	}
	c.judge(f, resp.StatusCode, body, oldest)
	return nil
}

// exchange returns a complete answer; an error means that there was none.
func (c *connection) exchange(name string) (*http.Response, []byte, error) {
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, nil, err
	}
	if _, err := io.WriteString(c.conn, "GET /"+name+" HTTP/1.1\r\nHost: "+c.load.addr+"\r\n\r\n"); err != nil {
		return nil, nil, err
	}
	resp, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return nil, nil, err
	}
	if resp.ContentLength < 0 {
		c.body, err = io.ReadAll(resp.Body)
		return resp, c.body, err
	}
	if int64(cap(c.body)) < resp.ContentLength {
		c.body = make([]byte, resp.ContentLength)
	}
	body := c.body[:resp.ContentLength]
	for n := 0; n < len(body); {
		piece := body[n:]
		if c.slow {
			piece = piece[:min(len(piece), 256<<10)]
			time.Sleep(time.Millisecond)
		}
		m, err := io.ReadFull(resp.Body, piece)
		if n += m; err != nil {
			return nil, nil, err
		}
	}
	return resp, body, nil
}

func (c *connection) judge(f *file, status int, body []byte, oldest uint64) {
	l := c.load
	switch {
	case status == http.StatusNotFound:
		l.missing.Add(1)
	case status == http.StatusServiceUnavailable:
		l.refused.Add(1)
	case status != http.StatusOK:
		l.fail("%s: status %d", f.name, status)
	case len(body) == 0 && l.opt.truncate:
		l.empty.Add(1)
	default:
		version, err := check(body, f.number)
		if err == nil && version < oldest {
			err = fmt.Errorf("version %d is stale: %d was complete before the request", version, oldest)
		}
		if err != nil {
			l.fail("%s: %v", f.name, err)
			return
		}
		l.whole.Add(1)
	}
}
