// Cold measures the first answer of a server that has just been started: a script of 5 MB, a WebAssembly program of
// some 3 MB and the listing of 10,000 names, in each content coding, read by a client with 100 Mbit/s. It prints, for
// previewd, for nginx with gzip and for caddy with zstd and gzip, how long the first and the last byte take, how many bytes
// come, and the processor time of the server.
//
//	go run ./testdata/bench/cold [-rounds 3] [-caddy FILE] BINARY
//
// nginx is Debian's; without -caddy, caddy is left out. Each measurement starts a server of its own. It prints Markdown.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "cold:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	rounds := flag.Int("rounds", 3, "measurements of each kind; the median is printed")
	caddy := flag.String("caddy", "", "caddy's binary")
	flag.Parse()
	if flag.NArg() != 1 || *rounds < 1 {
		return errors.New("which previewd? give its binary as the only argument")
	}
	binary, err := filepath.Abs(flag.Arg(0))
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "cold-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	root := filepath.Join(scratch, "site")
	if err := furnish(ctx, root); err != nil {
		return err
	}
	kinds := []kind{previewd(binary), nginx}
	if *caddy != "" {
		kinds = append(kinds, caddyOf(*caddy))
	}
	for _, path := range []string{"/bundle.js", "/program.wasm", "/names/"} {
		fmt.Printf("\n%s\n\n| server | coding | bytes | first byte ms | last byte ms | CPU ms |\n|---|---|--:|--:|--:|--:|\n", path)
		for _, k := range kinds {
			for _, coding := range k.codings {
				if err := measure(ctx, k, scratch, root, path, coding, *rounds); err != nil {
					return fmt.Errorf("%s, %s, %s: %w", k.name, path, coding, err)
				}
			}
		}
	}
	return nil
}

// measure prints a row: the median of each figure.
func measure(ctx context.Context, k kind, scratch, root, path, coding string, rounds int) error {
	var all []figures
	for range rounds {
		f, err := once(ctx, k, scratch, root, path, coding)
		if err != nil {
			return err
		}
		all = append(all, f)
	}
	median := func(of func(figures) float64) float64 {
		var values []float64
		for _, f := range all {
			values = append(values, of(f))
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	fmt.Printf("| %s | %s | %.0f | %.1f | %.0f | %.0f |\n", k.name, coding, median(func(f figures) float64 { return float64(f.bytes) }),
		median(func(f figures) float64 { return ms(f.first) }), median(func(f figures) float64 { return ms(f.last) }),
		median(func(f figures) float64 { return ms(f.cpu) }))
	return nil
}

// furnish writes the site: the sources of Go's library as the script, a program that go builds, and empty files.
func furnish(ctx context.Context, root string) error {
	if err := os.MkdirAll(filepath.Join(root, "names"), 0o755); err != nil {
		return err
	}
	goroot, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return err
	}
	sources, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(goroot)), "src", "*", "*.go"))
	if err != nil {
		return err
	}
	const bundle = 5_000_000
	var script []byte
	for _, name := range sources {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if script = append(script, text...); len(script) >= bundle {
			break
		}
	}
	if len(script) < bundle {
		return fmt.Errorf("the sources of Go's library have %d bytes, want %d", len(script), bundle)
	}
	build := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-o", filepath.Join(root, "program.wasm"), "cmd/gofmt")
	build.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	if text, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the program: %w: %s", err, text)
	}
	if err := os.WriteFile(filepath.Join(root, "bundle.js"), script[:bundle], 0o644); err != nil {
		return err
	}
	for i := range 10_000 {
		if err := os.WriteFile(filepath.Join(root, "names", fmt.Sprintf("name-%05d.txt", i)), nil, 0o644); err != nil {
			return err
		}
	}
	// previewd reads large files of the last minute once more, as they may still be written.
	old := time.Now().Add(-time.Hour)
	return errors.Join(os.Chtimes(filepath.Join(root, "bundle.js"), old, old), os.Chtimes(filepath.Join(root, "program.wasm"), old, old))
}
