//go:build linux && (amd64 || arm64)

package site

import (
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pathBuffer holds a path for the kernel, with the NUL at its end. It stays on the stack, where unix.Fstatat
// allocates: a stat is the one system call of an answer from the cache.
type pathBuffer [512]byte

// fstatat is unix.Fstatat.
func fstatat(dir int, name string, st *unix.Stat_t, flags int) error {
	var path pathBuffer
	if len(name) >= len(path) {
		return unix.Fstatat(dir, name, st, flags)
	}
	if strings.IndexByte(name, 0) >= 0 {
		return unix.EINVAL
	}
	copy(path[:], name)
	return path.stat(dir, st, flags, false)
}

// statBelow looks at a name below a directory that is given by its path. Both together may be longer than the
// kernel takes; ENAMETOOLONG is what it says of any that is too long for the buffer. Of a call at once Go's scheduler
// is not told: for one that does not wait that is a tenth of a small answer, and more where the process has been
// idle, which wakes the thread that watches such calls.
func statBelow(dir, name string, st *unix.Stat_t, flags int, atOnce bool) error {
	var path pathBuffer
	if len(dir)+len("/")+len(name) >= len(path) {
		return unix.ENAMETOOLONG
	}
	if strings.IndexByte(dir, 0) >= 0 || strings.IndexByte(name, 0) >= 0 {
		return unix.EINVAL
	}
	n := copy(path[:], dir)
	path[n] = '/'
	copy(path[n+1:], name)
	return path.stat(unix.AT_FDCWD, st, flags, atOnce)
}

func (path *pathBuffer) stat(dir int, st *unix.Stat_t, flags int, atOnce bool) error {
	for {
		var errno unix.Errno
		if atOnce {
			_, _, errno = unix.RawSyscall6(unix.SYS_NEWFSTATAT, uintptr(dir), uintptr(unsafe.Pointer(path)),
				uintptr(unsafe.Pointer(st)), uintptr(flags), 0, 0)
		} else {
			_, _, errno = unix.Syscall6(unix.SYS_NEWFSTATAT, uintptr(dir), uintptr(unsafe.Pointer(path)),
				uintptr(unsafe.Pointer(st)), uintptr(flags), 0, 0)
		}
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
			continue
		}
		return errno
	}
}
