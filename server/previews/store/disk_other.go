//go:build !unix && !windows

package store

import (
	"io/fs"
	"os"
)

// syncFlag opens a file so that it can be written to the disk.
const syncFlag = os.O_RDWR

// blocksOf is for systems that say how many blocks a file takes.
func blocksOf(fs.FileInfo) (int64, bool) { return 0, false }

// syncDirectory is for systems that write directories to the disk apart from files.
func syncDirectory(*os.Root, string) error { return nil }

// lockExclusively is for systems that have locks.
func lockExclusively(*os.File) error { return nil }

// user says who the process is, for a message.
func user() string { return "this user" }

// isFull is for systems that have an error of its own for it.
func isFull(error) bool { return false }

// readOnly is for systems that have an error of its own for it.
func readOnly(error) bool { return false }
