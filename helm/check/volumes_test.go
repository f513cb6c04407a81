package check

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// folder makes a directory that every user may read.
func folder(t testing.TB) string {
	t.Helper()
	// Not t.TempDir, whose parent is the user's alone.
	dir, err := os.MkdirTemp("", "previewd-helm.")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// publish lays files out as the kubelet does for ConfigMaps and Secrets: in a directory of their own, to which
// the link ..data leads; what is at the top are links through ..data. Then it switches the link, and removes
// the directory of before.
func publish(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	before, _ := os.Readlink(filepath.Join(dir, "..data"))
	fresh, err := os.MkdirTemp(dir, time.Now().UTC().Format("..2006_01_02_15_04_05."))
	must(err)
	must(os.Chmod(fresh, 0o755))
	for path, content := range files {
		name := filepath.Join(fresh, path)
		must(os.MkdirAll(filepath.Dir(name), 0o755))
		must(os.WriteFile(name, []byte(content), 0o644))
	}
	must(os.Symlink(filepath.Base(fresh), filepath.Join(dir, "..data_tmp")))
	must(os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	for path := range files {
		top, _, _ := strings.Cut(path, "/")
		if err := os.Symlink("..data/"+top, filepath.Join(dir, top)); !errors.Is(err, os.ErrExist) {
			must(err)
		}
	}
	if before != "" {
		must(os.RemoveAll(filepath.Join(dir, before)))
	}
}

// inlineFiles are the files of content.inline as the kubelet makes them of the ConfigMap and the volume's items.
func inlineFiles(t testing.TB, o *objects) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, v := range o.spec().Volumes {
		if v.Name != "content" {
			continue
		}
		for _, m := range o.configMaps {
			if m.Name != v.ConfigMap.Name {
				continue
			}
			for _, item := range v.ConfigMap.Items {
				text, there := m.Data[item.Key]
				if !there {
					t.Errorf("the ConfigMap has no key %q", item.Key)
				}
				files[item.Path] = text
			}
		}
	}
	return files
}
