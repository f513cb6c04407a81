package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// baseline is the server that the others are compared with.
const baseline = "nginx"

// busyLoad is the load average of a minute, and busyShare the share of the CPU that others had, from which on
// a machine is said to be busy.
const busyLoad, busyShare = 0.5, 0.05

// result is what one server did in one work.
type result struct {
	server string
	names  []string // of the fields in its first answer, in order
	fields []string // of its requests
	failed bool     // in at least one round
	rounds []round
}

func cores() float64 { return float64(runtime.NumCPU()) }

// printMachine prints what the figures depend on.
func printMachine(ctx context.Context, out io.Writer, opt options) error {
	average, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return err
	}
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s, %d cores, Linux %s, %s; %d rounds of %v. Over loopback in a network namespace of its own, "+
		"congestion control of all: %s. Load average before: %s.\n",
		cpuModel(), runtime.NumCPU(), strings.TrimSpace(string(kernel)), time.Now().Format(time.DateOnly), opt.rounds, opt.duration,
		congestion, strings.Join(strings.Fields(string(average))[:3], " "))
	var minute float64
	if _, err := fmt.Sscan(string(average), &minute); err != nil {
		return err
	}
	if minute > busyLoad {
		fmt.Fprintln(out, "\n**The machine was busy with something else before the first round.**")
	}
	var versions []string
	for _, k := range opt.kinds {
		if len(k.version) > 0 {
			versions = append(versions, k.release(ctx, opt.binary))
		}
	}
	fmt.Fprintf(out, "\nServers: %s.\n", strings.Join(append(versions, runtime.Version()), "; "))
	return nil
}

// cpuModel returns the name in /proc/cpuinfo, which some architectures leave out.
func cpuModel() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// release returns the first line that a server prints about its version.
func (k kind) release(ctx context.Context, binary string) string {
	path := binary
	if k.tool != "" {
		path = toolPath(k.tool)
	}
	text, _ := exec.CommandContext(ctx, path, k.version...).CombinedOutput()
	line, _, _ := strings.Cut(string(text), "\n")
	line, _, _ = strings.Cut(line, " (")
	return strings.TrimPrefix(line, "nginx version: ")
}

// printWork prints the table of one work, and returns how many runs had errors.
func printWork(out io.Writer, w work, results []result) (failed int) {
	fmt.Fprintf(out, "\n%s: %s\n\n", w.name, w.about)
	fmt.Fprintf(out, "| server | CPU µs/request | of %s's | requests/s | of %s's | peak MiB |\n", baseline, baseline)
	fmt.Fprintln(out, "|---|--:|--:|--:|--:|--:|")
	for _, r := range results {
		if r.failed {
			fmt.Fprintf(out, "| %s | failed | | | | |\n", r.server)
			continue
		}
		rate, cpu := r.each(rateOf), r.each(cpuOf)
		fmt.Fprintf(out, "| %s | %s | %s | %s | %s | %.1f |\n", r.server, figure(median(cpu)), ratio(results, r, baseline, cpuOf),
			figure(median(rate)), ratio(results, r, baseline, rateOf), slices.Max(r.each(peakOf))/(1<<20))
	}
	var notes []string
	var others []float64
	for _, r := range results {
		for i, one := range r.rounds {
			if !r.failed {
				others = append(others, one.other)
			}
			if one.problem != "" {
				failed++
				notes = append(notes, fmt.Sprintf("%s, round %d: %s", r.server, i+1, one.problem))
			}
		}
	}
	if len(others) > 0 && median(others) > busyShare {
		fmt.Fprintf(out, "\n**The machine was busy: others had %.0f%% of its CPU (median), %.0f–%.0f%% in one run.**\n",
			100*median(others), 100*slices.Min(others), 100*slices.Max(others))
	}
	for _, note := range notes {
		fmt.Fprintf(out, "\n**Error: %s.**\n", note)
	}
	return failed
}

func cpuOf(r round) float64  { return r.cpu }
func rateOf(r round) float64 { return r.rate }
func peakOf(r round) float64 { return float64(r.peak) }

// each returns one figure of every round.
func (r result) each(of func(round) float64) []float64 {
	var all []float64
	for _, one := range r.rounds {
		all = append(all, of(one))
	}
	return all
}

// printSummary prints one table of all works: previewd's CPU time per request beside each other server's.
func printSummary(out io.Writer, opt options, all [][]result) {
	const ours = "previewd"
	var others []string
	for _, k := range opt.kinds {
		if k.name != ours {
			others = append(others, k.name)
		}
	}
	if len(others) == 0 || len(others) == len(opt.kinds) {
		return
	}
	fmt.Fprintf(out, "\nCPU time of %s per request, and its ratio to that of each other server: the median of the rounds, least–most\n\n", ours)
	fmt.Fprintf(out, "| work | µs | %s |\n|---|--:|%s\n", strings.Join(others, " | "), strings.Repeat("--:|", len(others)))
	for i, w := range opt.works {
		n := slices.IndexFunc(all[i], func(r result) bool { return r.server == ours })
		if n < 0 || all[i][n].failed {
			continue
		}
		fmt.Fprintf(out, "| %s | %s |", w.about, figure(median(all[i][n].each(cpuOf))))
		for _, other := range others {
			fmt.Fprintf(out, " %s |", ratio(all[i], all[i][n], other, cpuOf))
		}
		fmt.Fprintln(out)
	}
}

// ratio compares a server with a base round by round: the median, with the least and the most.
func ratio(results []result, r result, base string, of func(round) float64) string {
	i := slices.IndexFunc(results, func(r result) bool { return r.server == base })
	if i < 0 || results[i].failed || r.server == base {
		return ""
	}
	var ratios []float64
	for n, base := range results[i].each(of) {
		ratios = append(ratios, of(r.rounds[n])/base)
	}
	format := "%.2f (%.2f–%.2f)"
	if median(ratios) < 0.1 {
		format = "%.4f (%.4f–%.4f)"
	}
	return fmt.Sprintf(format, median(ratios), slices.Min(ratios), slices.Max(ratios))
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// figure writes three digits, with commas between thousands.
func figure(value float64) string {
	switch {
	case value < 10:
		return fmt.Sprintf("%.2f", value)
	case value < 100:
		return fmt.Sprintf("%.1f", value)
	case value < 1000:
		return fmt.Sprintf("%.0f", value)
	}
	text := fmt.Sprintf("%.0f", value)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
