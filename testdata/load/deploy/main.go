// Deploy downloads a large file many times at once while new versions of it are put in its place, as a careful deploy
// does it: the new file is renamed over the old one. Names are added and removed too, and modes are changed. No byte of
// a version ever changes, so each download must get one version whole.
//
//	go run ./testdata/load/deploy [-downloads 100] [-size 20971520] [-tls] BINARY
//
// The last piece of each is read when there have been two deploys at least. Every second download asks for a range, the second
// half of the file. With -tls half of the clients speak HTTP/1.1 and half HTTP/2.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/previewd/previewd/testdata/internal/subject"
)

const (
	// patience is how long all downloads may take together.
	patience = 5 * time.Minute
	// piece is how much a client reads at a time, and pause how long it rests then, so that a download lasts for
	// some deploys.
	piece = 256 << 10
	pause = 25 * time.Millisecond
	// between is the time between two steps of a deploy.
	between = 20 * time.Millisecond
)

// options are the command line.
type options struct {
	downloads int
	size      int
	secure    bool
}

func main() {
	var opt options
	flag.IntVar(&opt.downloads, "downloads", 100, "downloads to make at once")
	flag.IntVar(&opt.size, "size", 20<<20, "size of the file in bytes")
	flag.BoolVar(&opt.secure, "tls", false, "HTTP/1.1 and HTTP/2 over TLS")
	flag.Parse()
	if err := run(flag.Args(), opt); err != nil {
		fmt.Fprintln(os.Stderr, "deploy:", err)
		os.Exit(1)
	}
}

func run(command []string, opt options) error {
	scratch, err := os.MkdirTemp("", "deploy-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	dir, err := os.MkdirTemp(scratch, "site-")
	if err != nil {
		return err
	}
	d := &deploys{name: filepath.Join(dir, "file.bin"), size: opt.size &^ 7, twice: make(chan struct{})}
	if err := d.write(d.name); err != nil {
		return err
	}
	variables := []string{"LOG_FORMAT=text", "LOG_LEVEL=error"}
	scheme, trusting := "http://", (*tls.Config)(nil)
	if opt.secure {
		scheme = "https://"
		if trusting, err = certify(scratch); err != nil {
			return err
		}
		variables = append(variables, "TLS_CERT="+filepath.Join(scratch, "tls.pem"))
	}
	server, err := subject.Start(command, dir, scratch, variables...)
	if err != nil {
		return err
	}
	defer server.Kill()

	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	clients := make([]*client, opt.downloads)
	var begun, reading sync.WaitGroup
	begun.Add(len(clients))
	for i := range clients {
		c := &client{url: scheme + server.Addr + "/file.bin", size: d.size, trusting: trusting, two: i%4 >= 2, begun: begun.Done, twice: d.twice}
		if i%2 == 1 {
			c.from = d.size / 2 &^ 7
		}
		clients[i] = c
		reading.Go(func() { c.err = c.download(ctx) })
	}
	begun.Wait()
	deploying, stop := context.WithCancel(ctx)
	var deployer sync.WaitGroup
	started := time.Now()
	deployer.Go(func() { d.keepDeploying(deploying) })
	reading.Wait()
	took := time.Since(started)
	stop()
	deployer.Wait()
	return report(clients, d, took)
}

// report prints what became of the downloads. Each that is not whole is an error.
func report(clients []*client, d *deploys, took time.Duration) error {
	var problems []error
	protocols := make(map[string]int)
	for i, c := range clients {
		protocols[c.protocol]++
		if c.err != nil {
			problems = append(problems, fmt.Errorf("download %d (%s, from byte %d): %w", i, c.protocol, c.from, c.err))
		}
	}
	fmt.Printf("%d downloads of %d bytes (%v) during %d deploys in %.1fs: %d whole, %d not\n",
		len(clients), d.size, protocols, d.version, took.Seconds(), len(clients)-len(problems), len(problems))
	if len(problems) > 5 {
		problems = problems[:5]
	}
	return errors.Join(append(problems, d.err)...)
}

// certify writes the certificate of the server, and returns the configuration of clients that trust it.
func certify(scratch string) (*tls.Config, error) {
	text, certificate, err := subject.Certificate(1)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	return &tls.Config{RootCAs: roots, ServerName: "localhost"}, os.WriteFile(filepath.Join(scratch, "tls.pem"), text, 0o600)
}

// deploys are the versions of a file.
type deploys struct {
	name    string
	size    int
	version uint64
	twice   chan struct{} // closed when there have been two, or one has failed
	err     error
}

// word is what a version has at an offset, a multiple of 8.
func word(version uint64, offset int) uint64 { return version<<40 | uint64(offset) }

// write writes the next version.
func (d *deploys) write(name string) error {
	d.version++
	content := make([]byte, d.size)
	for at := 0; at < len(content); at += 8 {
		binary.LittleEndian.PutUint64(content[at:], word(d.version, at))
	}
	return os.WriteFile(name, content, 0o644)
}

// keepDeploying deploys until ctx ends.
func (d *deploys) keepDeploying(ctx context.Context) {
	aside, previous := d.name+".new", d.name+".previous"
	steps := []func() error{
		func() error { return d.write(aside) },
		func() error { return os.Link(d.name, previous) }, // for a way back
		func() error { return os.Rename(aside, d.name) },
		func() error { return os.Chmod(d.name, 0o640) },
		func() error { return os.Remove(previous) },
	}
	deployed := sync.OnceFunc(func() { close(d.twice) })
	defer deployed()
	for n := 0; ; n++ {
		if n == 2 {
			deployed()
		}
		for _, step := range steps {
			if d.err = step(); d.err != nil {
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(between):
			}
		}
	}
}

// client makes one download.
type client struct {
	url      string
	size     int
	from     int // the first byte that it asks for
	trusting *tls.Config
	two      bool // HTTP/2 where there is TLS
	begun    func()
	twice    <-chan struct{} // closed when there have been two deploys

	protocol string
	err      error
}

// download reads slowly, and says with begun when there is an answer, or none.
func (c *client) download(ctx context.Context) error {
	transport := &http.Transport{TLSClientConfig: c.trusting.Clone(), ForceAttemptHTTP2: c.two, ReadBufferSize: piece}
	defer transport.CloseIdleConnections()
	resp, err := c.ask(ctx, transport)
	c.begun()
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	c.protocol = resp.Proto
	version := uint64(0)
	buf := make([]byte, piece)
	for at := c.from; at < c.size; time.Sleep(pause) {
		part := buf[:min(piece, c.size-at)]
		if at+len(part) == c.size {
			<-c.twice
		}
		if _, err := io.ReadFull(resp.Body, part); err != nil {
			return fmt.Errorf("cut between byte %d and %d: %w", at, at+len(part), err)
		}
		for i := 0; i < len(part); i, at = i+8, at+8 {
			got := binary.LittleEndian.Uint64(part[i:])
			if version == 0 {
				version = got >> 40
			}
			if got != word(version, at) {
				return fmt.Errorf("version %d has %#x at byte %d", version, got, at)
			}
		}
	}
	return nil
}

func (c *client) ask(ctx context.Context, transport *http.Transport) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url, nil)
	if err != nil {
		return nil, err
	}
	want := http.StatusOK
	if c.from > 0 {
		want = http.StatusPartialContent
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", c.from))
	}
	resp, err := transport.RoundTrip(request)
	if err == nil && (resp.StatusCode != want || resp.ContentLength != int64(c.size-c.from)) {
		resp.Body.Close()
		err = fmt.Errorf("status %d with %d bytes, want %d with %d", resp.StatusCode, resp.ContentLength, want, c.size-c.from)
	}
	return resp, err
}
