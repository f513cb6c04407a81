//go:build unix

package main

import "golang.org/x/sys/unix"

// descriptorLimit returns how many files the process may have open: getrlimit(2). Go has raised it as far as it may.
func descriptorLimit() (n uint64, found bool) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, false
	}
	return uint64(limit.Cur), true
}
