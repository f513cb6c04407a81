package tcp

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// atOnce is how much one call reads or writes at most, in bytes. A call below keeps its processor from other goroutines,
// and the garbage collector waiting, for the tens of microseconds that the copy takes.
const atOnce = 256 << 10

// The calls below are made on a non-blocking socket, and Go's scheduler is not told of them: they cannot wait. It
// would take the processor away from one that lasts, and have another thread look for work. They repeat a call
// that a signal interrupted.

// Read is read(2). It returns unix.EAGAIN if nothing has come, and no bytes and no error at the end.
func Read(fd uintptr, p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	p = p[:min(len(p), atOnce)]
	for {
		n, _, errno := unix.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
		if errno != unix.EINTR {
			return result(n, errno)
		}
	}
}

// Write is write(2). It may write less than p, and returns unix.EAGAIN if the kernel takes nothing.
func Write(fd uintptr, p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	p = p[:min(len(p), atOnce)]
	for {
		n, _, errno := unix.RawSyscall(unix.SYS_WRITE, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
		if errno != unix.EINTR {
			return result(n, errno)
		}
	}
}

// Writev is writev(2) of two pieces; see Write.
func Writev(fd uintptr, p, q []byte) (int, error) {
	switch {
	case len(p) == 0:
		return Write(fd, q)
	case len(p) >= atOnce:
		return Write(fd, p)
	}
	q = q[:min(len(q), atOnce-len(p))]
	if len(q) == 0 {
		return Write(fd, p)
	}
	pieces := [2]unix.Iovec{{Base: &p[0]}, {Base: &q[0]}}
	pieces[0].SetLen(len(p))
	pieces[1].SetLen(len(q))
	for {
		n, _, errno := unix.RawSyscall(unix.SYS_WRITEV, fd, uintptr(unsafe.Pointer(&pieces[0])), 2)
		if errno != unix.EINTR {
			return result(n, errno)
		}
	}
}

// Writable says whether the kernel takes bytes, or has an error to tell: poll(2).
func Writable(fd uintptr) (bool, error) {
	ready := unix.PollFd{Fd: int32(fd), Events: unix.POLLOUT}
	var atOnce unix.Timespec
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&ready)), 1, uintptr(unsafe.Pointer(&atOnce)), 0, 0, 0)
		if errno != unix.EINTR {
			n, err := result(n, errno)
			return n > 0, err
		}
	}
}

// Unread returns how many bytes have come and have not been read: SIOCINQ in tcp(7).
func Unread(fd uintptr) (int, error) {
	var n int32
	_, _, errno := unix.RawSyscall(unix.SYS_IOCTL, fd, unix.TIOCINQ, uintptr(unsafe.Pointer(&n)))
	return result(uintptr(n), errno)
}

// closeSocket is close(2), which waits for nothing unless SO_LINGER says so.
func closeSocket(fd uintptr) error {
	_, _, errno := unix.RawSyscall(unix.SYS_CLOSE, fd, 0, 0)
	_, err := result(0, errno)
	return err
}

func result(n uintptr, errno unix.Errno) (int, error) {
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
