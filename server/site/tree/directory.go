package tree

import (
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
)

// Policy is a choice in Options.
type Policy string

// The choices for Options.Symlinks and Options.Hidden.
const (
	// SymlinksInside follows relative symbolic links while they stay inside the directory. One that leads
	// out is 404, and so is an absolute one wherever it leads.
	SymlinksInside Policy = "inside"
	// SymlinksFollow follows every symbolic link, as http.server does.
	SymlinksFollow Policy = "follow"
	// SymlinksDeny follows no symbolic link below the directory.
	SymlinksDeny Policy = "deny"

	// HiddenServe serves names that start with a dot, as http.server does.
	HiddenServe Policy = "serve"
	// HiddenDeny finds none of them and leaves them out of listings, but for .well-known (RFC 8615).
	HiddenDeny Policy = "deny"
)

// Options says which directory is open and what is found in it.
type Options struct {
	// Directory is a path, which may be a symbolic link that is switched while serving.
	Directory string
	// Symlinks is SymlinksInside (also if empty), SymlinksFollow or SymlinksDeny.
	Symlinks Policy
	// Hidden is HiddenServe (also if empty) or HiddenDeny.
	Hidden Policy
	// Reserved are names at the top that are for the server: no request finds them, and no listing shows them. Case does
	// not count, as it does not on every file system.
	Reserved []string
	// Settled is for a path that leads to the same directory as long as it is open: it is not looked whether it still does.
	Settled bool
	// Portable confines by os.Root also where the kernel could do it: what happens where openat2 is missing or
	// forbidden.
	Portable bool
}

// Directory is a directory by its path. It is opened when it is needed, and again when the path leads elsewhere.
// Its methods may be called by any number of goroutines at once.
type Directory struct {
	opts    Options
	within  *Directory // nil for one that is opened by its path
	name    string     // in within
	current atomic.Pointer[Tree]
	reopen  sync.Mutex // held while current is replaced
}

// New returns a Directory. It is looked at for the first time by Acquire or Ready.
func New(opts Options) *Directory { return &Directory{opts: opts} }

// Sub returns the Directory of a name in d, with the same options. How it may be reached is what they say of names in d:
// by links or not, as far as d confines. What is in it is confined to it.
func (d *Directory) Sub(name string) *Directory {
	opts := d.opts
	opts.Directory = filepath.Join(opts.Directory, filepath.FromSlash(name))
	return &Directory{opts: opts, within: d, name: name}
}

// Acquire returns the tree that the path names at this moment; the caller releases it. A link that was switched
// (git-sync, a ConfigMap) or a directory that came back is another tree.
func (d *Directory) Acquire() (*Tree, error) {
	// A request for a preview from a registry takes 0.95 of the processor time by this.
	if t := d.current.Load(); d.opts.Settled && t != nil && t.retain() {
		return t, nil
	}
	id, err := identify(d.opts.Directory)
	if err != nil {
		return nil, err
	}
	if t := d.current.Load(); t != nil && t.id.same(id) && t.retain() {
		return t, nil
	}
	return d.replace()
}

// replace opens the directory again, unless another goroutine has just done so.
func (d *Directory) replace() (*Tree, error) {
	d.reopen.Lock()
	defer d.reopen.Unlock()
	id, err := identify(d.opts.Directory)
	if err != nil {
		return nil, err
	}
	if t := d.current.Load(); t != nil && t.id.same(id) && t.retain() {
		return t, nil
	}
	opened, id, err := d.open()
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", d.opts.Directory, err)
	}
	t := &Tree{confined: opened, directory: d, id: id}
	t.users.Store(2)
	if old := d.current.Swap(t); old != nil {
		old.Release()
	}
	return t, nil
}

// open opens the directory. One in another is opened from there, so that the kernel confines the way to it.
func (d *Directory) open() (confined, identity, error) {
	if d.within == nil {
		open := open
		if d.opts.Portable {
			open = openPortable
		}
		return open(&d.opts)
	}
	above, err := d.within.Acquire()
	if err != nil {
		return nil, identity{}, err
	}
	defer above.Release()
	if err := above.hides(d.name); err != nil {
		return nil, identity{}, err
	}
	return above.confined.below(d.name, &d.opts)
}

// Unchanged says whether a file has the status that it is kept with, by one look below the path of the directory,
// wherever that leads by now. Where it cannot tell it says no.
func (d *Directory) Unchanged(name string, kept *Status) bool {
	t := d.current.Load()
	return t != nil && t.confined.unchanged(name, kept)
}

// IsOpen says whether the directory is open.
func (d *Directory) IsOpen() bool { return d.current.Load() != nil }

// Path returns the absolute path of a name below the directory.
func (d *Directory) Path(name string) (string, error) {
	// An absolute path, as the directory of http.server is by default: Abs fails only without a working
	// directory, and then a relative path leads nowhere either.
	directory, err := filepath.Abs(d.opts.Directory)
	return filepath.Join(directory, filepath.FromSlash(name)), err
}

// Close closes the directory once no request uses it. It may be used again afterwards.
func (d *Directory) Close() {
	d.reopen.Lock()
	defer d.reopen.Unlock()
	if old := d.current.Swap(nil); old != nil {
		old.Release()
	}
}
