package tree

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/previewd/previewd/server/site/sitetest"
)

// Law: where no name is hidden, a walk finds what the kernel finds, by openat2 within the directory and by openat beyond it.
func TestAWalkFindsWhatTheKernelFinds(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	base := sitetest.Build(t, t.TempDir(), map[string]string{"out/f": "out", "out/d/f": "out", "out/back": "-> ../root/d", "root/f": "f", "root/d/f": "f",
		"root/d/e/f": "f", "root/d/e/..data": "-> ..2026_11_29_17_56_06.1", "root/d/e/..2026_11_29_17_56_06.1/f": "f"})
	root := filepath.Join(base, "root")
	parts := []string{"f", "d", "e", "..", ".", "l0", "l1", "l2", "l3", "l4", "..data", "", "none", "out", "root", "back"}
	name := func() string {
		var list []string
		for range 1 + r.IntN(5) {
			list = append(list, parts[r.IntN(len(parts))])
		}
		return strings.Join(list, "/")
	}
	for i := range 60 {
		target := name()
		if r.IntN(8) == 0 {
			target = path.Join(base, target)
		}
		if target == "" {
			target = "."
		}
		_ = os.Symlink(target, filepath.Join(root, []string{"", "d", "d/e"}[r.IntN(3)], fmt.Sprintf("l%d", i%5))) // most are there already
	}
	for _, policy := range []Policy{SymlinksInside, SymlinksFollow} {
		d := New(Options{Directory: root, Symlinks: policy, Hidden: HiddenDeny})
		defer d.Close()
		opened, err := d.Acquire()
		sitetest.Check(t, err)
		defer opened.Release()
		kernel, ok := opened.confined.(*kernelTree)
		if !ok {
			t.Skip("openat2 is missing or forbidden here")
		}
		portable, _, err := openPortable(&Options{Directory: root, Hidden: HiddenDeny})
		sitetest.Check(t, err)
		defer portable.close()
		found := 0
		for range 5000 {
			name := path.Clean("/" + name())[1:]
			if name == "" {
				name = "."
			}
			for _, flags := range []int{unix.O_PATH, unix.O_PATH | unix.O_NOFOLLOW, unix.O_RDONLY} {
				want := identityAt(kernel.openat2(name, uint64(flags), kernel.resolve))
				if got := identityAt(kernel.walk(name, flags)); got != want {
					t.Fatalf("SYMLINKS=%s, flags %#x: %q is %v, want %v", policy, flags, name, got, want)
				}
				if want != (identity{}) {
					found++
				}
			}
			if policy != SymlinksInside {
				continue
			}
			for _, follow := range []bool{true, false} {
				flags := uint64(unix.O_PATH)
				if !follow {
					flags |= unix.O_NOFOLLOW
				}
				want := identityAt(kernel.openat2(name, flags, kernel.resolve))
				st, err := portable.look(name, follow)
				if got := (identity{st.Dev, st.Ino}); got != want {
					t.Fatalf("os.Root, follow %v: %q is %v (%v), want %v", follow, name, got, err, want)
				}
			}
		}
		t.Logf("SYMLINKS=%s: %d of 15000 are found", policy, found)
		if found < 1000 {
			t.Errorf("SYMLINKS=%s: only %d of 15000 are found", policy, found)
		}
	}
}

// identityAt tells which file was opened, and closes it.
func identityAt(f File, err error) identity {
	if err != nil {
		return identity{}
	}
	defer f.Close()
	st, err := f.Status()
	if err != nil {
		return identity{}
	}
	return identity{st.Dev, st.Ino}
}
