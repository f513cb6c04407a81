package store

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/landlock-lsm/go-landlock/landlock"
	landlocksyscall "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// The tests run this binary as another process: what it does is programs[its variable].
func TestMain(m *testing.M) {
	if program := os.Getenv("STORE_TEST_PROGRAM"); program != "" {
		if err := programs[program](os.Getenv("STORE_TEST_DIRECTORY")); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

var programs = map[string]func(directory string) error{"hold": holdStore, "busy": keepBusy, "confined": useConfined}

func program(t *testing.T, name, directory string) *exec.Cmd {
	t.Helper()
	c := exec.CommandContext(t.Context(), "/proc/self/exe")
	c.Env = append(os.Environ(), "STORE_TEST_PROGRAM="+name, "STORE_TEST_DIRECTORY="+directory)
	return c
}

// startProgram starts a program, and returns when it says that it is ready.
func startProgram(t *testing.T, name, directory string) *exec.Cmd {
	t.Helper()
	c := program(t, name, directory)
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	return c
}

// kill ends a program as the kernel ends one that has too much memory.
func kill(t *testing.T, c *exec.Cmd) {
	t.Helper()
	check(t, c.Process.Kill())
	_ = c.Wait() // it was killed
}

func holdStore(directory string) error {
	if _, err := Open(directory, 16<<20); err != nil {
		return err
	}
	fmt.Println("ready")
	select {}
}

// TestTheLockEndsWithItsProcess, also when that is killed.
func TestTheLockEndsWithItsProcess(t *testing.T) {
	directory := t.TempDir()
	c := startProgram(t, "hold", directory)
	if _, err := Open(directory, 16<<20); err == nil || !strings.Contains(err.Error(), "another process uses it: each process needs a PREVIEWS_STORE of its own") {
		t.Errorf("got %v", err)
	}
	if out, err := program(t, "hold", directory).Output(); err == nil || !strings.Contains(string(out), "another process uses it") {
		t.Errorf("a third process: %q, %v", out, err)
	}
	kill(t, c)
	check(t, mustOpen(t, directory, 16<<20).Close())
}

// The files of a build of keepBusy have its word as their content, and there are as many as Meta.Files says.
func busyBuild(word string, files int) func(*os.Root, func(int64) error) (Meta, error) {
	return func(into *os.Root, grow func(int64) error) (Meta, error) {
		for i := range files {
			if err := grow(block); err != nil {
				return Meta{}, err
			}
			if err := into.WriteFile(fmt.Sprint(i), []byte(word), 0o644); err != nil {
				return Meta{}, err
			}
		}
		return Meta{Files: files}, nil
	}
}

// busyLimit has room for some builds, so that others are removed all the time.
const busyLimit = 1 << 20

func keepBusy(directory string) error {
	s, err := Open(directory, busyLimit)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	ctx := context.Background()
	for {
		word := fmt.Sprint(rand.IntN(40))
		b, err := s.Add(ctx, digestOf(word), busyBuild(word, 1+rand.IntN(40)))
		if err != nil {
			return err
		}
		content := strings.Repeat(word+"\n", 8000)
		blob, err := s.Blob(ctx, digestOf(content), int64(len(content)), bytesOf(content), nil)
		if err != nil {
			return err
		}
		if err := s.Remember(map[string]string{word: digestOf(word)}); err != nil {
			return err
		}
		b.Release()
		blob.Release()
	}
}

// TestAProcessThatIsKilled at any time leaves whole builds, whole blobs and whole tags, and nothing else that stays.
func TestAProcessThatIsKilled(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "store")
	for range 12 {
		c := startProgram(t, "busy", directory)
		time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond) // any time is one at which it may be killed
		kill(t, c)
		before := names(t, directory+"/builds")
		s := mustOpen(t, directory, busyLimit)
		if bytes, limit, builds := s.Counts(); bytes > limit || builds != len(before) || len(names(t, directory+"/staging")) > 0 {
			t.Errorf("%d bytes of %d, %d builds of %q, in staging %q", bytes, limit, builds, before, names(t, directory+"/staging"))
		}
		for i := range 40 {
			word := fmt.Sprint(i)
			if b, here := s.Use(digestOf(word)); here {
				whole(t, directory, b, word)
				b.Release()
			}
			content := strings.Repeat(word+"\n", 8000)
			if got, err := os.ReadFile(filepath.Join(directory, "blobs", nameOf(content))); err == nil && string(got) != content {
				t.Errorf("blob %s has %d bytes, want %d", word, len(got), len(content))
			}
		}
		if text, err := os.ReadFile(directory + "/tags.json"); err == nil && len(s.Remembered()) != 1 {
			t.Errorf("the tags are %q", text)
		}
		check(t, s.Close())
	}
}

// whole checks that a build of busyBuild is.
func whole(t *testing.T, directory string, b *Build, word string) {
	t.Helper()
	site := filepath.Join(directory, b.Directory)
	if got := len(names(t, site)); got != b.Meta.Files {
		t.Errorf("build %s has %d files, want %d", word, got, b.Meta.Files)
	}
	for _, name := range names(t, site) {
		if got, err := os.ReadFile(filepath.Join(site, name)); string(got) != word || err != nil {
			t.Errorf("build %s: %s is %q, %v", word, name, got, err)
		}
	}
}

// mount mounts a file system in memory of so many pages, until the end of the test.
func mount(t *testing.T, pages int) string {
	t.Helper()
	directory := t.TempDir()
	if err := unix.Mount("tmpfs", directory, "tmpfs", 0, fmt.Sprintf("size=%d", pages*os.Getpagesize())); err != nil {
		t.Skip("nothing can be mounted here:", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(directory, unix.MNT_DETACH) })
	return directory
}

// TestAFullDisk: whichever page is the one that is not there any more, the error says so, what is here stays, and nothing is left
// of what failed.
func TestAFullDisk(t *testing.T) {
	const pages = 64
	top := mount(t, pages)
	directory := filepath.Join(top, "store")
	s := mustOpen(t, directory, 1<<30)
	old := mustAdd(t, s, "old", 100, 5000)
	check(t, s.Remember(map[string]string{"old": digestOf("old")}))
	before, _, _ := s.Counts()
	content := strings.Repeat("x", 5*os.Getpagesize())
	failed := map[string]int{}
	clean := func(free int, what string, err error) {
		t.Helper()
		if err == nil {
			return
		}
		failed[what]++
		if !errors.Is(err, unix.ENOSPC) || errors.Is(err, ErrNoRoom) {
			t.Errorf("%d pages free, %s: got %v", free, what, err)
		}
		if after, _, builds := s.Counts(); after != before || builds != 1 || len(names(t, directory+"/staging")) > 0 || len(names(t, directory+"/builds")) != 1 {
			t.Errorf("%d pages free, %s: %d bytes, before %d; left is %q", free, what, after, before, names(t, directory+"/staging"))
		}
	}
	for free := range 14 {
		filler, err := os.Create(filepath.Join(top, "filler"))
		check(t, err)
		var stat unix.Statfs_t
		check(t, unix.Statfs(top, &stat))
		_, err = filler.Write(make([]byte, (int(stat.Bfree)-free)*os.Getpagesize()))
		check(t, errors.Join(err, filler.Close()))
		b, err := s.Add(t.Context(), digestOf("new"), site(100, 5000, 10000))
		clean(free, "build", err)
		if err == nil {
			b.Release()
			check(t, remove(s, "builds/"+nameOf("new")))
		}
		blob, err := s.Blob(t.Context(), digestOf(content), int64(len(content)), bytesOf(content), nil)
		clean(free, "blob", err)
		if err == nil {
			blob.Release()
			check(t, remove(s, "blobs/"+nameOf(content)))
		}
		clean(free, "tags", s.Remember(map[string]string{"new": digestOf("old")}))
		if len(s.Remembered()) != 1 {
			t.Errorf("%d pages free: the tags are %v", free, s.Remembered())
		}
		check(t, os.Remove(filepath.Join(top, "filler")))
	}
	if failed["build"] != 7 || failed["blob"] != 5 || failed["tags"] != 1 {
		t.Errorf("failed: %v", failed)
	}
	old.Release()
	check(t, s.Close())
	s = mustOpen(t, directory, 1<<30)
	if b, here := s.Use(digestOf("old")); !here {
		t.Error("the old build is gone")
	} else {
		b.Release()
	}
}

// TestAFullDiskIsRelieved: where the disk is smaller than the limit, what was unused longest makes room for the next try, and what is
// held stays.
func TestAFullDiskIsRelieved(t *testing.T) {
	s := mustOpen(t, filepath.Join(mount(t, 48), "store"), 1<<30)
	large := int64(24 * os.Getpagesize())
	held := mustAdd(t, s, "held", 100)
	mustAdd(t, s, "oldest", large, large/4).Release()
	mustAdd(t, s, "newer", large/8).Release()
	if _, err := s.Add(t.Context(), digestOf("new"), site(large, 1)); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("got %v, want %v", err, unix.ENOSPC)
	}
	mustAdd(t, s, "new", large, 1).Release()
	for word, want := range map[string]bool{"held": true, "oldest": false, "newer": true, "new": true} {
		if _, here := s.Look(digestOf(word)); here != want {
			t.Errorf("%s is here: %v, want %v", word, here, want)
		}
	}
	held.Release()
	check(t, s.Close())
}

// remove removes an entry as if room were needed.
func remove(s *Store, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.remove(s.here[name])
}

// TestADirectoryThatCannotBeWritten: the start says what helps.
func TestADirectoryThatCannotBeWritten(t *testing.T) {
	refused := func(name, directory, want string) {
		t.Helper()
		s, err := Open(directory, 16<<20)
		if err == nil {
			check(t, s.Close())
		}
		if err == nil || !strings.HasSuffix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
	}
	top := mount(t, 64)
	used := filepath.Join(top, "used")
	s := mustOpen(t, used, 16<<20)
	mustAdd(t, s, "a", 1).Release()
	check(t, s.Close())
	directories := map[string]string{"used": used, "new": filepath.Join(top, "new"), "empty": filepath.Join(top, "empty")}
	check(t, os.Mkdir(directories["empty"], 0o755))
	check(t, unix.Mount("tmpfs", top, "tmpfs", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	for name, directory := range directories {
		refused(name, directory, fmt.Sprintf(": read-only file system: give the container -v previews:%s or --tmpfs %s, or set PREVIEWS_STORE to a directory that can be written", directory, directory))
	}

	check(t, unix.Mount("tmpfs", top, "tmpfs", unix.MS_REMOUNT, ""))
	check(t, errors.Join(os.Chmod(top, 0o755), os.Chmod(filepath.Dir(top), 0o755)))
	asNobody(t, func() {
		for name, directory := range directories {
			refused(name, directory, fmt.Sprintf(": permission denied: let %s write there, or set PREVIEWS_STORE to another directory", user()))
		}
	})
	check(t, os.Chmod(top, 0o777|fs.ModeSticky)) // as /previews of the image
	asNobody(t, func() {
		s := mustOpen(t, filepath.Join(top, "nobody's"), 16<<20)
		mustAdd(t, s, "a", 1).Release()
		check(t, s.Close())
	})
}

// asNobody calls f as a user who owns no files here: setfsuid(2) is for one thread.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // it ends with the goroutine
		if _, err := unix.SetfsuidRetUid(65534); err != nil {
			t.Error(err)
			return
		}
		f()
	}()
	<-done
}

func useConfined(directory string) error {
	s, err := Open(directory, 256<<10)
	if err != nil {
		return err
	}
	if err := landlock.V5.BestEffort().RestrictPaths(landlock.RWDirs(directory).WithRefer()); err != nil {
		return err
	}
	if _, err := os.ReadDir("/"); err == nil {
		return errors.New("it is not confined")
	}
	ctx := context.Background()
	for i := range 20 { // more than there is room for
		b, err := s.Add(ctx, digestOf(fmt.Sprint(i)), site(20000, 100))
		if err != nil {
			return err
		}
		if _, err := os.ReadDir(filepath.Join(directory, b.Directory)); err != nil {
			return err
		}
		b.Release()
		content := fmt.Sprintf("%020000d", i)
		blob, err := s.Blob(ctx, digestOf(content), int64(len(content)), bytesOf(content), nil)
		if err != nil {
			return err
		}
		from, err := blob.Open()
		if err != nil {
			return err
		}
		if got, err := io.ReadAll(from); err != nil || string(got) != content {
			return fmt.Errorf("the blob is %q, %w", got, err)
		}
		blob.Release()
		if err := s.Remember(map[string]string{"a": digestOf(content)}); err != nil {
			return err
		}
	}
	if len(s.Remembered()) != 1 {
		return errors.New("the tags are gone")
	}
	bytes, limit, builds := s.Counts()
	if bytes > limit || builds == 20 {
		return fmt.Errorf("%d bytes of %d, %d builds", bytes, limit, builds)
	}
	return s.Close()
}

// TestAConfinedProcessUsesTheStore: it may read, write and rename below the directory, and nothing else.
func TestAConfinedProcessUsesTheStore(t *testing.T) {
	if _, err := landlocksyscall.LandlockGetABIVersion(); err != nil {
		t.Skip("no Landlock here:", err)
	}
	if out, err := program(t, "confined", t.TempDir()).CombinedOutput(); err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestABuildThatIsRemovedIsReadToItsEnd: a request that is under way has its file open.
func TestABuildThatIsRemovedIsReadToItsEnd(t *testing.T) {
	directory := t.TempDir()
	s := mustOpen(t, directory, 16<<20)
	b := mustAdd(t, s, "a", 5000)
	file, err := os.Open(filepath.Join(directory, b.Directory, "d0", "index.html"))
	if err != nil {
		t.Fatal(err)
	}
	b.Release()
	check(t, remove(s, "builds/"+nameOf("a")))
	if got, err := io.ReadAll(file); err != nil || len(got) != 5000 {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	check(t, file.Close())
	if _, here := s.Use(digestOf("a")); here || len(names(t, directory+"/builds")) > 0 {
		t.Error("it is here")
	}
}

// TestNamesOfAnyBytes: a build may have them, and links that lead nowhere.
func TestNamesOfAnyBytes(t *testing.T) {
	directory := t.TempDir()
	s := mustOpen(t, directory, 16<<20)
	b, err := s.Add(t.Context(), digestOf("a"), func(into *os.Root, grow func(int64) error) (Meta, error) {
		return Meta{}, errors.Join(into.MkdirAll("caf\xe9/\xff\n", 0o755), into.WriteFile("caf\xe9/\xff\n/\x80", make([]byte, 9000), 0o644),
			into.Symlink("nowhere", "link"), into.Symlink(strings.Repeat("long", 100), "caf\xe9/long"), grow(1<<20))
	})
	if err != nil {
		t.Fatal(err)
	}
	if real := taken(t, filepath.Join(directory, b.Directory)); b.Meta.Disk != real+2*block {
		t.Errorf("%d bytes are counted, %d are on the disk", b.Meta.Disk, real)
	}
	b.Release()
}
