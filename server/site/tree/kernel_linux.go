package tree

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

// kernelTree confines by openat2(2), so that there is nothing to race with.
type kernelTree struct {
	path    string // Directory
	fd      int
	resolve uint64 // RESOLVE_ flags; 0 leaves links to the kernel's usual rules
	hidden  bool   // links to hidden names are refused
}

// openTree opens the directory without asking for the right to read it: files in one that may only be
// searched are served. Where openat2 is missing or forbidden (seccomp filters of old container engines)
// it falls back to os.Root.
func open(opts *Options) (confined, identity, error) {
	fd, err := unix.Open(opts.Directory, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, identity{}, err
	}
	st, err := (File{fd}).Status()
	if err != nil {
		unix.Close(fd)
		return nil, identity{}, err
	}
	t := &kernelTree{path: opts.Directory, fd: fd, hidden: opts.Hidden == HiddenDeny}
	switch opts.Symlinks {
	case SymlinksFollow:
		return t, identity{st.Dev, st.Ino}, nil
	case SymlinksDeny:
		t.resolve = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_SYMLINKS
	default:
		t.resolve = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS
	}
	if _, err = t.stat("."); err == unix.ENOSYS || err == unix.EPERM {
		t.close()
		return openPortable(opts)
	}
	return t, identity{st.Dev, st.Ino}, nil
}

func (t *kernelTree) here(name string) (Status, error) {
	var st unix.Stat_t
	if err := fstatat(t.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return Status{}, err
	}
	return newStatus(&st), nil
}

func (t *kernelTree) below(name string, opts *Options) (confined, identity, error) {
	f, st, err := t.openStatus(name, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return nil, identity{}, err
	}
	if !st.Mode.IsDir() {
		f.Close()
		return nil, identity{}, unix.ENOTDIR
	}
	return &kernelTree{path: opts.Directory, fd: f.fd, resolve: t.resolve, hidden: t.hidden}, identity{st.Dev, st.Ino}, nil
}

func (t *kernelTree) close() { unix.Close(t.fd) }

func (t *kernelTree) open(name string) (File, Status, error) {
	// Opening a FIFO, even without blocking, lets a writer through who then finds nobody there (SIGPIPE), and
	// devices have effects of their own: what is known to be neither file nor directory is not opened.
	if seen, err := t.look(name, true); err == nil && !seen.Mode.IsRegular() && !seen.Mode.IsDir() {
		st, err := t.stat(name)
		return noFile, st, err
	}
	return t.openStatus(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY)
}

func (t *kernelTree) stat(name string) (Status, error) { return t.statFlags(name, unix.O_PATH) }

func (t *kernelTree) statFlags(name string, flags uint64) (Status, error) {
	f, st, err := t.openStatus(name, flags)
	if err == nil {
		f.Close()
	}
	return st, err
}

func (t *kernelTree) look(name string, follow bool) (Status, error) {
	if t.hidden { // where a link leads counts
		if follow {
			return t.stat(name)
		}
		return t.statFlags(name, unix.O_PATH|unix.O_NOFOLLOW)
	}
	flags := 0
	if !follow {
		flags = unix.AT_SYMLINK_NOFOLLOW
	}
	var st unix.Stat_t
	if err := fstatat(t.fd, name, &st, flags); err != nil {
		return Status{}, err
	}
	return newStatus(&st), nil
}

func (t *kernelTree) unchanged(name string, kept *Status) bool {
	if t.hidden {
		return t.unchangedBesideLinks(name, kept)
	}
	var st unix.Stat_t
	return statBelow(t.path, name, &st) == nil && newStatus(&st) == *kept
}

// unchangedBesideLinks says no wherever there is a link on the way, in three calls: it may lead to a hidden name by now.
func (t *kernelTree) unchangedBesideLinks(name string, kept *Status) bool {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS}
	fd, err := unix.Openat2(unix.AT_FDCWD, t.path+"/"+name, &how)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	st, err := File{fd}.Status()
	return err == nil && st == *kept
}

func (t *kernelTree) openStatus(name string, flags uint64) (File, Status, error) {
	f, err := t.openat(name, flags)
	if err != nil {
		return noFile, Status{}, err
	}
	st, err := f.Status()
	if err != nil {
		f.Close()
		return noFile, Status{}, err
	}
	return f, st, nil
}

// openat opens a name as far as links may be followed. If hidden names are refused a path with a link
// in it is walked, as each name that it leads through has to be looked at.
func (t *kernelTree) openat(name string, flags uint64) (File, error) {
	if !t.hidden {
		return t.openat2(name, flags, t.resolve)
	}
	f, err := t.openat2(name, flags, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_MAGICLINKS|unix.RESOLVE_NO_SYMLINKS)
	linked := err == errLink || err == unix.ENOSYS || err == unix.EPERM
	if !linked || t.resolve&unix.RESOLVE_NO_SYMLINKS != 0 {
		return f, err
	}
	return t.walk(name, int(flags))
}

// maxRaced bounds the attempts of openat2, which gives up when a rename or mount anywhere interferes
// with a path that has .. in a link; openat2(2) leaves repeating to the caller.
const maxRaced = 1000

func (t *kernelTree) openat2(name string, flags, resolve uint64) (File, error) {
	how := unix.OpenHow{Flags: flags | unix.O_CLOEXEC | unix.O_LARGEFILE, Resolve: resolve}
	var fd int
	var err error
	for range maxRaced {
		if resolve == 0 {
			fd, err = unix.Openat(t.fd, name, int(how.Flags), 0)
		} else {
			fd, err = unix.Openat2(t.fd, name, &how)
		}
		if err != unix.EAGAIN && err != unix.EINTR {
			break
		}
	}
	switch {
	case err == unix.EXDEV:
		return noFile, errLeadsOut
	case err == unix.ELOOP && resolve&unix.RESOLVE_NO_SYMLINKS != 0:
		return noFile, errLink
	case err != nil:
		return noFile, err
	}
	return File{fd}, nil
}

// identity tells whether Directory is still the one that is open.
type identity struct{ dev, ino uint64 }

func (id identity) same(other identity) bool { return id == other }

func identify(dir string) (identity, error) {
	var st unix.Stat_t
	if err := fstatat(unix.AT_FDCWD, dir, &st, 0); err != nil {
		return identity{}, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return identity{}, &fs.PathError{Op: "opening", Path: dir, Err: unix.ENOTDIR}
	}
	if st.Nlink == 0 && isEmpty(dir) { // some file systems count no links
		return identity{}, errDeleted
	}
	return identity{uint64(st.Dev), st.Ino}, nil
}

// isKeptOut says whether a path that could not be opened may be read by its rights: Landlock checks the opening of files,
// and not access(2).
func isKeptOut(path string) bool {
	allows := func(path string) error { return unix.Faccessat(unix.AT_FDCWD, path, unix.R_OK, unix.AT_EACCESS) }
	if allows(path) != nil {
		return false
	}
	err := allows(path + "/.") // a directory has to be searched too
	return err == nil || err == unix.ENOTDIR
}

// isEmpty says whether a directory is known to hold nothing. One that was deleted has not even itself in it (ENOENT).
func isEmpty(dir string) bool {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	buf := make([]byte, 4<<10)
	n, err := unix.Getdents(fd, buf)
	if err != nil {
		return err == unix.ENOENT
	}
	found, _ := File{fd}.appendEntries(nil, nil, buf[:n])
	return len(found) == 0
}
