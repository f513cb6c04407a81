package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// client asks as people do, again and again, over a new connection each time, and looks at what comes. As a browser it asks
// again where the connection is closed before an answer has begun.
type client struct {
	name    string
	workers int
	pause   time.Duration
	url     string
	h2      bool
	header  [2]string
	says    string // content of a POST; "" for GET
	right   func(*http.Response, []byte) error

	mu      sync.Mutex
	took    []time.Duration // up to the last byte, with all that were asked again
	refused int             // with 503 and Retry-After
	again   int             // closed before an answer had begun
	broken  []breach        // answers that broke off, or did not come in time
	wrong   error
}

// breach is an answer that broke off, or did not come in time.
type breach struct {
	began, ended time.Time
	why          error
}

// String says when and why.
func (b breach) String() string {
	return fmt.Sprintf("after %v: %v", b.ended.Sub(b.began).Round(time.Millisecond), b.why)
}

func (s *site) clients() []*client {
	plain, secure := "http://"+s.plain, "https://"+s.secure
	is := func(want []byte) func(*http.Response, []byte) error {
		return func(_ *http.Response, got []byte) error {
			if !bytes.Equal(got, want) {
				return fmt.Errorf("%d bytes, want %d, or others", len(got), len(want))
			}
			return nil
		}
	}
	const often, seldom = 50 * time.Millisecond, 500 * time.Millisecond
	return []*client{
		{name: "page", workers: 1, pause: often, url: plain + "/", right: is([]byte(page))},
		{name: "page, TLS", workers: 1, pause: often, url: secure + "/", right: is([]byte(page))},
		{name: "page, HTTP/2", workers: 1, pause: often, url: secure + "/", h2: true, right: is([]byte(page))},
		{name: "download", workers: 2, pause: seldom, url: plain + "/large.bin", right: is(s.large)},
		{name: "download, TLS", workers: 2, pause: seldom, url: secure + "/large.bin", right: is(s.large)},
		{name: "download, HTTP/2", workers: 1, pause: seldom, url: secure + "/large.bin", h2: true, right: is(s.large)},
		{name: "range", workers: 1, pause: seldom, url: plain + "/large.bin", header: [2]string{"Range", "bytes=5000000-5999999"}, right: is(s.large[5_000_000:6_000_000])},
		{name: "listing", workers: 2, pause: seldom, url: plain + "/many/", right: s.hasNames},
		{name: "coded while sent", workers: 2, pause: seldom, url: plain + "/text.txt", header: [2]string{"Accept-Encoding", "gzip"}, right: isCoded(s.text)},
		{name: "coded and kept", workers: 2, pause: seldom, url: plain + "/style-7.css", header: [2]string{"Accept-Encoding", "gzip"}, right: isCoded(s.text[:200_007])},
		{name: "page with a tag", workers: 1, pause: seldom, url: plain + "/large.html", header: [2]string{"Accept", "text/html"}, right: s.isTagged},
		{name: "archive", workers: 1, pause: seldom, url: plain + "/docs/?archive=tar.gz", right: s.isArchive},
		{name: "reload stream", workers: 2, pause: seldom, url: plain + "/__previewd/events", says: `{"id":"1","page":"/","shows":{"/changing/now.txt":null}}`,
			right: contains("event: reload\ndata: [\"/changing/now.txt\"]\n")},
		{name: "another server", workers: 2, pause: seldom, url: plain + "/api/large", right: is(s.large[:300_000])},
		{name: "script", workers: 2, pause: seldom, url: plain + "/cgi-bin/hello", right: is([]byte("hello\n"))},
		{name: "probe", workers: 1, pause: seldom, url: "http://" + s.admin + "/livez", right: is([]byte("ok\n"))},
	}
}

func contains(text string) func(*http.Response, []byte) error {
	return func(_ *http.Response, got []byte) error {
		if !bytes.Contains(got, []byte(text)) {
			return fmt.Errorf("%.200q", got)
		}
		return nil
	}
}

// isTagged wants a page to be whole, and to have the tag of live reload at its end.
func (s *site) isTagged(_ *http.Response, got []byte) error {
	tag, found := bytes.CutPrefix(got, s.html)
	if !found || !bytes.Contains(tag, []byte("__previewd/reload.js")) || !bytes.HasSuffix(tag, []byte("</script>\n")) {
		return fmt.Errorf("%d bytes, which end in %.200q", len(got), tag)
	}
	return nil
}

// isArchive wants all files to be in an archive, whole.
func (s *site) isArchive(_ *http.Response, got []byte) error {
	unzipped, err := gzip.NewReader(bytes.NewReader(got))
	if err != nil {
		return err
	}
	files := 0
	for r := tar.NewReader(unzipped); ; files++ {
		head, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		content, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if head.Typeflag == tar.TypeDir {
			files--
		} else if !bytes.Equal(content, s.text[:docSize]) {
			return fmt.Errorf("%s has %d bytes, or others", head.Name, len(content))
		}
	}
	if files != docs {
		return fmt.Errorf("%d files, want %d", files, docs)
	}
	return nil
}

// hasNames wants a listing to be whole.
func (s *site) hasNames(_ *http.Response, page []byte) error {
	if n := bytes.Count(page, []byte(">file-")); n != s.names || !bytes.Contains(page, []byte("</html>")) {
		return fmt.Errorf("%d names, want %d", n, s.names)
	}
	return nil
}

// isCoded wants content as it is or in gzip.
func isCoded(want []byte) func(*http.Response, []byte) error {
	return func(resp *http.Response, got []byte) error {
		if resp.Header.Get("Content-Encoding") == "gzip" {
			r, err := gzip.NewReader(bytes.NewReader(got))
			if err != nil {
				return err
			}
			if got, err = io.ReadAll(r); err != nil {
				return err
			}
		}
		if !bytes.Equal(got, want) {
			return fmt.Errorf("%d bytes, want %d, or others", len(got), len(want))
		}
		return nil
	}
}

// keepAsking asks until ctx ends.
func (c *client) keepAsking(ctx context.Context) {
	for ctx.Err() == nil {
		start := time.Now()
		refused, again, err := c.askAgain(ctx)
		if ctx.Err() != nil {
			return
		}
		c.note(start, refused, again, err)
		select {
		case <-ctx.Done():
		case <-time.After(c.pause):
		}
	}
}

func (c *client) note(began time.Time, refused bool, again int, err error) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.again += again
	var w *wrongAnswer
	switch {
	case errors.As(err, &w):
		c.wrong = err
	case err != nil:
		c.broken = append(c.broken, breach{began, now, err})
	case refused:
		c.refused++
	default:
		c.took = append(c.took, now.Sub(began))
	}
}

// wrongAnswer is one that looked whole and right to the client, and was not.
type wrongAnswer struct{ error }

// noAnswer is why an answer did not begin.
type noAnswer struct{ error }

// askAgain asks until an answer begins, for as long as it has patience.
func (c *client) askAgain(ctx context.Context) (refused bool, again int, err error) {
	patient, end := context.WithTimeout(ctx, patience)
	defer end()
	for ; ; again++ {
		refused, err = c.ask(patient)
		var none *noAnswer
		if !errors.As(err, &none) || patient.Err() != nil {
			return refused, again, err
		}
		select {
		case <-patient.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// ask asks once. It reports whether the server says that it is busy.
func (c *client) ask(ctx context.Context) (refused bool, err error) {
	method := http.MethodGet
	if c.says != "" {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(ctx, method, c.url, strings.NewReader(c.says))
	if err != nil {
		return false, err
	}
	if c.header[0] != "" {
		r.Header.Set(c.header[0], c.header[1])
	}
	transport := &http.Transport{DisableKeepAlives: !c.h2, DisableCompression: true, ForceAttemptHTTP2: c.h2,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	transport.DialContext = func(dialing context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(dialing, network, addr)
		if err == nil {
			context.AfterFunc(ctx, func() { _ = conn.Close() }) // whatever is still on it
		}
		return conn, err
	}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(r)
	if err != nil {
		return false, &noAnswer{err}
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return false, err
	case resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") != "":
		return true, nil
	case resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusPartialContent:
		return false, &wrongAnswer{errors.New(resp.Status)}
	}
	if err := c.right(resp, content); err != nil {
		return false, &wrongAnswer{err}
	}
	return false, nil
}

func (c *client) report() string {
	slices.Sort(c.took)
	n := len(c.took)
	text := fmt.Sprintf("client  %-24s %6d answers, %d refused, %d broken off, %d asked again", c.name, n, c.refused, len(c.broken), c.again)
	if n > 0 {
		text += fmt.Sprintf("; median %v, 99 in 100 within %v, slowest %v",
			c.took[n/2].Round(time.Millisecond), c.took[n*99/100].Round(time.Millisecond), c.took[n-1].Round(time.Millisecond))
	}
	for _, how := range c.broken[:min(len(c.broken), 5)] {
		text += "\n        " + how.String()
	}
	return text
}

// problem says what was wrong. An answer that broke off while the program did not run is not: its client read nothing, and at the
// limit of connections such a one gives way.
func (c *client) problem(p *pulse) error {
	all := len(c.took) + c.refused + len(c.broken)
	broken := 0
	for _, b := range c.broken {
		if !p.stopped(b.began, b.ended) {
			broken++
		}
	}
	switch {
	case c.wrong != nil:
		return fmt.Errorf("%s: %w", c.name, c.wrong)
	case len(c.took)+c.refused == 0:
		return fmt.Errorf("%s: no answer", c.name)
	case broken > 0:
		return fmt.Errorf("%s: %d of %d answers broke off or did not come", c.name, broken, all)
	}
	return nil
}
