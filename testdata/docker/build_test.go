package docker

import (
	"archive/tar"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSecondBuildIsCached: with nothing changed, nothing is done.
func TestSecondBuildIsCached(t *testing.T) {
	before := Output(t, "inspect", "-f", "{{.Id}}", image)
	out, err := build().CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if after := Output(t, "inspect", "-f", "{{.Id}}", image); after != before {
		t.Errorf("the second build made another image: %s, before %s", after, before)
	}
	step := regexp.MustCompile(`(?m)^#(\d+) \[build [2-9]/\d+\] (.*)$`)
	steps := step.FindAllStringSubmatch(string(out), -1)
	if len(steps) < 4 {
		t.Errorf("%d steps of the build stage found in\n%s", len(steps), out)
	}
	for _, s := range steps {
		if !strings.Contains(string(out), "#"+s[1]+" CACHED") {
			t.Errorf("the second build did not take from the cache: %s\n%s", s[2], out)
		}
	}
}

// TestModulesAreCompiledOnce: the step that builds the program compiles no package of another module. Those are in the
// cache that the step before leaves, so that a change of the sources costs seconds.
func TestModulesAreCompiledOnce(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(module, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	verbose := strings.Replace(string(text), "go build -ldflags", "go build -v -ldflags", 1)
	if verbose == string(text) {
		t.Fatal("the Dockerfile has no go build -ldflags")
	}
	another := image + "-another"
	cmd := Command("build", "--progress", "plain", "-t", another, "--build-arg", "VERSION=another", "-f", "-", module)
	cmd.Stdin = strings.NewReader(verbose)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Cleanup(func() { Output(t, "rmi", another) })
	_, step, found := strings.Cut(string(out), "go build -v -ldflags")
	if !found {
		t.Fatalf("no step builds the program:\n%s", out)
	}
	// The number of the step, seconds, and the import path, whose first element is a host name but for Go's own packages.
	compiled := regexp.MustCompile(`(?m)^#\d+ [0-9.]+ ([a-z0-9-]+\.[a-z0-9.]+/\S+)$`).FindAllStringSubmatch(step, -1)
	if len(compiled) < 10 {
		t.Errorf("%d packages are compiled:\n%s", len(compiled), step)
	}
	for _, c := range compiled {
		if path := c[1]; !strings.HasPrefix(path+"/", "github.com/previewd/previewd/") {
			t.Errorf("%s is compiled again: the Dockerfile's list of packages is to have it, or one that imports it", path)
		}
	}
}

// TestClassicBuilder: the builder of Docker before version 23, and of docker-compose 1, makes the same image; and in another
// folder of the builder the same sources give the same bytes.
func TestClassicBuilder(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(module, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := strings.Replace(string(text), "WORKDIR /src\n", "WORKDIR /home/somebody/else/\n", 1)
	if elsewhere == string(text) {
		t.Fatal("the Dockerfile has no WORKDIR /src")
	}
	classic := image + "-classic"
	cmd := Command("build", "-q", "-t", classic, "--build-arg", "VERSION="+version, "--build-arg", "REVISION="+revision, "-f", "-", module)
	cmd.Env = append(cmd.Env, "DOCKER_BUILDKIT=0")
	cmd.Stdin = strings.NewReader(elsewhere)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Cleanup(func() { Output(t, "rmi", classic) })
	ours, theirs := contents(t, image), contents(t, classic)
	for _, name := range []string{"previewd", "srv", "previews", authorities} {
		if ours[name] == "" || ours[name] != theirs[name] {
			t.Errorf("%s: built in /src by BuildKit it is %q, elsewhere by the classic builder %q", name, ours[name], theirs[name])
		}
	}
	for _, format := range []string{"{{json .Config.Env}}", "{{json .Config.Healthcheck}}", "{{json .Config.Labels}}", "{{.Config.User}}"} {
		if a, b := Output(t, "inspect", "-f", format, image), Output(t, "inspect", "-f", format, classic); a != b {
			t.Errorf("BuildKit: %s, the classic builder: %s", a, b)
		}
	}
}

// authorities is where Go looks for the certificates of authorities.
const authorities = "etc/ssl/certs/ca-certificates.crt"

// contents are the files of an image, each with its rights, owner and hash, and directories without the hash.
func contents(t *testing.T, image string) map[string]string {
	t.Helper()
	id := Output(t, "create", image)
	defer Output(t, "rm", id)
	cmd := Command("export", id)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for in := tar.NewReader(out); ; {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(header.Name, "/")
		found[name] = fmt.Sprintf("%v %d:%d", header.FileInfo().Mode(), header.Uid, header.Gid)
		if header.Typeflag == tar.TypeDir {
			continue
		}
		hash := sha256.New()
		if _, err := io.Copy(hash, in); err != nil {
			t.Fatal(err)
		}
		found[name] += fmt.Sprintf(" %x", hash.Sum(nil))
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	return found
}

// TestImage: one binary, a directory to mount on, one that anybody may write in, authorities, nobody's rights, and what tools
// expect to find written on it.
func TestImage(t *testing.T) {
	// What the engine adds for its own use.
	engine := regexp.MustCompile(`^(\.dockerenv|dev|etc/(hostname|hosts|mtab|resolv\.conf)|proc|sys)(/|$)`)
	want := map[string]string{
		"previewd": "-rwxr-xr-x 0:0 ", "srv": "drwxr-xr-x 0:0", "previews": "dtrwxrwxrwx 0:0",
		"etc": "drwxr-xr-x 0:0", "etc/ssl": "drwxr-xr-x 0:0", "etc/ssl/certs": "drwxr-xr-x 0:0", authorities: "-rw-r--r-- 0:0 ",
	}
	for name, what := range contents(t, image) {
		if expected, known := want[name]; known && !strings.HasPrefix(what, expected) || !known && !engine.MatchString(name) {
			t.Errorf("the image has %q: %s, want %q", name, what, expected)
		}
		delete(want, name)
	}
	for name := range want {
		t.Errorf("the image has no %q", name)
	}
	for _, c := range []struct{ format, want string }{
		{"{{.Config.User}}", "65532:65532"},
		{"{{.Config.WorkingDir}}", "/srv"},
		{"{{.Config.StopSignal}}", "SIGTERM"},
		{"{{json .Config.Entrypoint}}", `["/previewd"]`},
		{"{{json .Config.Cmd}}", "null"},
		{"{{json .Config.Volumes}}", "null"},
		{"{{json .Config.ExposedPorts}}", `{"8000/tcp":{},"8443/tcp":{},"9090/tcp":{}}`},
		{"{{range .Config.Env}}{{.}} {{end}}", "DIRECTORY=/srv TLS_PORT=8443 PREVIEWS_STORE=/previews"},
		{"{{json .Config.Healthcheck.Test}} {{.Config.Healthcheck.Interval}}", `["CMD","/previewd","healthcheck"] 5s`},
		{`{{index .Config.Labels "org.opencontainers.image.version"}}`, version},
		{`{{index .Config.Labels "org.opencontainers.image.revision"}}`, revision},
		{`{{index .Config.Labels "org.opencontainers.image.licenses"}}`, "MIT"},
	} {
		got := Output(t, "inspect", "-f", c.format, image)
		got = strings.TrimSpace(strings.ReplaceAll(got, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin ", ""))
		if got != c.want {
			t.Errorf("%s: got %s, want %s", c.format, got, c.want)
		}
	}
	if got := Output(t, "run", "--rm", image, "--version"); got != "previewd "+version+" (revision "+revision+")" {
		t.Errorf("--version: got %q", got)
	}
}
