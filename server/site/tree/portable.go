package tree

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

// portableTree confines by os.Root.
type portableTree struct {
	root   *os.Root
	deny   bool // no symbolic link is followed
	hidden bool // links to hidden names are refused
}

func openPortable(opts *Options) (confined, identity, error) {
	root, err := os.OpenRoot(opts.Directory)
	if err != nil {
		return nil, identity{}, err
	}
	info, err := root.Stat(".")
	if err != nil {
		root.Close()
		return nil, identity{}, err
	}
	return &portableTree{root, opts.Symlinks == SymlinksDeny, opts.Hidden == HiddenDeny}, identityOf(info), nil
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
	if err == nil && t.hidden && t.linksToHidden(name) {
		err = errLeadsToHidden
	}
	if err != nil {
		f.Close()
		return noFile, Status{}, err
	}
	return f, st, nil
}

func (t *portableTree) openFile(name string) (*os.File, error) {
	if !t.deny {
		return t.root.OpenFile(name, os.O_RDONLY|openFlags, 0)
	}
	parent, base, err := t.walk(name)
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

// walk opens the parent of a name, one directory at a time, and checks that each is the one that stood
// there without being a link.
func (t *portableTree) walk(name string) (parent *os.Root, base string, err error) {
	dir, base := path.Split(name)
	if parent, err = t.root.OpenRoot("."); err != nil {
		return nil, "", err
	}
	for part := range strings.SplitSeq(strings.TrimSuffix(dir, "/"), "/") {
		if part == "" {
			continue
		}
		next, err := openDirNoLink(parent, part)
		parent.Close()
		if err != nil {
			return nil, "", err
		}
		parent = next
	}
	return parent, base, nil
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

func (t *portableTree) stat(name string) (Status, error) {
	stat := t.root.Stat
	if t.deny {
		parent, base, err := t.walk(name)
		if err != nil {
			return Status{}, err
		}
		defer parent.Close()
		name, stat = base, func(name string) (fs.FileInfo, error) { return lstatNoLink(parent, name) }
	}
	info, err := stat(name)
	if err != nil {
		return Status{}, confinementError(err)
	}
	if t.hidden && t.linksToHidden(name) {
		return Status{}, errLeadsToHidden
	}
	return statusOf(info), nil
}

func (t *portableTree) look(name string, follow bool) (Status, error) {
	if follow {
		return t.stat(name)
	}
	info, err := t.root.Lstat(name)
	if err != nil {
		return Status{}, confinementError(err)
	}
	return statusOf(info), nil
}

// unchanged would not be confined by os.Root, as look is.
func (t *portableTree) unchanged(string, *Status) bool { return false }

// linksToHidden is leadsToHidden, by name, so that a link switched at the same moment is missed.
func (t *portableTree) linksToHidden(name string) bool {
	if t.deny {
		return false
	}
	root, err := filepath.EvalSymlinks(t.root.Name())
	if err != nil {
		return true
	}
	end, err := filepath.EvalSymlinks(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		return true
	}
	rest, err := filepath.Rel(root, end)
	return err != nil || hidesPart(filepath.ToSlash(rest))
}

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
