package confine

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// build makes directories (a/), files, and links (a -> b) below a directory of the test, and returns its real path.
func build(t *testing.T, names ...string) string {
	t.Helper()
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		name, target, isLink := strings.Cut(name, " -> ")
		path := filepath.Join(base, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		switch {
		case err != nil:
		case isLink:
			err = os.Symlink(strings.ReplaceAll(target, "BASE", base), path)
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(path, 0o755)
		default:
			err = os.WriteFile(path, nil, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return base
}

// Law: what may be read is the directory, and that in which its successor will be found. Names are below the test's own.
func TestAround(t *testing.T) {
	for _, c := range []struct {
		name, path string
		tree       []string
		want       []string
	}{
		{"a directory", "app/dist", []string{"app/dist/"}, []string{"app"}},
		{"with a slash", "app/dist/", []string{"app/dist/"}, []string{"app"}},
		{"through ..", "app/x/../dist", []string{"app/dist/", "app/x/"}, []string{"app"}},
		{"git-sync", "git/site", []string{"git/site -> .worktrees/abc", "git/.worktrees/abc/"}, []string{"git"}},
		{"a directory of git-sync", "git/site/dist", []string{"git/site -> .worktrees/abc", "git/.worktrees/abc/dist/"}, []string{"git/.worktrees"}},
		{"releases", "app/current/public", []string{"app/current -> BASE/releases/42", "releases/42/public/"}, []string{"releases"}},
		{"a link to a link", "a/link", []string{"a/link -> ../b/link", "b/link -> ../c/dir", "c/dir/"}, []string{"a", "b", "c"}},
		{"a link to a directory with a slash", "a/link", []string{"a/link -> ../b/dir/", "b/dir/"}, []string{"a", "b"}},
		{"cert-manager", "tls/tls.crt", []string{"tls/tls.crt -> ..data/tls.crt", "tls/..data -> ..2026", "tls/..2026/tls.crt"}, []string{"tls"}},
		{"certbot", "live/site/cert.pem", []string{"live/site/cert.pem -> ../../archive/site/cert3.pem", "archive/site/cert3.pem"},
			[]string{"archive/site", "live/site"}},
		{"a file", "etc/htpasswd", []string{"etc/htpasswd"}, []string{"etc"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			base := build(t, c.tree...)
			got, err := around(base + "/" + c.path)
			if err != nil {
				t.Fatal(err)
			}
			for i, path := range got {
				got[i] = strings.TrimPrefix(path, base+"/")
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// Law: the root is readable only where it is served, and the directory of what is mounted is not.
func TestAroundWhatHasNoSuccessor(t *testing.T) {
	base := build(t, "dist/")
	t.Chdir(base + "/dist")
	for path, want := range map[string][]string{
		".": {base + "/dist"}, "./": {base + "/dist"}, "": {base + "/dist"},
		"..": {filepath.Dir(base)}, "../dist": {base},
		"/": {"/"}, "/usr": {"/usr"}, "/proc": {"/proc"}, "/proc/sys": {"/proc"}, "/proc/../usr": {"/usr"},
	} {
		if got, err := around(path); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: got %q, %v, want %q", path, got, err, want)
		}
	}
}

func TestAroundWhatIsNotThere(t *testing.T) {
	base := build(t, "a -> b", "b -> a", "dangling -> nowhere")
	for _, name := range []string{"nowhere", "a", "a/b", "dangling"} {
		if got, err := around(filepath.Join(base, name)); err == nil {
			t.Errorf("%s: got %q, want an error", name, got)
		}
	}
}

func TestAroundAsFarAsItMayBeSeen(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root sees everything")
	}
	base := build(t, "closed/site/dist/")
	if err := os.Chmod(base+"/closed", 0); err != nil {
		t.Fatal(err)
	}
	got, err := around(base + "/closed/site/dist")
	if want := []string{base}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}
