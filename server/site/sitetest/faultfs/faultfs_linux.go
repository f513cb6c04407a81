package faultfs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// FS is a mounted file system.
type FS struct {
	// Dir is where it is mounted.
	Dir string

	device  *os.File
	nodes   []*node // by id
	serving sync.WaitGroup

	mu      sync.Mutex
	faults  map[Request]syscall.Errno
	hung    chan struct{}            // requests wait until it is closed; nil if they need not
	waiting map[uint64]chan struct{} // closed when whoever waits is interrupted
}

// Request is what is asked of a file system.
type Request string

// The requests that can fail.
const (
	Lookup  Request = "lookup" // a name in a directory
	Getattr Request = "getattr"
	Open    Request = "open"
	Read    Request = "read"
	Opendir Request = "opendir"
	Readdir Request = "readdir"
)

var requests = map[uint32]Request{opLookup: Lookup, opGetattr: Getattr, opOpen: Open, opRead: Read, opOpendir: Opendir, opReaddir: Readdir}

type node struct {
	id       uint64
	content  []byte
	modified time.Time
	children map[string]*node // nil for a file
}

// Mount mounts a file system with these files, by their paths, until the end of the test. They are old. The test is skipped
// where nothing can be mounted.
func Mount(t testing.TB, files map[string]string) *FS {
	t.Helper()
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skip("no FUSE here:", err)
	}
	f := &FS{Dir: t.TempDir(), faults: map[Request]syscall.Errno{}, waiting: map[uint64]chan struct{}{}}
	f.nodes = []*node{nil, {id: rootID, children: map[string]*node{}, modified: time.Unix(784111777, 0)}}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f.add(name, files[name])
	}
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fd)
	if err := unix.Mount("faultfs", f.Dir, "fuse", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		_ = unix.Close(fd)
		t.Skip("nothing can be mounted here:", err)
	}
	f.device = os.NewFile(uintptr(fd), "/dev/fuse") // not before: it can be waited for once it is mounted
	f.serving.Go(f.serve)
	f.refusePolls(t)
	t.Cleanup(func() {
		f.Resume()
		_ = unix.Unmount(f.Dir, unix.MNT_DETACH)
		_ = f.device.Close() // which ends what still waits for an answer, and serve
		f.serving.Wait()
	})
	return f
}

// refusePolls has the kernel ask for the first time whether a file can be polled, after which it does not ask again. Package
// os would have it ask in a system call that keeps all goroutines of a processor from running, this server's too.
func (f *FS) refusePolls(t testing.TB) {
	for name, n := range f.nodes[rootID].children {
		if n.children != nil {
			continue
		}
		fd, err := unix.Open(f.Dir+"/"+name, unix.O_RDONLY, 0)
		if err == nil {
			_, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
			_ = unix.Close(fd)
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
}

// add adds a file, and the directories that lead to it.
func (f *FS) add(name, content string) {
	at := f.nodes[rootID]
	for _, part := range strings.Split(path.Dir(name), "/") {
		if part == "." {
			continue
		}
		if at.children[part] == nil {
			f.child(at, part).children = map[string]*node{}
		}
		at = at.children[part]
	}
	f.child(at, path.Base(name)).content = []byte(content)
}

func (f *FS) child(of *node, name string) *node {
	n := &node{id: uint64(len(f.nodes)), modified: f.nodes[rootID].modified}
	f.nodes = append(f.nodes, n)
	of.children[name] = n
	return n
}

// Fail has requests of a kind fail from now on; 0 has them succeed again.
func (f *FS) Fail(r Request, errno syscall.Errno) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults[r] = errno
}

// FailAll is Fail for all kinds of requests.
func (f *FS) FailAll(errno syscall.Errno) {
	for _, r := range requests {
		f.Fail(r, errno)
	}
}

// Hang has all requests wait from now on until Resume.
func (f *FS) Hang() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hung == nil {
		f.hung = make(chan struct{})
	}
}

// Resume has all requests answered.
func (f *FS) Resume() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hung != nil {
		close(f.hung)
		f.hung = nil
	}
}

// Waiting is how many requests wait.
func (f *FS) Waiting() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.waiting)
}

// serve answers requests until the device is closed.
func (f *FS) serve() {
	buf := make([]byte, maxRequest)
	for {
		n, err := f.device.Read(buf)
		switch {
		case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
			continue // the request was interrupted
		case err != nil:
			return
		}
		switch r := parse(bytes.Clone(buf[:n])); r.op {
		case opForget, opBatchForget: // there is no answer to these
		case opInterrupt: // whoever waits is killed
			f.interrupt(native.Uint64(r.body))
		default:
			w := f.arrive(r)
			f.serving.Go(func() { f.handle(r, w) })
		}
	}
}

// wait is what a request waits for; nothing if hung is nil.
type wait struct{ hung, interrupted chan struct{} }

// arrive notes a request that is to wait.
func (f *FS) arrive(r request) wait {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hung == nil || requests[r.op] == "" {
		return wait{}
	}
	w := wait{f.hung, make(chan struct{})}
	f.waiting[r.unique] = w.interrupted
	return w
}

// handle answers one request.
func (f *FS) handle(r request, w wait) {
	errno := f.await(r, w)
	var body []byte
	if errno == 0 {
		body, errno = f.do(r)
	}
	_, _ = f.device.Write(answer(r.unique, errno, body)) // whoever asked may be gone
}

// await waits while requests hang, and returns the error that is set for this one.
func (f *FS) await(r request, w wait) syscall.Errno {
	if w.hung != nil {
		select {
		case <-w.hung:
		case <-w.interrupted:
			return unix.EINTR
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.waiting, r.unique)
	return f.faults[requests[r.op]]
}

// interrupt ends the wait of a request.
func (f *FS) interrupt(unique uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if interrupted := f.waiting[unique]; interrupted != nil {
		close(interrupted)
		delete(f.waiting, unique)
	}
}

func (f *FS) do(r request) ([]byte, syscall.Errno) {
	n := f.nodes[rootID]
	if r.node > 0 && r.node < uint64(len(f.nodes)) {
		n = f.nodes[r.node]
	}
	switch r.op {
	case opInit:
		return initAnswer(), 0
	case opLookup:
		child := n.children[string(bytes.TrimRight(r.body, "\x00"))]
		if child == nil {
			return nil, unix.ENOENT
		}
		return child.entry(), 0
	case opGetattr:
		return append(make([]byte, 16), n.attributes()...), 0
	case opOpen, opOpendir:
		return make([]byte, 16), 0
	case opRelease, opReleasedir:
		return nil, 0
	case opStatfs:
		return make([]byte, 80), 0
	case opRead:
		offset, size := native.Uint64(r.body[8:]), native.Uint32(r.body[16:])
		from := min(offset, uint64(len(n.content)))
		return n.content[from:min(from+uint64(size), uint64(len(n.content)))], 0
	case opReaddir:
		return n.list(native.Uint64(r.body[8:]), int(native.Uint32(r.body[16:]))), 0
	}
	return nil, unix.ENOSYS
}

// list is the names of a directory from an offset on, as many as fit in size bytes.
func (n *node) list(offset uint64, size int) (b []byte) {
	for i, name := range slices.Sorted(maps.Keys(n.children)) {
		if uint64(i) < offset {
			continue
		}
		mode := fs.FileMode(0)
		if n.children[name].children != nil {
			mode = fs.ModeDir
		}
		entry := direntry(n.children[name].id, uint64(i+1), name, mode)
		if len(b)+len(entry) > size {
			break
		}
		b = append(b, entry...)
	}
	return b
}
