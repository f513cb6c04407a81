// Relay downloads through a relay that has buffers of its own and dies with the server, as that of a port which Docker
// publishes, sends the server SIGTERM in the midst of it, and looks at what the clients got: all of it.
//
//	go run ./testdata/load/relay [-clients 10] [-size 20] [-tls] [-h2] BINARY
//
// The relay takes what the server sends as fast as it comes, and hands it on at 8 MB/s. With -h2 the clients use HTTP/2.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/previewd/previewd/testdata/internal/subject"
)

// timeout is SHUTDOWN_TIMEOUT: on a busy machine the relay is slower still.
const timeout = 30 * time.Second

func main() {
	clients := flag.Int("clients", 10, "downloads at the same time")
	size := flag.Int("size", 20, "size of the file, in MB")
	secure := flag.Bool("tls", false, "HTTP/1.1 over TLS")
	h2 := flag.Bool("h2", false, "HTTP/2")
	flag.Parse()
	if err := run(flag.Args(), *clients, *size*1_000_000, *secure || *h2, *h2); err != nil {
		fmt.Fprintln(os.Stderr, "relay:", err)
		os.Exit(1)
	}
}

func run(command []string, clients, size int, secure, h2 bool) error {
	scratch, err := os.MkdirTemp("", "relay-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	dir := filepath.Join(scratch, "site")
	if err := errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(filepath.Join(dir, "large"), make([]byte, size), 0o644)); err != nil {
		return err
	}
	variables, scheme := []string{"LOG_FORMAT=json", "SHUTDOWN_TIMEOUT=" + timeout.String()}, "http"
	transport := &http.Transport{DisableCompression: true, MaxConnsPerHost: clients, Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP1(!h2)
	transport.Protocols.SetHTTP2(h2)
	if secure {
		text, certificate, err := subject.Certificate(1)
		if err != nil {
			return err
		}
		roots := x509.NewCertPool()
		roots.AddCert(certificate)
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, ServerName: "localhost"}
		file := filepath.Join(scratch, "tls.pem")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			return err
		}
		variables, scheme = append(variables, "TLS_CERT="+file), "https"
	}
	server, err := subject.Start(command, dir, scratch, variables...)
	if err != nil {
		return err
	}
	defer server.Kill()
	relay, err := newRelay(server.Addr)
	if err != nil {
		return err
	}
	defer relay.die()

	var wait sync.WaitGroup
	results := make(chan error, clients)
	began := make(chan struct{}, clients)
	for range clients {
		wait.Go(func() {
			results <- download(transport.Clone(), scheme+"://"+relay.Addr().String()+"/large", size, began)
		})
	}
	for range clients {
		<-began
	}
	signalled := time.Now()
	if err := server.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	code, err := server.Wait(timeout + 5*time.Second)
	took := time.Since(signalled)
	relay.die()
	wait.Wait()
	close(results)
	whole, problems := 0, []error{err}
	for err := range results {
		if err == nil {
			whole++
		}
		problems = append(problems, err)
	}
	fmt.Printf("%d of %d downloads of %d bytes are whole; exit code %d, %.2fs after the signal\n", whole, clients, size, code, took.Seconds())
	if code != 0 || took > timeout {
		problems = append(problems, fmt.Errorf("exit code %d after %v, want 0 within %v", code, took, timeout))
	}
	return errors.Join(problems...)
}

// download gets a file of that size by a connection of its own, and tells when its first bytes have come.
func download(transport *http.Transport, url string, size int, began chan<- struct{}) error {
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport, Timeout: time.Minute}).Get(url)
	began <- struct{}{}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil || n != int64(size) {
		return fmt.Errorf("got %d of %d bytes: %w", n, size, err)
	}
	return nil
}

// relay passes on connections.
type relay struct {
	net.Listener
	mu    sync.Mutex
	conns []*net.TCPConn
}

func newRelay(to string) (*relay, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &relay{Listener: l}
	go r.accept(to)
	return r, nil
}

// accept connects each client with the server, until die.
func (r *relay) accept(to string) {
	for {
		client, err := r.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", to)
		if err != nil {
			_ = client.Close() // the client reports it
			continue
		}
		here, there := client.(*net.TCPConn), server.(*net.TCPConn)
		r.mu.Lock()
		r.conns = append(r.conns, here, there)
		r.mu.Unlock()
		go func() {
			_, _ = io.Copy(there, here)
			_ = there.CloseWrite()
		}()
		go passOn(here, there)
	}
}

const (
	// pieceSize and pause are the speed at which answers are handed on.
	pieceSize = 80 << 10
	pause     = 10 * time.Millisecond
)

// passOn takes what the server sends as fast as it comes, and hands it on piece by piece.
func passOn(client, server *net.TCPConn) {
	pieces := make(chan []byte, 100_000)
	go func() {
		defer close(pieces)
		for {
			piece := make([]byte, pieceSize)
			n, err := server.Read(piece)
			if n > 0 {
				pieces <- piece[:n]
			}
			if err != nil {
				return
			}
		}
	}()
	var held bytes.Buffer
	for more := true; more || held.Len() > 0; {
		select {
		case piece, open := <-pieces:
			more = open
			held.Write(piece)
			if held.Len() < pieceSize && more {
				continue
			}
		case <-time.After(pause): // what there is
		}
		if _, err := client.Write(held.Next(pieceSize)); err != nil {
			return
		}
		time.Sleep(pause)
	}
	_ = client.CloseWrite()
}

// die ends all connections, with what the relay holds.
func (r *relay) die() {
	_ = r.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		_ = c.SetLinger(0)
		_ = c.Close()
	}
	r.conns = nil
}
