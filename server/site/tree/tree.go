package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Tree is an open directory and all below it. Of links and hidden names it finds what Options allow; for what it
// refuses, see IsRefused. Its methods may be called by any number of goroutines at once.
type Tree struct {
	confined  confined
	directory *Directory
	id        identity
	users     atomic.Int64 // the Directory counts as one
}

// confined opens and looks within a directory. How far symbolic links are followed is settled when it is opened.
type confined interface {
	// open opens a file or directory for reading. It does not wait for the other end of a FIFO.
	open(name string) (File, Status, error)
	// stat looks at a file or directory, which need not be readable.
	stat(name string) (Status, error)
	// look is stat in the fastest way, wherever links lead. follow is unset for a link itself at the end of a name.
	look(name string, follow bool) (Status, error)
	// unchanged is Directory.Unchanged below the path that was opened; this may be closed. Where it cannot tell it
	// says no.
	unchanged(name string, kept *Status) bool
	// here looks at a name right in the directory, at a link itself.
	here(name string) (Status, error)
	// below opens a directory as one that confines to itself. opts are its own.
	below(name string, opts *Options) (confined, identity, error)
	close()
}

// Status is what is known of a file. Two are equal if nothing was written to it in between, but for writes within
// the granularity of the system's clock.
type Status struct {
	// Dev and Ino tell which file it is; zero where the system does not say.
	Dev, Ino     uint64
	Mode         fs.FileMode
	UID, GID     uint32
	Links        uint64 // names of the file, 0 where the system does not say
	Size         int64  // bytes
	Mtime, Ctime Instant
}

// Instant is a point in time as the file system gives it: seconds since 1970 and nanoseconds on top.
type Instant struct{ Sec, Nsec int64 }

// Time returns the instant as a time.Time.
func (t Instant) Time() time.Time { return time.Unix(t.Sec, t.Nsec) }

// Before says whether t is earlier.
func (t Instant) Before(other Instant) bool {
	return t.Sec < other.Sec || t.Sec == other.Sec && t.Nsec < other.Nsec
}

// Entry is a name in a directory. Mode holds its type only, fs.ModeIrregular if that is not known.
type Entry struct {
	Name string
	Mode fs.FileMode
}

// Release gives the tree back that Directory.Acquire returned.
func (t *Tree) Release() {
	if t.users.Add(-1) == 0 {
		t.confined.close()
	}
}

// retain is false if the tree is closed already.
func (t *Tree) retain() bool {
	for {
		n := t.users.Load()
		if n == 0 {
			return false
		}
		if t.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// Of returns the Directory that the tree is of.
func (t *Tree) Of() *Directory { return t.directory }

// LookHere looks at a name right in the directory, hidden or not, and at a link itself; "." is the directory.
func (t *Tree) LookHere(name string) (Status, error) { return t.confined.here(name) }

// Look looks at a name in the fastest way, wherever links lead: what is seen is only to be compared with what was
// opened. follow is unset for a link itself at the end of a name.
func (t *Tree) Look(name string, follow bool) (Status, error) {
	if err := t.hides(name); err != nil {
		return Status{}, err
	}
	return t.confined.look(name, follow)
}

// LookReserved is Look, links followed, for a name that may be a reserved one.
func (t *Tree) LookReserved(name string) (Status, error) {
	if t.directory.opts.Hidden == HiddenDeny && isHidden(name) {
		return Status{}, errHidden
	}
	return t.confined.look(name, true)
}

// Stat looks at a file or directory, which need not be readable.
func (t *Tree) Stat(name string) (Status, error) {
	if err := t.hides(name); err != nil {
		return Status{}, err
	}
	return t.confined.stat(name)
}

// Open opens a regular file for reading, and returns its status. The caller closes it.
func (t *Tree) Open(name string) (File, Status, error) {
	if err := t.hides(name); err != nil {
		return noFile, Status{}, err
	}
	return t.OpenReserved(name)
}

// OpenReserved is Open for a name that may be a reserved one.
func (t *Tree) OpenReserved(name string) (File, Status, error) {
	f, st, err := t.confined.open(name)
	if err == nil && !st.Mode.IsRegular() {
		f.Close()
		return noFile, st, notRegularError{st.Mode}
	}
	return f, st, err
}

// LeadsElsewhere says whether a name has come to lead to another file than the one with the status st, or to none, by
// one look below the path of the directory. The tree may be released already. Where it cannot tell it says no.
func (t *Tree) LeadsElsewhere(name string, st Status) bool {
	info, err := os.Stat(filepath.Join(t.directory.opts.Directory, filepath.FromSlash(name)))
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	now := statusOf(info)
	return now.Dev != st.Dev || now.Ino != st.Ino
}

// Room is asked for each so many bytes of memory that names take. Where there is none, it is false.
type Room func(bytes int64) bool

// ErrNoRoom is reported where a Room is used up.
var ErrNoRoom = errors.New("the names of the directory take more memory than there is for them")

// ReadDir returns the names in a directory with their types, without those that are hidden, in the order of the
// file system, and the status that the directory had before they were read.
func (t *Tree) ReadDir(name string, room Room) ([]Entry, Status, error) {
	d, st, err := t.OpenDir(name)
	if err != nil {
		return nil, st, err
	}
	defer d.Close()
	list, err := d.Entries(room)
	return list, st, err
}

// Dir is an open directory.
type Dir struct {
	tree *Tree
	name string
	f    File
}

// OpenDir opens a directory, and returns its status. The caller closes it.
func (t *Tree) OpenDir(name string) (*Dir, Status, error) {
	if err := t.hides(name); err != nil {
		return nil, Status{}, err
	}
	f, st, err := t.confined.open(name)
	if err != nil {
		return nil, st, err
	}
	return &Dir{t, name, f}, st, nil
}

// Close closes the directory.
func (d *Dir) Close() { d.f.Close() }

// Status returns the status of the directory.
func (d *Dir) Status() (Status, error) { return d.f.Status() }

// Entries reads the names, once, as ReadDir does.
func (d *Dir) Entries(room Room) ([]Entry, error) {
	list, err := d.f.entries(room)
	if err != nil {
		return nil, err
	}
	opts := &d.tree.directory.opts
	if opts.Hidden == HiddenDeny || d.name == "." && len(opts.Reserved) > 0 {
		list = slices.DeleteFunc(list, func(e Entry) bool {
			return opts.Hidden == HiddenDeny && isHidden(e.Name) || d.name == "." && d.tree.reserves(e.Name)
		})
	}
	return list, nil
}

// Look looks at a name in the directory: at a link itself, not at where it leads.
func (d *Dir) Look(name string) (Status, error) { return d.f.look(d, name) }

// Target returns where a link in the directory leads, as it is written in the link.
func (d *Dir) Target(name string) (string, error) { return d.f.target(d, name) }

// hides returns why a name is not found, whatever there is; nil for others.
func (t *Tree) hides(name string) error {
	if t.directory.opts.Hidden == HiddenDeny && isHidden(name) {
		return errHidden
	}
	if t.reserves(name) {
		return fs.ErrNotExist
	}
	return nil
}

func (t *Tree) reserves(name string) bool {
	for _, reserved := range t.directory.opts.Reserved {
		if len(name) == len(reserved) && strings.EqualFold(name, reserved) {
			return true
		}
	}
	return false
}

// isHidden says whether a part of a path starts with a dot and is not .well-known.
func isHidden(name string) bool {
	if name == "." || !strings.Contains(name, ".") {
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") && part != ".well-known" {
			return true
		}
	}
	return false
}

// maxLinks is how many symbolic links a name may lead through: MAXSYMLINKS of Linux.
const maxLinks = 40

// hidesPart says whether a part of where a link leads is hidden: as isHidden, but for Kubernetes' own names, through
// which the files of a volume are linked.
func hidesPart(part string) bool { return isHidden(part) && !isKubernetesOwn(part) }

// ofAtomicWriter is a name like ..2026_11_29_17_56_06.123456789: the time, and a random number.
var ofAtomicWriter = regexp.MustCompile(`^\.\.\d{4}_[\d_.]+$`)

// isKubernetesOwn says whether a name is that of a volume of a ConfigMap or the like (the kubelet's AtomicWriter):
// ..data, which leads to a directory that has the time for its name.
func isKubernetesOwn(part string) bool { return part == "..data" || ofAtomicWriter.MatchString(part) }

// What a tree refuses.
var (
	errLeadsOut      = errors.New("a symbolic link leads out of the directory")
	errLink          = errors.New("symbolic links are not followed")
	errLeadsToHidden = errors.New("a symbolic link leads to a hidden file")
	errHidden        = errors.New("the name is hidden")
)

// errDeleted is reported for a directory that is reached although it was deleted.
var errDeleted = errors.New("the directory has been deleted")

// IsRefused says whether a look-up failed for a policy, so that what was asked for may well exist.
func IsRefused(err error) bool {
	return errors.Is(err, errLeadsOut) || errors.Is(err, errLink) || errors.Is(err, errLeadsToHidden) || errors.Is(err, errHidden)
}

// notRegularError is a name that is there and no regular file.
type notRegularError struct{ mode fs.FileMode }

func (e notRegularError) Error() string { return fmt.Sprintf("not a regular file: %v", e.mode) }
