package confine

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks bounds the symbolic links on the way to a file: the kernel's own bound (path_resolution(7)).
const maxLinks = 40

// around returns the real paths of what a rule has to name so that a path can be read, and what will be found there later. A
// rule holds an inode, not a name. So beside what the path leads to these are:
//
//   - the directory that it lies in, unless it is a mount point: a dist that is deleted and made anew, a certificate that is
//     renamed into place;
//   - for a path that is itself a link, the directory of the link;
//   - for each link on the way, the directory of its target: a link that is switched mostly leads to a neighbour (git-sync,
//     a release directory, ..data of a ConfigMap). A link directly below / is the system's (/home -> /data/home) and does not
//     count, unless it is the path itself.
//
// The root directory is never among them, unless the path is "/". "." is the working directory and nothing else, as that is
// an inode too. What may not be looked at counts as far as it may.
func around(path string) ([]string, error) {
	if filepath.Clean(path) == "." {
		directory, err := os.Getwd()
		return []string{directory}, err
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	var list []string
	at, rest := "/", strings.Split(path, "/")
	for links := 0; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		next := filepath.Join(at, name)
		info, err := os.Lstat(next)
		if errors.Is(err, fs.ErrPermission) {
			break
		}
		if err != nil {
			return nil, err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		if links++; links > maxLinks {
			return nil, &fs.PathError{Op: "open", Path: path, Err: unix.ELOOP}
		}
		target, err := os.Readlink(next)
		if err != nil {
			return nil, err
		}
		isPath := strings.TrimRight(strings.Join(rest, "/"), "/") == ""
		if isPath {
			list = append(list, at)
		}
		if !filepath.IsAbs(target) {
			target = at + "/" + target
		}
		if neighbours, err := filepath.EvalSymlinks(filepath.Dir(strings.TrimRight(target, "/"))); err == nil && (isPath || at != "/") {
			list = append(list, neighbours)
		}
		at, rest = "/", append(strings.Split(target, "/"), rest...)
	}
	if !isMountPoint(at) {
		list = append(list, filepath.Dir(at))
	}
	list = slices.DeleteFunc(list, func(directory string) bool { return directory == "/" })
	return withoutInner(append(list, at)), nil
}

// isMountPoint says whether something is mounted on a path: a directory, or a single file. It has no links in it.
func isMountPoint(path string) bool {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, 0, &st)
	return err == nil && st.Attributes_mask&st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
}

// withoutInner sorts paths and leaves out those that lie in another one of them.
func withoutInner(paths []string) []string {
	slices.Sort(paths)
	var outer []string
	for _, path := range paths {
		inner := slices.ContainsFunc(outer, func(directory string) bool {
			return path == directory || strings.HasPrefix(path, strings.TrimSuffix(directory, "/")+"/")
		})
		if !inner {
			outer = append(outer, path)
		}
	}
	return outer
}
