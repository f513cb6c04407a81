// Package archive makes an archive of a directory while it is sent: every file below it that the site would send, in the order
// of the bytes of their names. Whatever changes meanwhile ends it before its end, so that what looks whole is whole.
package archive

import (
	"context"
	"errors"
	"io"
	"path"
	"slices"
	"strings"

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
	// Note is told what is left out, and why.
	Note func(text string)

	leftOut int
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
