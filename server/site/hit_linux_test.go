package site

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/sitetest"
)

// TestAHitDoesNotAskForTheDirectory: its own status, by its path, says all. Before each request the directory is
// switched to another with the same files, so that whoever asks for it opens that one.
func TestAHitDoesNotAskForTheDirectory(t *testing.T) {
	base := sitetest.Build(t, t.TempDir(), map[string]string{"a/a.txt": sitetest.Text(1000), "a/link": "-> a.txt", "a/dir/index.html": "i", "a/list/x": "",
		"a/packed.js": sitetest.Text(1000), "a/packed.js.gz": "a gz file", "a/other": "other", "b/": "", "now": "-> a"})
	out, err := exec.Command("cp", "-al", filepath.Join(base, "a")+"/.", filepath.Join(base, "b")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s := newSite(t, filepath.Join(base, "now"), later)
	tag := mustGet(t, s, "/a.txt").Fields.Get("ETag")
	reopens := func(target string, fields ...message.Field) bool {
		other := "b"
		if isOpen(t, filepath.Join(base, "b")) {
			other = "a"
		}
		toLink(t, base, other)
		get(t, s, target, fields...)
		return isOpen(t, filepath.Join(base, other))
	}
	for _, c := range []struct {
		name, target string
		field        message.Field
	}{
		{"200", "/a.txt", message.Field{}},
		{"304", "/a.txt", message.Field{Name: "If-None-Match", Value: tag}},
		{"206", "/a.txt", message.Field{Name: "Range", Value: "bytes=0-9"}},
		{"a link", "/link", message.Field{}},
	} {
		get(t, s, c.target, c.field)
		if n := hits(s, func() {
			if reopens(c.target, c.field) {
				t.Errorf("%s: a hit asks for the directory", c.name)
			}
		}); n != 1 {
			t.Errorf("%s: %d hits", c.name, n)
		}
	}
	// Whatever takes several looks makes them in one tree.
	for _, target := range []string{"/other", "/dir", "/nowhere", "/nowhere/", "/dir/", "/list/"} {
		if !reopens(target) {
			t.Errorf("%s: the directory is not asked for", target)
		}
	}
	for _, target := range []string{"/a.txt", "/packed.js"} {
		if !reopens(target, acceptEncoding("gzip, br")) {
			t.Errorf("%s, coded: the directory is not asked for", target)
		}
	}
}

// isOpen says whether this process has a directory open.
func isOpen(t *testing.T, dir string) bool {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	sitetest.Check(t, err)
	for _, fd := range list {
		if name, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && name == dir { // one is this ReadDir's, and closed
			return true
		}
	}
	return false
}

// TestPathsThatAreTooLong for the kernel, or for the buffer on the stack, are served as any other.
func TestPathsThatAreTooLong(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	sitetest.Check(t, err)
	defer root.Close()
	s := newSite(t, dir, later)
	for _, size := range []int{511 - len(dir) - 1, 512 - len(dir) - 1, 600, 4095} {
		parts := strings.Repeat(strings.Repeat("d", 99)+"/", (size-1)/100)
		name := parts + strings.Repeat("f", size-len(parts))
		// MkdirAll goes by parts, so that only the name of the file has to fit.
		if parts != "" {
			sitetest.Check(t, root.MkdirAll(strings.TrimSuffix(parts, "/"), 0o755))
		}
		sitetest.Check(t, root.WriteFile(name, []byte(name), 0o644))
		for _, hit := range []uint64{0, 1} {
			if n := hits(s, func() {
				if resp, content := get(t, s, "/"+name); resp.Status != 200 || content != name {
					t.Errorf("a name of %d bytes: %d %.40q %v", size, resp.Status, content, resp.Err)
				}
			}); n != hit {
				t.Errorf("a name of %d bytes: %d hits, want %d", size, n, hit)
			}
		}
		sitetest.Check(t, root.Remove(name))
		if resp, _ := get(t, s, "/"+name); resp.Status != 404 {
			t.Errorf("a name of %d bytes, removed: %d", size, resp.Status)
		}
	}
}

// TestHowTheDirectoryIsNamed: what is kept is found again below each path that leads to it.
func TestHowTheDirectoryIsNamed(t *testing.T) {
	base := sitetest.Build(t, t.TempDir(), map[string]string{"site/a.txt": "a", "link": "-> site", "deep/" + strings.Repeat("d", 200) + "/": ""})
	t.Chdir(filepath.Join(base, "site"))
	detour := "deep/" + strings.Repeat("d", 200) + "/../../"
	for _, c := range []struct{ directory, target string }{
		{".", "/a.txt"},
		{"./", "/a.txt"},
		{"../site", "/a.txt"},
		{"../link", "/a.txt"},
		{"../link/", "/a.txt"},
		{base + "/site//", "/a.txt"},
		{"../" + detour + "site", "/a.txt"},
		{"../" + detour + detour + detour + "site", "/a.txt"},
		{"/", base + "/site/a.txt"},
	} {
		s := newSite(t, c.directory, later)
		for _, hit := range []uint64{0, 1} {
			if n := hits(s, func() {
				if resp, content := get(t, s, c.target); resp.Status != 200 || content != "a" {
					t.Errorf("%s: %d %q %v", c.directory, resp.Status, content, resp.Err)
				}
			}); n != hit {
				t.Errorf("%s: %d hits, want %d", c.directory, n, hit)
			}
		}
	}
	// The empty path is no directory, and least of all the root.
	s := newSite(t, "", later)
	for _, target := range []string{base + "/site/a.txt", base + "/site", base + "/site/", "/"} {
		if resp, content := get(t, s, target); resp.Status != 404 {
			t.Errorf("no directory: %s: %d %q", target, resp.Status, content)
		}
	}
}
