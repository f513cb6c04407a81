package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// round is what one server did under load once.
type round struct {
	rate    float64 // requests per second
	cpu     float64 // the server's microseconds per request
	peak    int64   // bytes, since the server's start
	other   float64 // the share of the machine's CPU time that neither the server nor the loader had
	problem string  // empty, or why it does not count
}

// round puts a server under load and measures what it uses.
func (s *server) round(ctx context.Context, site site, w work, fields []string, duration time.Duration) (r round, err error) {
	if err := os.Truncate(s.log, 0); err != nil {
		return r, err
	}
	before, err := s.used()
	if err != nil {
		return r, err
	}
	a, err := w.load.run(ctx, target{site: site, work: w, url: s.url + w.path, fields: fields, duration: duration})
	if err != nil {
		return r, err
	}
	if err := pause(ctx, settleTime); err != nil {
		return r, err
	}
	after, err := s.used()
	if err != nil {
		return r, err
	}
	if a.requests == 0 {
		return r, errors.New("no request was answered")
	}
	cpu := float64(after.server - before.server)
	busy := float64(after.machine - before.machine)
	r = round{rate: a.requests / a.seconds, cpu: cpu / a.requests, problem: a.problems}
	// The machine counts whole ticks by what runs when they end, so the rest can come out below 0 or above 1.
	share := (busy - cpu - float64(a.cpu)) / (float64(after.at.Sub(before.at).Microseconds()) * cores())
	r.other = min(max(share, 0), 1)
	if r.peak, err = peakMemory(s.process.ID()); err != nil {
		return r, err
	}
	if r.problem == "" {
		r.problem, err = s.checkLog(a.requests)
	}
	return r, err
}

// used is what had been used at some time, in microseconds of CPU.
type used struct {
	at              time.Time
	server, machine int64
}

func (s *server) used() (u used, err error) {
	u.at = time.Now()
	if u.server, err = cpuTime(s.process.ID()); err != nil {
		return u, err
	}
	u.machine, err = machineTime()
	return u, err
}

// checkLog says so if a server that logs has not logged the requests: a record may be in its buffer yet.
func (s *server) checkLog(requests float64) (problem string, err error) {
	if !s.kind.logs {
		return "", nil
	}
	file, err := os.Open(s.log)
	if err != nil {
		return "", err
	}
	defer file.Close()
	lines, chunk := 0, make([]byte, 1<<20)
	for {
		n, err := file.Read(chunk)
		lines += bytes.Count(chunk[:n], []byte("\n"))
		if err == io.EOF {
			break
		}
		if err != nil {
			return "", err
		}
	}
	const buffered = 100 // lines, 8 KiB in lighttpd
	if float64(lines) < 0.99*requests-buffered {
		return fmt.Sprintf("%d lines in the log for %.0f requests", lines, requests), nil
	}
	return "", nil
}
