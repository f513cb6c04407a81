package tree

import (
	"os"
	"path/filepath"
	"testing"
)

// TestSettled: of a path that leads elsewhere by now, what was open is shown until it is closed; else what is there.
func TestSettled(t *testing.T) {
	for _, settled := range []bool{false, true} {
		top := t.TempDir()
		path, moved := filepath.Join(top, "site"), filepath.Join(top, "moved")
		d := New(Options{Directory: top, Settled: settled}).Sub("site")
		shows := func(name string, want bool) {
			t.Helper()
			open, err := d.Acquire()
			if err != nil {
				t.Fatal(err)
			}
			defer open.Release()
			if _, err := open.Look(name, true); (err == nil) != want {
				t.Errorf("settled %v: %s: %v, want it there: %v", settled, name, err, want)
			}
		}
		makeDirectory := func(file string) {
			t.Helper()
			if err := os.Mkdir(path, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(path, file), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		makeDirectory("first")
		shows("first", true)
		if err := os.Rename(path, moved); err != nil {
			t.Skip(err) // Windows renames nothing that is open
		}
		makeDirectory("second")
		shows("first", settled)
		shows("second", !settled)
		d.Close()
		shows("second", true)
	}
}
