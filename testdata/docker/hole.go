package docker

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Holed are the arguments of docker run, before the image's name, for a program with a hole in place of the image's own: see
// withHole in server/service. module is the root of the module.
func Holed(t testing.TB, module string) []string {
	t.Helper()
	dir, err := os.MkdirTemp("", "previewd-hole.") // not t.TempDir, whose parent is the user's alone
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "hole")
	build := exec.Command("go", "build", "-tags", "hole", "-o", program, ".")
	build.Dir, build.Env = module, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return []string{"-v", program + ":/hole:ro", "--entrypoint", "/hole", "--tmpfs", "/outside:mode=1777"}
}

// Misuse wants that a program with a hole, whose site is at base in a container of Holed, serves its site and can do what an
// attacker would: nothing of it if it is confined, and else all.
func Misuse(t testing.TB, base string, confined bool) {
	t.Helper()
	client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	get := func(target string) (int, string) {
		t.Helper()
		resp, err := client.Get(base + target)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(text)
	}
	if status, text := get("/"); status != 200 {
		t.Errorf("/: %d %.100q", status, text)
	}
	if status, text := get("/__previewd/hole/read?/proc/self/stat"); status != 200 {
		t.Errorf("its own figures: %d %.100q", status, text)
	}
	for _, misuse := range []string{"read?/etc/hosts", "read?/proc/version", "read?/proc/self/root/etc/hosts", "read?/hole", "list?/", "list?/proc", "list?/etc",
		"write?/outside/new", "run?/hole", "connect?127.0.0.1:9090", "listen?127.0.0.1:0", "listen?:8081"} {
		does, what, _ := strings.Cut(misuse, "?")
		status, text := get("/__previewd/hole/" + does + "?" + url.QueryEscape(what))
		if confined && !strings.HasSuffix(text, "permission denied") || !confined && status != 200 {
			t.Errorf("%s: %d %.100q", misuse, status, text)
		}
	}
}
