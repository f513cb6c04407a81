// Tags holds the server to its word on previews from a registry: a thousand tags in a memory control group, of which two hundred
// are in use, and one preview that is as fast as a plain site. The registry is in this program. It prints the time and the memory
// that it takes, the processor time of looking whether the tags in use have moved, and the processor time of a request, of a
// preview and of a site with the same files in turns. It needs root, and a control group file system.
//
//	go run ./testdata/load/tags [-memory 256] [-tags 1000] [-use 200] [-clients 16] [-rounds 40] BINARY
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/previewd/previewd/testdata/internal/subject"
)

type options struct {
	mebibytes, tags, use, clients, rounds int
	idle                                  time.Duration
}

func main() {
	var o options
	flag.IntVar(&o.mebibytes, "memory", 256, "limit of the memory control group, in MiB; 0 = none")
	flag.IntVar(&o.tags, "tags", 1000, "tags in the registry")
	flag.IntVar(&o.use, "use", 200, "tags that are asked for")
	flag.IntVar(&o.clients, "clients", 16, "clients at once")
	flag.IntVar(&o.rounds, "rounds", 40, "turns in which a preview is compared with a site; 0 = none")
	flag.DurationVar(&o.idle, "idle", 20*time.Second, "how long the processor time of looking is measured")
	flag.Parse()
	if err := o.run(flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "tags:", err)
		os.Exit(1)
	}
}

func (o options) run(command []string) error {
	scratch, err := os.MkdirTemp("", "tags-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	r, err := startRegistry()
	if err != nil {
		return err
	}
	defer r.stop()
	if err := r.push(o.tags); err != nil {
		return err
	}
	limited, remove, err := subject.Limited(command, o.mebibytes, 0)
	if err != nil {
		return err
	}
	defer remove()
	if err := o.many(limited, r, filepath.Join(scratch, "many")); err != nil {
		return err
	}
	if o.rounds == 0 {
		return nil
	}
	return o.compare(command, r, filepath.Join(scratch, "one"))
}

// start starts the server with the previews of the registry.
func start(command []string, r *registry, scratch string) (*subject.Server, error) {
	if err := os.MkdirAll(scratch, 0o755); err != nil {
		return nil, err
	}
	return subject.Start(command, "", scratch, "LOG_FORMAT=text", "LOG_LEVEL=warn", "PREVIEWS="+r.repository, "PREVIEWS_INSECURE=true", "PREVIEWS_STORE="+filepath.Join(scratch, "store"))
}

// many asks for the page of each tag that is to be in use, and then for nothing.
func (o options) many(command []string, r *registry, scratch string) error {
	server, err := start(command, r, scratch)
	if err != nil {
		return err
	}
	defer server.Kill()
	began := time.Now()
	if err := o.askAll(server); err != nil {
		return err
	}
	took := time.Since(began)
	if err := o.isKnown(server); err != nil {
		return err
	}
	peak, err := subject.Status(server.ID(), "VmHWM")
	if err != nil {
		return err
	}
	fmt.Printf("%d tags known; the first pages of %d from %d clients in %v; resident %d KiB at the most\n", o.tags, o.use, o.clients, took.Round(time.Millisecond), peak)
	before, err := server.Metric("process_cpu_seconds_total")
	if err != nil {
		return err
	}
	time.Sleep(o.idle)
	after, err := server.Metric("process_cpu_seconds_total")
	if err != nil {
		return err
	}
	resident, err := server.Resident()
	if err != nil {
		return err
	}
	fmt.Printf("then with no requests: %.1f %% of a processor to look whether they have moved; resident %d KiB\n", 100*(after-before)/o.idle.Seconds(), resident>>10)
	if server.Ended() {
		return errors.New("the server has ended")
	}
	return server.Stop()
}

// isKnown holds the metrics against what there is.
func (o options) isKnown(server *subject.Server) error {
	for name, want := range map[string]int{"known": o.tags, "in_use": o.use, "builds": o.use} {
		got, err := server.Metric("previewd_previews_" + name)
		if err != nil {
			return err
		}
		if int(got) != want {
			return fmt.Errorf("previewd_previews_%s is %v, want %d", name, got, want)
		}
	}
	return nil
}

func (o options) askAll(server *subject.Server) error {
	var all errgroup.Group
	for c := range o.clients {
		all.Go(func() error {
			client := newClient()
			defer client.CloseIdleConnections()
			for i := c; i < o.use; i += o.clients {
				if err := isPage(client, server, i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return all.Wait()
}

// isPage asks for the page of a tag until it is here.
func isPage(client *http.Client, server *subject.Server, i int) error {
	for tries := range 20 {
		status, content, err := fetch(client, server, tagName(i)+".localhost", "/")
		if err != nil {
			return err
		}
		if status == http.StatusServiceUnavailable && tries < 19 {
			continue // it has waited 30 s for it
		}
		if status != 200 || content != page(i) {
			return fmt.Errorf("tag %s: got %d %.300q", tagName(i), status, content)
		}
		break
	}
	return nil
}

func fetch(client *http.Client, server *subject.Server, host, path string) (status int, content string, err error) {
	r, err := http.NewRequest("GET", "http://"+server.Addr+path, nil)
	if err != nil {
		return 0, "", err
	}
	r.Host = host
	resp, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

func newClient() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 1}, Timeout: time.Minute}
}

func tagName(i int) string { return fmt.Sprintf("pr-%d", i) }

// page is that of a tag: 6 KiB, as long as an application's.
func page(i int) string {
	return fmt.Sprintf("<!DOCTYPE html><p>preview %d\n", i) + strings.Repeat("<p>The same words, again and again.\n", 170)
}
