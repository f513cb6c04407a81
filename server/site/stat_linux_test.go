package site

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestStatAtOnceIsStat(t *testing.T) {
	dir := build(t, t.TempDir(), map[string]string{"file": "content", "empty": "", "dir/file": "other"})
	check(t, os.Symlink("dir/file", filepath.Join(dir, "link")))
	check(t, os.Symlink("nowhere", filepath.Join(dir, "dangling")))
	check(t, os.Chmod(filepath.Join(dir, "empty"), 0o640))
	check(t, os.Chtimes(filepath.Join(dir, "empty"), time.Time{}, time.Unix(-5, 7)))
	check(t, unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	if _, err := statAtOnce(dir, "file"); err == unix.ENOSYS || err == unix.EPERM || err == unix.EINVAL {
		t.Skipf("here is no RESOLVE_CACHED: %v", err)
	}
	for _, name := range []string{".", "file", "empty", "dir", "dir/file", "link", "fifo"} {
		var st unix.Stat_t
		check(t, statBelow(dir, name, &st))
		got, err := statAtOnce(dir, name)
		if want := newStatus(&st); err != nil || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", name, got, err, want)
		}
	}
	for _, name := range []string{"absent", "file/name", "dangling", "nul\x00", strings.Repeat("n", 1000)} {
		if st, err := statAtOnce(dir, name); err == nil {
			t.Errorf("%q: got %+v", name, st)
		}
	}
	if found, err := statAtOnce("/proc", "self/status"); err == nil {
		t.Logf("/proc: %+v", found)
	}
}

// TestStatAtOnceDoesNotWait mounts a file system that nobody answers for, in a mount namespace of its own.
func TestStatAtOnceDoesNotWait(t *testing.T) {
	runtime.LockOSThread() // for ever: the thread ends with the goroutine, and the namespace with it
	fuse, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("needs FUSE: %v", err)
	}
	defer fuse.Close()
	dir := build(t, t.TempDir(), map[string]string{"mounted/below": "", "file": ""})
	mounted := filepath.Join(dir, "mounted")
	err = unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS)
	if err == nil {
		err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	}
	if err == nil {
		options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", fuse.Fd())
		err = unix.Mount("nobody", mounted, "fuse", 0, options)
	}
	if err != nil {
		t.Skipf("needs the right to mount: %v", err)
	}
	// Without an answer a look would wait until the connection to the kernel is closed.
	released := time.AfterFunc(5*time.Second, func() {
		t.Error("it waited")
		fuse.Close()
	})
	for _, name := range []string{"mounted/below", "mounted/absent", "mounted/..", "mounted"} {
		// The root of the file system is in the kernel's memory, with a status that is not its own.
		if st, err := statAtOnce(dir, name); name == "mounted/below" && err != unix.EAGAIN {
			t.Errorf("%s: got %+v, %v, want EAGAIN", name, st, err)
		}
	}
	if _, err := statAtOnce(dir, "file"); err != nil {
		t.Errorf("beside it: %v", err)
	}
	if released.Stop() {
		check(t, unix.Unmount(mounted, unix.MNT_DETACH))
	}
}

func TestIsLocal(t *testing.T) {
	for _, c := range []struct {
		name  string
		local bool
	}{
		{"/proc/self/status", false},
		{"/sys/kernel", false},
		{"/dev/shm", true},
	} {
		fd, err := unix.Open(c.name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Logf("%s: %v", c.name, err)
			continue
		}
		defer unix.Close(fd)
		if got := (file{fd}).isLocal(); got != c.local {
			t.Errorf("%s: got %t", c.name, got)
		}
	}
	if noFile.isLocal() {
		t.Error("no file is local")
	}
}
