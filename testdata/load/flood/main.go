// Flood attacks the server's HTTP/2 with what is known to have brought servers down, each attack on a process of its
// own in a memory control group, and reports the most memory that it had resident. The server has to live, and to
// answer another client afterwards. It needs root, and a control group file system.
//
//	go run ./testdata/load/flood [-memory 64] [-n 20] [-t 5s] [-only hold-small,ping] BINARY
package main

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/previewd/previewd/testdata/internal/subject"
)

const (
	page = "<p>hello"
	// patience is how long the other client may have to wait for its answer after an attack.
	patience = time.Minute
)

type options struct {
	mebibytes, connections int
	duration               time.Duration
}

func main() {
	var o options
	flag.IntVar(&o.mebibytes, "memory", 64, "limit of the memory control group, in MiB; 0 = none")
	flag.IntVar(&o.connections, "n", 20, "connections that attack")
	flag.DurationVar(&o.duration, "t", 5*time.Second, "how long an attack takes")
	only := flag.String("only", "", "attacks, separated by commas; empty = all")
	flag.Parse()
	failed := false
	for _, a := range attacks {
		if *only != "" && !slices.Contains(strings.Split(*only, ","), a.name) {
			continue
		}
		report, err := o.run(a, flag.Args())
		fmt.Printf("%-16s %s\n", a.name, report)
		if err != nil {
			failed = true
			fmt.Fprintf(os.Stderr, "flood: %s: %v\n", a.name, err)
		}
	}
	if failed {
		os.Exit(1)
	}
}

// run plays one attack.
func (o options) run(a attack, command []string) (report string, err error) {
	scratch, err := os.MkdirTemp("", "flood-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(scratch)
	certificate, err := prepare(scratch)
	if err != nil {
		return "", err
	}
	command, remove, err := subject.Limited(command, o.mebibytes, 0)
	if err != nil {
		return "", err
	}
	defer remove()
	server, err := subject.Start(command, filepath.Join(scratch, "site"), scratch, "LOG_FORMAT=json", "TLS_CERT="+certificate)
	if err != nil {
		return "", err
	}
	defer server.Kill()
	if err := warm(server.Addr); err != nil {
		return "", err
	}
	before, err := server.Resident()
	if err != nil {
		return "", err
	}
	streams, ended := o.attack(a, server.Addr)
	after, _ := server.Resident()
	peak, _ := subject.Status(server.ID(), "VmHWM")
	report = fmt.Sprintf("%d connections, %d closed by the server; resident %d KiB before, %d at the most", o.connections, ended, before>>10, peak)
	if a.holds && streams > 0 {
		report += fmt.Sprintf("; %d streams held, %d bytes each", streams, (after-before)/int64(streams))
	}
	if server.Ended() {
		return report, errors.New("the server has ended")
	}
	start := time.Now()
	for err = ask(server.Addr, "/"); err != nil && time.Since(start) < patience && !server.Ended(); err = ask(server.Addr, "/") {
		time.Sleep(100 * time.Millisecond)
	}
	if err != nil {
		return report, fmt.Errorf("no answer afterwards: %w", err)
	}
	return report + fmt.Sprintf("; another client is answered after %v", time.Since(start).Round(time.Millisecond)), server.Stop()
}

// attack opens the connections, and returns how many streams they hold at the end, and how many of them have been
// closed.
func (o options) attack(a attack, addr string) (streams, ended int) {
	var all sync.WaitGroup
	end := time.Now().Add(o.duration)
	clients := make([]*client, o.connections)
	for i := range clients {
		all.Go(func() {
			c, err := dial(addr, end, a)
			if err != nil {
				return // the server has no room for more, which is its right
			}
			clients[i] = c
			for err == nil && time.Now().Before(end) {
				err = a.step(c)
			}
			if err == nil || !c.isOver() {
				<-time.After(time.Until(end))
			}
		})
	}
	all.Wait()
	for _, c := range clients {
		switch {
		case c == nil || c.isOver():
			ended++
		default:
			streams += c.open()
		}
	}
	for _, c := range clients {
		if c != nil {
			// What is left of it is nothing that is looked at.
			_ = c.conn.Close()
		}
	}
	return streams, ended
}

// prepare writes a small file, one that is kept in memory and one that is not, and a certificate.
func prepare(scratch string) (certificate string, err error) {
	site := filepath.Join(scratch, "site")
	certificate = filepath.Join(scratch, "tls.pem")
	text, _, err := subject.Certificate(1)
	if err != nil {
		return "", err
	}
	return certificate, errors.Join(os.Mkdir(site, 0o755), os.WriteFile(certificate, text, 0o600),
		os.WriteFile(filepath.Join(site, "index.html"), []byte(page), 0o644),
		os.WriteFile(filepath.Join(site, "kept.bin"), make([]byte, 900_000), 0o644),
		os.WriteFile(filepath.Join(site, "large.bin"), make([]byte, 20_000_000), 0o644))
}

// warm asks until the files have been at rest long enough to be kept.
func warm(addr string) error {
	for range 4 {
		if err := errors.Join(ask(addr, "/"), ask(addr, "/kept.bin")); err != nil {
			return err
		}
		time.Sleep(time.Second)
	}
	return nil
}

// ask asks once over a connection of its own.
func ask(addr, path string) error {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP2(true)
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport, Timeout: 15 * time.Second}).Get("https://" + addr + path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s is answered with %s", path, resp.Status)
	}
	return nil
}
