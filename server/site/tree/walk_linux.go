package tree

import (
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"
)

// walk is where a name has led so far.
type walk struct {
	tree *kernelTree
	// dirs are the directories below the tree's own down to where the walk is; outside it is the one where it is.
	dirs    []File
	outside bool
	links   int // followed so far
}

// walk opens a name one part at a time and follows links by hand, so that every name on the way is seen: a hidden one
// below the directory is errLeadsToHidden. What it finds is what it has opened, whatever is renamed meanwhile.
func (t *kernelTree) walk(name string, flags int) (File, error) {
	w := walk{tree: t}
	defer w.leave()
	rest := strings.Split(name, "/")
	for len(rest) > 0 {
		part, last := rest[0], len(rest) == 1
		rest = rest[1:]
		switch {
		case part == "" || part == ".":
			continue
		case part == "..":
			if err := w.up(); err != nil {
				return noFile, err
			}
			continue
		case !w.outside && hidesPart(part):
			return noFile, errLeadsToHidden
		}
		f, st, err := w.lookAt(part)
		if err != nil {
			return noFile, err
		}
		isLink := st.Mode&fs.ModeSymlink != 0
		switch {
		case isLink && !(last && flags&unix.O_NOFOLLOW != 0):
			target, err := w.follow(f)
			if err != nil {
				return noFile, err
			}
			rest = append(strings.Split(target, "/"), rest...)
		case last && flags&unix.O_PATH != 0:
			return f, nil
		case last:
			f.Close()
			return openPart(w.at(), part, flags|unix.O_NOFOLLOW) // which fails if it has become a link
		case st.Mode.IsDir():
			w.enter(f, st)
		default:
			f.Close()
			return noFile, unix.ENOTDIR
		}
	}
	return openPart(w.at(), ".", flags)
}

// at is the directory where the walk is.
func (w *walk) at() File {
	if n := len(w.dirs); n > 0 {
		return w.dirs[n-1]
	}
	return File{w.tree.fd}
}

// lookAt opens a name in the directory where the walk is, only to look at it, and a link as itself.
func (w *walk) lookAt(part string) (File, Status, error) {
	f, err := openPart(w.at(), part, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return noFile, Status{}, err
	}
	st, err := f.Status()
	if err != nil {
		f.Close()
	}
	return f, st, err
}

// follow returns where a link leads, and closes it. Where that is an absolute path the walk goes to the root first.
func (w *walk) follow(link File) (target string, err error) {
	defer link.Close()
	if w.links++; w.links > maxLinks {
		return "", unix.ELOOP
	}
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(link.fd, "", buf)
	if err != nil {
		return "", err
	}
	if target = string(buf[:n]); strings.HasPrefix(target, "/") {
		err = w.goOut("/")
	}
	return target, err
}

// up goes to the parent of the directory where the walk is.
func (w *walk) up() error {
	if n := len(w.dirs); n > 0 && !w.outside {
		w.dirs[n-1].Close()
		w.dirs = w.dirs[:n-1]
		return nil
	}
	return w.goOut("..")
}

// goOut goes to a directory outside, as SYMLINKS=follow allows. It may be the tree's own again.
func (w *walk) goOut(path string) error {
	if w.tree.resolve != 0 {
		return errLeadsOut
	}
	f, st, err := w.lookAt(path)
	if err == nil {
		w.outside = true
		w.enter(f, st)
	}
	return err
}

// enter goes to a directory that was opened in the one where the walk is.
func (w *walk) enter(dir File, st Status) {
	if !w.outside {
		w.dirs = append(w.dirs, dir)
		return
	}
	w.leave()
	if own, err := (File{w.tree.fd}).Status(); err == nil && own.Dev == st.Dev && own.Ino == st.Ino {
		dir.Close()
		w.outside = false
		return
	}
	w.dirs = append(w.dirs, dir)
}

// leave closes the directories that the walk has opened.
func (w *walk) leave() {
	for _, dir := range w.dirs {
		dir.Close()
	}
	w.dirs = w.dirs[:0]
}

// openPart opens a name in a directory. It has no part but ".." that leads out of it.
func openPart(dir File, part string, flags int) (File, error) {
	for {
		fd, err := unix.Openat(dir.fd, part, flags|unix.O_CLOEXEC, 0)
		if err == nil {
			return File{fd}, nil
		}
		if err != unix.EINTR {
			return noFile, err
		}
	}
}
