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
	dir := build(t, t.TempDir(), map[string]string{"file": "content", "empty": "", "dir/file": "other",
		"link": "-> dir/file", "dangling": "-> nowhere"})
	check(t, os.Chmod(filepath.Join(dir, "empty"), 0o640))
	check(t, os.Chtimes(filepath.Join(dir, "empty"), time.Time{}, time.Unix(-5, 7)))
	check(t, unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	if !canLookAtOnce(dir) {
		t.Skip("needs RESOLVE_CACHED")
	}
	for _, name := range []string{".", "file", "empty", "dir", "dir/file", "link", "fifo"} {
		var st unix.Stat_t
		check(t, statBelow(dir, name, &st))
		got, err := calmly(dir, name)
		if want := newStatus(&st); err != nil || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", name, got, err, want)
		}
	}
	for _, name := range []string{"absent", "file/name", "dangling", "nul\x00", strings.Repeat("n", 1000)} {
		if st, err := statAtOnce(dir, name); err == nil {
			t.Errorf("%q: got %+v", name, st)
		}
	}
}

// canLookAtOnce says whether statAtOnce works in a directory: from Linux 5.12 on.
func canLookAtOnce(dir string) bool {
	_, err := calmly(dir, ".")
	return err == nil
}

// calmly is statAtOnce, again where something else on the machine is mounted or renamed.
func calmly(dir, name string) (st status, err error) {
	for range 100 {
		if st, err = statAtOnce(dir, name); err != unix.EAGAIN {
			break
		}
		time.Sleep(time.Millisecond)
	}
	return st, err
}

func TestIsLocal(t *testing.T) {
	for magic, want := range map[uint32]bool{
		unix.EXT4_SUPER_MAGIC: true, unix.XFS_SUPER_MAGIC: true, unix.BTRFS_SUPER_MAGIC: true, unix.TMPFS_MAGIC: true,
		unix.OVERLAYFS_SUPER_MAGIC: false, unix.FUSE_SUPER_MAGIC: false, unix.NFS_SUPER_MAGIC: false, unix.V9FS_MAGIC: false,
		unix.SMB2_SUPER_MAGIC: false, unix.CEPH_SUPER_MAGIC: false, unix.AFS_SUPER_MAGIC: false, unix.PROC_SUPER_MAGIC: false, 0: false,
	} {
		if got := isLocal(magic); got != want {
			t.Errorf("%#x: got %t", magic, got)
		}
	}
}

// mountNamespace gives the goroutine a mount namespace of its own, in which mounts end with it.
func mountNamespace(t *testing.T) {
	t.Helper()
	runtime.LockOSThread() // for ever: the thread ends with the goroutine
	err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS)
	if err == nil {
		err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	}
	if err != nil {
		t.Skipf("needs the right to mount: %v", err)
	}
}

// TestStatAtOnceDoesNotWait mounts a file system that nobody answers for.
func TestStatAtOnceDoesNotWait(t *testing.T) {
	// A look that waits keeps its processor, and another has to end it.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0))))
	dir := build(t, t.TempDir(), map[string]string{"mounted/below": "", "file": ""})
	if !canLookAtOnce(dir) {
		t.Skip("needs RESOLVE_CACHED")
	}
	fuse, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("needs FUSE: %v", err)
	}
	defer fuse.Close()
	mountNamespace(t)
	mounted := filepath.Join(dir, "mounted")
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", fuse.Fd())
	if err := unix.Mount("nobody", mounted, "fuse", 0, options); err != nil {
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
	if _, err := calmly(dir, "file"); err != nil {
		t.Errorf("beside it: %v", err)
	}
	if released.Stop() {
		check(t, unix.Unmount(mounted, unix.MNT_DETACH))
	}
}

// TestAnOverlayIsNotLocal, as its layers may be on a file system that others change.
func TestAnOverlayIsNotLocal(t *testing.T) {
	dir := build(t, t.TempDir(), map[string]string{"lower/file": "", "other/file": "", "merged/": ""})
	mountNamespace(t)
	merged := filepath.Join(dir, "merged")
	options := "lowerdir=" + filepath.Join(dir, "lower") + ":" + filepath.Join(dir, "other")
	if err := unix.Mount("overlay", merged, "overlay", unix.MS_RDONLY, options); err != nil {
		t.Skipf("needs an overlay: %v", err)
	}
	opened, _, err := openTree(&Options{Directory: merged})
	check(t, err)
	if tree, ok := opened.(*kernelTree); ok && tree.atOnce != nil {
		t.Error("it is looked at at once")
	}
	opened.close()
	check(t, unix.Unmount(merged, 0))
}
