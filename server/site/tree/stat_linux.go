//go:build linux && (amd64 || arm64)

package tree

import (
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pathBuffer holds a path for the kernel, with the NUL at its end. It stays on the stack, where package unix
// allocates: a look by a path is all that an answer from the cache asks of the file system.
type pathBuffer [512]byte

// set sets the path to a name, below a directory if that is given. Both together may be longer than the kernel
// takes; ENAMETOOLONG is what it says of any that is too long for the buffer.
func (path *pathBuffer) set(dir, name string) error {
	n := 0
	if dir != "" {
		n = len(dir) + len("/")
	}
	if n+len(name) >= len(path) {
		return unix.ENAMETOOLONG
	}
	if strings.IndexByte(dir, 0) >= 0 || strings.IndexByte(name, 0) >= 0 {
		return unix.EINVAL
	}
	if dir != "" {
		copy(path[:], dir)
		path[n-1] = '/'
	}
	copy(path[n:], name)
	return nil
}

// fstatat is unix.Fstatat.
func fstatat(dir int, name string, st *unix.Stat_t, flags int) error {
	var path pathBuffer
	switch err := path.set("", name); err {
	case nil:
		return path.stat(dir, st, flags)
	case unix.ENAMETOOLONG:
		return unix.Fstatat(dir, name, st, flags)
	default:
		return err
	}
}

// statBelow looks at a name below a directory that is given by its path.
func statBelow(dir, name string, st *unix.Stat_t) error {
	var path pathBuffer
	if err := path.set(dir, name); err != nil {
		return err
	}
	return path.stat(unix.AT_FDCWD, st, 0)
}

func (path *pathBuffer) stat(dir int, st *unix.Stat_t, flags int) error {
	for {
		_, _, errno := unix.Syscall6(unix.SYS_NEWFSTATAT, uintptr(dir), uintptr(unsafe.Pointer(path)),
			uintptr(unsafe.Pointer(st)), uintptr(flags), 0, 0)
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
			continue
		}
		return errno
	}
}
