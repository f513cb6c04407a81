package tcp

import (
	"golang.org/x/sys/unix"
)

// The calls below are made on a non-blocking socket, and repeat what a signal interrupted.

// Read is read(2). It returns unix.EAGAIN if nothing has come, and no bytes and no error at the end.
func Read(fd uintptr, p []byte) (int, error) {
	return uninterrupted(func() (int, error) { return unix.Read(int(fd), p) })
}

// Write is write(2). It may write less than p, and returns unix.EAGAIN if the kernel takes nothing.
func Write(fd uintptr, p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	return uninterrupted(func() (int, error) { return unix.Write(int(fd), p) })
}

// Writev is writev(2) of two pieces; see Write.
func Writev(fd uintptr, p, q []byte) (int, error) {
	switch {
	case len(p) == 0:
		return Write(fd, q)
	case len(q) == 0:
		return Write(fd, p)
	}
	return uninterrupted(func() (int, error) { return unix.Writev(int(fd), [][]byte{p, q}) })
}

// Writable says whether the kernel takes bytes, or has an error to tell: poll(2).
func Writable(fd uintptr) (bool, error) {
	n, err := uninterrupted(func() (int, error) { return unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, 0) })
	return n > 0, err
}

// Unread returns how many bytes have come and have not been read: SIOCINQ in tcp(7).
func Unread(fd uintptr) (int, error) { return unix.IoctlGetInt(int(fd), unix.TIOCINQ) }

func uninterrupted(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}
