package unpack

import (
	"archive/tar"
	"errors"
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

// write reads the layers again that have something of the site, and writes it.
func (i *image) write(into *os.Root, s *survey, found *site) (Result, error) {
	w := &writer{image: i, site: found, tree: newTree(i, into), seed: maphash.MakeSeed(), buffer: make([]byte, 64<<10)}
	defer w.leave()
	if err := w.date("", unknown()); err != nil {
		return Result{}, errors.Unwrap(err)
	}
	marks, entries := &pass{image: i}, &pass{image: i}
	for number := found.place.merged.since; number < len(i.layers); number++ {
		if found.place.marked[number] {
			if err := marks.read(number, w.applyMark); err != nil {
				return Result{}, err
			}
		}
		if !found.place.below[number] {
			continue
		}
		w.own = map[uint64]struct{}{}
		if err := entries.read(number, w.entry); err != nil {
			return Result{}, err
		}
	}
	if err := w.leave(); err != nil {
		return Result{}, errors.Unwrap(err)
	}
	w.result.Path = "/" + found.path
	return w.result, nil
}

// writer writes the entries of layers that lie below the site's directory.
type writer struct {
	*image
	*tree
	site *site
	// own has a number for each file and link that is from the layer which is read. Two names that have the same, one time in
	// 10^9 images, can at worst refuse one.
	own    map[uint64]struct{}
	seed   maphash.Seed
	buffer []byte
}

func (w *writer) number(name string) uint64 { return maphash.String(w.seed, name) }

// entry writes an entry. White-outs have been applied; they still say that the directory above them is one.
func (w *writer) entry(e *entry) error {
	if e.mark == opaque {
		if name, is := below(e.of, w.site.path); is {
			_, err := w.above(e, join(name, opaqueName))
			return err
		}
		return nil
	}
	if e.mark == noMark && e.name == w.site.path && e.Typeflag == tar.TypeDir {
		return w.date("", written(e.ModTime))
	}
	name, is := below(e.of, w.site.path)
	if !is {
		return nil
	}
	parent, err := w.above(e, name)
	if err != nil || e.mark == whiteout {
		return err
	}
	_, last := cutLast(name)
	base, is := localName(last)
	if !is {
		return e.refuse("has a name that this system cannot have")
	}
	switch e.Typeflag {
	case tar.TypeDir:
		return w.directory(e, parent, name, base)
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		err = w.file(e, parent, base, e.Size, e.ModTime, e.body)
	case tar.TypeSymlink:
		err = w.symlink(e, parent, name, base)
	case tar.TypeLink:
		err = w.hardLink(e, parent, name, base)
	case tar.TypeChar, tar.TypeBlock:
		return e.refuse("is a device")
	case tar.TypeFifo:
		return e.refuse("is a FIFO")
	default:
		return e.refuse("has the type %q: only files, directories and links are possible", string([]byte{e.Typeflag}))
	}
	w.own[w.number(name)] = struct{}{}
	return err
}

// above is the open directory that a name is in. Directories on the way are made, also in place of what lower layers have
// there; what this layer has there is no directory to others either.
func (w *writer) above(e *entry, name string) (*os.Root, error) {
	directory, _ := cutLast(name)
	if strings.HasPrefix(directory, whiteoutPrefix) || strings.Contains(directory, "/"+whiteoutPrefix) {
		return nil, e.refuse("lies below a white-out")
	}
	return w.enter(directory, func(parent *os.Root, name, base string, there fs.FileInfo) error {
		if there != nil {
			if _, is := w.own[w.number(name)]; is {
				return e.refuse("lies below %s, which is no directory in the same layer", quote(join(w.site.path, name)))
			}
			if err := w.remove(parent, base); err != nil {
				return err
			}
		}
		return w.makeDirectory(parent, base)
	})
}

// directory makes a directory, or keeps the one that is there, and sets its time.
func (w *writer) directory(e *entry, parent *os.Root, name, base string) error {
	there, err := parent.Lstat(base)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return outside(err)
	}
	if err == nil && !there.IsDir() {
		delete(w.own, w.number(name))
		if err = w.remove(parent, base); err != nil {
			return err
		}
	}
	if err != nil || !there.IsDir() {
		if err = w.makeDirectory(parent, base); err != nil {
			return err
		}
	}
	return w.date(name, written(e.ModTime))
}

// file writes a file of a size, in place of whatever is there.
func (w *writer) file(e *entry, parent *os.Root, base string, size int64, modified time.Time, body io.Reader) error {
	switch {
	case size > w.limits.File:
		return e.refuse("has %d bytes: a file may have %d", size, w.limits.File)
	case w.wrote+size > w.limits.Bytes:
		return refuse("the site has more than %d bytes, with those of hard links and of files that later layers replace", w.limits.Bytes)
	}
	w.wrote += size
	f, err := w.create(parent, base, size)
	if err != nil {
		return err
	}
	if err = w.fill(f, size, body); err != nil {
		f.Close()
		return err
	}
	if err = f.Close(); err != nil {
		return outside(err)
	}
	modified = written(modified)
	return outside(parent.Chtimes(base, modified, modified))
}

// fill copies what is in a file. An error of the archive is returned as it is, one of the disk is outside.
func (w *writer) fill(f *os.File, size int64, body io.Reader) error {
	for left := size; ; {
		n, err := body.Read(w.buffer)
		left -= int64(n)
		if _, failed := f.Write(w.buffer[:n]); failed != nil {
			return outside(failed)
		}
		switch {
		case err == io.EOF && left != 0:
			return io.ErrUnexpectedEOF
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case w.ctx.Err() != nil:
			return w.ctx.Err()
		}
	}
}

// symlink writes a symbolic link that stays in the site.
func (w *writer) symlink(e *entry, parent *os.Root, name, base string) error {
	if e.Linkname == "" || len(e.Linkname) > maxPath {
		return e.refuse("is a symbolic link with a target of %d bytes: 1 to 4,095 are possible", len(e.Linkname))
	}
	target, stays := linkTarget(name, e.Linkname, w.site.path, w.site.ways)
	if !stays {
		return e.refuse("is a symbolic link to %s, outside the site's directory /%s", quote(e.Linkname), w.site.path)
	}
	return w.link(parent, base, target)
}

// hardLink writes a copy of a file of the site: so each file can be replaced and counted alone. Only a regular file that is
// there can be linked to, by a way without symbolic links.
func (w *writer) hardLink(e *entry, parent *os.Root, name, base string) error {
	target, is := below(e.target, w.site.path)
	if !is {
		return e.refuse("is a hard link to %s, outside the site's directory /%s", quote(e.Linkname), w.site.path)
	}
	if target == name {
		return e.refuse("is a hard link to itself")
	}
	f, info, err := w.openFile(target)
	if err != nil {
		return err
	}
	if f == nil {
		return e.refuse("is a hard link to %s, which is no file there", quote(e.Linkname))
	}
	defer f.Close()
	return w.file(e, parent, base, info.Size(), info.ModTime(), &outsideReader{f})
}

// outsideReader is a file that is read: its errors are not the archive's.
type outsideReader struct{ f *os.File }

func (r *outsideReader) Read(b []byte) (int, error) {
	n, err := r.f.Read(b)
	if err != nil && err != io.EOF {
		err = outside(err)
	}
	return n, err
}
