package tcp

import (
	"errors"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Reserve holds n descriptors back for the connections of a listener of Listen, of which no more than n may be open at a
// time. Each takes one of them, and so there is one where all others are in use. It comes before the first Accept.
func Reserve(l net.Listener, n int) error {
	listener, ok := l.(*Listener)
	if !ok {
		return errors.ErrUnsupported
	}
	r := &reserve{size: n}
	if err := r.fill(); err != nil {
		return errors.Join(err, r.empty())
	}
	listener.reserve = r
	return nil
}

// reserve holds descriptors that mean nothing.
type reserve struct {
	size int

	mu    sync.Mutex
	spare []int
	open  int // connections that have taken one
}

// take gives up a descriptor for a connection.
func (r *reserve) take() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open++
	if last := len(r.spare) - 1; last >= 0 {
		_ = unix.Close(r.spare[last]) // it does not fail for one that is open
		r.spare = r.spare[:last]
	}
}

// give takes a descriptor back from a connection that has closed.
func (r *reserve) give() {
	r.mu.Lock()
	r.open--
	r.mu.Unlock()
	_ = r.fill() // if another has taken it, the next connection that closes tries again
}

func (r *reserve) fill() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.spare)+r.open < r.size {
		fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
		if err != nil {
			return os.NewSyscallError("eventfd2", err)
		}
		r.spare = append(r.spare, fd)
	}
	return nil
}

// empty gives all up, when the listener closes.
func (r *reserve) empty() (err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, fd := range r.spare {
		err = errors.Join(err, os.NewSyscallError("close", unix.Close(fd)))
	}
	r.spare, r.size = nil, 0
	return err
}
