package tree

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// portableTree confines by os.Root. Where links are refused, or hidden names, it walks to a file by itself.
type portableTree struct {
	root   *os.Root
	deny   bool // no symbolic link is followed
	hidden bool // links to hidden names are refused
}

func openPortable(opts *Options) (confined, identity, error) {
	root, err := os.OpenRoot(opts.Directory)
	return newPortable(root, err, opts)
}

func newPortable(root *os.Root, err error, opts *Options) (confined, identity, error) {
	if err != nil {
		return nil, identity{}, confinementError(err)
	}
	info, err := root.Stat(".")
	if err != nil {
		root.Close()
		return nil, identity{}, err
	}
	return &portableTree{root, opts.Symlinks == SymlinksDeny, opts.Hidden == HiddenDeny}, identityOf(info), nil
}

func (t *portableTree) here(name string) (Status, error) {
	info, err := t.root.Lstat(name)
	if err != nil {
		return Status{}, confinementError(err)
	}
	return statusOf(info), nil
}

func (t *portableTree) below(name string, opts *Options) (confined, identity, error) {
	if !t.deny && !t.hidden {
		root, err := t.root.OpenRoot(name)
		return newPortable(root, err, opts)
	}
	parent, base, err := t.walk(name, true)
	if err != nil {
		return nil, identity{}, confinementError(err)
	}
	defer parent.Close()
	root, err := openDirNoLink(parent, base)
	return newPortable(root, err, opts)
}

func (t *portableTree) close() { t.root.Close() }

func (t *portableTree) open(name string) (File, Status, error) {
	opened, err := t.openFile(name)
	if err != nil {
		return noFile, Status{}, confinementError(err)
	}
	f, err := takeFile(opened)
	if err != nil {
		return noFile, Status{}, err
	}
	st, err := f.Status()
	if err != nil {
		f.Close()
	}
	return f, st, err
}

func (t *portableTree) openFile(name string) (*os.File, error) {
	if !t.deny && !t.hidden {
		return t.root.OpenFile(name, os.O_RDONLY|openFlags, 0)
	}
	parent, base, err := t.walk(name, true)
	if err != nil {
		return nil, err
	}
	defer parent.Close()
	before, err := lstatNoLink(parent, base)
	if err != nil {
		return nil, err
	}
	f, err := parent.OpenFile(base, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return nil, err
	}
	if after, err := f.Stat(); err != nil || !os.SameFile(before, after) {
		f.Close()
		return nil, errLink // swapped while it was opened
	}
	return f, nil
}

// walk opens the directory in which a file is, one part of its name at a time, and checks that each is the one that
// stood there without being a link. Links are followed by hand, so that every name on the way is seen. follow is unset
// for a link itself at the end of a name.
func (t *portableTree) walk(name string, follow bool) (parent *os.Root, base string, err error) {
	top, err := t.root.OpenRoot(".")
	if err != nil {
		return nil, "", err
	}
	dirs := []*os.Root{top}
	defer func() {
		for _, dir := range dirs {
			if dir != parent {
				dir.Close()
			}
		}
	}()
	rest := strings.Split(name, "/")
	for links := 0; len(rest) > 0; {
		at, part := dirs[len(dirs)-1], rest[0]
		rest = rest[1:]
		switch {
		case part == "" || part == ".":
			continue
		case part == ".." && len(dirs) == 1:
			return nil, "", errLeadsOut
		case part == "..":
			at.Close()
			dirs = dirs[:len(dirs)-1]
			continue
		case t.hidden && hidesPart(part):
			return nil, "", errLeadsToHidden
		}
		info, err := at.Lstat(part)
		switch {
		case err != nil:
			return nil, "", err
		case info.Mode()&fs.ModeSymlink != 0 && (follow || len(rest) > 0):
			if links++; t.deny || links > maxLinks {
				return nil, "", errLink
			}
			target, err := at.Readlink(part)
			if err != nil {
				return nil, "", err
			}
			if filepath.IsAbs(target) {
				return nil, "", errLeadsOut
			}
			rest = append(strings.Split(filepath.ToSlash(target), "/"), rest...)
		case len(rest) == 0:
			return at, part, nil
		default:
			next, err := openDirNoLink(at, part)
			if err != nil {
				return nil, "", err
			}
			dirs = append(dirs, next)
		}
	}
	return dirs[len(dirs)-1], ".", nil
}

func openDirNoLink(parent *os.Root, part string) (*os.Root, error) {
	before, err := lstatNoLink(parent, part)
	if err != nil {
		return nil, err
	}
	next, err := parent.OpenRoot(part)
	if err != nil {
		return nil, err
	}
	if after, err := next.Stat("."); err != nil || !os.SameFile(before, after) {
		next.Close()
		return nil, errLink
	}
	return next, nil
}

func lstatNoLink(parent *os.Root, part string) (fs.FileInfo, error) {
	info, err := parent.Lstat(part)
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return nil, errLink
	}
	return info, err
}

func (t *portableTree) stat(name string) (Status, error) { return t.look(name, true) }

func (t *portableTree) look(name string, follow bool) (Status, error) {
	stat := t.root.Lstat
	if follow {
		stat = t.root.Stat
	}
	if t.deny || t.hidden {
		parent, base, err := t.walk(name, follow)
		if err != nil {
			return Status{}, confinementError(err)
		}
		defer parent.Close()
		name, stat = base, parent.Lstat
		if follow {
			stat = func(name string) (fs.FileInfo, error) { return lstatNoLink(parent, name) }
		}
	}
	info, err := stat(name)
	if err != nil {
		return Status{}, confinementError(err)
	}
	return statusOf(info), nil
}

// unchanged would not be confined by os.Root, as look is.
func (t *portableTree) unchanged(string, *Status) bool { return false }

// confinementError tells the refusal of os.Root, which has no name (go.dev/issue/67002), from the
// system's own errors, which are numbers.
func confinementError(err error) error {
	cause := err
	if pathErr, ok := err.(*fs.PathError); ok {
		cause = pathErr.Err
	}
	if _, ok := cause.(syscall.Errno); !ok && cause.Error() == "path escapes from parent" {
		return errLeadsOut
	}
	return err
}
