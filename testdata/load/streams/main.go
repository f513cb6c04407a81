// Streams does to live reload what a hostile client could: more event streams than there may be, over HTTP/1.1 and HTTP/2, streams
// that are not read while files change, requests that say what no page shows, requests whose content does not come, paths that are
// long and odd, and requests that wait for a build. The server has 64 MiB and 64 tasks. Meanwhile a page that is asked for has to
// come whole, and afterwards all is as before. It needs root and a control group file system.
//
//	go run ./testdata/load/streams [-streams 2000] [-t 10s] [-memory 64] BINARY
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/previewd/previewd/testdata/internal/subject"
)

const (
	// patience is how long a client waits for an answer.
	patience = 30 * time.Second
	// files is how many style sheets change all the time.
	files = 300
)

func main() {
	streams := flag.Int("streams", 2000, "how many event streams are wanted at the same time")
	during := flag.Duration("t", 10*time.Second, "how long the attack takes")
	mebibytes := flag.Int("memory", 64, "limit of the memory control group, in MiB")
	flag.Parse()
	if err := run(flag.Args(), *streams, *during, *mebibytes); err != nil {
		fmt.Fprintln(os.Stderr, "streams:", err)
		os.Exit(1)
	}
}

// attack is a server that is attacked, and what clients have seen.
type attack struct {
	dir           string
	plain, secure string
	client        *http.Client

	opened, refused, odd, waited atomic.Int64
}

func run(command []string, streams int, during time.Duration, mebibytes int) (err error) {
	if err := subject.RaiseDescriptors(10_000); err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "previewd-streams-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	command, remove, err := subject.Limited(command, mebibytes, 64)
	if err != nil {
		return err
	}
	defer remove()
	a := &attack{dir: filepath.Join(scratch, "site")}
	certificate, _, err := subject.Certificate(1)
	pair := filepath.Join(scratch, "tls.pem")
	err = errors.Join(err, os.Mkdir(a.dir, 0o755), os.WriteFile(pair, certificate, 0o644), a.write("index.html", page), a.write("app.js", "1"))
	for i := range files {
		err = errors.Join(err, a.write(fmt.Sprintf("%d.css", i), "p { color: red }"))
	}
	port, portErr := subject.FreePort()
	if err = errors.Join(err, portErr); err != nil {
		return err
	}
	server, err := subject.Start(command, a.dir, scratch, "RELOAD=true", "TLS_CERT="+pair, "TLS_PORT="+port)
	if err != nil {
		return err
	}
	defer server.Kill()
	a.plain, a.secure = server.Addr, "127.0.0.1:"+port
	// 100 streams a connection.
	a.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true, MaxConnsPerHost: 1 + streams/100}}
	if err := a.asks(); err != nil {
		return fmt.Errorf("before: %w", err)
	}

	ctx, end := context.WithTimeout(context.Background(), max(during, patience))
	defer end()
	began := time.Now()
	var all sync.WaitGroup
	repeat := func(n int, pause time.Duration, do func(context.Context)) {
		for range n {
			all.Go(func() {
				for ctx.Err() == nil {
					do(ctx)
					select {
					case <-ctx.Done():
					case <-time.After(pause):
					}
				}
			})
		}
	}
	repeat(streams*3/4, time.Second, a.listenSecurely)
	repeat(streams/4, time.Second, a.listenAndNotRead)
	repeat(4, 50*time.Millisecond, a.say)
	repeat(50, time.Second, a.sayNothing)
	repeat(8, 10*time.Millisecond, a.askOddly)
	repeat(100, 10*time.Millisecond, a.wait)
	repeat(1, 0, a.change)
	most := 0.0
	asked := 0
	var problems []error
	for ctx.Err() == nil && (time.Since(began) < during || a.refused.Load() == 0) {
		if err := a.asks(); err != nil {
			problems = append(problems, fmt.Errorf("meanwhile: %w", err))
		}
		asked++
		if n, err := server.Metric("previewd_reload_streams"); err == nil {
			most = max(most, n)
		}
		time.Sleep(50 * time.Millisecond)
	}
	end()
	all.Wait()
	a.client.CloseIdleConnections()
	peak, _ := subject.Status(server.ID(), "VmHWM")
	fmt.Printf("%d streams began, %d were refused, %.0f at a time; %d odd requests, %d that waited; %d pages meanwhile; resident %d KiB at the most\n",
		a.opened.Load(), a.refused.Load(), most, a.odd.Load(), a.waited.Load(), asked, peak)
	if server.Ended() {
		text, _ := os.ReadFile(server.Output)
		return fmt.Errorf("the server has ended: %s", text[max(0, len(text)-2000):])
	}
	if a.refused.Load() == 0 || most > 1000 {
		problems = append(problems, fmt.Errorf("%.0f streams at a time, %d refused", most, a.refused.Load()))
	}
	problems = append(problems, a.afterwards(server))
	if err := errors.Join(problems...); err != nil {
		return err
	}
	return server.Stop()
}

// page uses some of the files.
const page = "<!DOCTYPE html><link rel=stylesheet href=0.css><script src=app.js></script><p>page"

func (a *attack) write(name, text string) error {
	return os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o644)
}

// asks wants the page, whole. As a browser it asks again where the connection is closed before an answer has begun: at the limit
// of connections, one that has asked nothing for a while gives way.
func (a *attack) asks() error {
	ctx, end := context.WithTimeout(context.Background(), patience)
	defer end()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+a.plain+"/", nil)
	if err != nil {
		return err
	}
	r.Header.Set("Sec-Fetch-Dest", "document")
	r.Close = true
	resp, err := http.DefaultClient.Do(r)
	for ; err != nil && ctx.Err() == nil; resp, err = http.DefaultClient.Do(r) {
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || !strings.HasPrefix(string(text), page) || !strings.Contains(string(text), "__previewd/reload.js")) {
		err = fmt.Errorf("%s %q", resp.Status, text)
	}
	return err
}

// shows is what a page of 100 files says.
var shows = func() string {
	list := []string{`"/":null`}
	for i := range 100 {
		list = append(list, fmt.Sprintf(`"/%d.css":null`, i))
	}
	return `{"id":"x","page":"/","age":1000,"shows":{` + strings.Join(list, ",") + `}}`
}()

// listenSecurely listens over HTTP/2 until it is told of a change.
func (a *attack) listenSecurely(ctx context.Context) {
	a.post(ctx, shows)
}

// post says something, and reads what comes.
func (a *attack) post(ctx context.Context, text string) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+a.secure+"/__previewd/events", strings.NewReader(text))
	if err != nil {
		return
	}
	resp, err := a.client.Do(r)
	if err != nil {
		return // the server need not have room
	}
	defer resp.Body.Close()
	a.count(resp.StatusCode)
	_, _ = io.Copy(io.Discard, resp.Body)
}

func (a *attack) count(status int) {
	if status == http.StatusOK {
		a.opened.Add(1)
	} else {
		a.refused.Add(1)
	}
}

// dial opens a connection that ends with ctx.
func (a *attack) dial(ctx context.Context) (conn net.Conn, end func()) {
	conn, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, "tcp", a.plain)
	if err != nil {
		return nil, nil
	}
	_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	return conn, func() { stop(); _ = conn.Close() }
}

// listenAndNotRead listens to all over HTTP/1.1, and reads only how the answer begins.
func (a *attack) listenAndNotRead(ctx context.Context) {
	conn, end := a.dial(ctx)
	if conn == nil {
		return
	}
	defer end()
	if _, err := io.WriteString(conn, "GET /__previewd/events HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return
	}
	resp, err := http.ReadResponse(bufio.NewReaderSize(conn, 16), nil)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	a.count(resp.StatusCode)
	if resp.StatusCode == http.StatusOK {
		<-ctx.Done()
	}
}

// lies are much that no page shows.
var lies = func() (texts []string) {
	for range 4 {
		var paths, long, unknown []string
		for range 50_000 {
			paths = append(paths, fmt.Sprintf(`"/%d":{"%d":"1"}`, rand.IntN(1e6), rand.IntN(1e3)))
		}
		for range 250 {
			long = append(long, fmt.Sprintf(`"/%d%s":{"%d":"1"}`, rand.IntN(1e6), strings.Repeat("/a", 1900), rand.IntN(1e6)))
		}
		for range 40_000 {
			unknown = append(unknown, fmt.Sprintf(`"/%d":null`, rand.IntN(1e6)))
		}
		one := []string{`"/":{` + strings.Repeat(`"index.html":"1",`, 50_000) + `"a":"1"}`}
		for _, list := range [][]string{paths, long, unknown, one} {
			texts = append(texts, `{"page":"/","shows":{`+strings.Join(list, ",")+`}}`)
		}
	}
	return texts
}()

// say says a lot that no page shows.
func (a *attack) say(ctx context.Context) {
	soon, end := context.WithTimeout(ctx, time.Second)
	defer end()
	a.post(soon, lies[rand.IntN(len(lies))])
	a.odd.Add(1)
}

// sayNothing announces content that does not come.
func (a *attack) sayNothing(ctx context.Context) {
	conn, end := a.dial(ctx)
	if conn == nil {
		return
	}
	defer end()
	if _, err := io.WriteString(conn, "POST /__previewd/events HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{"); err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, conn)
}

// askOddly asks for pages that are not there.
func (a *attack) askOddly(ctx context.Context) {
	target := []string{
		fmt.Sprintf("/%d", rand.IntN(1e9)),
		fmt.Sprintf("/%d%s", rand.IntN(1e9), strings.Repeat("/a", 1900)),
		fmt.Sprintf("/%d%s", rand.IntN(1e9), strings.Repeat("/a", 30_000)),
		fmt.Sprintf("/%d%s", rand.IntN(1e9), strings.Repeat("a", 60_000)),
		fmt.Sprintf("/%d%%ff%%00'%%22%%3cscript>", rand.IntN(1e9)),
		"/__previewd/", "/__previewd/../__previewd/events/", "/__previewd/reload.js",
	}[rand.IntN(8)]
	conn, end := a.dial(ctx)
	if conn == nil {
		return
	}
	defer end()
	method := []string{"GET", "HEAD", "POST", "PUT", "DELETE"}[rand.IntN(5)]
	if _, err := fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", method, target); err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, conn)
	a.odd.Add(1)
}

// wait asks for a file that is gone now and then.
func (a *attack) wait(ctx context.Context) {
	conn, end := a.dial(ctx)
	if conn == nil {
		return
	}
	defer end()
	if _, err := io.WriteString(conn, "GET /app.js HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, conn)
	a.waited.Add(1)
}

// change changes the files, and takes one away for a moment.
func (a *attack) change(ctx context.Context) {
	_ = os.Remove(filepath.Join(a.dir, "app.js"))
	for i := range files {
		if ctx.Err() == nil {
			_ = a.write(fmt.Sprintf("%d.css", i), fmt.Sprintf("p { width: %dpx }", rand.IntN(1e6)))
			time.Sleep(time.Millisecond)
		}
	}
	_ = a.write("app.js", "1")
	select {
	case <-ctx.Done():
	case <-time.After(100 * time.Millisecond):
	}
}

// afterwards wants a page to be told of a change, and nothing left of the attack.
func (a *attack) afterwards(server *subject.Server) error {
	// A stream whose client is gone ends when it is written to.
	for _, name := range []string{"previewd_reload_streams", "previewd_memory_budget_used_bytes"} {
		if err := await(server, name, 0, func() error { return a.write("0.css", fmt.Sprintf("p { width: %dpx }", rand.IntN(1e6))) }); err != nil {
			return err
		}
	}
	ctx, end := context.WithTimeout(context.Background(), patience)
	defer end()
	if err := a.asks(); err != nil {
		return fmt.Errorf("afterwards: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+a.plain+"/__previewd/events", strings.NewReader(`{"id":"x","page":"/","age":0,"shows":{"/":null}}`))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	for lines, said := bufio.NewScanner(resp.Body), false; lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "event: state") && !said {
			said = true
			if err := a.write("index.html", page+" anew"); err != nil {
				return err
			}
		}
		if lines.Text() == `data: ["/"]` {
			return nil
		}
	}
	return fmt.Errorf("afterwards: %s, the page was not told of a change", resp.Status)
}

// await waits until a metric has a value, and does something meanwhile.
func await(server *subject.Server, name string, want float64, do func() error) error {
	for end := time.Now().Add(90 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		if err := do(); err != nil {
			return err
		}
		value, err := server.Metric(name)
		if err == nil && value == want {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s is %v afterwards, want %v: %v", name, value, want, err)
		}
	}
}
