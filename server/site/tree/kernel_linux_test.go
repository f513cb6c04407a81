package tree

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/previewd/previewd/server/site/sitetest"
)

func TestUnchanged(t *testing.T) {
	dir := sitetest.Build(t, t.TempDir(), map[string]string{"a": "a", "b": "b"})
	directory := New(Options{Directory: dir})
	defer directory.Close()
	tree, err := directory.Acquire()
	sitetest.Check(t, err)
	defer tree.Release()
	if _, ok := tree.confined.(*kernelTree); !ok {
		t.Skip("openat2 is missing or forbidden here: no single look is made")
	}
	st, err := tree.Look("a", true)
	sitetest.Check(t, err)
	if !directory.Unchanged("a", &st) {
		t.Error("it has changed")
	}
	for _, name := range []string{"b", "absent", "a\x00", "a/b", ".", strings.Repeat("a", 1000)} {
		if directory.Unchanged(name, &st) {
			t.Errorf("%q has the status of another file", name)
		}
	}
	appended, err := os.OpenFile(filepath.Join(dir, "a"), os.O_APPEND|os.O_WRONLY, 0)
	sitetest.Check(t, err)
	_, err = appended.WriteString("more")
	sitetest.Check(t, err)
	sitetest.Check(t, appended.Close())
	if directory.Unchanged("a", &st) {
		t.Error("it has not changed")
	}
}
