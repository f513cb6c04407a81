// Package archive makes an archive of a directory while it is sent: every file below it that the site would send, in the order
// of the bytes of their names. What changes meanwhile ends it before its end, so that what looks whole is whole.
package archive

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"compress/flate"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/tree"
)

// Format is a kind of archive.
type Format struct {
	// Suffix is that of a file's name, with its dot.
	Suffix string
	// MediaType is that of the answer.
	MediaType string
	begin     func(w io.Writer, packed func(string) bool) writer
	// entry is how many bytes of memory each entry takes until the end, its name aside.
	entry int64
}

// Formats are the kinds of archives by what they are called in a query.
func Formats(name string) (f Format, found bool) {
	switch name {
	case "zip":
		// archive/zip keeps the head of each entry for the directory at the end.
		return Format{".zip", "application/zip", beginZip, 400}, true
	case "tar.gz":
		return Format{".tar.gz", "application/gzip", beginTar, 0}, true
	}
	return f, false
}

// Memory is how many bytes an archive takes while it is made, what entry has aside.
const Memory = 2 << 20

// Archive is a directory to be made an archive of.
type Archive struct {
	Format Format
	// Tree has the directory, which is called Name there and Top in the archive.
	Tree      *tree.Tree
	Name, Top string
	// Open opens a file once it is at rest.
	Open func(ctx context.Context, name string) (*message.FileSection, tree.Status, error)
	// Packed says whether a file is packed already, by its name.
	Packed func(name string) bool
	// Without says whether an entry of a directory is left out; nil leaves out none.
	Without func(dir string, e tree.Entry) bool
	// Room is for names.
	Room tree.Room
	// Disk is entered for each use of the file system.
	Disk message.Gate
	// Note is told of what is left out as it cannot be read.
	Note func(text string)
}

// errTooMany is reported where a directory has more files than there is memory for in an archive of its format.
var errTooMany = errors.New("an archive of so many files takes more memory than there is")

// IsTooMany says whether an archive of this format needs more memory than there is, and one of another may not.
func IsTooMany(err error) bool { return errors.Is(err, errTooMany) }

// Prepare takes what memory the archive needs until its end, to be given back to the Room. An error is one of ReadDir of the
// directory, or tells that there is no room. It is called within the Disk.
func (a *Archive) Prepare(ctx context.Context) (taken int64, err error) {
	list, _, err := a.names(a.Name)
	if err != nil {
		return 0, err
	}
	defer a.giveNames(list)
	if a.Format.entry == 0 {
		return 0, nil
	}
	taken, err = a.count(ctx, a.Name, list)
	if err != nil {
		a.Room(-taken)
		return 0, err
	}
	return taken, nil
}

// count takes memory for all entries of a directory.
func (a *Archive) count(ctx context.Context, name string, list []tree.Entry) (taken int64, err error) {
	need := int64(0)
	for _, e := range list {
		need += a.Format.entry + int64(len(a.Top)+len(name)+len(e.Name))
	}
	if !a.Room(need) {
		return 0, errTooMany
	}
	taken = need
	for _, e := range list {
		if !e.Mode.IsDir() {
			continue
		}
		if err := ctx.Err(); err != nil {
			return taken, err
		}
		below := path.Join(name, e.Name)
		inner, _, err := a.names(below)
		if errors.Is(err, tree.ErrNoRoom) {
			return taken, errTooMany
		}
		if err != nil {
			continue // it shows when it is written
		}
		more, err := a.count(ctx, below, inner)
		a.giveNames(inner)
		taken += more
		if err != nil {
			return taken, err
		}
	}
	return taken, nil
}

// names reads the names in a directory. They are given back by giveNames.
func (a *Archive) names(name string) ([]tree.Entry, tree.Status, error) {
	taken := int64(0)
	list, st, err := a.Tree.ReadDir(name, func(n int64) bool {
		if !a.Room(n) {
			return false
		}
		taken += n
		return true
	})
	a.Room(-taken)
	if err == nil && !a.Room(sizeOf(list)) {
		err = tree.ErrNoRoom
	}
	if err != nil {
		return nil, st, err
	}
	if a.Without != nil {
		before := sizeOf(list)
		list = slices.DeleteFunc(list, func(e tree.Entry) bool { return a.Without(name, e) })
		a.Room(sizeOf(list) - before)
	}
	slices.SortFunc(list, func(x, y tree.Entry) int { return strings.Compare(x.Name, y.Name) })
	return list, st, nil
}

func (a *Archive) giveNames(list []tree.Entry) { a.Room(-sizeOf(list)) }

// sizeOf is about how many bytes a list takes.
func sizeOf(list []tree.Entry) int64 {
	size := int64(cap(list)) * 32
	for _, e := range list {
		size += int64(len(e.Name))
	}
	return size
}

// writer writes the entries of an archive.
type writer interface {
	// directory, link and file begin an entry; name has no slash at its end. What belongs to a file is written to what is
	// returned, as many bytes as its size.
	directory(name string, st tree.Status) error
	link(name, target string, st tree.Status) error
	file(name string, size int64, st tree.Status) (io.Writer, error)
	// Close writes the end.
	Close() error
}

// Write writes the archive. After an error it has no end.
func (a *Archive) Write(ctx context.Context, to io.Writer) error {
	buffered := bufio.NewWriterSize(to, 64<<10)
	w := a.Format.begin(buffered, a.Packed)
	if err := a.writeDirectory(ctx, w, a.Name, a.Top); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return buffered.Flush()
}

// writeDirectory writes a directory and all below it, by its name in the tree and that in the archive.
func (a *Archive) writeDirectory(ctx context.Context, w writer, name, as string) error {
	a.Disk.Enter()
	list, st, err := a.names(name)
	a.Disk.Leave()
	if err != nil {
		return a.leaveOut(name, err)
	}
	defer a.giveNames(list)
	if err := w.directory(as, st); err != nil {
		return err
	}
	for _, e := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		below, belowAs := path.Join(name, e.Name), as+"/"+e.Name
		switch {
		case e.Mode.IsDir():
			err = a.writeDirectory(ctx, w, below, belowAs)
		case e.Mode&fs.ModeSymlink != 0:
			err = a.writeLink(ctx, w, name, e.Name, belowAs)
		case e.Mode.IsRegular():
			err = a.writeFile(ctx, w, below, belowAs)
		}
		if err != nil {
			return err
		}
	}
	a.Disk.Enter()
	defer a.Disk.Leave()
	now, err := a.Tree.Look(name, true)
	if err != nil || now.Ino != st.Ino || now.Mtime != st.Mtime {
		return fmt.Errorf("%q: %w", name, message.ErrChanged)
	}
	return nil
}

// writeLink writes a link to a directory as the link that it is, and one to a file as that file. One that is not followed, or
// leads nowhere, is left out, as it is not served either.
func (a *Archive) writeLink(ctx context.Context, w writer, directory, link, as string) error {
	name := path.Join(directory, link)
	a.Disk.Enter()
	st, err := a.Tree.Stat(name)
	target := ""
	if err == nil && st.Mode.IsDir() {
		target, err = a.target(directory, link)
	}
	a.Disk.Leave()
	switch {
	case err != nil:
		return nil
	case st.Mode.IsDir():
		return w.link(as, target, st)
	case st.Mode.IsRegular():
		return a.writeFile(ctx, w, name, as)
	}
	return nil
}

func (a *Archive) target(directory, link string) (string, error) {
	d, _, err := a.Tree.OpenDir(directory)
	if err != nil {
		return "", err
	}
	defer d.Close()
	return d.Target(link)
}

// writeFile writes a file, which has to be there and to stay as it is.
func (a *Archive) writeFile(ctx context.Context, w writer, name, as string) error {
	a.Disk.Enter()
	section, st, err := a.Open(ctx, name)
	a.Disk.Leave()
	if err != nil {
		return a.leaveOut(name, err)
	}
	defer section.Close() // it was only read
	to, err := w.file(as, section.Length, st)
	if err != nil {
		return err
	}
	if _, err := section.WriteTo(to); err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	return nil
}

// leaveOut decides on what cannot be opened: what is not served is left out, and what was there a moment ago has changed.
func (a *Archive) leaveOut(name string, err error) error {
	if errors.Is(err, fs.ErrPermission) || tree.IsRefused(err) {
		a.Note(fmt.Sprintf("%q is not in the archive, as it cannot be read", name))
		return nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = message.ErrChanged
	}
	return fmt.Errorf("%q: %w", name, err)
}

// zipWriter writes a ZIP archive.
type zipWriter struct {
	w      *zip.Writer
	packed func(string) bool
	// level is that of the entry that is begun; fast and stored are its encoders.
	isPacked     bool
	fast, stored *flate.Writer
}

func beginZip(w io.Writer, packed func(string) bool) writer {
	z := &zipWriter{w: zip.NewWriter(w), packed: packed}
	z.w.RegisterCompressor(zip.Deflate, z.encoder)
	return z
}

// encoder returns the one encoder of each kind once more. What is packed already goes into blocks as it is.
func (z *zipWriter) encoder(w io.Writer) (io.WriteCloser, error) {
	used, level := &z.fast, flate.BestSpeed
	if z.isPacked {
		used, level = &z.stored, flate.NoCompression
	}
	if *used != nil {
		(*used).Reset(w)
		return *used, nil
	}
	var err error
	*used, err = flate.NewWriter(w, level)
	return *used, err
}

// head is that of an entry. Windows takes a backslash for a slash. What is in its place is the name of no other entry, or hardly.
func (z *zipWriter) head(name string, mode fs.FileMode, st tree.Status) *zip.FileHeader {
	head := &zip.FileHeader{Name: strings.ReplaceAll(name, `\`, "%5C"), Modified: inZip(st.Mtime.Time())}
	head.SetMode(mode)
	return head
}

// inZip is a time within those that a ZIP archive can have: from 1980 on, and up to 2^32-1 seconds after 1970.
func inZip(t time.Time) time.Time {
	first, last := time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC), time.Unix(1<<32-1, 0).UTC()
	switch t = t.UTC(); {
	case t.Before(first):
		return first
	case t.After(last):
		return last
	}
	return t
}

func (z *zipWriter) directory(name string, st tree.Status) error {
	_, err := z.w.CreateHeader(z.head(name+"/", fs.ModeDir|st.Mode.Perm(), st))
	return err
}

func (z *zipWriter) link(name, target string, st tree.Status) error {
	w, err := z.w.CreateHeader(z.head(name, fs.ModeSymlink|0o777, st))
	if err == nil {
		_, err = io.WriteString(w, target)
	}
	return err
}

func (z *zipWriter) file(name string, _ int64, st tree.Status) (io.Writer, error) {
	head := z.head(name, st.Mode.Perm(), st)
	head.Method = zip.Deflate
	z.isPacked = z.packed(name)
	return z.w.CreateHeader(head)
}

func (z *zipWriter) Close() error { return z.w.Close() }

// tarWriter writes a TAR archive within gzip.
type tarWriter struct {
	w    *tar.Writer
	gzip *gzip.Writer
}

func beginTar(w io.Writer, _ func(string) bool) writer {
	packed, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // never fails: the level is one
	return &tarWriter{tar.NewWriter(packed), packed}
}

func (t *tarWriter) head(kind byte, name string, mode fs.FileMode, st tree.Status) *tar.Header {
	return &tar.Header{Typeflag: kind, Name: name, Mode: int64(mode.Perm()), ModTime: time.Unix(st.Mtime.Sec, 0)}
}

func (t *tarWriter) directory(name string, st tree.Status) error {
	return t.w.WriteHeader(t.head(tar.TypeDir, name+"/", st.Mode, st))
}

func (t *tarWriter) link(name, target string, st tree.Status) error {
	head := t.head(tar.TypeSymlink, name, 0o777, st)
	head.Linkname = target
	return t.w.WriteHeader(head)
}

func (t *tarWriter) file(name string, size int64, st tree.Status) (io.Writer, error) {
	head := t.head(tar.TypeReg, name, st.Mode, st)
	head.Size = size
	return t.w, t.w.WriteHeader(head)
}

func (t *tarWriter) Close() error {
	if err := t.w.Close(); err != nil {
		return err
	}
	return t.gzip.Close()
}
