package confine

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// confined is what the test's program is to do when it is started once more: options, and what it tries under them.
type confined struct {
	Options Options
	Try     []step
}

// step is a call that the kernel may refuse.
type step struct {
	Does, From, To string
}

// result is the report, and of each step the error of the kernel, "" for none.
type result struct {
	ABI  int
	Line string
	Errs []string
}

const confinedVariable = "CONFINED_TEST"

// TestMain runs the tests, or in their place what one of them has started this program for.
func TestMain(m *testing.M) {
	text := os.Getenv(confinedVariable)
	if text == "" {
		os.Exit(m.Run())
	}
	var c confined
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		panic(err)
	}
	report := Process(c.Options)
	r := result{ABI: report.ABI, Line: report.String()}
	for _, s := range c.Try {
		errno := unix.Errno(0)
		if err := s.try(); err != nil && !errors.As(err, &errno) {
			panic(err)
		}
		name := ""
		if errno != 0 {
			name = unix.ErrnoName(errno)
		}
		r.Errs = append(r.Errs, name)
	}
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		panic(err)
	}
}

func (s step) try() error {
	switch s.Does {
	case "rename":
		return os.Rename(s.From, s.To)
	case "link":
		return os.Link(s.From, s.To)
	case "write":
		return os.WriteFile(s.To, []byte("x"), 0o600)
	case "mkdir":
		return os.Mkdir(s.To, 0o700)
	case "remove":
		return os.Remove(s.To)
	case "read":
		_, err := os.ReadFile(s.From)
		return err
	case "run":
		return exec.Command(s.From).Run()
	}
	return errors.New(s.Does)
}

// inChild has another process be confined and try the steps.
func inChild(t *testing.T, c confined) result {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), confinedVariable+"="+string(text))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var r result
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return r
}

// Law: below the store files and directories can be moved and linked from one directory to another, as nowhere else; and
// nothing gets out of it or into it. A state directory beside it keeps its rights.
func TestStore(t *testing.T) {
	base := build(t, "store/staging/1/site/page.html", "store/builds/", "store/blobs/", "state/a/file", "state/b/", "outside/file", "secret/..data -> ..1",
		"secret/..1/config.json", "secret/..2/config.json", "secret/config.json -> ..data/config.json")
	at := func(name string) string { return filepath.Join(base, name) }
	const allowed, refused = false, true
	steps := []struct {
		does, from, to string
		refused        bool
	}{
		{"write", "", "store/staging/1/site/new.html", allowed},
		{"mkdir", "", "store/staging/2", allowed},
		{"link", "store/staging/1/site/new.html", "store/blobs/new", allowed},
		{"rename", "store/staging/1", "store/builds/1", allowed},
		{"rename", "store/blobs/new", "store/builds/1/new", allowed},
		{"read", "store/builds/1/site/page.html", "", allowed},
		{"remove", "", "store/builds/1/new", allowed},
		{"write", "", "state/a/new", allowed},
		{"rename", "state/a/new", "state/a/newer", allowed},
		{"rename", "state/a/file", "state/b/file", refused},
		{"rename", "state/a/file", "store/blobs/file", refused},
		{"rename", "store/builds/1/site/page.html", "state/b/page.html", refused},
		{"link", "store/builds/1/site/page.html", "state/b/page.html", refused},
		{"link", "outside/file", "store/blobs/file", refused},
		{"rename", "store/builds/1/site/page.html", "outside/page.html", refused},
		{"rename", "outside/file", "store/blobs/file", refused},
		{"write", "", "outside/new", refused},
		{"read", "outside/file", "", refused},
		{"read", "secret/config.json", "", allowed},
		{"read", "secret/..2/config.json", "", allowed},
		{"write", "", "secret/new", refused},
		{"run", "/bin/true", "", refused},
	}
	c := confined{Options: Options{Store: at("store"), State: []string{at("state")}, Files: []string{at("secret/config.json")}, Connect: []uint16{443}}}
	for _, s := range steps {
		step := step{Does: s.does, From: at(s.from), To: at(s.to)}
		if s.does == "run" {
			step.From = s.from
		}
		c.Try = append(c.Try, step)
	}
	r := inChild(t, c)
	if r.ABI == 0 {
		t.Skip(r.Line)
	}
	t.Log(r.Line)
	for i, s := range steps {
		// A move is refused with one or the other, by which right is missing.
		if got := r.Errs[i]; got != "" && got != "EACCES" && got != "EXDEV" || (got != "") != s.refused {
			t.Errorf("%s %s %s: %q, want it refused: %v", s.does, s.from, s.to, got, s.refused)
		}
	}
	if _, err := os.Stat(at("outside/page.html")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it got out: %v", err)
	}
}
