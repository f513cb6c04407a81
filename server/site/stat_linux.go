//go:build linux && (amd64 || arm64)

package site

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

// statAtOnce is statBelow without asking anyone, so that Go's scheduler need not be told. It fails with EAGAIN where a
// part of the path is not in the kernel's memory or has to be asked for (RESOLVE_CACHED in openat2(2)), and now and then
// while anything is mounted or renamed. The status is the one in memory too (AT_STATX_DONT_SYNC in statx(2)), which is the
// true one where isLocal says so. What remains is work of the kernel itself, such as a larger table of descriptors, or to
// free the blocks of a file that is replaced at this moment.
//
// After the process has waited, the first system call that the scheduler is told of wakes the thread that watches over
// them (sysmon in package runtime), which then looks every 20 µs for a millisecond. In a process that waits often that
// costs more than the two further calls here.
func statAtOnce(dir, name string) (status, error) {
	var path pathBuffer
	if err := path.set(dir, name); err != nil {
		return status{}, err
	}
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: resolveCached}
	at := unix.AT_FDCWD
	fd, _, errno := unix.RawSyscall6(unix.SYS_OPENAT2, uintptr(at), uintptr(unsafe.Pointer(&path)),
		uintptr(unsafe.Pointer(&how)), unix.SizeofOpenHow, 0, 0)
	if errno != 0 {
		return status{}, errno
	}
	var st unix.Statx_t
	var itself byte // an empty path
	_, _, errno = unix.RawSyscall6(unix.SYS_STATX, fd, uintptr(unsafe.Pointer(&itself)),
		unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, unix.STATX_BASIC_STATS, uintptr(unsafe.Pointer(&st)), 0)
	if errno != 0 || st.Nlink == 0 {
		// What is freed with its last descriptor may be long. There is nothing to write.
		_ = unix.Close(int(fd))
	} else {
		_, _, _ = unix.RawSyscall(unix.SYS_CLOSE, fd, 0, 0)
	}
	if errno != 0 {
		return status{}, errno
	}
	return status{
		dev: unix.Mkdev(st.Dev_major, st.Dev_minor), ino: st.Ino, mode: fileMode(uint32(st.Mode)), uid: st.Uid, gid: st.Gid,
		size:  int64(st.Size),
		mtime: instant{st.Mtime.Sec, int64(st.Mtime.Nsec)},
		ctime: instant{st.Ctime.Sec, int64(st.Ctime.Nsec)},
	}, nil
}

// resolveCached is RESOLVE_CACHED of Linux 5.12, which package unix lacks; older kernels answer EINVAL.
const resolveCached = 0x20
