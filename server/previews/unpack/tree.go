package unpack

import (
	"errors"
	"io/fs"
	"os"
	"time"
)

// tree is the directory that the site is written to. It never follows a symbolic link, and counts what is there.
type tree struct {
	*image
	into   *os.Root
	result Result
	// created counts the names that were ever made, wrote the bytes: what is removed again has been work too.
	created int
	wrote   int64
	// dir is the directory that was entered last, nil for none, and at its name. modified is its time, which is set again when
	// it is left, for each name that is made in it changes it.
	dir      *os.Root
	at       string
	modified time.Time
}

func newTree(i *image, into *os.Root) *tree { return &tree{image: i, into: into} }

// block is the size to which those of files are rounded up.
const block = 4096

func blocks(size int64) int64 { return (size + block - 1) / block * block }

// outsideError is an error of the disk, or of Options.Grow: not of the archive.
type outsideError struct{ error }

func (e *outsideError) Unwrap() error { return e.error }

func outside(err error) error {
	if err == nil {
		return nil
	}
	return &outsideError{err}
}

// makeWay is called for a name that has to be a directory and is none. there is what is there instead, nil for nothing.
type makeWay func(parent *os.Root, name, base string, there fs.FileInfo) error

// enter opens a directory of the site. What is missing on the way is made by make; with a nil one there is no directory then.
// It stays open until another is entered.
func (t *tree) enter(directory string, make makeWay) (*os.Root, error) {
	if t.dir != nil && t.at == directory {
		return t.dir, nil
	}
	if err := t.leave(); err != nil {
		return nil, err
	}
	dir, err := t.walk(directory, make)
	if err != nil || dir == nil {
		return nil, err
	}
	info, err := dir.Stat(".")
	if err != nil {
		t.close(dir)
		return nil, outside(err)
	}
	t.dir, t.at, t.modified = dir, directory, info.ModTime()
	return dir, nil
}

// leave closes the directory that was entered, and gives it the time that it had.
func (t *tree) leave() error {
	if t.dir == nil {
		return nil
	}
	err := t.dir.Chtimes(".", t.modified, t.modified)
	t.close(t.dir)
	t.dir = nil
	return outside(err)
}

func (t *tree) close(dir *os.Root) {
	if dir != t.into {
		dir.Close()
	}
}

// walk opens a directory of the site component by component, so that no symbolic link is followed.
func (t *tree) walk(directory string, make makeWay) (*os.Root, error) {
	dir, name := t.into, ""
	for _, component := range split(directory) {
		name = join(name, component)
		next, err := t.step(dir, name, component, make)
		t.close(dir)
		if err != nil || next == nil {
			return nil, err
		}
		dir = next
	}
	return dir, nil
}

func (t *tree) step(parent *os.Root, name, component string, make makeWay) (*os.Root, error) {
	base, is := localName(component)
	if !is {
		return nil, refuse("entry %s has a name that this system cannot have", quote(name))
	}
	there, err := parent.Lstat(base)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, outside(err)
	case err != nil:
		there = nil
	}
	if there == nil || !there.IsDir() {
		if make == nil {
			return nil, nil
		}
		if err = t.keepTime(parent, func() error { return make(parent, name, base, there) }); err != nil {
			return nil, err
		}
	}
	next, err := parent.OpenRoot(base)
	return next, outside(err)
}

// keepTime leaves a directory with the time that it had.
func (t *tree) keepTime(dir *os.Root, change func() error) error {
	before, err := dir.Stat(".")
	if err != nil {
		return outside(err)
	}
	if err = change(); err != nil {
		return err
	}
	return outside(dir.Chtimes(".", before.ModTime(), before.ModTime()))
}

// date sets the time of a directory that is there.
func (t *tree) date(name string, modified time.Time) error {
	if name == "" {
		if err := t.leave(); err != nil {
			return err
		}
		return outside(t.into.Chtimes(".", modified, modified))
	}
	above, base := cutLast(name)
	parent, err := t.enter(above, nil)
	if err != nil || parent == nil {
		return err
	}
	base, _ = localName(base)
	return outside(parent.Chtimes(base, modified, modified))
}

// openFile opens a regular file of the site. There is none where the name is anything else.
func (t *tree) openFile(name string) (*os.File, fs.FileInfo, error) {
	above, base := cutLast(name)
	dir := t.dir
	if dir == nil || t.at != above {
		var err error
		if dir, err = t.walk(above, nil); err != nil || dir == nil {
			return nil, nil, err
		}
		defer t.close(dir)
	}
	base, _ = localName(base)
	info, err := dir.Lstat(base)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, outside(err)
	}
	f, err := dir.Open(base)
	return f, info, outside(err)
}
