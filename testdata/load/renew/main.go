// Renew replaces the certificate of a server under load, by switching a symbolic link as Kubernetes does, and
// looks at what its clients see: no request fails, both certificates are shown, and a new one within five
// seconds.
//
//	go run ./testdata/load/renew [-connections 64] [-replacements 20] BINARY
//
// Half of the clients speak HTTP/2. Three of four connect anew now and then, the others keep their connection
// from beginning to end.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/previewd/previewd/testdata/internal/subject"
)

const (
	within = 15 * time.Second // from a replacement to the first connection that shows it
	pause  = 5 * time.Millisecond
	reuse  = 40 // requests on a connection of a client that connects anew
	size   = 1 << 10

	timeout = 30 * time.Second // of a request
)

func main() {
	connections := flag.Int("connections", 64, "clients, each with a connection")
	replacements := flag.Int("replacements", 20, "how often the certificate is replaced")
	flag.Parse()
	if err := run(flag.Args(), *connections, *replacements); err != nil {
		fmt.Fprintln(os.Stderr, "renew:", err)
		os.Exit(1)
	}
}

func run(command []string, connections, replacements int) error {
	scratch, err := os.MkdirTemp("", "renew-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	site := filepath.Join(scratch, "site")
	roots, err := layOut(scratch, site)
	if err != nil {
		return err
	}
	server, err := subject.Start(command, site, scratch, "LOG_FORMAT=json", "TLS_CERT="+filepath.Join(scratch, "tls.pem"))
	if err != nil {
		return err
	}
	defer server.Kill()

	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	clients := make([]*client, connections)
	var wait sync.WaitGroup
	var seen shown
	for i := range clients {
		clients[i] = newClient("https://"+server.Addr+"/small", roots, i%2 == 1, i%4 != 0)
		clients[i].seen = &seen
		wait.Go(func() { clients[i].keepAsking(ctx) })
	}
	slowest, err := replaceAll(scratch, server.Addr, roots, replacements, &seen)
	stop()
	wait.Wait()
	problems := append(judge(clients), err)
	fmt.Printf("%d replacements, the slowest was shown after %.2fs\n", replacements, slowest.Seconds())
	return errors.Join(append(problems, server.Stop())...)
}

// layOut makes the site, two certificates, and the links to the first: tls.pem -> ..data/tls.pem, ..data -> ..1.
func layOut(scratch, site string) (*x509.CertPool, error) {
	roots := x509.NewCertPool()
	for _, serial := range []int64{1, 2} {
		text, certificate, err := subject.Certificate(serial)
		if err != nil {
			return nil, err
		}
		roots.AddCert(certificate)
		dir := filepath.Join(scratch, fmt.Sprintf("..%d", serial))
		if err := os.Mkdir(dir, 0o700); err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, "tls.pem"), text, 0o600); err != nil {
			return nil, err
		}
	}
	return roots, errors.Join(os.Symlink("..1", filepath.Join(scratch, "..data")),
		os.Symlink("..data/tls.pem", filepath.Join(scratch, "tls.pem")),
		os.Mkdir(site, 0o755), os.WriteFile(filepath.Join(site, "small"), make([]byte, size), 0o644))
}

// shown says of each serial number whether a client has seen the certificate.
type shown [3]atomic.Bool

// replaceAll replaces the certificate again and again, each time when the one before is shown, and a client has seen it.
func replaceAll(scratch, addr string, roots *x509.CertPool, replacements int, seen *shown) (slowest time.Duration, err error) {
	for i := range replacements {
		serial := int64(2 - i%2)
		next := filepath.Join(scratch, "..data_tmp")
		if err := os.Symlink(fmt.Sprintf("..%d", serial), next); err != nil {
			return slowest, err
		}
		if err := os.Rename(next, filepath.Join(scratch, "..data")); err != nil {
			return slowest, err
		}
		start := time.Now()
		for shown := int64(0); shown != serial; time.Sleep(50 * time.Millisecond) {
			// A connection counts from when it is begun: on a busy machine the handshake takes its time.
			took := time.Since(start)
			conn, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: roots})
			if err != nil {
				return slowest, fmt.Errorf("connecting after replacement %d: %w", i+1, err)
			}
			shown = conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
			_ = conn.Close()
			if shown != serial && took > within {
				return slowest, fmt.Errorf("replacement %d is not shown after %v", i+1, took)
			}
			slowest = max(slowest, took)
		}
		for end := time.Now().Add(timeout); !seen[serial].Load(); time.Sleep(pause) {
			if time.Now().After(end) {
				return slowest, fmt.Errorf("no client has seen replacement %d within %v", i+1, timeout)
			}
		}
	}
	return slowest, nil
}

// client asks for one file again and again.
type client struct {
	url     string
	http    *http.Client
	renews  bool
	answers int
	serials map[int64]int // answers by the serial number of the certificate
	seen    *shown
	err     error
}

func newClient(url string, roots *x509.CertPool, h2, renews bool) *client {
	c := &client{url: url, http: &http.Client{Timeout: timeout}, renews: renews, serials: map[int64]int{}}
	if !h2 && !renews {
		c.http.Transport = &kept{roots: roots}
		return c
	}
	// One connection: without the bound another is made when the first is slow to be given back.
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, Protocols: new(http.Protocols), MaxConnsPerHost: 1}
	transport.Protocols.SetHTTP2(h2)
	transport.Protocols.SetHTTP1(!h2)
	c.http.Transport = transport
	return c
}

// kept is the one connection of a client of HTTP/1.1 that keeps it; when it ends, the next request fails. The
// transport of net/http connects anew of itself: if its goroutine that wrote a request is not heard of within 50 ms
// of the answer (maxWriteWaitBeforeConnReuse), which happens on a busy machine.
type kept struct {
	roots  *x509.CertPool
	conn   *tls.Conn
	reader *bufio.Reader
}

// RoundTrip sends a request and reads the head of its answer. The content has to be read before the next one.
func (k *kept) RoundTrip(r *http.Request) (*http.Response, error) {
	if k.conn == nil {
		dialer := &net.Dialer{Timeout: timeout}
		conn, err := tls.DialWithDialer(dialer, "tcp", r.URL.Host, &tls.Config{RootCAs: k.roots, NextProtos: []string{"http/1.1"}})
		if err != nil {
			return nil, err
		}
		k.conn, k.reader = conn, bufio.NewReader(conn)
	}
	if err := errors.Join(k.conn.SetDeadline(time.Now().Add(timeout)), r.Write(k.conn)); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(k.reader, r)
	if err != nil {
		return nil, err
	}
	state := k.conn.ConnectionState()
	resp.TLS = &state
	return resp, nil
}

// keepAsking asks until ctx ends or a request fails.
func (c *client) keepAsking(ctx context.Context) {
	for ctx.Err() == nil && c.err == nil {
		c.err = c.ask()
		if c.answers++; c.renews && c.answers%reuse == 0 {
			c.http.CloseIdleConnections()
		}
		time.Sleep(pause)
	}
}

func (c *client) ask() error {
	resp, err := c.http.Get(c.url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || len(content) != size {
		return fmt.Errorf("%s %s, %d bytes, %w", resp.Proto, resp.Status, len(content), err)
	}
	serial := resp.TLS.PeerCertificates[0].SerialNumber.Int64()
	c.serials[serial]++
	c.seen[serial].Store(true)
	return nil
}

// judge adds up what the clients saw.
func judge(clients []*client) (problems []error) {
	total, serials := 0, map[int64]int{}
	for i, c := range clients {
		total += c.answers
		for serial, n := range c.serials {
			serials[serial] += n
		}
		if c.err != nil {
			problems = append(problems, fmt.Errorf("client %d, after %d answers: %w", i, c.answers, c.err))
		}
		if !c.renews && len(c.serials) != 1 {
			problems = append(problems, fmt.Errorf("client %d kept its connection and saw %d certificates", i, len(c.serials)))
		}
	}
	fmt.Printf("%d clients, %d answers, %d failed", len(clients), total, len(problems))
	for _, serial := range slices.Sorted(maps.Keys(serials)) {
		fmt.Printf("; certificate %d in %d", serial, serials[serial])
	}
	fmt.Println()
	if len(serials) != 2 {
		problems = append(problems, fmt.Errorf("%d certificates were shown, want 2", len(serials)))
	}
	return problems
}
