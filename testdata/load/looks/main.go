// Looks measures what live reload costs while a page listens: the processor time of the looks, and what the whole process takes
// beyond what it takes while nobody listens.
//
//	go run ./testdata/load/looks [-names 300,4000,6000] [-t 10s] BINARY
//
// Looks may take 1.5 % of a processor, whatever the number of names. While nobody listens there must be none. Of more than
// 4,000 names the oldest are dropped, and counted.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/previewd/previewd/testdata/internal/subject"
)

const (
	// most is the part of a processor that looks may take.
	most = 0.015
	// known is how many names previewd looks at.
	known = 4000
)

func main() {
	names := flag.String("names", "300,4000,6000", "how many names a page uses, several numbers")
	during := flag.Duration("t", 10*time.Second, "how long to measure for each")
	flag.Parse()
	var problems []error
	for _, text := range strings.Split(*names, ",") {
		n, err := strconv.Atoi(text)
		if err == nil {
			err = measure(flag.Args(), n, *during)
		}
		problems = append(problems, err)
	}
	if err := errors.Join(problems...); err != nil {
		fmt.Fprintln(os.Stderr, "looks:", err)
		os.Exit(1)
	}
}

// measure measures a page of so many names.
func measure(command []string, names int, during time.Duration) error {
	scratch, err := os.MkdirTemp("", "previewd-looks-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	dir := filepath.Join(scratch, "site")
	if err := os.Mkdir(dir, 0o777); err != nil {
		return err
	}
	shows := map[string]any{}
	var paths []string
	for i := range names {
		name := fmt.Sprintf("asset-%05d.css", i)
		if err := os.WriteFile(filepath.Join(dir, name), []byte("p { color: red }"), 0o666); err != nil {
			return err
		}
		paths = append(paths, "/"+name)
		shows["/"+name] = nil
	}
	server, err := subject.Start(command, dir, scratch, "RELOAD=true")
	if err != nil {
		return err
	}
	defer server.Kill()
	for _, path := range paths {
		if err := get("http://" + server.Addr + path); err != nil {
			return err
		}
	}
	without, err := usage(server, during)
	if err != nil {
		return err
	}
	if without.looks != 0 {
		return fmt.Errorf("%.0f looks while nobody listens", without.looks)
	}
	leave, err := listen("http://"+server.Addr+"/__previewd/events", shows)
	if err != nil {
		return err
	}
	defer leave()
	if err := await(server, "previewd_reload_look_duration_seconds_count", 3); err != nil {
		return err
	}
	var with used
	for {
		if with, err = usage(server, during); err != nil {
			return err
		}
		// A look that a busy machine makes long is made up for by the pause after it.
		if with.looking <= most*with.elapsed || with.elapsed > 60 {
			break
		}
		during *= 2
	}
	dropped, err := server.Metric("previewd_reload_names_dropped_total")
	if err != nil {
		return err
	}
	share := with.looking / with.elapsed
	fmt.Printf("%5d names: %4.1f looks a second take %.2f %% of a processor, %.2f ms each; the process %.2f %%, %.2f %% while nobody listens; %.0f names dropped\n",
		names, with.looks/with.elapsed, 100*share, 1000*with.looking/max(1, with.looks), 100*with.processor/with.elapsed, 100*without.processor/without.elapsed, dropped)
	if share > most {
		return fmt.Errorf("looks at %d names take %.2f %% of a processor, want at most %.1f %%", names, 100*share, 100*most)
	}
	if want := max(0, names-known); int(dropped) < want || dropped > 0 && want == 0 {
		return fmt.Errorf("%.0f names of %d are dropped, want %d", dropped, names, want)
	}
	return server.Stop()
}

// used is what a server has used in a time: all in seconds, but for the number of looks.
type used struct{ elapsed, processor, looking, looks float64 }

// usage is what a server uses in a time.
func usage(server *subject.Server, during time.Duration) (used, error) {
	looks, looking, err := counted(server)
	if err != nil {
		return used{}, err
	}
	busy, err := processor(server.ID())
	if err != nil {
		return used{}, err
	}
	began := time.Now()
	time.Sleep(during)
	busyAfter, err := processor(server.ID())
	if err != nil {
		return used{}, err
	}
	elapsed := time.Since(began).Seconds()
	looksAfter, lookingAfter, err := counted(server)
	return used{elapsed, busyAfter - busy, lookingAfter - looking, looksAfter - looks}, err
}

// counted is how many looks there were, and how long they took, in seconds of a processor.
func counted(server *subject.Server) (looks, took float64, err error) {
	const name = "previewd_reload_look_duration_seconds"
	if looks, err = server.Metric(name + "_count"); err != nil {
		return 0, 0, err
	}
	took, err = server.Metric(name + "_sum")
	return looks, took, err
}

// processor is the processor time of a process in seconds, in nanoseconds' precision: that of its threads.
func processor(id int) (float64, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", id))
	if err != nil || len(files) == 0 {
		return 0, fmt.Errorf("the threads of process %d: %w", id, errors.Join(err, os.ErrNotExist))
	}
	sum := 0.0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			continue // it has ended
		}
		if err != nil {
			return 0, err
		}
		busy, _, _ := strings.Cut(string(text), " ")
		n, err := strconv.ParseInt(busy, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", file, err)
		}
		sum += float64(n) / 1e9
	}
	return sum, nil
}

func get(url string) error {
	resp, err := http.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	return nil
}

// listen listens as a page that shows paths.
func listen(url string, shows map[string]any) (leave func(), err error) {
	text, err := json.Marshal(map[string]any{"id": "looks", "page": "/", "age": 1000, "shows": shows})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	asked, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(text))
	if err != nil {
		cancel()
		return nil, err
	}
	resp, err := http.DefaultClient.Do(asked)
	if err != nil {
		cancel()
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		cancel()
		return nil, fmt.Errorf("the event stream: %s", resp.Status)
	}
	return func() { cancel(); resp.Body.Close() }, nil
}

// await waits until a metric has a value.
func await(server *subject.Server, name string, least float64) error {
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		value, err := server.Metric(name)
		if err != nil || value >= least {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s is %v, want %v", name, value, least)
		}
	}
}
