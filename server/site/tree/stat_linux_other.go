//go:build linux && !amd64 && !arm64

package tree

import "golang.org/x/sys/unix"

func fstatat(dir int, name string, st *unix.Stat_t, flags int) error {
	return unix.Fstatat(dir, name, st, flags)
}

func statBelow(dir, name string, st *unix.Stat_t) error {
	return unix.Fstatat(unix.AT_FDCWD, dir+"/"+name, st, 0)
}
