package cgi

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// orphans collects what scripts leave behind in sessions and groups of their own, where that becomes a child of
// the server. It takes every child that is no script: the server starts nothing else.
type orphans struct {
	starting sync.RWMutex   // held for reading until a new child is in scripts
	scripts  sync.Map       // the process numbers of those that supervise reaps
	wakes    chan os.Signal // SIGCHLD, or its like where a script was in the way
}

// newOrphans returns nil where orphans go to another process: the server is neither the init of a container nor
// a subreaper (PR_SET_CHILD_SUBREAPER).
func newOrphans() *orphans {
	var subreaper int32
	// An error means a kernel without subreapers.
	_ = unix.Prctl(unix.PR_GET_CHILD_SUBREAPER, uintptr(unsafe.Pointer(&subreaper)), 0, 0, 0)
	if os.Getpid() != 1 && subreaper == 0 {
		return nil
	}
	return &orphans{wakes: make(chan os.Signal, 1)}
}

// start calls startScript and notes whom it started.
func (o *orphans) start(startScript func() (pid int, err error)) (pid int, err error) {
	if o == nil {
		return startScript()
	}
	defer o.wake()
	o.starting.RLock()
	defer o.starting.RUnlock()
	if pid, err = startScript(); err == nil {
		o.scripts.Store(pid, nil)
	}
	return pid, err
}

// reaped forgets a script.
func (o *orphans) reaped(pid int) {
	if o == nil {
		return
	}
	o.scripts.Delete(pid)
	o.wake()
}

func (o *orphans) wake() {
	select {
	case o.wakes <- unix.SIGCHLD:
	default:
	}
}

// collect collects orphans until ctx ends.
func (o *orphans) collect(ctx context.Context) {
	signal.Notify(o.wakes, unix.SIGCHLD)
	defer signal.Stop(o.wakes)
	for {
		for o.collectOne() {
		}
		select {
		case <-ctx.Done():
			return
		case <-o.wakes:
		}
	}
}

// collectOne reports whether it found an orphan that has ended. A script that is starting, or has ended, and
// hides others wakes it again.
func (o *orphans) collectOne() bool {
	if !o.starting.TryLock() {
		return false
	}
	defer o.starting.Unlock()
	pid := endedChild()
	if _, isScript := o.scripts.Load(pid); pid == 0 || isScript {
		return false
	}
	_, err := waitFor(pid, nil)
	return err == nil
}

// endedChild returns the number of a child that has ended and waits to be reaped, 0 if there is none.
func endedChild() int {
	var info unix.Siginfo
	if err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil); err != nil {
		return 0
	}
	// si_pid, which package unix has no name for, is the first of the union behind three ints (sigaction(2)); the
	// union has pointers, and is aligned as they are.
	const word = unsafe.Sizeof(uintptr(0))
	const behind = (unsafe.Offsetof(info.Code) + unsafe.Sizeof(info.Code) + word - 1) / word * word
	return int(*(*int32)(unsafe.Add(unsafe.Pointer(&info), behind)))
}
