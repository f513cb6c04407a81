package subject

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// stopTimeout is how long a process may take to end after SIGTERM.
const stopTimeout = 15 * time.Second

// Process is a running program.
type Process struct {
	command *exec.Cmd
	ended   chan error // has the result of its end, once it has ended
}

// Run starts a program.
func Run(command *exec.Cmd) (*Process, error) {
	if err := command.Start(); err != nil {
		return nil, err
	}
	p := &Process{command: command, ended: make(chan error, 1)}
	go p.reap()
	return p, nil
}

func (p *Process) reap() { p.ended <- p.command.Wait() }

// ID is the process ID.
func (p *Process) ID() int { return p.command.Process.Pid }

// Ended says whether the process has ended.
func (p *Process) Ended() bool { return len(p.ended) > 0 }

// Signal sends a signal to the process.
func (p *Process) Signal(signal os.Signal) error { return p.command.Process.Signal(signal) }

// Wait waits for the end of the process, at most limit, and returns its exit code.
func (p *Process) Wait(limit time.Duration) (int, error) {
	select {
	case err := <-p.ended:
		p.ended <- err
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			return -1, err
		}
		return p.command.ProcessState.ExitCode(), nil
	case <-time.After(limit):
		return -1, fmt.Errorf("%s still runs after %v", p.command.Path, limit)
	}
}

// Kill ends the process at once and waits for it.
func (p *Process) Kill() {
	_ = p.command.Process.Kill()
	_, _ = p.Wait(stopTimeout)
}

// Stop asks the process to end with SIGTERM, and kills it if it does not within stopTimeout. Any exit code but 0
// is an error.
func (p *Process) Stop() error {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	code, err := p.Wait(stopTimeout)
	if err != nil {
		p.Kill()
		return err
	}
	if code != 0 {
		return fmt.Errorf("the exit code of %s is %d, want 0", p.command.Path, code)
	}
	return nil
}

// FreePort returns a port of 127.0.0.1 that nothing listens on now. The system hands it to nobody meanwhile: the ports that it
// chooses begin at 32768 or above.
func FreePort() (port string, err error) {
	for range 100 {
		port = strconv.Itoa(20_000 + rand.IntN(12_000))
		var listener net.Listener
		if listener, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", port)); err == nil {
			return port, listener.Close()
		}
	}
	return "", err
}

// Status returns the number in a line of /proc/PID/status, such as Threads or VmRSS: memory is in KiB there.
func Status(id int, name string) (int64, error) {
	file := fmt.Sprintf("/proc/%d/status", id)
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, name+":"); found {
			return strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		}
	}
	return 0, fmt.Errorf("%s has no %s", file, name)
}
