//go:build windows

package store

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// syncFlag opens a file so that it can be written to the disk.
const syncFlag = os.O_RDWR

// blocksOf is for systems that say how many blocks a file takes.
func blocksOf(fs.FileInfo) (int64, bool) { return 0, false }

// syncDirectory is for systems that write directories to the disk apart from files.
func syncDirectory(*os.Root, string) error { return nil }

// lockExclusively locks a file, if no other process has it locked. The system unlocks it when the process ends.
func lockExclusively(file *os.File) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var locking error
	if err := raw.Control(func(handle uintptr) {
		locking = windows.LockFileEx(windows.Handle(handle), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &windows.Overlapped{})
	}); err != nil {
		return err
	}
	if errors.Is(locking, windows.ERROR_LOCK_VIOLATION) {
		return errLocked
	}
	return locking
}

// user says who the process is, for a message.
func user() string { return "this user" }

// isFull says whether there is no room on a disk.
func isFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL)
}

// readOnly is for systems that have an error of its own for it.
func readOnly(error) bool { return false }
