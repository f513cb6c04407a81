package browser

import (
	"archive/zip"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// pageReader is a script that takes the names from a listing as scripts do that were written for http.server's: every anchor is
// an entry, but for those that lead upwards.
const pageReader = `
import html.parser, sys, urllib.parse, urllib.request
class Reader(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.links = []
    def handle_starttag(self, tag, attrs):
        if tag == 'a': self.links.append(dict(attrs)['href'])
with urllib.request.urlopen(sys.argv[1]) as answer:
    reader = Reader()
    reader.feed(answer.read().decode('utf-8'))
print('\n'.join(sorted(urllib.parse.unquote(link) for link in reader.links if not link.startswith('../'))))
`

// TestListingForTools: programs that follow the links of http.server's page follow those of the rich one.
func TestListingForTools(t *testing.T) {
	dir := t.TempDir()
	files := map[string]string{"top/a b.txt": "1", "top/sub/Ærø & <x>.txt": "2", "top/sub/deep/100%?#.txt": "3", "outside.txt": "4"}
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	wheel(t, filepath.Join(dir, "wheels/tinything-1.0-py3-none-any.whl"))
	s := serve(t, dir)

	out := t.TempDir()
	run(t, out, "wget", "-q", "-r", "-np", "-nH", s.url+"/top/")
	var got []string
	err := filepath.WalkDir(out, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !strings.HasPrefix(d.Name(), "index.html") {
			name, _ := filepath.Rel(out, path)
			got = append(got, name)
			if text, _ := os.ReadFile(path); string(text) != files[name] {
				t.Errorf("wget: %q has %q", name, text)
			}
		}
		return err
	})
	if want := []string{"top/a b.txt", "top/sub/deep/100%?#.txt", "top/sub/Ærø & <x>.txt"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("wget -r -np: %v, got %q, want %q", err, got, want)
	}

	if got := run(t, out, "python3", "-c", pageReader, s.url+"/top/sub/"); got != "deep/\nÆrø & <x>.txt\n" {
		t.Errorf("html.parser: %q", got)
	}

	run(t, out, "python3", "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-index", "--find-links", s.url+"/wheels/", "-d", "wheels", "tinything")
	if _, err := os.Stat(filepath.Join(out, "wheels/tinything-1.0-py3-none-any.whl")); err != nil {
		t.Errorf("pip --find-links: %v", err)
	}
}

// run runs a program, and skips the test where that is not installed.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		absent(t, "%v", err)
	}
	command := exec.Command(path, args...)
	command.Dir = dir
	out, err := command.CombinedOutput()
	if err != nil {
		t.Errorf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// wheel writes a package of Python's that has nothing in it.
func wheel(t *testing.T, name string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := zip.NewWriter(f)
	for member, text := range map[string]string{
		"tinything-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: tinything\nVersion: 1.0\n",
		"tinything-1.0.dist-info/WHEEL":    "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
		"tinything-1.0.dist-info/RECORD":   "",
	} {
		in, err := w.Create(member)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := in.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}
