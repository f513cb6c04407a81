// Growing asks for a log that is written to all the time: for the whole, for its beginning, for its last bytes, and for
// several parts at once. Each answer must be what was there when it was asked for, or a little more; none may be cut
// or refused.
//
//	go run ./testdata/load/growing [-for 5s] [-clients 8] [-interval 1ms] [-size 4194304] [-slow] BINARY
//
// With -slow each client reads slowly, so that the log grows while it is sent.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/previewd/previewd/testdata/internal/subject"
)

// options are the command line.
type options struct {
	lasts    time.Duration
	clients  int
	interval time.Duration
	size     int64
	slow     bool
}

func main() {
	var opt options
	flag.DurationVar(&opt.lasts, "for", 5*time.Second, "how long the clients ask")
	flag.IntVar(&opt.clients, "clients", 8, "clients that ask at the same time")
	flag.DurationVar(&opt.interval, "interval", time.Millisecond, "time between two lines of the log")
	flag.Int64Var(&opt.size, "size", 4<<20, "size of the log at the start in bytes")
	flag.BoolVar(&opt.slow, "slow", false, "clients read slowly")
	flag.Parse()
	if err := run(flag.Args(), opt); err != nil {
		fmt.Fprintln(os.Stderr, "growing:", err)
		os.Exit(1)
	}
}

func run(command []string, opt options) error {
	scratch, err := os.MkdirTemp("", "growing-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	dir, err := os.MkdirTemp(scratch, "site-")
	if err != nil {
		return err
	}
	l := &log{}
	if l.file, err = os.Create(filepath.Join(dir, "app.log")); err != nil {
		return err
	}
	defer l.file.Close()
	if err := l.add(opt.size / lineSize); err != nil {
		return err
	}
	server, err := subject.Start(command, dir, scratch, "LOG_FORMAT=text", "LOG_LEVEL=error")
	if err != nil {
		return err
	}
	defer server.Kill()

	ctx, cancel := context.WithCancel(context.Background())
	var writer, readers sync.WaitGroup
	writer.Go(func() { l.keepGrowing(ctx, opt.interval) })
	clients := make([]*client, opt.clients)
	end := time.Now().Add(opt.lasts)
	for i := range clients {
		clients[i] = &client{url: "http://" + server.Addr + "/app.log", log: l, slow: opt.slow, counts: make(map[string]int)}
		readers.Go(func() { clients[i].keepAsking(end) })
	}
	readers.Wait()
	cancel()
	writer.Wait()
	return errors.Join(report(clients, l, opt.size), l.err)
}

// report prints how many answers there were, and how long the slowest took.
func report(clients []*client, l *log, size int64) error {
	counts := make(map[string]int)
	var problems []error
	slowest := time.Duration(0)
	for _, c := range clients {
		for kind, n := range c.counts {
			counts[kind] += n
		}
		problems = append(problems, c.problems...)
		slowest = max(slowest, c.slowest)
	}
	fmt.Printf("the log grew from %d to %d bytes\n", size, l.size.Load())
	for _, kind := range kinds {
		fmt.Printf("Range %-18q %5d answers\n", kind, counts[kind])
		if counts[kind] == 0 {
			problems = append(problems, fmt.Errorf("%s: no answer", kind))
		}
	}
	fmt.Printf("%d cut, refused or wrong; the slowest answer began after %.2fs\n", len(problems), slowest.Seconds())
	if len(problems) > 5 {
		problems = problems[:5]
	}
	return errors.Join(problems...)
}

// lineSize is the length of a line of the log in bytes. A line has its number.
const lineSize = 64

// log is a file that grows.
type log struct {
	file *os.File
	size atomic.Int64 // what is there at least
	err  error
}

func line(n int64) string { return fmt.Sprintf("%0*d\n", lineSize-1, n) }

// add writes n lines at once.
func (l *log) add(n int64) error {
	var text strings.Builder
	for first := l.size.Load() / lineSize; n > 0; n-- {
		text.WriteString(line(first))
		first++
	}
	_, err := l.file.WriteString(text.String())
	l.size.Add(int64(text.Len()))
	return err
}

func (l *log) keepGrowing(ctx context.Context, interval time.Duration) {
	for ctx.Err() == nil && l.err == nil {
		l.err = l.add(1)
		time.Sleep(interval)
	}
}

// at returns what the log has from an offset on.
func at(offset int64, length int) string {
	var text strings.Builder
	for n := offset / lineSize; text.Len() < length+lineSize; n++ {
		text.WriteString(line(n))
	}
	return text.String()[offset%lineSize:][:length]
}

// kinds are the values of Range that clients send; "" is the whole.
var kinds = []string{"", "bytes=0-999", "bytes=1000000-", "bytes=-100", "bytes=0-99,-100"}

// client asks again and again.
type client struct {
	url  string
	log  *log
	slow bool

	counts   map[string]int
	slowest  time.Duration
	problems []error
}

func (c *client) keepAsking(end time.Time) {
	for n := 0; time.Now().Before(end) || n < len(kinds); n++ {
		kind := kinds[n%len(kinds)]
		if err := c.ask(kind); err != nil {
			c.problems = append(c.problems, fmt.Errorf("%q: %w", kind, err))
			continue
		}
		c.counts[kind]++
	}
}

// ask makes one request and judges its answer.
func (c *client) ask(kind string) error {
	request, err := http.NewRequest(http.MethodGet, c.url, nil)
	if err != nil {
		return err
	}
	want := http.StatusOK
	if kind != "" {
		want = http.StatusPartialContent
		request.Header.Set("Range", kind)
	}
	size, started := c.log.size.Load(), time.Now()
	resp, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	c.slowest = max(c.slowest, time.Since(started))
	content, err := io.ReadAll(c.reader(resp.Body))
	switch {
	case err != nil:
		return fmt.Errorf("cut after %d bytes: %w", len(content), err)
	case resp.StatusCode != want:
		return errors.New(resp.Status)
	case kind == "":
		return judge(string(content), 0, int64(len(content)), size)
	}
	media, parameters, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err == nil && media == "multipart/byteranges" {
		return judgeParts(string(content), parameters["boundary"], size)
	}
	return judgeRange(string(content), resp.Header.Get("Content-Range"), size)
}

func (c *client) reader(r io.Reader) io.Reader {
	if c.slow {
		return slowReader{r}
	}
	return r
}

// slowReader reads about 10 MB a second.
type slowReader struct{ r io.Reader }

func (s slowReader) Read(p []byte) (int, error) {
	time.Sleep(5 * time.Millisecond)
	return s.r.Read(p[:min(len(p), 64<<10)])
}

func judgeParts(content, boundary string, size int64) error {
	parts := multipart.NewReader(strings.NewReader(content), boundary)
	for range 2 {
		part, err := parts.NextPart()
		if err != nil {
			return err
		}
		text, err := io.ReadAll(part)
		if err != nil {
			return err
		}
		if err := judgeRange(string(text), part.Header.Get("Content-Range"), size); err != nil {
			return err
		}
	}
	_, err := parts.NextPart()
	if err == io.EOF {
		return nil
	}
	return errors.Join(errors.New("two parts were asked for"), err)
}

func judgeRange(content, contentRange string, size int64) error {
	var first, last, of int64
	if _, err := fmt.Sscanf(contentRange, "bytes %d-%d/%d", &first, &last, &of); err != nil {
		return fmt.Errorf("reading Content-Range %q: %w", contentRange, err)
	}
	if int64(len(content)) != last-first+1 {
		return fmt.Errorf("%d bytes for %s", len(content), contentRange)
	}
	return judge(content, first, of, size)
}

// judge wants the content at an offset of a log of length bytes, which had size at least when it was asked for.
func judge(content string, offset, length, size int64) error {
	if length < size {
		return fmt.Errorf("%d bytes of a log of %d", length, size)
	}
	if want := at(offset, len(content)); content != want {
		return fmt.Errorf("%d bytes from %d on are not the log's", len(content), offset)
	}
	return nil
}
