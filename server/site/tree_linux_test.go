package site

import (
	"os"
	"path/filepath"
	"testing"
)

func TestUnchanged(t *testing.T) {
	dir := build(t, t.TempDir(), map[string]string{"a": "a", "b": "b"})
	tree, _, err := openTree(&Options{Directory: dir})
	check(t, err)
	defer tree.close()
	if _, ok := tree.(*kernelTree); !ok {
		t.Skip("openat2 is missing or forbidden here: no single look is made")
	}
	st, err := tree.look("a", true)
	check(t, err)
	if !tree.unchanged("a", &st) {
		t.Error("it has changed")
	}
	if tree.unchanged("b", &st) || tree.unchanged("absent", &st) || tree.unchanged("a\x00", &st) {
		t.Error("another file is unchanged")
	}
	check(t, os.WriteFile(filepath.Join(dir, "a"), []byte("longer"), 0o644))
	if tree.unchanged("a", &st) {
		t.Error("it has not changed")
	}
}
