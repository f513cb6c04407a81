// Previews holds the server to its word on many previews: a thousand directories in a memory control group, of which few may
// be open; and that one of them under load is no worse for the others than the same load on all of them. It asks the others
// one after the other, with files that are in the cache, while nobody else asks, while 32 clients ask all of them for what
// does not fit into the cache, and while these ask one. It needs root, and a control group file system.
//
//	go run ./testdata/load/previews [-memory 64] [-previews 1000] [-clients 32] [-requests 1500] BINARY
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/previewd/previewd/testdata/internal/subject"
)

// maxIdle is how many previews may be open that no request is in (server/previews/README.md).
const maxIdle = 256

type options struct{ mebibytes, previews, clients, requests, rounds int }

func main() {
	var o options
	flag.IntVar(&o.mebibytes, "memory", 64, "limit of the memory control group, in MiB; 0 = none")
	flag.IntVar(&o.previews, "previews", 1000, "directories")
	flag.IntVar(&o.clients, "clients", 32, "clients at once")
	flag.IntVar(&o.requests, "requests", 1500, "requests to the others, for each figure")
	flag.IntVar(&o.rounds, "rounds", 5, "how often it is measured at the most, until it is good enough")
	flag.Parse()
	if err := o.run(flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "previews:", err)
		os.Exit(1)
	}
}

const (
	// large is how many files of 256 KiB a preview has, beside its page: those of one preview are more than the cache holds.
	large, largeSize = 100, 256 << 10
	// others are how many previews are asked that are not under load.
	others = 20
	// worse is how much longer they may take.
	worse = 2.0
)

func (o options) run(command []string) error {
	scratch, err := os.MkdirTemp("", "previews-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	dir := filepath.Join(scratch, "builds")
	if err := o.fill(dir); err != nil {
		return err
	}
	command, remove, err := subject.Limited(command, o.mebibytes, 0)
	if err != nil {
		return err
	}
	defer remove()
	server, err := subject.Start(command, dir, scratch, "LOG_FORMAT=text", "LOG_LEVEL=warn", "PREVIEWS=directories")
	if err != nil {
		return err
	}
	defer server.Kill()
	if err := o.askAll(server); err != nil {
		return err
	}
	if err := o.isFair(server); err != nil {
		return err
	}
	if server.Ended() {
		return errors.New("the server has ended")
	}
	return server.Stop()
}

// name is that of a directory: every other one is known by its slug.
func name(i int) string {
	if i%2 == 0 {
		return fmt.Sprintf("pr-%d", i)
	}
	return fmt.Sprintf("Pr_%d", i)
}

func host(i int) string { return fmt.Sprintf("pr-%d.localhost", i) }

// fill makes the directories. The files of the first others+1 are links to the same bytes.
func (o options) fill(dir string) error {
	for i := range o.previews {
		at := filepath.Join(dir, name(i))
		if err := os.MkdirAll(at, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(at, "index.html"), fmt.Appendf(nil, "<!DOCTYPE html><p>preview %d", i), 0o644); err != nil {
			return err
		}
	}
	for n := range large {
		first := filepath.Join(dir, name(0), fmt.Sprint(n, ".bin"))
		if err := os.WriteFile(first, make([]byte, largeSize), 0o644); err != nil {
			return err
		}
		for i := 1; i <= others; i++ {
			if err := os.Link(first, filepath.Join(dir, name(i), fmt.Sprint(n, ".bin"))); err != nil {
				return err
			}
		}
	}
	time.Sleep(2100 * time.Millisecond) // what has just changed is not kept
	return nil
}

// fetch asks for a path of a preview.
func fetch(client *http.Client, server *subject.Server, i int, path string) (content []byte, err error) {
	r, err := http.NewRequest("GET", "http://"+server.Addr+path, nil)
	if err != nil {
		return nil, err
	}
	r.Host = host(i)
	resp, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if content, err = io.ReadAll(resp.Body); err == nil && resp.StatusCode != 200 {
		err = fmt.Errorf("%s%s: got %d %.200q", r.Host, path, resp.StatusCode, content)
	}
	return content, err
}

func newClient() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 1}, Timeout: time.Minute}
}

// askAll asks for the page of each preview from many clients.
func (o options) askAll(server *subject.Server) error {
	start := time.Now()
	var all errgroup.Group
	for c := range o.clients {
		all.Go(func() error {
			client := newClient()
			defer client.CloseIdleConnections()
			for i := c; i < o.previews; i += o.clients {
				content, err := fetch(client, server, i, "/")
				if want := fmt.Sprintf("<!DOCTYPE html><p>preview %d", i); err == nil && string(content) != want {
					err = fmt.Errorf("preview %d: got %q", i, content)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := all.Wait(); err != nil {
		return err
	}
	known, err := server.Metric("previewd_previews_known")
	if err != nil {
		return err
	}
	open, err := server.Metric("previewd_previews_open")
	if err != nil {
		return err
	}
	peak, _ := subject.Status(server.ID(), "VmHWM")
	fmt.Printf("%d previews asked for by %d clients in %v: %.0f known, %.0f open; resident %d KiB at the most\n", o.previews, o.clients,
		time.Since(start).Round(time.Millisecond), known, open, peak)
	if int(known) != o.previews || open > maxIdle+float64(o.clients) {
		return errors.New("too few are known, or too many open")
	}
	return nil
}

// isFair compares how long the others take while one is under load with how long they take while all are.
func (o options) isFair(server *subject.Server) error {
	for round := range o.rounds {
		quiet, err := o.measure(server, nil)
		if err != nil {
			return err
		}
		spread, err := o.measure(server, func(n int) int { return n % (others + 1) })
		if err != nil {
			return err
		}
		one, err := o.measure(server, func(int) int { return 0 })
		if err != nil {
			return err
		}
		ratio := float64(one) / float64(spread)
		fmt.Printf("95th percentile of the others: %v; with %d clients on all %v, on one %v: %.2f times\n", quiet, o.clients, spread, one, ratio)
		if ratio <= worse {
			return nil
		}
		if round == o.rounds-1 {
			return fmt.Errorf("with the load on one preview the others take %.2f times as long as with the same load on all", ratio)
		}
	}
	return nil
}

// measure returns the 95th percentile of the time that the others take, under the load of the clients. which is the preview
// that the n-th request of a client is for; nil is no load.
func (o options) measure(server *subject.Server, which func(n int) int) (time.Duration, error) {
	stop := make(chan struct{})
	var load sync.WaitGroup
	failed := make(chan error, o.clients)
	for c := range o.clients {
		if which == nil {
			break
		}
		load.Go(func() {
			client := newClient()
			defer client.CloseIdleConnections()
			for n := c; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := fetch(client, server, which(n), fmt.Sprint("/", n*7%large, ".bin")); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	client := newClient()
	defer client.CloseIdleConnections()
	var times []time.Duration
	var err error
	for n := 0; n < o.requests+others && err == nil; n++ {
		start := time.Now()
		_, err = fetch(client, server, 1+n%others, "/")
		if n >= others { // at first they come into the cache
			times = append(times, time.Since(start))
		}
	}
	close(stop)
	load.Wait()
	select {
	case err = <-failed:
	default:
	}
	if err != nil {
		return 0, err
	}
	slices.Sort(times)
	return times[len(times)*95/100], nil
}
