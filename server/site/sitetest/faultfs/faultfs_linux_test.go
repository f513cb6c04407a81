package faultfs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFaults: the file system serves its files, and fails as it is told.
func TestFaults(t *testing.T) {
	long := strings.Repeat("0123456789", 30_000)
	f := Mount(t, map[string]string{"a.txt": "a", "sub/b.txt": "b", "long": long})
	read := func(name, want string) {
		t.Helper()
		if got, err := os.ReadFile(filepath.Join(f.Dir, name)); err != nil || string(got) != want {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	read("a.txt", "a")
	read("sub/b.txt", "b")
	read("long", long)
	if _, err := os.Stat(filepath.Join(f.Dir, "nowhere")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	entries, err := os.ReadDir(f.Dir)
	if err != nil || len(entries) != 3 || !entries[2].IsDir() {
		t.Errorf("%v, %v", entries, err)
	}
	f.Fail(Read, unix.EIO)
	if _, err := os.ReadFile(filepath.Join(f.Dir, "a.txt")); !errors.Is(err, unix.EIO) {
		t.Error(err)
	}
	f.FailAll(unix.ESTALE)
	if _, err := os.Stat(filepath.Join(f.Dir, "a.txt")); !errors.Is(err, unix.ESTALE) {
		t.Error(err)
	}
	f.FailAll(0)
	read("a.txt", "a")

	f.Hang()
	answered := make(chan error)
	go func() {
		_, err := os.Stat(filepath.Join(f.Dir, "a.txt"))
		answered <- err
	}()
	for f.Waiting() == 0 {
		select {
		case err := <-answered:
			t.Fatal("it was answered:", err)
		default:
		}
	}
	f.Resume()
	if err := <-answered; err != nil {
		t.Error(err)
	}
}
