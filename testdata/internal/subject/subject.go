// Package subject starts the server that a program measures or tests, as a process of its own, and reads from
// outside what it uses: resident memory, descriptors, the figures on its admin port.
//
// For the load programs the command line names the program and words that go before the server's own arguments,
// so that another server with http.server's command line can be put in its place.
package subject

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// startTimeout is how long a server may take until it says where it listens.
const startTimeout = time.Minute

// Server is a running process.
type Server struct {
	// Addr is where it serves, Admin where its admin port is, if it has one.
	Addr, Admin string
	// Output is the file that has its standard output and standard error.
	Output string

	*Process
}

// startLine finds the address in the first line that http.server prints, and in a record that names the URL.
var startLine = regexp.MustCompile(`https?://127\.0\.0\.1:([1-9][0-9]*)/?`)

// Start runs the command on a free port of 127.0.0.1, serving dir if that is not "", with variables of the form NAME=value
// added to the environment. Its output goes to a file in scratch, a directory that the caller removes.
func Start(command []string, dir, scratch string, variables ...string) (*Server, error) {
	if len(command) == 0 {
		return nil, errors.New("which server? give its binary as the argument")
	}
	admin, err := FreePort()
	if err != nil {
		return nil, err
	}
	output, err := os.Create(filepath.Join(scratch, "output"))
	if err != nil {
		return nil, err
	}
	defer output.Close()
	words := slices.Concat(command, []string{"0", "--bind", "127.0.0.1", "-p", "HTTP/1.1"})
	if dir != "" {
		words = append(words, "-d", dir)
	}
	run := exec.Command(words[0], words[1:]...)
	run.Stdout, run.Stderr = output, output
	run.Env = slices.Concat(os.Environ(), []string{"ADMIN_PORT=" + admin, "PYTHONUNBUFFERED=1"}, variables)
	process, err := Run(run)
	if err != nil {
		return nil, err
	}
	s := &Server{Admin: net.JoinHostPort("127.0.0.1", admin), Output: output.Name(), Process: process}
	if err := s.awaitStart(admin); err != nil {
		s.Kill()
		return nil, err
	}
	return s, nil
}

// awaitStart waits until the output names an address that is not the admin port's.
func (s *Server) awaitStart(admin string) error {
	for end := time.Now().Add(startTimeout); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		text, err := os.ReadFile(s.Output)
		if err != nil {
			return err
		}
		for _, found := range startLine.FindAllSubmatch(text, -1) {
			if port := string(found[1]); port != admin {
				s.Addr = net.JoinHostPort("127.0.0.1", port)
				return nil
			}
		}
		if s.Ended() {
			return fmt.Errorf("the server ended at once: %s", text)
		}
	}
	text, _ := os.ReadFile(s.Output)
	return fmt.Errorf("the server did not say where it listens within %v: %s", startTimeout, text)
}

// Resident returns the process's resident memory in bytes.
func (s *Server) Resident() (int64, error) {
	kibibytes, err := Status(s.ID(), "VmRSS")
	return kibibytes << 10, err
}

// Descriptors returns how many file descriptors the process has open.
func (s *Server) Descriptors() (int, error) {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.ID()))
	return len(entries), err
}

// scrape asks over a new connection each time, so that between two calls the admin port has none.
var scrape = http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}

// Metric returns the value of a metric without labels from the admin port.
func (s *Server) Metric(name string) (float64, error) {
	resp, err := scrape.Get("http://" + s.Admin + "/metrics")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(page) {
		if value, found := bytes.CutPrefix(line, []byte(name+" ")); found {
			return strconv.ParseFloat(string(bytes.TrimSpace(value)), 64)
		}
	}
	return 0, fmt.Errorf("/metrics has no %s", name)
}

// AwaitCollections waits until the server's garbage has been collected n more times. The answers on the
// admin port make the garbage.
func (s *Server) AwaitCollections(ctx context.Context, n float64) error {
	const count = "go_gc_duration_seconds_count"
	before, err := s.Metric(count)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		now, err := s.Metric(count)
		if err != nil {
			return err
		}
		if now >= before+n {
			return nil
		}
	}
	return fmt.Errorf("waiting for %v collections: %w", n, ctx.Err())
}

// RaiseDescriptors lets this program, and the servers that it starts, have n descriptors open.
func RaiseDescriptors(n uint64) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur, limit.Max = max(n, limit.Cur), max(n, limit.Max)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("raising the limit of descriptors to %d: %w", n, err)
	}
	return nil
}
