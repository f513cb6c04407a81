// Names asks for the listing of a large directory from many clients at once, by its path and by another spelling of it, with
// the server in a memory control group, and checks each answer: it has every name once, or is a 503 that says when to ask
// again, which is counted. The server has to live. It needs root, and a control group file system.
//
//	go run ./testdata/load/names [-memory 64] [-names 100000] [-clients 64] [-rounds 3] BINARY
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/previewd/previewd/testdata/internal/subject"
)

type options struct{ mebibytes, names, clients, rounds int }

func main() {
	var o options
	flag.IntVar(&o.mebibytes, "memory", 64, "limit of the memory control group, in MiB; 0 = none")
	flag.IntVar(&o.names, "names", 100_000, "names in the directory")
	flag.IntVar(&o.clients, "clients", 64, "clients at once")
	flag.IntVar(&o.rounds, "rounds", 3, "how often each asks")
	flag.Parse()
	if err := o.run(flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "names:", err)
		os.Exit(1)
	}
}

func (o options) run(command []string) error {
	scratch, err := os.MkdirTemp("", "names-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	site := filepath.Join(scratch, "site")
	if err := o.fill(filepath.Join(site, "many")); err != nil {
		return err
	}
	command, remove, err := subject.Limited(command, o.mebibytes, 0)
	if err != nil {
		return err
	}
	defer remove()
	server, err := subject.Start(command, site, scratch, "LOG_FORMAT=json")
	if err != nil {
		return err
	}
	defer server.Kill()
	for _, path := range []string{"/many/", "/many/./"} {
		for _, changing := range []bool{false, true} {
			if err := o.ask(server, path, changing, filepath.Join(site, "many")); err != nil {
				return err
			}
		}
	}
	return server.Stop()
}

// fill makes a directory of empty files.
func (o options) fill(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for i := range o.names {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("file %08d.txt", i)), nil, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// ask has all clients ask at once. changing is set where a name comes or goes all the time, which is not counted.
func (o options) ask(server *subject.Server, path string, changing bool, dir string) error {
	var all sync.WaitGroup
	var whole, refused atomic.Int64
	problems := make(chan error, o.clients)
	stop := make(chan struct{})
	if changing {
		all.Go(func() { change(filepath.Join(dir, "changing"), stop) })
	}
	start := time.Now()
	var clients sync.WaitGroup
	for range o.clients {
		clients.Go(func() {
			client := &http.Client{Transport: &http.Transport{DisableCompression: true}, Timeout: 2 * time.Minute}
			defer client.CloseIdleConnections()
			for range o.rounds {
				ok, err := o.fetch(client, "http://"+server.Addr+path)
				if err != nil {
					problems <- err
					return
				}
				if ok {
					whole.Add(1)
				} else {
					refused.Add(1)
				}
			}
		})
	}
	clients.Wait()
	took := time.Since(start)
	close(stop)
	all.Wait()
	peak, _ := subject.Status(server.ID(), "VmHWM")
	how := "unchanged"
	if changing {
		how = "changing"
	}
	fmt.Printf("%-10s %-9s: %d names, %d clients at once: %d whole, %d refused in %v; resident %d KiB at the most\n", path, how, o.names, o.clients,
		whole.Load(), refused.Load(), took.Round(time.Millisecond), peak)
	if server.Ended() {
		return errors.New("the server has ended")
	}
	select {
	case err := <-problems:
		return err
	default:
	}
	if whole.Load() == 0 {
		return errors.New("no client got the names")
	}
	return nil
}

// change makes a name and removes it, over and over.
func change(name string, stop chan struct{}) {
	for {
		select {
		case <-stop:
			// It may be gone.
			_ = os.Remove(name)
			return
		case <-time.After(20 * time.Millisecond):
			if os.Remove(name) != nil {
				_ = os.WriteFile(name, nil, 0o644)
			}
		}
	}
}

// fetch asks once. It reports whether the names came, and not that the server is busy.
func (o options) fetch(client *http.Client, url string) (bool, error) {
	resp, err := client.Get(url)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return false, err
	case resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") != "":
		return false, nil
	case resp.StatusCode != http.StatusOK:
		return false, fmt.Errorf("%s: %s", url, resp.Status)
	}
	for i := range o.names {
		name := fmt.Appendf(nil, ">file %08d.txt<", i)
		at := bytes.Index(page, name)
		if at < 0 {
			return false, fmt.Errorf("%s: %s is missing", url, name)
		}
		page = page[at+len(name):]
	}
	return true, nil
}
