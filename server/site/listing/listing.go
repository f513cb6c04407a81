// Package listing reads what a directory holds, and makes the page that shows it: list_directory of 3.14.
package listing

import (
	"errors"
	"io/fs"
	"path"
	"strings"
	"unsafe"

	"github.com/previewd/previewd/server/site/tree"
)

// Directory is what a directory holds. It does not change. What it takes of a Room is its owner's to give back.
type Directory struct {
	// Status is that of the directory before its names were read.
	Status tree.Status
	// Entries are the names in the order in which they are shown. Mode of a link that leads to a directory has
	// fs.ModeDir too, as far as links are followed.
	Entries []tree.Entry
	// Links are the symbolic links among them.
	Links Links
	// Taken is how many bytes of the Room it takes.
	Taken int64
}

// Links are the symbolic links in a listing: their names, and whether they led to a directory.
type Links []link

type link struct {
	name  string
	isDir bool
}

// Clone returns the same links, which keep nothing else in memory.
func (l Links) Clone() Links {
	other := make(Links, len(l))
	for i, link := range l {
		other[i] = link
		other[i].name = strings.Clone(link.name)
	}
	return other
}

// Size is how many bytes of memory the links take.
func (l Links) Size() int {
	size := cap(l) * int(unsafe.Sizeof(link{}))
	for _, link := range l {
		size += len(link.name)
	}
	return size
}

// LeadAsBefore says whether each link in the directory still leads to a directory if it did.
func (l Links) LeadAsBefore(t *tree.Tree, directory string) bool {
	for _, link := range l {
		if leadsToDirectory(t, directory, link.name) != link.isDir {
			return false
		}
	}
	return true
}

// Read reads a directory. An error is one of t.ReadDir; then nothing of the room is taken.
func Read(t *tree.Tree, name string, room tree.Room) (_ *Directory, err error) {
	d := &Directory{}
	counted := func(n int64) bool {
		if !room(n) {
			return false
		}
		d.Taken += n
		return true
	}
	defer func() {
		if err != nil {
			room(-d.Taken)
		}
	}()
	if d.Entries, d.Status, err = t.ReadDir(name, counted); err != nil {
		return nil, err
	}
	for i := range d.Entries {
		e := &d.Entries[i]
		if e.Mode&fs.ModeSymlink == 0 {
			continue
		}
		l := link{e.Name, leadsToDirectory(t, name, e.Name)}
		if d.Links = append(d.Links, l); l.isDir {
			e.Mode |= fs.ModeDir
		}
	}
	if !counted(int64(cap(d.Links)) * int64(unsafe.Sizeof(link{}))) {
		return nil, tree.ErrNoRoom
	}
	// The order takes memory only while it is made.
	passing := int64(len(d.Entries)) * orderSize
	if !room(passing) {
		return nil, tree.ErrNoRoom
	}
	sortEntries(d.Entries)
	room(-passing)
	return d, nil
}

// IsNoRoom says whether a directory has more names than there is memory for.
func IsNoRoom(err error) bool { return errors.Is(err, tree.ErrNoRoom) }

// leadsToDirectory says whether a link in a directory leads to one, as far as links are followed.
func leadsToDirectory(t *tree.Tree, directory, name string) bool {
	st, err := t.Stat(path.Join(directory, name))
	return err == nil && st.Mode.IsDir()
}
