package confine

import (
	"os"
	"path/filepath"

	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/sys/unix"
)

// Access rights, by their names in landlock(7).
const (
	readFile landlock.AccessFSSet = unix.LANDLOCK_ACCESS_FS_READ_FILE
	readTree landlock.AccessFSSet = readFile | unix.LANDLOCK_ACCESS_FS_READ_DIR
	// refer is the right to move a file to another directory, or link it there. Both directories need it.
	refer landlock.AccessFSSet = unix.LANDLOCK_ACCESS_FS_REFER
	// special are rights that come with no directory: to run a program, to move a file to another directory, to steer a
	// device, and to connect to a Unix socket.
	special landlock.AccessFSSet = unix.LANDLOCK_ACCESS_FS_EXECUTE | refer |
		unix.LANDLOCK_ACCESS_FS_IOCTL_DEV | unix.LANDLOCK_ACCESS_FS_RESOLVE_UNIX
	bindTCP             landlock.AccessNetSet = unix.LANDLOCK_ACCESS_NET_BIND_TCP
	abstractUnixSockets landlock.ScopedSet    = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET
)

// dns is the port of name servers.
const dns = 53

// rules are what is to be in force, as a value. The paths have no links in them.
type rules struct {
	handled landlock.Config // all that is refused unless something below allows it
	trees   []string        // below which files may be read and directories listed
	files   []string        // which may be read, or directories below which files may be
	state   []string        // below which everything may be read and written
	store   []string        // below which everything may be moved too
	connect []uint16        // TCP ports
	resolve bool            // names, over UDP and TCP
}

// plan makes the rules of the options. Of the scopes only that of abstract Unix sockets is used: before ABI 8 each
// thread has a domain of its own, and signals could not reach a program that another thread has started.
func plan(o Options) (rules, error) {
	if o.Scripts {
		return rules{handled: landlock.Config{HandledAccessNet: bindTCP}}, nil
	}
	r := rules{
		handled: landlock.Config{HandledAccessFS: landlock.V11.HandledAccessFS, HandledAccessNet: landlock.V11.HandledAccessNet, Scoped: abstractUnixSockets},
		connect: o.Connect,
		resolve: len(o.Connect) > 0,
	}
	for _, directory := range o.State {
		if directory != "" {
			r.state = append(r.state, directory)
		}
	}
	if o.Store != "" {
		r.store = []string{o.Store}
	}
	if o.ReadAll {
		r.handled.HandledAccessFS &^= readTree
		return r, nil
	}
	if o.Directory != "" {
		var err error
		if r.trees, err = around(o.Directory); err != nil {
			return rules{}, err
		}
	}
	if r.resolve {
		r.files = resolving()
	}
	for _, file := range o.Files {
		// A pipe, as of <(command), is read once.
		if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() {
			continue
		}
		list, err := around(file)
		if err != nil {
			return rules{}, err
		}
		r.files = append(r.files, list...)
	}
	r.files = withoutInner(r.files)
	return r, nil
}

// resolving are the files that Go's resolver reads again and again: the files themselves, and the directory of one that
// is elsewhere, as that of systemd-resolved. For one in /etc to be replaced, all of /etc would have to be readable.
func resolving() (paths []string) {
	for _, file := range []string{"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"} {
		real, err := filepath.EvalSymlinks(file)
		if err != nil {
			continue
		}
		paths = append(paths, real)
		if directory := filepath.Dir(real); directory != "/etc" && directory != "/" {
			paths = append(paths, directory)
		}
	}
	return paths
}

// system is what the program itself reads while it serves: the figures of its metrics and limits, the bounds of socket
// buffers, and whether it has a terminal. Of /proc it is these and not all: others' command lines are there too.
func system() (trees, files []string) {
	return []string{"/proc/self", "/sys/fs/cgroup"},
		[]string{"/proc/stat", "/proc/sys/net/ipv4/tcp_rmem", "/proc/sys/net/ipv4/tcp_wmem", "/dev/tty"}
}

// landlock are the rules as Landlock's.
func (r rules) landlock() (list []landlock.Rule) {
	for _, port := range r.connect {
		list = append(list, landlock.ConnectTCP(port))
	}
	if r.resolve {
		list = append(list, landlock.ConnectTCP(dns), landlock.ConnectSendUDP(dns), landlock.BindUDP(0))
	}
	if len(r.state) > 0 {
		list = append(list, landlock.PathAccess(r.handled.HandledAccessFS&^special, r.state...))
	}
	if len(r.store) > 0 {
		list = append(list, landlock.PathAccess(r.handled.HandledAccessFS&^special|refer, r.store...))
	}
	if r.handled.HandledAccessFS&readTree == 0 {
		return list
	}
	trees, files := system()
	return append(list, landlock.PathAccess(readTree, r.trees...),
		landlock.PathAccess(readFile, r.files...).IgnoreIfMissing(),
		landlock.PathAccess(readTree, trees...).IgnoreIfMissing(),
		landlock.PathAccess(readFile, files...).IgnoreIfMissing())
}
