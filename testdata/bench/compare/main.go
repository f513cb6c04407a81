// Compare measures previewd beside nginx, lighttpd, CPython's http.server, a handler of net/http that does what
// previewd does for a small file, net/http's FileServer, and a bare loop of read and write, which is the floor:
// requests per second, CPU per request and peak memory.
//
//	go run ./testdata/bench/compare [-works small,cond] [-servers previewd,nginx] [-rounds 5] [-duration 5s] BINARY
//
// A round gives every server the same load in turn, so that whatever else the machine does falls on all of
// them; a ratio is that of one round. All of it is in a network namespace of its own with one congestion control,
// for which it has to be root. It prints Markdown, and ends with 1 if the load tool saw an error. The work
// "thousand" wants some 1,100 file descriptors (ulimit -n).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// options are the command line.
type options struct {
	binary   string
	works    []work
	kinds    []kind
	rounds   int
	duration time.Duration
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var inside *exec.ExitError // which has said why
	if err := run(ctx, os.Args[1:], os.Stdout); errors.As(err, &inside) {
		os.Exit(max(inside.ExitCode(), 1))
	} else if err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	opt, err := parse(args)
	if err != nil {
		return err
	}
	if scratch := os.Getenv(scratchVariable); scratch != "" {
		return compare(ctx, scratch, opt, out)
	}
	if err := errors.Join(needRoot(), findTools(opt)); err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "compare-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	if err := build(ctx, scratch, opt); err != nil {
		return err
	}
	return enter(ctx, args, scratch)
}

// compare is what is done inside the namespace.
func compare(ctx context.Context, scratch string, opt options, out io.Writer) error {
	if err := furnish(ctx); err != nil {
		return err
	}
	s, err := prepare(scratch, opt.works)
	if err != nil {
		return err
	}
	if err := printMachine(ctx, out, opt); err != nil {
		return err
	}
	failed := 0
	all := make([][]result, 0, len(opt.works))
	for _, w := range opt.works {
		results, err := measure(ctx, s, w, opt)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		failed += printWork(out, w, results)
		all = append(all, results)
	}
	printSummary(out, opt, all)
	if failed > 0 {
		return fmt.Errorf("%d runs with errors", failed)
	}
	return nil
}

func parse(args []string) (options, error) {
	var opt options
	flags := flag.NewFlagSet("compare", flag.ExitOnError)
	workNames := flags.String("works", "", "works to do, comma separated; all by default")
	kindNames := flags.String("servers", "", "servers to measure, comma separated; all by default")
	flags.IntVar(&opt.rounds, "rounds", 5, "rounds of each work")
	flags.DurationVar(&opt.duration, "duration", 5*time.Second, "how long one server is under load in one round")
	_ = flags.Parse(args) // ends the program itself
	if flags.NArg() != 1 {
		return opt, errors.New("which previewd? give its binary as the only argument")
	}
	if opt.rounds < 1 || opt.duration < time.Second || opt.duration%time.Second != 0 {
		return opt, errors.New("it takes at least one round, of whole seconds, as wrk and ab do")
	}
	var err error
	if opt.binary, err = filepath.Abs(flags.Arg(0)); err != nil {
		return opt, err
	}
	if opt.works, err = choose("work", *workNames, works(), func(w work) string { return w.name }); err != nil {
		return opt, err
	}
	opt.kinds, err = choose("server", *kindNames, kinds(), func(k kind) string { return k.name })
	return opt, err
}

// measure does one work: every server started afresh, all rounds, every server stopped again.
func measure(ctx context.Context, s site, w work, opt options) (results []result, err error) {
	var servers []*server
	defer func() {
		for _, server := range servers {
			server.stop()
		}
	}()
	address := ""
	if w.proxied {
		passedTo, err := start(ctx, s, other(), w, opt.binary, "")
		if err != nil {
			return nil, err
		}
		defer passedTo.stop()
		address = strings.TrimPrefix(passedTo.url, "http://")
	}
	for _, k := range opt.kinds {
		if k.lacks[w.name] || k.noListing && w.listing {
			continue
		}
		server, err := start(ctx, s, k, w, opt.binary, address)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k.name, err)
		}
		servers = append(servers, server)
		r := result{server: k.name}
		if r.names, r.fields, err = server.firstAnswer(ctx, s, w); err != nil {
			return nil, fmt.Errorf("%s: %w", k.name, err)
		}
		results = append(results, r)
	}
	if err := sameNames(results, "previewd", "nethttp"); err != nil {
		return nil, err
	}
	if err := s.rest(ctx); err != nil {
		return nil, err
	}
	for n := range opt.rounds {
		for i, server := range servers {
			fmt.Fprintf(os.Stderr, "%s, round %d of %d: %s\n", w.name, n+1, opt.rounds, server.kind.name)
			one, err := server.round(ctx, s, w, results[i].fields, opt.duration)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil {
				one = round{problem: err.Error()}
				results[i].failed = true
			}
			results[i].rounds = append(results[i].rounds, one)
		}
	}
	return results, nil
}
