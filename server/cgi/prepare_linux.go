package cgi

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Prepare makes the process fit to run scripts, and returns whom they run as, nil if as the server does. Root
// is the file system. Descriptors and ignored signals that the server was started with are kept from scripts.
func Prepare(root fs.FS) (*User, error) {
	unignore()
	if err := closeOnExec(); err != nil {
		return nil, fmt.Errorf("keeping descriptors from scripts: %w", err)
	}
	if os.Geteuid() != 0 {
		return nil, nil
	}
	user := nobody(root)
	if err := tryUser(user); err != nil {
		return nil, fmt.Errorf("scripts cannot run as user %d and group %d instead of as root: %w; start the server "+
			"as another user (docker run --user), or with CAP_SETUID and CAP_SETGID", user.UID, user.GID, err)
	}
	return &user, nil
}

// unignore has the server notice the signals that it was started to ignore, and goes on ignoring them. A program starts
// with default actions for signals that are handled, but goes on ignoring those that are ignored (execve(2)): under
// nohup a script would outlive its terminal, and in the background of a shell script Ctrl-C.
func unignore() {
	for s := syscall.Signal(1); s < 65; s++ {
		if signal.Ignored(s) {
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
}

// tryUser finds out whether a child can become a user: by one that would run a program without a name, which
// is what it fails of last.
func tryUser(user User) error {
	_, err := syscall.ForkExec("", []string{""}, &syscall.ProcAttr{
		Sys: &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user.UID, Gid: user.GID}},
	})
	if errors.Is(err, syscall.ENOENT) {
		return nil
	}
	return err
}

// closeOnExec marks all descriptors but the standard ones. Those that the server opens itself are anyway.
func closeOnExec() error {
	const first = 3
	if err := unix.CloseRange(first, ^uint(0)>>32, unix.CLOSE_RANGE_CLOEXEC); err == nil {
		return nil
	}
	entries, err := os.ReadDir("/proc/self/fd") // before Linux 5.11
	if err != nil {
		return err
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd >= first {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}
