// Package tools has other people's programs use previewd: those that read directory listings, those that read its JSON, and
// those that read its log.
//
//	go test ./testdata/tools
//
// A test whose program is not installed is skipped, unless PREVIEWD_TOOLS is set.
package tools

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/previewd/previewd/testdata/internal/subject"
)

// module is the module's root as seen from here.
const module = "../.."

// binary is the server.
var binary string

func TestMain(m *testing.M) {
	code, err := prepare(m)
	if err != nil {
		fmt.Println(err)
		code = 1
	}
	os.Exit(code)
}

func prepare(m *testing.M) (int, error) {
	scratch, err := os.MkdirTemp("", "previewd-tools-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(scratch)
	binary = filepath.Join(scratch, "previewd")
	if out, err := exec.Command("go", "build", "-o", binary, module).CombinedOutput(); err != nil {
		return 1, fmt.Errorf("go build: %w\n%s", err, out)
	}
	return m.Run(), nil
}

// need skips the test where a program is not installed.
func need(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil && os.Getenv("PREVIEWD_TOOLS") != "" {
			t.Fatal(err)
		} else if err != nil {
			t.Skip(err)
		}
	}
}

// site is a running server and where it is.
type site struct {
	*subject.Server
	url string
}

// serve starts previewd on a directory until the test ends, with variables of the form NAME=value.
func serve(t *testing.T, dir string, variables ...string) site {
	t.Helper()
	s, err := subject.Start([]string{binary}, dir, t.TempDir(), variables...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	return site{s, "http://" + s.Addr}
}

// log is what the server has written so far.
func (s site) log(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(s.Output)
	check(t, err)
	return string(text)
}

// stop ends the server, which writes the rest of its log.
func (s site) stop(t *testing.T) {
	t.Helper()
	check(t, s.Stop())
}

// build makes files in a directory of their own. Content "-> x" makes a symbolic link to x.
func build(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		full := filepath.Join(dir, name)
		check(t, os.MkdirAll(filepath.Dir(full), 0o755))
		if target, isLink := strings.CutPrefix(content, "-> "); isLink {
			check(t, os.Symlink(target, full))
			continue
		}
		check(t, os.WriteFile(full, []byte(content), 0o644))
	}
	return dir
}

// run runs a command in a directory and returns what it printed.
func run(t *testing.T, dir, stdin string, words ...string) string {
	t.Helper()
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "PYTHONUTF8=1", "PIP_CONFIG_FILE=/dev/null", "PIP_DISABLE_PIP_VERSION_CHECK=1", "PIP_ROOT_USER_ACTION=ignore")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", words, err, out)
	}
	return string(out)
}

// get asks for a URL, with fields of the form "Name: value", and returns the content.
func get(t *testing.T, url string, fields ...string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	check(t, err)
	for _, field := range fields {
		name, value, _ := strings.Cut(field, ": ")
		request.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(request)
	check(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	check(t, err)
	return string(text)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
