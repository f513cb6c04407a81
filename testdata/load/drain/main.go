// Drain sends SIGTERM to a server under keep-alive load and looks at what its clients see: each request that
// was sent gets its whole answer, nothing is reset, the exit code is 0 in time, and the access log has exactly
// one record for each answer that a client got.
//
//	go run ./testdata/load/drain [-connections 48] [-load 1s] [-tls] BINARY
//
// The clients reconnect when the server closes, until it refuses. Some wait between two requests, some read a
// large file slowly from before the signal on.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/previewd/previewd/testdata/internal/subject"
)

const (
	delay   = 2 * time.Second  // SHUTDOWN_DELAY
	timeout = 30 * time.Second // SHUTDOWN_TIMEOUT
)

func main() {
	connections := flag.Int("connections", 48, "clients that ask without a pause; there are a quarter as many that pause")
	before := flag.Duration("load", time.Second, "how long the load runs before the signal")
	secure := flag.Bool("tls", false, "HTTP/1.1 over TLS")
	flag.Parse()
	if err := run(flag.Args(), *connections, *before, *secure); err != nil {
		fmt.Fprintln(os.Stderr, "drain:", err)
		os.Exit(1)
	}
}

func run(command []string, connections int, before time.Duration, secure bool) error {
	scratch, err := os.MkdirTemp("", "drain-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	dir, err := os.MkdirTemp(scratch, "site-")
	if err != nil {
		return err
	}
	for name, size := range fileSizes {
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, size), 0o644); err != nil {
			return err
		}
	}
	variables := []string{"LOG_FORMAT=json", "LOG_LEVEL=info", "SHUTDOWN_DELAY=" + delay.String(), "SHUTDOWN_TIMEOUT=" + timeout.String()}
	var trusting *tls.Config
	if secure {
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

	ctx, cancel := context.WithTimeout(context.Background(), before+delay+timeout+30*time.Second)
	defer cancel()
	clients := makeClients(server.Addr, connections, trusting)
	var wait sync.WaitGroup
	for _, c := range clients {
		wait.Go(func() { c.keepAsking(ctx) })
	}
	time.Sleep(before)
	signalled := time.Now()
	if err := server.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	code, err := server.Wait(delay + timeout + 5*time.Second)
	took := time.Since(signalled)
	wait.Wait()

	answers, problems := tally(clients, signalled)
	if err != nil {
		return errors.Join(append(problems, err)...)
	}
	fmt.Printf("exit code %d, %.2fs after the signal\n", code, took.Seconds())
	if code != 0 {
		problems = append(problems, fmt.Errorf("exit code %d, want 0", code))
	}
	if most := delay + timeout; took > most {
		problems = append(problems, fmt.Errorf("the end took %v, want at most %v", took, most))
	}
	problems = append(problems, compareLog(server.Output, answers))
	return errors.Join(problems...)
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

// makeClients returns busy clients, clients that pause, and slow readers. Each has a client address of its
// own, since a connection for every request would use up the ports of one.
func makeClients(addr string, busy int, secure *tls.Config) []*client {
	var clients []*client
	add := func(file string, pause, slow time.Duration) {
		n := len(clients)
		clients = append(clients, &client{
			number: n, addr: addr, secure: secure, file: file, pause: pause, slow: slow,
			from: &net.TCPAddr{IP: net.IPv4(127, 0, byte(1+n/250), byte(1+n%250))},
		})
	}
	for range busy {
		add("small", 0, 0)
	}
	for i := range (busy + 3) / 4 {
		add("small", time.Duration(50+i*60)*time.Millisecond, 0)
	}
	for range 3 {
		add("large", 0, 20*time.Millisecond)
	}
	return clients
}

// tally adds up what the clients saw.
func tally(clients []*client, signalled time.Time) (answers map[string]int, problems []error) {
	answers = make(map[string]int)
	total, late, closed := 0, 0, 0
	for _, c := range clients {
		for id, size := range c.answers {
			answers[id] = size
		}
		total += len(c.answers)
		closed += c.closedIdle
		if c.last.After(signalled) {
			late++
		}
		if c.err != nil {
			problems = append(problems, fmt.Errorf("client %d, %v after the signal: %w", c.number, c.failed.Sub(signalled).Round(time.Millisecond), c.err))
		}
	}
	fmt.Printf("%d clients got %d whole answers, %d of the clients after the signal too; %d idle connections were closed\n",
		len(clients), total, late, closed)
	if late < len(clients)/2 {
		problems = append(problems, fmt.Errorf("only %d of %d clients were answered after the signal", late, len(clients)))
	}
	if len(problems) > 10 {
		problems = append(problems[:10], fmt.Errorf("and %d more", len(problems)-10))
	}
	return answers, problems
}
