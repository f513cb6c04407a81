package site

import (
	"os"
	"path/filepath"
	"strings"
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
	for _, name := range []string{"b", "absent", "a\x00", "a/b", ".", strings.Repeat("a", 1000)} {
		if tree.unchanged(name, &st) {
			t.Errorf("%q has the status of another file", name)
		}
	}
	appended, err := os.OpenFile(filepath.Join(dir, "a"), os.O_APPEND|os.O_WRONLY, 0)
	check(t, err)
	_, err = appended.WriteString("more")
	check(t, err)
	check(t, appended.Close())
	if tree.unchanged("a", &st) {
		t.Error("it has not changed")
	}
}
