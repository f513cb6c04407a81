package tree

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// File is an open descriptor. An os.File would cost three system calls more to set up.
type File struct{ fd int }

var noFile = File{-1}

// Close closes the file.
func (f File) Close() {
	if f.fd >= 0 {
		unix.Close(f.fd)
	}
}

// OSFile hands the descriptor over to an os.File, which closes it.
func (f File) OSFile() *os.File { return os.NewFile(uintptr(f.fd), "") }

// takeFile takes a descriptor over from an os.File.
func takeFile(from *os.File) (File, error) {
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

// Status returns the status of the file.
func (f File) Status() (Status, error) {
	var st unix.Stat_t
	if err := unix.Fstat(f.fd, &st); err != nil {
		return Status{}, err
	}
	return newStatus(&st), nil
}

func newStatus(st *unix.Stat_t) Status {
	return Status{
		Dev: uint64(st.Dev), Ino: st.Ino, Mode: fileMode(st.Mode), UID: st.Uid, GID: st.Gid,
		Links: uint64(st.Nlink), Size: st.Size,
		Mtime: Instant{int64(st.Mtim.Sec), int64(st.Mtim.Nsec)},
		Ctime: Instant{int64(st.Ctim.Sec), int64(st.Ctim.Nsec)},
	}
}

// statusOf is newStatus for what package os found: both are the struct stat of the system.
func statusOf(info fs.FileInfo) Status {
	return newStatus((*unix.Stat_t)(unsafe.Pointer(info.Sys().(*syscall.Stat_t))))
}

func identityOf(info fs.FileInfo) identity {
	st := statusOf(info)
	return identity{st.Dev, st.Ino}
}

// describe tells the operator who may do what.
func (st Status) describe() string {
	return fmt.Sprintf("mode %v, owner %d:%d", st.Mode, st.UID, st.GID)
}

// IsBeingWritten says whether someone has the file open for writing, as far as can be told: a read lease
// is refused then (F_SETLEASE in fcntl(2)). Only the file's owner and CAP_LEASE may ask.
func (f File) IsBeingWritten() bool {
	_, err := unix.FcntlInt(uintptr(f.fd), unix.F_SETLEASE, unix.F_RDLCK)
	if err == nil {
		_, _ = unix.FcntlInt(uintptr(f.fd), unix.F_SETLEASE, unix.F_UNLCK)
	}
	return err == unix.EAGAIN
}

// ReadAt reads from an offset on until buf is full or the file ends.
func (f File) ReadAt(buf []byte, offset int64) (n int, err error) {
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
func (f File) entries(room Room) ([]Entry, error) {
	var found []Entry
	buf := make([]byte, 32<<10)
	var names []byte
	for {
		n, err := unix.Getdents(f.fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			return found, err
		}
		before, had := len(found), cap(found)
		found, names = f.appendEntries(found, names[:0], buf[:n])
		if size := int64(len(names)) + int64(cap(found)-had)*entrySize; len(found) > before && !room(size) {
			return nil, ErrNoRoom
		}
	}
}

// entrySize is how many bytes an Entry takes beside its name.
const entrySize = int64(unsafe.Sizeof(Entry{}))

// appendEntries reads records of struct linux_dirent64: inode, offset, length, type, name, NUL. names is where their
// names are put together; what is found has them as parts of one string.
func (f File) appendEntries(found []Entry, names, buf []byte) ([]Entry, []byte) {
	const (
		reclen = unsafe.Offsetof(unix.Dirent{}.Reclen)
		dtype  = unsafe.Offsetof(unix.Dirent{}.Type)
		dname  = unsafe.Offsetof(unix.Dirent{}.Name)
	)
	records := func(each func(record []byte, name []byte)) {
		for at := 0; at < len(buf); {
			record := buf[at:][:binary.NativeEndian.Uint16(buf[at+int(reclen):])]
			at += len(record)
			name, _, _ := bytes.Cut(record[dname:], []byte{0})
			if string(name) != "." && string(name) != ".." {
				each(record, name)
			}
		}
	}
	count := 0
	records(func(_, name []byte) { names = append(names, name...); count++ })
	text := string(names)
	found = slices.Grow(found, count)
	records(func(record, name []byte) {
		e := Entry{Name: text[:len(name)]}
		text = text[len(name):]
		mode := fileMode(uint32(record[dtype]) << 12) // DTTOIF
		if record[dtype] == unix.DT_UNKNOWN {
			var st unix.Stat_t
			if unix.Fstatat(f.fd, e.Name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil {
				mode = fileMode(st.Mode)
			}
		}
		e.Mode = mode.Type()
		found = append(found, e)
	})
	return found, names
}

// look is Dir.Look.
func (f File) look(_ *Dir, name string) (Status, error) {
	var st unix.Stat_t
	if err := fstatat(f.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return Status{}, err
	}
	return newStatus(&st), nil
}

// target is Dir.Target.
func (f File) target(_ *Dir, name string) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(f.fd, name, buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
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
