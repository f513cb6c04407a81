package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/previewd/previewd/testdata/internal/subject"
)

// least is how many requests a preview answers in a second at least, against a site.
const least = 0.95

// turn is how long one of the two is asked before it is the other's turn: short, so that what else the machine does is the same
// for both.
const turn = 300 * time.Millisecond

// rival is one of the two that are compared.
type rival struct {
	*subject.Server
	host    string
	clients []*http.Client
	// For each turn: the requests in a second, and the processor time of one in microseconds.
	rates, costs []float64
}

// compare compares a preview with a site of the same files, on servers of their own.
func (o options) compare(command []string, r *registry, scratch string) error {
	server, err := start(command, r, scratch)
	if err != nil {
		return err
	}
	defer server.Kill()
	client := newClient()
	defer client.CloseIdleConnections()
	if err := isPage(client, server, 0); err != nil {
		return err
	}
	sites, err := filepath.Glob(filepath.Join(scratch, "store/builds/*/site"))
	if err != nil || len(sites) != 1 {
		return fmt.Errorf("the store has the sites %q, %w", sites, err)
	}
	dir := filepath.Join(scratch, "plain")
	if err := os.CopyFS(dir, os.DirFS(sites[0])); err != nil {
		return err
	}
	old := time.Unix(1.6e9, 0)
	if err := os.Chtimes(filepath.Join(dir, "index.html"), old, old); err != nil { // what has just changed is not kept
		return err
	}
	output := filepath.Join(scratch, "of the site")
	if err := os.Mkdir(output, 0o755); err != nil {
		return err
	}
	plain, err := subject.Start(command, dir, output, "LOG_FORMAT=text", "LOG_LEVEL=warn")
	if err != nil {
		return err
	}
	defer plain.Kill()
	preview, site := &rival{Server: server, host: tagName(0) + ".localhost"}, &rival{Server: plain, host: "localhost"}
	for round := range o.rounds + 1 {
		for _, v := range []*rival{preview, site} {
			if err := o.measure(v); err != nil {
				return err
			}
			if round == 0 { // the first is to come into the cache
				v.rates, v.costs = nil, nil
			}
		}
	}
	rate, cost := median(ratios(preview.rates, site.rates)), median(ratios(preview.costs, site.costs))
	fmt.Printf("requests a second: of a preview %.0f, of a site %.0f: %.2f of the site's; processor time of one: %.1f µs and %.1f µs: %.2f times\n",
		median(preview.rates), median(site.rates), rate, median(preview.costs), median(site.costs), cost)
	if rate < least {
		return fmt.Errorf("a preview has %.2f of a site's requests a second, at least %.2f are wanted", rate, least)
	}
	return errors.Join(server.Stop(), plain.Stop())
}

// ratios are those of the turns that followed one another.
func ratios(a, b []float64) (list []float64) {
	for i := range a {
		list = append(list, a[i]/b[i])
	}
	return list
}

func median(list []float64) float64 { return slices.Sorted(slices.Values(list))[len(list)/2] }

// measure asks one for its page for a turn, from all clients.
func (o options) measure(v *rival) error {
	for len(v.clients) < o.clients {
		v.clients = append(v.clients, newClient())
	}
	before, err := processor(v.ID())
	if err != nil {
		return err
	}
	began := time.Now()
	counts := make([]int, o.clients)
	var all errgroup.Group
	for c, client := range v.clients {
		all.Go(func() error {
			for time.Since(began) < turn {
				status, content, err := fetch(client, v.Server, v.host, "/")
				if err == nil && (status != 200 || content != page(0)) {
					err = fmt.Errorf("%s: got %d %.300q", v.host, status, content)
				}
				if err != nil {
					return err
				}
				counts[c]++
			}
			return nil
		})
	}
	if err := all.Wait(); err != nil {
		return err
	}
	took := time.Since(began)
	after, err := processor(v.ID())
	requests := 0.0
	for _, n := range counts {
		requests += float64(n)
	}
	v.rates = append(v.rates, requests/took.Seconds())
	v.costs = append(v.costs, float64((after-before).Microseconds())/requests)
	return err
}

// processor is how long the threads of a process have run: the first figure of /proc/PID/task/TID/schedstat, in nanoseconds.
func processor(id int) (all time.Duration, err error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", id))
	if err != nil {
		return 0, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return 0, err
		}
		var ran int64
		if _, err := fmt.Sscan(string(text), &ran); err != nil {
			return 0, fmt.Errorf("%s: %q: %w", file, text, err)
		}
		all += time.Duration(ran)
	}
	return all, nil
}
