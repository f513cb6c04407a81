package main

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/previewd/previewd/server/certs/devca"
)

// holed is a program with a hole (see withHole in server/service): what it can reach is what an attacker could who runs code
// in it.
type holed struct {
	t *testing.T
	runningService
}

// startHoled starts the program with a hole that is at path. Its log has said what confines it.
func startHoled(t *testing.T, path string, environ ...string) holed {
	t.Helper()
	s := startProgram(t, path, append([]string{"PORT=0", "BIND=127.0.0.1", "ADMIN_PORT=0", "LOG_FORMAT=text"}, environ...))
	s.await(t, "kernel confinement")
	if strings.Contains(s.stderr.String(), "no kernel confinement: this kernel") || strings.Contains(s.stderr.String(), "no kernel confinement: Landlock is turned off") {
		t.Skip("nothing can be confined here:", s.stderr)
	}
	return holed{t, s}
}

// get asks for a target and returns status and content.
func (h holed) get(target string) (int, string) {
	h.t.Helper()
	resp, err := http.Get("http://" + h.addr + target)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// misuse wants something to be possible or refused.
func (h holed) misuse(possible bool, does, what string) {
	h.t.Helper()
	status, text := h.get("/__previewd/hole/" + does + "?" + url.QueryEscape(what))
	switch refused := strings.HasSuffix(text, "permission denied") || strings.HasSuffix(text, "operation not permitted"); {
	case possible && status != 200:
		h.t.Errorf("%s %s is refused: %s", does, what, text)
	case !possible && (status == 200 || !refused):
		h.t.Errorf("%s %s is not refused: %d %.100q", does, what, status, text)
	}
}

// buildHoled builds the program with the hole.
func buildHoled(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "previewd")
	if out, err := exec.Command("go", "build", "-tags", "hole", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// Law: whoever runs code in the process reads nothing but what lies beside what is served, writes nowhere but in TLS_STATE_DIR,
// starts nothing, and neither listens nor connects; unless a setting needs it. Without confinement all of it is possible.
func TestTheHoleStaysShut(t *testing.T) {
	program := buildHoled(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, c := range []struct {
		name                      string
		environ                   []string
		read, write, run, connect bool // what is possible outside
		listen                    bool
	}{
		{"usual", nil, false, false, false, false, false},
		{"SYMLINKS=follow", []string{"SYMLINKS=follow"}, true, false, false, false, false},
		{"CGI", []string{"CGI=true"}, true, true, true, true, false},
		{"off", []string{"KERNEL_CONFINEMENT=off"}, true, true, true, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			inside, outside, state := t.TempDir(), t.TempDir(), t.TempDir()
			layOut(t, inside, "app/dist/page.html", []byte("page"))
			layOut(t, outside, "secret", []byte("secret"))
			h := startHoled(t, program, append([]string{"DIRECTORY=" + inside + "/app/dist", "TLS_STATE_DIR=" + state}, c.environ...)...)
			if status, text := h.get("/page.html"); status != 200 || text != "page" {
				t.Errorf("the page: %d %q", status, text)
			}
			h.misuse(true, "read", inside+"/app/dist/page.html")
			h.misuse(true, "read", "/proc/self/stat")
			h.misuse(c.read, "read", outside+"/secret")
			h.misuse(c.read, "read", "/proc/self/root/etc/passwd")
			h.misuse(c.read, "read", "/proc/version")
			h.misuse(c.read, "list", "/")
			h.misuse(c.read, "list", "/proc")
			h.misuse(c.read, "list", inside)
			h.misuse(c.write, "write", outside+"/new")
			h.misuse(c.write, "write", inside+"/app/dist/new")
			h.misuse(c.write, "remove", outside+"/secret")
			h.misuse(true, "write", state+"/new")
			h.misuse(true, "remove", state+"/new")
			h.misuse(c.run, "run", "/bin/true")
			h.misuse(c.connect, "connect", l.Addr().String())
			h.misuse(c.listen, "listen", "127.0.0.1:0")
			if code, log := h.stop(); code != 0 {
				t.Errorf("exit code %d\n%s", code, log)
			}
		})
	}
}

// Law: what the settings say is renewed can be: a directory made anew, a switched link, the certificate, the passwords. A
// link that is switched to where nothing was known of may not be read, and the log says why.
func TestWhatIsReplacedCanBeRead(t *testing.T) {
	base := t.TempDir()
	for _, name := range []string{"a/page.html", "b/page.html"} {
		layOut(t, base, "app/releases/"+name, []byte(name))
	}
	layOut(t, base, "app/current -> releases/a", nil)
	layOut(t, base, "elsewhere/c/page.html", []byte("c/page.html"))
	certificate, err := os.ReadFile(testCertificate(t))
	if err != nil {
		t.Fatal(err)
	}
	layOut(t, base, "tls/..1/tls.crt", certificate)
	layOut(t, base, "tls/..data -> ..1", nil)
	layOut(t, base, "tls/tls.crt -> ..data/tls.crt", nil)
	s := startService(t, []string{"PORT=0", "TLS_PORT=0", "BIND=127.0.0.1", "ADMIN_PORT=0", "LOG_FORMAT=text", "DIRECTORY=" + base + "/app/current", "TLS_CERT=" + base + "/tls/tls.crt"})
	h := holed{t, s}
	page := func(status int, want string) {
		t.Helper()
		if got, text := h.get("/page.html"); got != status || status == 200 && text != want {
			t.Errorf("got %d %q, want %d %q", got, text, status, want)
		}
	}
	relink := func(name, target string) {
		t.Helper()
		path := filepath.Join(base, name)
		if err := os.Symlink(target, path+".new"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	page(200, "a/page.html")
	relink("app/current", "releases/b")
	page(200, "b/page.html")
	if err := os.RemoveAll(base + "/app/releases/b"); err != nil {
		t.Fatal(err)
	}
	page(404, "")
	layOut(t, base, "app/releases/b/page.html", []byte("anew"))
	page(200, "anew")

	ca, _, err := devca.Open(devca.Options{})
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.ReadFile(certificateOf(t, ca))
	if err != nil {
		t.Fatal(err)
	}
	layOut(t, base, "tls/..2/tls.crt", other)
	relink("tls/..data", "..2")
	s.await(t, "info: new certificate")

	relink("app/current", base+"/elsewhere/c")
	if !strings.Contains(s.stderr.String(), "kernel confinement (Landlock") {
		t.Skip("nothing is confined here")
	}
	page(404, "")
	s.await(t, "KERNEL_CONFINEMENT=off")
}

// await waits until the log has a text in it.
func (s runningService) await(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !strings.Contains(s.stderr.String(), text); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the log does not say %q:\n%s", text, s.stderr)
		}
	}
}

// Law: with previews from a registry it is the same but for the store, the credentials and the registry's port. What DIRECTORY
// names is not read, as it is not served.
func TestTheHoleStaysShutWithARegistry(t *testing.T) {
	registry, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer registry.Close()
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	served, store, docker, outside := t.TempDir(), t.TempDir(), t.TempDir(), t.TempDir()
	layOut(t, served, "page.html", []byte("page"))
	layOut(t, docker, "config.json", []byte("{}"))
	layOut(t, outside, "secret", []byte("secret"))
	h := startHoled(t, buildHoled(t), "PREVIEWS="+registry.Addr().String()+"/team/app", "PREVIEWS_INSECURE=true",
		"PREVIEWS_STORE="+store, "DOCKER_CONFIG="+docker, "DIRECTORY="+served)
	h.misuse(true, "read", "/proc/self/stat")
	h.misuse(true, "read", "/etc/hosts")
	h.misuse(true, "read", docker+"/config.json")
	h.misuse(true, "write", store+"/new")
	h.misuse(true, "remove", store+"/new")
	h.misuse(true, "connect", registry.Addr().String())
	h.misuse(false, "connect", other.Addr().String())
	h.misuse(false, "listen", "127.0.0.1:0")
	h.misuse(false, "read", served+"/page.html")
	h.misuse(false, "read", outside+"/secret")
	h.misuse(false, "read", "/etc/passwd")
	h.misuse(false, "list", "/etc")
	h.misuse(false, "write", outside+"/new")
	h.misuse(false, "write", docker+"/new")
	h.misuse(false, "run", "/bin/true")
	if code, log := h.stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, log)
	}
}
