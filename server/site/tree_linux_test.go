package site

import (
	"os"
	"path/filepath"
	"testing"
)

func TestIsLocal(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	check(t, os.Symlink("/proc", link))
	for path, want := range map[string]bool{
		dir:                          isLocal("/"), // a test's directory may be on anything
		dir + "/./":                  isLocal(dir),
		".":                          isLocal("."),
		"/proc":                      false, // it is nobody's disk
		"/proc/self":                 false,
		link:                         false,
		link + "/self":               false,
		filepath.Join(dir, "absent"): false,
	} {
		if got := isLocal(path); got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}
