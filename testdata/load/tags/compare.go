package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/previewd/previewd/testdata/internal/subject"
)

// least is how fast a preview is at least, against a site: the inverse ratio of the processor times of a request.
const least = 0.95

// roundTime is how long one of the two is asked before it is the other's turn.
const roundTime = 2 * time.Second

// rival is one of the two that are compared.
type rival struct {
	*subject.Server
	host string
	each []time.Duration // processor time of a request, for each round
	rate []float64       // requests in a second
}

// compare compares a preview with a site of the same files, on servers of their own. What another program does in one round
// counts as little as in any other: the medians are compared.
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
				v.each, v.rate = nil, nil
			}
		}
	}
	ratio := float64(median(site.each)) / float64(median(preview.each))
	fmt.Printf("processor time of a request: of a preview %v (%.0f a second), of a site %v (%.0f a second): %.2f of the site's rate\n",
		median(preview.each), median(preview.rate), median(site.each), median(site.rate), ratio)
	if ratio < least {
		return fmt.Errorf("a preview has %.2f of a site's rate, at least %.2f is wanted", ratio, least)
	}
	return errors.Join(server.Stop(), plain.Stop())
}

// measure asks one for its page for a while, from all clients.
func (o options) measure(v *rival) error {
	before, err := v.Metric("process_cpu_seconds_total")
	if err != nil {
		return err
	}
	began := time.Now()
	counts, failed := make([]int, o.clients), make(chan error, o.clients)
	var all sync.WaitGroup
	for c := range o.clients {
		all.Go(func() {
			client := newClient()
			defer client.CloseIdleConnections()
			for time.Since(began) < roundTime {
				status, content, err := fetch(client, v.Server, v.host, "/")
				if err == nil && (status != 200 || content != page(0)) {
					err = fmt.Errorf("%s: got %d %.300q", v.host, status, content)
				}
				if err != nil {
					failed <- err
					return
				}
				counts[c]++
			}
		})
	}
	all.Wait()
	took := time.Since(began)
	select {
	case err := <-failed:
		return err
	default:
	}
	after, err := v.Metric("process_cpu_seconds_total")
	if err != nil {
		return err
	}
	requests := 0
	for _, n := range counts {
		requests += n
	}
	v.each = append(v.each, time.Duration((after-before)*1e9/float64(requests)))
	v.rate = append(v.rate, float64(requests)/took.Seconds())
	return nil
}

func median[T int | float64 | time.Duration](list []T) T {
	return slices.Sorted(slices.Values(list))[len(list)/2]
}
