//go:build linux && (amd64 || arm64)

package site

import (
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fstatat is unix.Fstatat without its allocation, the copy of the name for the kernel: it is the one system
// call, made twice, of an answer from the cache.
func fstatat(dir int, name string, st *unix.Stat_t, flags int) error {
	var path [512]byte // with the NUL at its end
	if len(name) >= len(path) {
		return unix.Fstatat(dir, name, st, flags)
	}
	if strings.IndexByte(name, 0) >= 0 {
		return unix.EINVAL
	}
	copy(path[:], name)
	for {
		_, _, errno := unix.Syscall6(unix.SYS_NEWFSTATAT, uintptr(dir), uintptr(unsafe.Pointer(&path[0])),
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
