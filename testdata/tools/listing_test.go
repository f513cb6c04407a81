package tools

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/previewd/previewd/testdata/internal/subject"
)

// names are those of files below docs, some of which have to be escaped in HTML, in URLs, or in both.
var names = []string{"a.txt", "b c.txt", "é.txt", "100%.txt", "q?.txt", "h#.txt", "a&b.txt", `"quoted".txt`, "<b>.txt", "a:b.txt", "semi;colon.txt", "plus+.txt", "tilde~.txt",
	"deep/er/c.txt", "deep/d.txt", "sub dir/e.txt"}

// docs is a directory with names below docs, and something beside that nobody should ask for.
func docs(t *testing.T) string {
	t.Helper()
	files := map[string]string{"outside.txt": "outside", "other/x.txt": "other"}
	for i, name := range names {
		files["docs/"+name] = fmt.Sprint("content ", i)
	}
	return build(t, files)
}

// tree has the content of each file below a directory, by its path; but for those that are called skip.
func tree(t *testing.T, dir, skip string) map[string]string {
	t.Helper()
	found := map[string]string{}
	check(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() == skip {
			return err
		}
		content, err := os.ReadFile(path)
		found[strings.TrimPrefix(path, dir+"/")] = string(content)
		return err
	}))
	return found
}

// Law: who follows the links of a directory's page, and of those below it, gets every file of it once and asks for nothing else:
// no archive, and nothing above.
func TestWget(t *testing.T) {
	need(t, "wget")
	s := serve(t, docs(t), "LOG_FORMAT=text")
	out := t.TempDir()
	run(t, out, "", "wget", "-r", "-np", "-nH", "-nv", "--cut-dirs=1", "--restrict-file-names=nocontrol", "--execute", "robots=off", s.url+"/docs/")
	got := tree(t, out, "index.html")
	for i, name := range names {
		if got[name] != fmt.Sprint("content ", i) {
			t.Errorf("%s has %q", name, got[name])
		}
		delete(got, name)
	}
	for name := range got {
		t.Errorf("%s is there too", name)
	}
	s.stop(t)
	asked := map[string]int{}
	for line := range strings.Lines(s.log(t)) {
		if _, request, found := strings.Cut(line, `"GET `); found {
			asked[strings.Fields(request)[0]]++
		}
	}
	for target, count := range asked {
		if count != 1 || !strings.HasPrefix(target, "/docs/") || strings.Contains(target, "archive=") {
			t.Errorf("%s was asked for %d times", target, count)
		}
	}
	if want := len(names) + 4; len(asked) != want { // and the pages of four directories
		t.Errorf("%d targets, want %d: %v", len(asked), want, asked)
	}
}

// TestPip: a directory of wheels is an index of packages, with --find-links and as a simple index (PEP 503).
func TestPip(t *testing.T) {
	need(t, "python3")
	if out, err := exec.Command("python3", "-m", "pip", "--version").CombinedOutput(); err != nil && os.Getenv("PREVIEWD_TOOLS") == "" {
		t.Skipf("%s", out)
	}
	var wheel bytes.Buffer
	w := zip.NewWriter(&wheel)
	for name, content := range map[string]string{"lamp.py": "", "lamp-1.2.dist-info/METADATA": "Metadata-Version: 2.1\nName: lamp\nVersion: 1.2\n",
		"lamp-1.2.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n", "lamp-1.2.dist-info/RECORD": ""} {
		f, err := w.Create(name)
		check(t, err)
		_, err = f.Write([]byte(content))
		check(t, err)
	}
	check(t, w.Close())
	dir := build(t, map[string]string{"wheels/lamp-1.2-py3-none-any.whl": wheel.String(), "wheels/lamp-1.1.tar.gz": "", "wheels/notes.txt": "", "simple/lamp/lamp-1.2-py3-none-any.whl": wheel.String()})
	s := serve(t, dir)
	for _, from := range [][]string{{"--no-index", "--find-links", s.url + "/wheels/"}, {"--index-url", s.url + "/simple/"}} {
		out := t.TempDir()
		run(t, out, "", slices.Concat([]string{"python3", "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--dest", out}, from, []string{"lamp"})...)
		if got := tree(t, out, ""); got["lamp-1.2-py3-none-any.whl"] != wheel.String() || len(got) != 1 {
			t.Errorf("%q: %d files", from, len(got))
		}
	}
}

// scripts read http.server's page from standard input, and print the links in it that lead downwards.
var scripts = map[string][]string{
	"grep": {"sh", "-c", `grep -o 'href="[^"]*"' | cut -d'"' -f2 | grep -v '^data:\|^\.\./'`},
	"sed":  {"sed", "-n", `/<a href="\.\.\//d; s/.*<a href="\([^"]*\)">.*/\1/p`},
	"html.parser": {"python3", "-c", `
import sys, html.parser
class Links(html.parser.HTMLParser):
    def handle_starttag(self, tag, attrs):
        if tag == 'a' and not dict(attrs)['href'].startswith('../'): print(dict(attrs)['href'])
Links().feed(sys.stdin.read())`},
}

// Law: a script that takes the links out of http.server's page finds the same in the page that people see.
func TestScriptsThatReadThePage(t *testing.T) {
	need(t, "sh", "python3")
	dir := docs(t)
	rich, plain := serve(t, dir), serve(t, dir, "LISTING=plain")
	for _, path := range []string{"/docs/", "/docs/deep/"} {
		for name, words := range scripts {
			lists := [2][]string{}
			for i, s := range []site{rich, plain} {
				lists[i] = strings.Fields(run(t, ".", get(t, s.url+path), words...))
				slices.Sort(lists[i])
			}
			if len(lists[1]) < 2 || !slices.Equal(lists[0], lists[1]) {
				t.Errorf("%s, %s: got %q\nwant %q", name, path, lists[0], lists[1])
			}
		}
	}
}

// Law: where nginx says something of a directory in JSON (autoindex_format json), previewd says it in the same words.
func TestJSONIsThatOfNginx(t *testing.T) {
	need(t, "nginx")
	dir := build(t, map[string]string{"file.txt": "12345", "empty": "", "dir/x": "", "to-file": "-> file.txt", "to-dir": "-> dir", "dead": "-> gone", "loop": "-> loop", `"quoted" \ back.txt`: "1",
		"é 日本.txt": "1", "<b>&amp;.txt": "1", "dir.with.dots/y": ""})
	check(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644))
	for i, name := range []string{"file.txt", "dir", "empty", "pipe"} {
		when := time.Date(1999+i, 12, 31, 23, 59, 58, 999_999_999, time.UTC)
		check(t, os.Chtimes(filepath.Join(dir, name), when, when))
	}
	check(t, os.Chmod(dir, 0o755)) // nginx is another user
	port, err := subject.FreePort()
	check(t, err)
	scratch := t.TempDir()
	own := ""
	for _, name := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		own += fmt.Sprintf("%s_temp_path %s/%s;\n", name, scratch, name)
	}
	text := fmt.Sprintf("daemon off;\nmaster_process off;\npid %[1]s/pid;\nerror_log %[1]s/error;\nevents {}\nhttp {\naccess_log off;\n%[2]sserver { listen 127.0.0.1:%[3]s; root %[4]s; autoindex on; autoindex_format json; }\n}\n",
		scratch, own, port, dir)
	check(t, os.WriteFile(filepath.Join(scratch, "conf"), []byte(text), 0o644))
	start(t, "127.0.0.1:"+port, "nginx", "-p", scratch, "-e", filepath.Join(scratch, "error"), "-c", filepath.Join(scratch, "conf"))
	s := serve(t, dir)
	want := objects(get(t, "http://127.0.0.1:"+port+"/"))
	got := objects(get(t, s.url+"/", "Accept: application/json"))
	for i, object := range got {
		// What nginx does not know.
		got[i], _, _ = strings.Cut(object, `, "link":`)
		got[i] = strings.TrimSuffix(got[i], " }") + " }"
	}
	if !slices.Equal(got, want) || len(want) < 10 {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

// objects are the lines of a listing, without what is between them, in the order of their names.
func objects(text string) (list []string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSuffix(strings.TrimSpace(line), ","); strings.HasPrefix(line, "{") {
			list = append(list, line)
		}
	}
	slices.Sort(list)
	return list
}

// start starts a server until the test ends, and waits until it listens.
func start(t *testing.T, address string, words ...string) {
	t.Helper()
	process, err := subject.Run(exec.Command(words[0], words[1:]...))
	check(t, err)
	t.Cleanup(process.Kill)
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return
		}
		if process.Ended() || time.Now().After(end) {
			t.Fatalf("%q does not listen: %v", words, err)
		}
	}
}
