//go:build unix

package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// syncFlag opens a file so that fsync(2) may be called.
const syncFlag = os.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK

// blocksOf returns the bytes of disk blocks of a file or a directory: st_blocks counts 512 bytes each (inode(7)).
func blocksOf(info fs.FileInfo) (int64, bool) {
	status, known := info.Sys().(*syscall.Stat_t)
	if !known {
		return 0, false
	}
	return int64(status.Blocks) * 512, true
}

// syncDirectory waits until the names in a directory are on the disk. Some file systems cannot do it and say EINVAL.
func syncDirectory(root *os.Root, name string) error {
	directory, err := root.Open(name)
	if err != nil {
		return err
	}
	err = directory.Sync()
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) {
		err = nil
	}
	return errors.Join(err, directory.Close())
}

// lockExclusively locks a file, if no other process has it locked (flock(2)). The kernel unlocks it when the process ends.
func lockExclusively(file *os.File) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var locking error
	if err := raw.Control(func(fd uintptr) { locking = unix.Flock(int(fd), unix.LOCK_EX|unix.LOCK_NB) }); err != nil {
		return err
	}
	if errors.Is(locking, unix.EWOULDBLOCK) {
		return errLocked
	}
	return locking
}

// user says who the process is, for a message.
func user() string { return fmt.Sprintf("user %d of group %d", os.Geteuid(), os.Getegid()) }

// isFull says whether there is no room on a disk, or no more for this user.
func isFull(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// readOnly says whether a file system is read-only.
func readOnly(err error) bool { return errors.Is(err, unix.EROFS) }
