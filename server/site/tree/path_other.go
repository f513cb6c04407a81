//go:build !linux

package tree

import (
	"io/fs"
	"os"
	"path/filepath"
)

// openTree opens the directory confined by os.Root, or not at all if links are followed anywhere.
func open(opts *Options) (confined, identity, error) {
	if opts.Symlinks != SymlinksFollow {
		return openPortable(opts)
	}
	info, err := os.Stat(opts.Directory)
	if err != nil {
		return nil, identity{}, err
	}
	return openTreeAt(opts.Directory), identityOf(info), nil
}

// openTreeAt is a directory by its path, in which every link is followed.
type openTreeAt string

func (t openTreeAt) open(name string) (File, Status, error) {
	opened, err := os.OpenFile(t.path(name), os.O_RDONLY|openFlags, 0)
	if err != nil {
		return noFile, Status{}, err
	}
	f := File{opened}
	st, err := f.Status()
	if err != nil {
		f.Close()
	}
	return f, st, err
}

func (t openTreeAt) stat(name string) (Status, error) {
	info, err := os.Stat(t.path(name))
	if err != nil {
		return Status{}, err
	}
	return statusOf(info), nil
}

func (t openTreeAt) look(name string, follow bool) (Status, error) {
	if follow {
		return t.stat(name)
	}
	info, err := os.Lstat(t.path(name))
	if err != nil {
		return Status{}, err
	}
	return statusOf(info), nil
}

func (t openTreeAt) unchanged(string, *Status) bool { return false }

func (t openTreeAt) here(name string) (Status, error) { return t.look(name, false) }

func (t openTreeAt) below(_ string, opts *Options) (confined, identity, error) { return open(opts) }

func (t openTreeAt) close() {}

// path is a name on this system; one that the system gives a meaning of its own (NUL, COM1) is empty,
// which no file is called.
func (t openTreeAt) path(name string) string {
	local, err := filepath.Localize(name)
	if err != nil {
		return ""
	}
	return filepath.Join(string(t), local)
}

// identity tells whether Directory is still the one that is open.
type identity struct{ info fs.FileInfo }

func (id identity) same(other identity) bool { return os.SameFile(id.info, other.info) }

func identityOf(info fs.FileInfo) identity { return identity{info} }

func identify(dir string) (identity, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return identity{}, err
	}
	if !info.IsDir() {
		return identity{}, &fs.PathError{Op: "opening", Path: dir, Err: fs.ErrInvalid}
	}
	return identity{info}, nil
}

func isKeptOut(string) bool { return false }
