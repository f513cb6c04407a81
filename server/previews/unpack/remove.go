package unpack

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// applyMark does what a white-out of a layer says, before any other entry of the layer is written. Where the name is not there,
// or lies below a link, there is nothing to remove. What hides the whole site is known from the survey.
func (w *writer) applyMark(e *entry) error {
	if e.mark == noMark {
		return nil
	}
	name, is := below(e.of, w.site.path)
	if !is {
		return nil
	}
	if e.mark == opaque {
		dir, err := w.enter(name, nil)
		if err != nil || dir == nil {
			return err
		}
		return w.empty(dir)
	}
	above, base := cutLast(name)
	dir, err := w.enter(above, nil)
	if err != nil || dir == nil {
		return err
	}
	base, is = localName(base)
	if !is {
		return nil
	}
	return w.remove(dir, base)
}

// remove removes a name with all below it, if it is there, and counts what there is no more.
func (t *tree) remove(parent *os.Root, base string) error {
	if err := t.ctx.Err(); err != nil {
		return err
	}
	info, err := parent.Lstat(base)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return outside(err)
	}
	if info.IsDir() {
		dir, err := parent.OpenRoot(base)
		if err != nil {
			return outside(err)
		}
		err = t.empty(dir)
		dir.Close()
		if err != nil {
			return err
		}
	}
	if err = parent.Remove(base); err != nil {
		return outside(err)
	}
	switch {
	case info.IsDir():
		t.result.Disk -= block
	case info.Mode().IsRegular():
		t.result.Files--
		t.result.Bytes -= info.Size()
		t.result.Disk -= blocks(info.Size())
	default:
		t.result.Files--
		t.result.Disk -= block
	}
	return nil
}

// empty removes all that is in a directory. It reads a few names at a time, and begins anew with those that are left.
func (t *tree) empty(dir *os.Root) error {
	const few = 512
	for {
		f, err := dir.Open(".")
		if err != nil {
			return outside(err)
		}
		names, err := f.Readdirnames(few)
		f.Close()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return outside(err)
		}
		for _, name := range names {
			if err = t.remove(dir, name); err != nil {
				return err
			}
		}
	}
}
