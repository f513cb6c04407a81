package registry

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/previewd/previewd/testdata/docker"
)

// module is the server's module as seen from here.
const module = "../.."

// limit is how long anything may take that a test waits for: longer than on the slowest machine.
const limit = 60 * time.Second

// binary is the server.
var binary string

func TestMain(m *testing.M) {
	if os.Getenv("PREVIEWD_REGISTRY") == "" {
		fmt.Println("nothing is tested: PREVIEWD_REGISTRY is not set")
		return
	}
	code, err := prepare(m)
	if err != nil {
		fmt.Println(err)
		code = 1
	}
	os.Exit(code)
}

// prepare builds the server, runs the tests and cleans up.
func prepare(m *testing.M) (int, error) {
	logrus.SetOutput(io.Discard) // the registry's log
	scratch, err := os.MkdirTemp("", "previewd-registry-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(scratch)
	binary = filepath.Join(scratch, "previewd")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Dir = module
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("go build: %w\n%s", err, out)
	}
	return m.Run(), nil
}

// tool is the path of a program: the variable's value, or name as it is found.
func tool(t *testing.T, variable, name string) string {
	t.Helper()
	if given := os.Getenv(variable); given != "" {
		name = given
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%v: set %s to the program's path", err, variable)
	}
	return path
}

// run runs a program in a directory, with variables of the form NAME=value added to the environment, and returns what
// it printed.
func run(t *testing.T, dir string, variables []string, name string, args ...string) string {
	t.Helper()
	command := exec.Command(name, args...)
	command.Dir = dir
	command.Env = append(os.Environ(), variables...)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s%s", name, args, err, out, &stderr)
	}
	return strings.TrimSpace(string(out))
}

// await repeats check until it passes, and fails the test if it has not after limit.
func await(t *testing.T, what string, check func() error) {
	t.Helper()
	docker.Await(t, limit, what, check)
}

// files are the files of a site, by their paths below its root.
type files map[string]string

// folder writes the files to a directory of its own.
func (f files) folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range f {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// below are the same files in a directory.
func (f files) below(dir string) files {
	moved := files{}
	for name, content := range f {
		moved[dir+"/"+name] = content
	}
	return moved
}
