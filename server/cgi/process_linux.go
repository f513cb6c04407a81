package cgi

import (
	"errors"
	"io"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is a running script and our ends of its pipes.
type process struct {
	pid    int
	stdin  *os.File // nil where the request has no content
	stdout *os.File
	stderr *os.File

	exited chan struct{} // closed when the script has ended, and all of its group with it
	status unix.WaitStatus

	mu     sync.Mutex
	reaped bool
}

// command is what start starts.
type command struct {
	file      string
	arguments []string
	environ   []string
	user      *User
	content   bool // whether standard input is a pipe; else it is at its end

	started, ended func() // called once the script runs, and once it does not; started may be nil
	orphans        *orphans
}

// start starts a script in a process group of its own.
func start(c command) (p *process, err error) {
	p = &process{exited: make(chan struct{})}
	// Three descriptors for the script and three for us; all of them close on exec.
	var theirs [3]*os.File
	closeTheirs := func() {
		for _, f := range theirs {
			if f != nil {
				f.Close()
			}
		}
	}
	if c.content {
		theirs[0], p.stdin, err = os.Pipe()
	} else {
		theirs[0], err = os.Open(os.DevNull)
	}
	if err == nil {
		p.stdout, theirs[1], err = os.Pipe()
	}
	if err == nil {
		p.stderr, theirs[2], err = os.Pipe()
	}
	if err == nil {
		started := make(chan error, 1)
		go p.supervise(c, theirs, started)
		err = <-started
	}
	closeTheirs()
	if err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// supervise starts the script, and sees to its end. It keeps a thread of its own for as long, as the script
// is killed when the thread that started it ends: that is when the server does.
func (p *process) supervise(c command, files [3]*os.File, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// Signals that the server was started to block are not blocked in the script, which has the mask of this thread. An
	// error can only be a mistake here: a test shows it.
	var blocked unix.Sigset_t
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, new(unix.Sigset_t), &blocked)
	defer func() { _ = unix.PthreadSigmask(unix.SIG_SETMASK, &blocked, nil) }()
	attr := &syscall.ProcAttr{
		Env:   c.environ,
		Files: []uintptr{files[0].Fd(), files[1].Fd(), files[2].Fd()},
		Sys:   &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL},
	}
	if c.user != nil {
		// Without Groups it has none: http.server leaves it those of root.
		attr.Sys.Credential = &syscall.Credential{Uid: c.user.UID, Gid: c.user.GID}
	}
	pid, err := c.orphans.start(func() (pid int, err error) {
		pid, _, err = syscall.StartProcess(c.file, c.arguments, attr)
		return pid, err
	})
	p.pid = pid
	if err == nil && c.started != nil {
		c.started()
	}
	started <- err
	if err != nil {
		return
	}
	for unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	p.reap()
	c.orphans.reaped(pid)
	c.ended()
	close(p.exited)
	// Whoever waits for the other end of a pipe is woken: nobody may be there any more, and a process that
	// left the group may hold it for ever.
	for _, f := range []*os.File{p.stdin, p.stdout, p.stderr} {
		if f != nil {
			_ = f.SetDeadline(time.Unix(1, 0))
		}
	}
}

// reap kills what the script leaves behind in its group, while its own number still stands for the group,
// and collects its status. Where the server is the init of a container those others become its children.
func (p *process) reap() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.signal()
	_, _ = waitFor(p.pid, &p.status)
	p.reaped = true
	for {
		if pid, err := waitFor(-p.pid, nil); err != nil || pid <= 0 {
			return
		}
	}
}

func waitFor(pid int, status *unix.WaitStatus) (reaped int, err error) {
	for {
		if reaped, err = unix.Wait4(pid, status, 0, nil); err != unix.EINTR {
			return reaped, err
		}
	}
}

// kill kills the script and all of its group. reap does the rest.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		p.signal()
	}
}

// signal kills the group, and the script for itself, as it may have joined another group of its session: that
// of the server. p.mu is held, and the script not reaped. An error means that nobody is there to be killed.
func (p *process) signal() {
	_ = unix.Kill(-p.pid, unix.SIGKILL)
	_ = unix.Kill(p.pid, unix.SIGKILL)
}

// exitCode is os.waitstatus_to_exitcode: minus the signal that ended it. It is known once exited is closed.
func (p *process) exitCode() int {
	if p.status.Signaled() {
		return -int(p.status.Signal())
	}
	return p.status.ExitStatus()
}

// close closes our ends of the pipes.
func (p *process) close() {
	for _, f := range []*os.File{p.stdin, p.stdout, p.stderr} {
		if f != nil {
			f.Close()
		}
	}
}

// output reads what a script writes into a pipe. It ends when the script has, and with what the pipe holds then:
// another process may still hold it, and write faster than it is read.
type output struct {
	file   *os.File
	exited <-chan struct{}
	ends   bool // left counts
	left   int  // bytes in the pipe when the script had ended, less what has been read of them
}

func (o *output) Read(b []byte) (int, error) {
	select {
	case <-o.exited:
		return o.readRest(b)
	default:
	}
	n, err := o.file.Read(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return o.readRest(b)
	}
	return n, err
}

// readRest reads what was in the pipe when the script had ended, and waits for nothing.
func (o *output) readRest(b []byte) (n int, err error) {
	raw, err := o.file.SyscallConn()
	if err != nil {
		return 0, err
	}
	var readErr error
	err = raw.Control(func(fd uintptr) {
		if !o.ends {
			o.left, readErr = unix.IoctlGetInt(int(fd), unix.TIOCINQ) // the other name of FIONREAD
			o.ends = readErr == nil
		}
		if !o.ends || o.left == 0 {
			return
		}
		for {
			if n, readErr = unix.Read(int(fd), b[:min(len(b), o.left)]); readErr != unix.EINTR {
				return
			}
		}
	})
	switch {
	case err != nil:
		return 0, err
	case readErr == unix.EAGAIN || readErr == nil && n == 0:
		return 0, io.EOF
	case readErr != nil:
		return 0, os.NewSyscallError("reading a script's output", readErr)
	}
	o.left -= n
	return n, nil
}

// isExecutable is os.access(file, os.X_OK).
func isExecutable(file string) bool { return unix.Access(file, unix.X_OK) == nil }
