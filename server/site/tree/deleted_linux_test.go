package tree

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/previewd/previewd/server/site/sitetest"
)

// TestADeletedDirectory: as a bind mount, or as the working directory, one that was deleted is still there, empty for
// ever, also when another has taken its place.
func TestADeletedDirectory(t *testing.T) {
	for _, portable := range []bool{false, true} {
		base := sitetest.Build(t, t.TempDir(), map[string]string{"dist/a": "a", "dist/sub/": ""})
		dir := filepath.Join(base, "dist")
		t.Chdir(dir)
		d := New(Options{Directory: ".", Portable: portable})
		defer d.Close()
		served, err := d.Acquire()
		sitetest.Check(t, err)
		served.Release()
		sitetest.Check(t, os.Remove(filepath.Join(dir, "a")))
		sitetest.Check(t, os.Remove(filepath.Join(dir, "sub")))
		sitetest.Check(t, d.Ready()) // empty, and still linked
		sitetest.Check(t, os.Remove(dir))
		sitetest.Build(t, dir, map[string]string{"a": "another"})
		_, err = d.Acquire()
		if err == nil {
			t.Fatal("it can be used")
		}
		for _, explained := range []error{d.Explain(err), d.Ready()} {
			var once interface{ OnceKey() string }
			once, _ = explained.(interface{ OnceKey() string })
			if explained == nil || !strings.Contains(explained.Error(), "has been deleted") || once == nil || once.OnceKey() != "deleted directory" {
				t.Errorf("got %v", explained)
			}
		}
		t.Chdir(dir)
		sitetest.Check(t, d.Ready())
		if st, err := d.Acquire(); err != nil {
			t.Error(err)
		} else {
			st.Release()
		}
	}
}
