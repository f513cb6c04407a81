package site

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/previewd/previewd/server/site/sitetest"
)

// awkward are names that have tripped up programs: quotes, markup, line ends, what turns the direction of writing round, what
// is an option, what is no text, what is as long as a name may be.
var awkward = []string{`"quoted" 'single'`, "<script>alert(1)</script>", "a&amp;b", "line\nfeed", "tab\tbell\x07", "\x1b[31mred", "back\\slash", "\u202Egnp.exe", "שלום", "日本語",
	"é", decomposed, "-rf", "--help", "~root", " blank ", "%41%00", "$(id)`id`", "*?[a]", "a:b|c", "nul.", "..."}

// decomposed is a name that bsdtar composes.
const decomposed = "u\u0308"

// notUTF8 are names that are not UTF-8.
var notUTF8 = []string{"latin-\xe9", "\xff\xfe", "half-\xf0\x9f"}

// readers are programs that unpack an archive, $1, into the directory where they are.
var readers = []struct{ name, format, script string }{
	{"unzip", "zip", `unzip -q -o "$1"`},
	{"bsdtar", "zip", `bsdtar -xf "$1"`},
	{"python3", "zip", `python3 -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall()' "$1"`},
	{"bsdtar", "tar.gz", `bsdtar -xf "$1"`},
	{"tar", "tar.gz", `tar -xf "$1"`},
	{"python3", "tar.gz", `python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1]).extractall()' "$1"`},
}

// Law: whatever files are called, each program that unpacks their archive makes the same ones of it. In a .zip, what is not
// UTF-8, a control character and a backslash are written as in a URL.
func TestAwkwardNamesInArchives(t *testing.T) {
	files := map[string]string{}
	for i, name := range slices.Concat(awkward, notUTF8, []string{strings.Repeat("x", 255), strings.Repeat("語", 85)}) {
		files["d/"+name] = fmt.Sprint("content ", i)
		files["d/-dir \"<"+name[:min(len(name), 200)]+"/"+name] = fmt.Sprint("inner ", i)
	}
	s := newSite(t, sitetest.Build(t, t.TempDir(), files), withArchives)
	for _, format := range []string{"zip", "tar.gz"} {
		resp, text := get(t, s, "/d/?archive="+format)
		if resp.Status != 200 {
			t.Fatalf("%s: %d %v", format, resp.Status, resp.Err)
		}
		archive := filepath.Join(t.TempDir(), "archive."+format)
		sitetest.Check(t, os.WriteFile(archive, []byte(text), 0o644))
		want := map[string]string{}
		for name, content := range files {
			if format == "zip" {
				name = inURL(name)
			}
			want[name] = content
		}
		for _, r := range readers {
			if _, err := exec.LookPath(r.name); r.format != format || err != nil {
				continue
			}
			t.Run(format+" by "+r.name, func(t *testing.T) {
				out := t.TempDir()
				cmd := exec.Command("sh", "-c", r.script, "sh", archive)
				cmd.Dir, cmd.Env = out, append(os.Environ(), "LC_ALL=C.UTF-8", "PYTHONUTF8=1")
				if said, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("%v: %s", err, said)
				}
				got := map[string]string{}
				sitetest.Check(t, filepath.WalkDir(out, func(path string, e fs.DirEntry, err error) error {
					if err != nil || e.IsDir() {
						return err
					}
					content, err := os.ReadFile(path)
					got[strings.TrimPrefix(path, out+"/")] = string(content)
					return err
				}))
				for name, content := range want {
					if r.name == "bsdtar" {
						name = strings.ReplaceAll(name, decomposed, "\u00fc")
					}
					if got[name] != content {
						t.Errorf("%q has %q, want %q", name, got[name], content)
					}
					delete(got, name)
				}
				for name := range got {
					t.Errorf("%q is there too", name)
				}
			})
		}
	}
}

// inURL writes a backslash, control characters, and each byte that is not UTF-8, as a URL has it.
func inURL(name string) string {
	var b bytes.Buffer
	for len(name) > 0 {
		if r := []rune(name)[0]; r < ' ' || r == 0x7f || r == '\\' || r == '\ufffd' && !strings.HasPrefix(name, "\ufffd") {
			fmt.Fprintf(&b, "%%%02X", name[0])
			name = name[1:]
		} else {
			b.WriteRune(r)
			name = name[len(string(r)):]
		}
	}
	return b.String()
}

// TestNamesOfArchives: whatever a directory is called, the name of its archive is one that can be saved, in a field that is
// one line of ASCII.
func TestNamesOfArchives(t *testing.T) {
	files := map[string]string{}
	names := slices.Concat(awkward, notUTF8, []string{strings.Repeat("x", 255), strings.Repeat("語", 85)})
	for _, name := range names {
		files[name+"/x"] = ""
	}
	s := newSite(t, sitetest.Build(t, t.TempDir(), files), withArchives)
	for _, name := range names {
		for _, suffix := range []string{"zip", "tar.gz"} {
			escaped := ""
			for _, c := range []byte(name) {
				escaped += fmt.Sprintf("%%%02X", c)
			}
			resp, _ := get(t, s, "/"+escaped+"/?archive="+suffix)
			value := resp.Fields.Get("Content-Disposition")
			ascii, full, _ := strings.Cut(strings.TrimPrefix(value, `attachment; filename="`), `"`)
			if resp.Status != 200 || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) || strings.ContainsAny(ascii, `\/%<>:|?*`) ||
				len(ascii) > 255 || !strings.HasSuffix(ascii, "."+suffix) || full != "" && !strings.HasPrefix(full, "; filename*=UTF-8''") {
				t.Errorf("%q: %d %q", name, resp.Status, value)
			}
		}
	}
}
