package unpack

import (
	"errors"
	"io/fs"
	"os"
)

// take counts a name that is made, and asks for its room on the disk.
func (t *tree) take(size int64) error {
	if t.created++; t.created > t.limits.Entries {
		return refuse("the site has more than %d names, with those that later layers replace", t.limits.Entries)
	}
	if t.options.Grow == nil || size == 0 {
		return nil
	}
	return outside(t.options.Grow(size))
}

// makeDirectory makes a directory where there is nothing.
func (t *tree) makeDirectory(parent *os.Root, base string) error {
	if err := t.take(block); err != nil {
		return err
	}
	if err := parent.Mkdir(base, 0o755); err != nil {
		return outside(err)
	}
	t.result.Disk += block
	return outside(parent.Chtimes(base, unknown(), unknown()))
}

// create makes a file in place of whatever is there. It is made anew, never truncated.
func (t *tree) create(parent *os.Root, base string, size int64) (*os.File, error) {
	if err := t.take(blocks(size)); err != nil {
		return nil, err
	}
	var f *os.File
	err := t.replace(parent, base, func() (err error) {
		f, err = parent.OpenFile(base, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		return err
	})
	if err != nil {
		return nil, err
	}
	t.result.Files++
	t.result.Bytes += size
	t.result.Disk += blocks(size)
	return f, nil
}

// link makes a symbolic link in place of whatever is there. Its inode is counted as a block.
func (t *tree) link(parent *os.Root, base, target string) error {
	if err := t.take(block); err != nil {
		return err
	}
	if err := t.replace(parent, base, func() error { return parent.Symlink(target, base) }); err != nil {
		return err
	}
	t.result.Files++
	t.result.Disk += block
	return nil
}

// replace makes a name, and removes first what is there.
func (t *tree) replace(parent *os.Root, base string, make func() error) error {
	err := make()
	if !errors.Is(err, fs.ErrExist) {
		return outside(err)
	}
	if err = t.remove(parent, base); err != nil {
		return err
	}
	return outside(make())
}
