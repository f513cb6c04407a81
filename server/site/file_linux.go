package site

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// file is an open descriptor. An os.File would cost three system calls more to set up.
type file struct{ fd int }

var noFile = file{-1}

func (f file) close() {
	if f.fd >= 0 {
		unix.Close(f.fd)
	}
}

// osFile hands the descriptor over to an os.File.
func (f file) osFile() *os.File { return os.NewFile(uintptr(f.fd), "") }

// takeFile takes a descriptor over from an os.File.
func takeFile(from *os.File) (file, error) {
	defer from.Close()
	raw, err := from.SyscallConn()
	if err != nil {
		return noFile, err
	}
	f := noFile
	controlErr := raw.Control(func(fd uintptr) {
		f.fd, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
	})
	if controlErr != nil {
		return noFile, controlErr
	}
	return f, err
}

func (f file) status() (status, error) {
	var st unix.Stat_t
	if err := unix.Fstat(f.fd, &st); err != nil {
		return status{}, err
	}
	return newStatus(&st), nil
}

func newStatus(st *unix.Stat_t) status {
	return status{
		dev: uint64(st.Dev), ino: st.Ino, mode: fileMode(st.Mode), uid: st.Uid, gid: st.Gid, size: st.Size,
		mtime: instant{int64(st.Mtim.Sec), int64(st.Mtim.Nsec)},
		ctime: instant{int64(st.Ctim.Sec), int64(st.Ctim.Nsec)},
	}
}

// statusOf is status for what os.Root found.
func statusOf(info fs.FileInfo) status {
	st := info.Sys().(*syscall.Stat_t)
	return status{
		dev: uint64(st.Dev), ino: st.Ino, mode: fileMode(st.Mode), uid: st.Uid, gid: st.Gid, size: st.Size,
		mtime: instant{int64(st.Mtim.Sec), int64(st.Mtim.Nsec)},
		ctime: instant{int64(st.Ctim.Sec), int64(st.Ctim.Nsec)},
	}
}

func identityOf(info fs.FileInfo) identity {
	st := statusOf(info)
	return identity{st.dev, st.ino}
}

// describe tells the operator who may do what.
func (st status) describe() string {
	return fmt.Sprintf("mode %v, owner %d:%d", st.mode, st.uid, st.gid)
}

// isBeingWritten says whether someone has the file open for writing, as far as can be told: a read lease
// is refused then (F_SETLEASE in fcntl(2)). Only the file's owner and CAP_LEASE may ask.
func (f file) isBeingWritten() bool {
	_, err := unix.FcntlInt(uintptr(f.fd), unix.F_SETLEASE, unix.F_RDLCK)
	if err == nil {
		_, _ = unix.FcntlInt(uintptr(f.fd), unix.F_SETLEASE, unix.F_UNLCK)
	}
	return err == unix.EAGAIN
}

// readAt reads from an offset on until buf is full or the file ends.
func (f file) readAt(buf []byte, offset int64) (n int, err error) {
	for n < len(buf) {
		m, err := unix.Pread(f.fd, buf[n:], offset+int64(n))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return n, err
		}
		if m == 0 {
			break
		}
		n += m
	}
	return n, nil
}

// entries reads the names in a directory with their types, in the order of the file system. The types
// come with the names (getdents64); only a file system that does not know them costs a stat for each.
func (f file) entries() ([]entry, error) {
	var found []entry
	buf := make([]byte, 32<<10)
	for {
		n, err := unix.Getdents(f.fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			return found, err
		}
		found = f.appendEntries(found, buf[:n])
	}
}

// appendEntries reads records of struct linux_dirent64: inode, offset, length, type, name, NUL.
func (f file) appendEntries(found []entry, buf []byte) []entry {
	const (
		reclen = unsafe.Offsetof(unix.Dirent{}.Reclen)
		dtype  = unsafe.Offsetof(unix.Dirent{}.Type)
		dname  = unsafe.Offsetof(unix.Dirent{}.Name)
	)
	text := string(buf) // the names are parts of it
	for at := 0; at < len(text); {
		record := text[at:][:binary.NativeEndian.Uint16(buf[at+int(reclen):])]
		at += len(record)
		name, _, _ := strings.Cut(record[dname:], "\x00")
		if name == "." || name == ".." {
			continue
		}
		mode := fileMode(uint32(record[dtype]) << 12) // DTTOIF
		if record[dtype] == unix.DT_UNKNOWN {
			var st unix.Stat_t
			if unix.Fstatat(f.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil {
				mode = fileMode(st.Mode)
			}
		}
		found = append(found, entry{name, mode.Type()})
	}
	return found
}

// fileMode translates the mode bits of stat(2).
func fileMode(mode uint32) fs.FileMode {
	perm := fs.FileMode(mode & 0o777)
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return perm
	case unix.S_IFDIR:
		return perm | fs.ModeDir
	case unix.S_IFLNK:
		return perm | fs.ModeSymlink
	case unix.S_IFIFO:
		return perm | fs.ModeNamedPipe
	case unix.S_IFSOCK:
		return perm | fs.ModeSocket
	case unix.S_IFCHR:
		return perm | fs.ModeDevice | fs.ModeCharDevice
	case unix.S_IFBLK:
		return perm | fs.ModeDevice
	}
	return perm | fs.ModeIrregular
}
