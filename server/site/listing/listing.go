// Package listing reads what a directory holds, and makes the page that shows it: list_directory of 3.14.
package listing

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unsafe"

	"github.com/previewd/previewd/server/site/tree"
)

// Directory is what a directory holds. It does not change. What it takes of a Room is its owner's to give back.
type Directory struct {
	// Status is that of the directory before its names were read.
	Status tree.Status
	// Entries are the names in the order in which they are shown. Mode of a link that leads to a directory has
	// fs.ModeDir too, as far as links are followed, and of one that leads to nothing that is served fs.ModeIrregular.
	Entries []tree.Entry
	// Details are what else is shown of the entries, nil if that is nothing.
	Details []Detail
	// Links are the symbolic links among them.
	Links Links
	// Taken is how many bytes of the Room it takes.
	Taken int64
}

// Detail is what is shown of an entry beside its name: of a link what is shown of the file that it leads to.
type Detail struct {
	Size  int64
	Mtime tree.Instant
	// Target is where a link leads, where that may be told.
	Target string
	// Refused is set for a link that is not followed for a policy.
	Refused bool
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

// Options say what is read of a directory.
type Options struct {
	// Room is where the names are put.
	Room tree.Room
	// Natural puts directories first and numbers in the order of their values; else the order is that of http.server.
	Natural bool
	// Detailed is up to how many names of which the details are read: each entry is looked at.
	Detailed int
	// Before are the names as they were read before, nil if they were not. They are taken while the directory has the same
	// status, which says that no name has come or gone.
	Before *Names
}

// Names are those of a directory in the order in which they were shown.
type Names struct {
	status  tree.Status
	entries []tree.Entry
}

// Names returns the names of a directory whose status tells any change of them.
func (d *Directory) Names() *Names { return &Names{d.Status, slices.Clone(d.Entries)} }

// Status is that of the directory when the names were read, zero for no names.
func (n *Names) Status() (st tree.Status) {
	if n != nil {
		st = n.status
	}
	return st
}

// NamesSize is how many bytes of memory Names takes.
func (d *Directory) NamesSize() int {
	size := len(d.Entries) * int(unsafe.Sizeof(tree.Entry{}))
	for _, e := range d.Entries {
		size += len(e.Name)
	}
	return size
}

// take makes the names those of a directory, if it has the status that they were read with. Where links lead is to be seen again.
func (n *Names) take(d *Directory, room tree.Room) (isTaken bool, err error) {
	if n == nil || n.status != d.Status {
		return false, nil
	}
	size := int64(0)
	for _, e := range n.entries {
		size += int64(unsafe.Sizeof(e)) + int64(len(e.Name))
	}
	if !room(size) {
		return false, tree.ErrNoRoom
	}
	d.Entries = slices.Clone(n.entries)
	for i, e := range d.Entries {
		if e.Mode&fs.ModeSymlink != 0 {
			d.Entries[i].Mode = fs.ModeSymlink
		}
	}
	return true, nil
}

// isOrderOf says whether a directory has the same names, and the same directories among them.
func (n *Names) isOrderOf(d *Directory) bool {
	return slices.EqualFunc(n.entries, d.Entries, func(a, b tree.Entry) bool { return a.Name == b.Name && a.Mode.IsDir() == b.Mode.IsDir() })
}

// Read reads a directory. An error is one of t.ReadDir; then nothing of the room is taken.
func Read(t *tree.Tree, name string, opts Options) (_ *Directory, err error) {
	d := &Directory{}
	take := func(n int64) bool {
		if !opts.Room(n) {
			return false
		}
		d.Taken += n
		return true
	}
	defer func() {
		if err != nil {
			opts.Room(-d.Taken)
		}
	}()
	open, st, err := t.OpenDir(name)
	if err != nil {
		return nil, err
	}
	defer open.Close()
	d.Status = st
	known, err := opts.Before.take(d, take)
	if err == nil && !known {
		d.Entries, err = open.Entries(take)
	}
	if err != nil {
		return nil, err
	}
	if len(d.Entries) <= opts.Detailed {
		if !take(int64(len(d.Entries)) * int64(unsafe.Sizeof(Detail{}))) {
			return nil, tree.ErrNoRoom
		}
		d.addDetails(open)
	}
	for i := range d.Entries {
		if d.Entries[i].Mode&fs.ModeSymlink != 0 {
			d.follow(t, name, i)
		}
	}
	if !take(int64(d.Links.Size())) {
		return nil, tree.ErrNoRoom
	}
	if known && opts.Before.isOrderOf(d) {
		return d, nil
	}
	// The order takes memory only while it is made.
	passing := int64(len(d.Entries)) * orderSize
	if !opts.Room(passing) {
		return nil, tree.ErrNoRoom
	}
	if opts.Natural {
		sortNaturally(d)
	} else {
		sortEntries(d.Entries)
	}
	opts.Room(-passing)
	return d, nil
}

// addDetails looks at each entry. One that is gone by now is left out.
func (d *Directory) addDetails(open *tree.Dir) {
	kept := d.Entries[:0]
	d.Details = make([]Detail, 0, len(d.Entries))
	for _, e := range d.Entries {
		st, err := open.Look(e.Name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		detail := Detail{Size: st.Size, Mtime: st.Mtime}
		if err == nil {
			e.Mode = st.Mode.Type()
		}
		if e.Mode&fs.ModeSymlink != 0 {
			// Where an absolute link leads is the operator's business.
			if target, err := open.Target(e.Name); err == nil && !strings.HasPrefix(target, "/") {
				detail.Target = target
			}
		}
		kept, d.Details = append(kept, e), append(d.Details, detail)
	}
	d.Entries = kept
}

// follow looks where a link leads.
func (d *Directory) follow(t *tree.Tree, name string, i int) {
	e := &d.Entries[i]
	st, err := t.Stat(path.Join(name, e.Name))
	switch {
	case err == nil && st.Mode.IsDir():
		e.Mode |= fs.ModeDir
	case err != nil || !st.Mode.IsRegular():
		e.Mode |= fs.ModeIrregular
	}
	d.Links = append(d.Links, link{e.Name, e.Mode.IsDir()})
	if d.Details == nil {
		return
	}
	detail := &d.Details[i]
	if err == nil {
		detail.Size, detail.Mtime = st.Size, st.Mtime
	}
	if detail.Refused = tree.IsRefused(err); detail.Refused {
		detail.Target = ""
	}
}

// Sum tells what is shown of the directory, and texts beside it, from anything else that might be.
func (d *Directory) Sum(beside ...string) [sha256.Size]byte {
	hash := sha256.New()
	var b []byte
	for _, text := range beside {
		b = append(binary.LittleEndian.AppendUint64(b, uint64(len(text))), text...)
	}
	for i, e := range d.Entries {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(e.Name)))
		b = binary.LittleEndian.AppendUint32(append(b, e.Name...), uint32(e.Mode))
		if d.Details != nil {
			detail := &d.Details[i]
			for _, n := range []int64{detail.Size, detail.Mtime.Sec, detail.Mtime.Nsec, int64(len(detail.Target))} {
				b = binary.LittleEndian.AppendUint64(b, uint64(n))
			}
			b = append(b, detail.Target...)
			if detail.Refused {
				b = append(b, 1)
			}
		}
		if len(b) >= pieceSize {
			_, _ = hash.Write(b) // never fails: hash.Hash
			b = b[:0]
		}
	}
	_, _ = hash.Write(b)
	return [sha256.Size]byte(hash.Sum(nil))
}

// IsNoRoom says whether a directory has more names than there is memory for.
func IsNoRoom(err error) bool { return errors.Is(err, tree.ErrNoRoom) }

// leadsToDirectory says whether a link in a directory leads to one, as far as links are followed.
func leadsToDirectory(t *tree.Tree, directory, name string) bool {
	st, err := t.Stat(path.Join(directory, name))
	return err == nil && st.Mode.IsDir()
}
