package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// loader makes requests for some time.
type loader struct {
	// tool is the command it needs, in the Debian packages named; empty if it is this program.
	tool, packages string
	run            func(ctx context.Context, t target) (answered, error)
}

// target is what a loader asks for.
type target struct {
	site     site
	work     work
	url      string // with the path
	fields   []string
	duration time.Duration
}

// answered is what a loader saw.
type answered struct {
	requests float64
	seconds  float64
	// cpu is what the loader itself used, in microseconds.
	cpu int64
	// problems tells what went wrong with some of the requests; empty if nothing did.
	problems string
}

var (
	wrk     = loader{tool: "wrk", packages: "wrk", run: runWrk}
	ab      = loader{tool: "ab", packages: "apache2-utils", run: runAb}
	h2load  = loader{tool: "h2load", packages: "nghttp2-client", run: runH2load}
	renamer = loader{run: runRenamer}
)

// wrkScript prints what wrk's own report rounds.
const wrkScript = `function done(summary)
	local e = summary.errors
	io.write(string.format("totals %.0f %.0f %.0f connect=%.0f read=%.0f write=%.0f status=%.0f timeout=%.0f\n",
		summary.requests, summary.duration, summary.bytes, e.connect, e.read, e.write, e.status, e.timeout))
end
`

// runWrk keeps connections open, from one thread. Requests for a large file are counted by their bytes, as
// those under way at the end are much of them.
func runWrk(ctx context.Context, t target) (answered, error) {
	words := []string{"-t1", "-c" + strconv.Itoa(t.work.connections), "-d" + strconv.Itoa(int(t.duration.Seconds())) + "s",
		"--timeout", "10s", "-s", t.site.script()}
	for _, field := range t.fields {
		words = append(words, "-H", field)
	}
	text, cpu, err := output(ctx, toolPath("wrk"), append(words, t.url)...)
	if err != nil {
		return answered{}, err
	}
	_, totals, found := strings.Cut(text, "totals ")
	words = strings.Fields(totals)
	if !found || len(words) != 8 {
		return answered{}, fmt.Errorf("wrk printed: %s", text)
	}
	var numbers [3]float64 // requests, microseconds, bytes
	for i := range numbers {
		if numbers[i], err = strconv.ParseFloat(words[i], 64); err != nil {
			return answered{}, err
		}
	}
	a := answered{requests: numbers[0], seconds: numbers[1] / 1e6, cpu: cpu}
	if size := t.site.sizes[t.work.path]; size >= 1<<20 {
		a.requests = numbers[2] / float64(size)
	}
	var problems []string
	for _, word := range words[3:] {
		if !strings.HasSuffix(word, "=0") {
			problems = append(problems, word)
		}
	}
	a.problems = strings.Join(problems, " ")
	return a, nil
}

// runAb opens a connection for each request.
func runAb(ctx context.Context, t target) (answered, error) {
	// Without -n, which has to come after -t, it ends after 50,000 requests.
	text, cpu, err := output(ctx, toolPath("ab"), "-q", "-r", "-c", strconv.Itoa(t.work.connections),
		"-t", strconv.Itoa(int(t.duration.Seconds())), "-n", "100000000", t.url)
	if err != nil {
		return answered{}, err
	}
	a := answered{cpu: cpu}
	var problems []string
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		value, _, _ = strings.Cut(strings.TrimSpace(value), " ")
		switch name {
		case "Complete requests":
			a.requests, err = strconv.ParseFloat(value, 64)
		case "Time taken for tests":
			a.seconds, err = strconv.ParseFloat(value, 64)
		case "Failed requests", "Non-2xx responses":
			if value != "0" {
				problems = append(problems, name+" "+value)
			}
		}
		if err != nil {
			return answered{}, err
		}
	}
	if a.seconds == 0 {
		return answered{}, fmt.Errorf("ab printed: %s", text)
	}
	a.problems = strings.Join(problems, ", ")
	return a, nil
}

// streams is how many requests are under way on a connection of HTTP/2; lighttpd takes 8 of them at a time.
const streams = 10

// runH2load keeps connections of HTTP/2 open, from one thread.
func runH2load(ctx context.Context, t target) (answered, error) {
	text, cpu, err := output(ctx, toolPath("h2load"), "-t1", "-c"+strconv.Itoa(t.work.connections), "-m"+strconv.Itoa(streams),
		"-D"+strconv.Itoa(int(t.duration.Seconds())), t.url)
	if err != nil {
		return answered{}, err
	}
	a := answered{cpu: cpu}
	var begun, done, good, failed, errored, timedOut float64
	for line := range strings.Lines(text) {
		// A line of another form fails to scan, and counts nothing.
		_, _ = fmt.Sscanf(line, "finished in %fs,", &a.seconds)
		_, _ = fmt.Sscanf(line, "requests: %f total, %f started, %f done, %f succeeded, %f failed, %f errored, %f timeout",
			new(float64), &begun, &done, &good, &failed, &errored, &timedOut)
		_, _ = fmt.Sscanf(line, "status codes: %f 2xx,", &a.requests)
	}
	if a.seconds == 0 || a.requests == 0 || done == 0 {
		return answered{}, fmt.Errorf("h2load printed: %s", text)
	}
	// Requests that are under way at the end are begun and not done.
	if good != done || failed+errored+timedOut > 0 {
		a.problems = fmt.Sprintf("of %.0f requests begun %.0f succeeded, %.0f failed, %.0f had errors, %.0f timed out", begun, good, failed, errored, timedOut)
	}
	return a, nil
}

// output runs a command and returns what it printed and the CPU time it used, in microseconds.
func output(ctx context.Context, name string, args ...string) (text string, cpu int64, err error) {
	command := exec.CommandContext(ctx, name, args...)
	printed, err := command.CombinedOutput()
	if err != nil {
		return "", 0, fmt.Errorf("%s: %w: %s", filepath.Base(name), err, printed)
	}
	state := command.ProcessState
	return string(printed), (state.UserTime() + state.SystemTime()).Microseconds(), nil
}

// runRenamer renames a file, asks for the listing, and wants the new name in it, over and over.
func runRenamer(ctx context.Context, t target) (a answered, err error) {
	before, err := cpuTime(os.Getpid())
	if err != nil {
		return a, err
	}
	client := &http.Client{Transport: &http.Transport{DisableCompression: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	dir := filepath.Join(t.site.root, t.work.path)
	first := filepath.Join(dir, nameOf(0))
	name := first
	old := 0
	started := time.Now()
	for ; time.Since(started) < t.duration; a.requests++ {
		next := filepath.Join(dir, fmt.Sprintf("renamed-%06.0f.txt", a.requests))
		if err := os.Rename(name, next); err != nil {
			return a, err
		}
		name = next
		status, _, content, err := get(ctx, client, t.url, nil)
		if err != nil {
			return a, errors.Join(err, os.Rename(name, first))
		}
		if status != http.StatusOK || !bytes.Contains(content, []byte(filepath.Base(name))) {
			old++
		}
	}
	a.seconds = time.Since(started).Seconds()
	if old > 0 {
		a.problems = fmt.Sprintf("%d answers without the name just made", old)
	}
	after, err := cpuTime(os.Getpid())
	a.cpu = after - before
	return a, errors.Join(err, os.Rename(name, first))
}
