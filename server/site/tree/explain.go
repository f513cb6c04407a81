package tree

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// refusal is why something that may well exist was not found. It is for the operator.
type refusal struct {
	once   string // the thing that is at fault
	text   string // what is wrong with it
	advice string // more about it, and what to do
}

func (r *refusal) Error() string { return r.text + r.advice }

// Brief is the error without what is said once for the thing.
func (r *refusal) Brief() string { return r.text }

// OnceKey names the thing that is at fault, which is worth one log line however often it is asked for.
// A client can make up any number of keys where links form a loop.
func (r *refusal) OnceKey() string { return r.once }

// Explain tells the operator why a name could not be opened though it may well exist, and what to do. It is nil
// where nothing is to be told.
func (t *Tree) Explain(name string, err error) error {
	special, isSpecial := err.(notRegularError)
	switch {
	case isSpecial && !special.mode.IsDir(): // a directory became one just now
		return explainSpecial(name, special.mode)
	case errors.Is(err, errHidden):
		return fmt.Errorf("%q is hidden; HIDDEN=serve serves it", name)
	case IsRefused(err):
		return t.explainLink(name, err)
	case errors.Is(err, fs.ErrPermission):
		return t.explainUnreadable(name, err)
	}
	return nil
}

// IsTemporary says whether it is the system that fell short, not the name: its descriptors or memory, a disk, or the server
// of a network file system (ESTALE, ETIMEDOUT, ENOTCONN).
func IsTemporary(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EAGAIN, syscall.EIO, syscall.ESTALE, syscall.ETIMEDOUT, syscall.ENOTCONN} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// explainLink names the first link on the way to a name that is not followed.
func (t *Tree) explainLink(name string, err error) *refusal {
	for link := range prefixes(name) {
		if _, e := t.confined.stat(link); e == nil || !IsRefused(e) {
			continue
		}
		target, _ := os.Readlink(filepath.Join(t.directory.opts.Directory, filepath.FromSlash(link)))
		advice := "SYMLINKS=follow follows it"
		switch {
		case errors.Is(err, errLeadsToHidden):
			advice = "HIDDEN=serve follows it"
		case errors.Is(err, errLeadsOut) && filepath.IsAbs(target):
			advice = "absolute links are not followed, relative ones are; SYMLINKS=follow follows it"
		}
		return &refusal{"link " + link, fmt.Sprintf("%v: %q -> %q", err, link, target), "; " + advice}
	}
	return &refusal{"link " + name, fmt.Sprintf("%v: %q", err, name), ""}
}

// explainUnreadable names the directory that may not be searched, or else the thing itself that may not be read.
func (t *Tree) explainUnreadable(name string, err error) *refusal {
	blamed := "."
	for prefix := range prefixes(name) {
		if _, e := t.confined.stat(prefix); errors.Is(e, fs.ErrPermission) {
			break
		}
		blamed = prefix
	}
	if blamed == "." {
		return t.directory.explain(err)
	}
	if isKeptOut(filepath.Join(t.directory.opts.Directory, filepath.FromSlash(blamed))) {
		return &refusal{"kept out", fmt.Sprintf("%q cannot be read: it is outside the kernel's confinement", blamed), keptOut}
	}
	text := fmt.Sprintf("%q cannot be read by uid %d: %v", blamed, os.Geteuid(), reason(err))
	owner := ""
	if st, e := t.confined.stat(blamed); e == nil {
		owner = " (" + st.describe() + ")"
	}
	return &refusal{"unreadable " + blamed, text, owner + "; " + remedies}
}

// reason is the system's error without the path that the caller names itself.
func reason(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

// prefixes yields the directories on the way to a name and then the name: a, a/b, a/b/c.
func prefixes(name string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for i := 0; i < len(name); {
			if slash := strings.IndexByte(name[i:], '/'); slash >= 0 {
				i += slash
			} else {
				i = len(name)
			}
			if !yield(name[:i]) {
				return
			}
			i++
		}
	}
}

func explainSpecial(name string, mode fs.FileMode) *refusal {
	kind := "a device"
	switch {
	case mode&fs.ModeNamedPipe != 0:
		kind = "a named pipe"
	case mode&fs.ModeSocket != 0:
		kind = "a socket"
	}
	return &refusal{"special " + name, fmt.Sprintf("%q is %s, only files and directories are served", name, kind), ""}
}

// Ready says whether the directory can be opened and its names and files be read. The error tells the
// operator which user may not read what, and how to fix it.
func (d *Directory) Ready() error {
	if _, err := identify(d.opts.Directory); err != nil {
		return d.explain(err)
	}
	dir, err := os.Open(d.opts.Directory)
	if err != nil {
		return d.explain(err)
	}
	defer dir.Close()
	if _, err := dir.Readdirnames(1); err != nil && !errors.Is(err, io.EOF) {
		return d.explain(err)
	}
	// Permission to search is not permission to read.
	if _, err := os.Stat(d.opts.Directory + string(os.PathSeparator) + "."); err != nil {
		return d.explain(err)
	}
	return nil
}

// Explain tells the operator why the directory itself cannot be used, and what to do.
func (d *Directory) Explain(err error) error { return d.explain(err) }

// remedies is what the operator can do about a file or directory that may not be read.
const remedies = "run as its owner (docker run --user), allow others to read it (chmod -R o+rX), or, with " +
	"SELinux, mount it with :z"

// keptOut is what to do about what its rights allow to read, but not the kernel's confinement of this process (package
// confine).
const keptOut = ", as it came there after the start; restart previewd, or set KERNEL_CONFINEMENT=off"

func (d *Directory) explain(err error) *refusal {
	dir := d.opts.Directory
	if errors.Is(err, errDeleted) {
		return &refusal{"deleted directory", fmt.Sprintf("the directory %s has been deleted", dir), ", and stays empty here even if there is a new one: " +
			"mount its parent directory, and set DIRECTORY to the path below it (docker run -v $PWD:/site -e DIRECTORY=/site/dist)"}
	}
	err = reason(err)
	if !errors.Is(err, fs.ErrPermission) {
		return &refusal{"directory", fmt.Sprintf("the directory %s cannot be opened: %v", dir, err), ""}
	}
	if isKeptOut(dir) {
		return &refusal{"kept out", fmt.Sprintf("the directory %s cannot be read: it is outside the kernel's confinement", dir), keptOut}
	}
	owner := ""
	if info, e := os.Stat(dir); e == nil {
		owner = " (" + statusOf(info).describe() + ")"
	}
	return &refusal{"directory", fmt.Sprintf("the directory %s cannot be read by uid %d: %v", dir, os.Geteuid(), err), owner + "; " + remedies}
}
