// Package subject starts the server that a load program tests, as a process of its own, and reads from
// outside what it uses: resident memory, descriptors, the figures on its admin port.
//
// The command line names the program and words that go before the server's own arguments, so that another
// server with http.server's command line can be put in its place.
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
	"strings"
	"syscall"
	"time"
)

// startTimeout is how long a server may take until it says where it listens.
const startTimeout = 15 * time.Second

// Server is a running process.
type Server struct {
	// Addr is where it serves, Admin where its admin port is, if it has one.
	Addr, Admin string
	// Output is the file that has its standard output and standard error.
	Output string

	command *exec.Cmd
	ended   chan error
}

// startLine finds the address in the first line that http.server prints, and in a record that names the URL.
var startLine = regexp.MustCompile(`https?://127\.0\.0\.1:([1-9][0-9]*)/?`)

// Start runs the command on a free port of 127.0.0.1, serving dir, with variables of the form NAME=value
// added to the environment. Its output goes to a file in scratch, a directory that the caller removes.
func Start(command []string, dir, scratch string, variables ...string) (*Server, error) {
	if len(command) == 0 {
		return nil, errors.New("which server? give its binary as the argument")
	}
	admin, err := freePort()
	if err != nil {
		return nil, err
	}
	output, err := os.Create(filepath.Join(scratch, "output"))
	if err != nil {
		return nil, err
	}
	defer output.Close()
	words := slices.Concat(command, []string{"0", "--bind", "127.0.0.1", "-d", dir, "-p", "HTTP/1.1"})
	s := &Server{
		Admin:   net.JoinHostPort("127.0.0.1", admin),
		Output:  output.Name(),
		command: exec.Command(words[0], words[1:]...),
		ended:   make(chan error, 1),
	}
	s.command.Stdout, s.command.Stderr = output, output
	s.command.Env = slices.Concat(os.Environ(), []string{"ADMIN_PORT=" + admin, "PYTHONUNBUFFERED=1"}, variables)
	if err := s.command.Start(); err != nil {
		return nil, err
	}
	go s.reap()
	if err := s.awaitStart(admin); err != nil {
		s.Kill()
		return nil, err
	}
	return s, nil
}

// freePort returns a port that nothing listens on now.
func freePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port), nil
}

func (s *Server) reap() { s.ended <- s.command.Wait() }

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
		select {
		case err := <-s.ended:
			s.ended <- err
			return fmt.Errorf("the server ended at once (%v): %s", err, text)
		default:
		}
	}
	text, _ := os.ReadFile(s.Output)
	return fmt.Errorf("the server did not say where it listens within %v: %s", startTimeout, text)
}

// Signal sends a signal to the process.
func (s *Server) Signal(signal os.Signal) error { return s.command.Process.Signal(signal) }

// Wait waits for the end of the process, at most limit, and returns its exit code.
func (s *Server) Wait(limit time.Duration) (int, error) {
	select {
	case err := <-s.ended:
		s.ended <- err
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			return -1, err
		}
		return s.command.ProcessState.ExitCode(), nil
	case <-time.After(limit):
		return -1, fmt.Errorf("the server still runs after %v", limit)
	}
}

// Kill ends the process at once and waits for it.
func (s *Server) Kill() {
	_ = s.command.Process.Kill()
	_, _ = s.Wait(10 * time.Second)
}

// Stop asks the process to end with SIGTERM, and kills it if it does not within ten seconds.
func (s *Server) Stop() error {
	if err := s.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	code, err := s.Wait(10 * time.Second)
	if err != nil {
		s.Kill()
		return err
	}
	if code != 0 {
		return fmt.Errorf("the server's exit code is %d, want 0", code)
	}
	return nil
}

// Resident returns the process's resident memory in bytes: VmRSS of /proc/PID/status.
func (s *Server) Resident() (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.command.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		value, found := strings.CutPrefix(line, "VmRSS:")
		if !found {
			continue
		}
		kilobytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		return kilobytes << 10, err
	}
	return 0, fmt.Errorf("/proc/%d/status has no VmRSS", s.command.Process.Pid)
}

// Descriptors returns how many file descriptors the process has open.
func (s *Server) Descriptors() (int, error) {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.command.Process.Pid))
	return len(entries), err
}

// scrape asks over a new connection each time, so that between two calls the admin port has none.
var scrape = http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}

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
