// Package docker speaks to a real engine, and its tests prove the image with it: they build it, run it and press
// it, as a user would. They run only if PREVIEWD_DOCKER is set, and then an engine that does not answer is a failure:
//
//	PREVIEWD_DOCKER=1 go test -count=1 ./testdata/docker
//
// DOCKER names the client, docker if it is not set. It has to build with BuildKit. -v shows the figures.
//
// The package is below testdata, which ./... leaves out, as its tests need an engine, minutes and root's rights, and
// nothing else in the module does. The checks of the chart use it too.
package docker

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Command is a command of the client. BuildKit is what new clients build with anyway.
func Command(args ...string) *exec.Cmd {
	client := os.Getenv("DOCKER")
	if client == "" {
		client = "docker"
	}
	cmd := exec.Command(client, args...)
	// docker-compose calls a client of its own accord: this one.
	path := filepath.Dir(client) + string(filepath.ListSeparator) + os.Getenv("PATH")
	cmd.Env = append(os.Environ(), "DOCKER_BUILDKIT=1", "COMPOSE_DOCKER_CLI_BUILD=1", "PATH="+path)
	return cmd
}

// Output runs a command of the client and returns what it prints, without the blanks around it.
func Output(t testing.TB, args ...string) string {
	t.Helper()
	cmd := Command(args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s%s", strings.Join(args, " "), err, out, &stderr)
	}
	return strings.TrimSpace(string(out))
}

// Await repeats check until it passes, and fails the test if it has not after that time.
func Await(t testing.TB, within time.Duration, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not after %v: %s: %v", within, what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
