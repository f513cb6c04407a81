package docker

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	// module is the module's root as seen from here.
	module = "../.."
	// version and revision are stamped into the image.
	version, revision = "1.2.3-test", "0123abcd"
)

// image is what the tests build and remove. Another run at the same time has another one.
var image = fmt.Sprintf("previewd-test:%d", os.Getpid())

// hardened is how the README says the container can be run.
var hardened = []string{"--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--user", "12345:0",
	"--pids-limit", "64", "--memory", "64m"}

// TestMain builds the image for all tests and removes it after them.
func TestMain(m *testing.M) {
	if os.Getenv("PREVIEWD_DOCKER") == "" {
		fmt.Println("PREVIEWD_DOCKER is not set: the image is not tested")
		return
	}
	// Containers run as users that have to get at the folders of the tests.
	_ = os.Chmod(os.TempDir(), 0o1777)
	if out, err := Command("info").CombinedOutput(); err != nil {
		fmt.Printf("no engine answers: %v\n%s", err, out)
		os.Exit(1)
	}
	if out, err := build().CombinedOutput(); err != nil {
		fmt.Printf("docker build: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	if out, err := Command("rmi", "-f", image).CombinedOutput(); err != nil {
		fmt.Printf("docker rmi: %v\n%s", err, out)
		code = max(code, 1)
	}
	os.Exit(code)
}

// build is the command that builds the image.
func build(args ...string) *exec.Cmd {
	args = append([]string{"build", "--progress", "plain", "-t", image,
		"--build-arg", "VERSION=" + version, "--build-arg", "REVISION=" + revision}, args...)
	return Command(append(args, module)...)
}

// container is one that a test has started. It is reached by its own address, as the proxy of published
// ports would take half of the processor time.
type container struct {
	id, address string
	pid         string // of the server, on the host
}

// start runs the image with the arguments of docker run, up to and after the image's name, and removes the
// container when the test ends. Its log is shown if the test fails.
func start(t testing.TB, options []string, arguments ...string) *container {
	t.Helper()
	args := append([]string{"run", "-d"}, options...)
	args = append(append(args, image), arguments...)
	c := &container{id: Output(t, args...)}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of the log of %.12s:\n%s", c.id, tail(c.log(t), 4<<10))
		}
		Output(t, "rm", "-f", "-v", c.id)
	})
	c.address = Output(t, "inspect", "-f", "{{.NetworkSettings.IPAddress}}", c.id)
	c.pid = Output(t, "inspect", "-f", "{{.State.Pid}}", c.id)
	return c
}

// serving is start, and then waits until the server answers.
func serving(t testing.TB, options []string, arguments ...string) *container {
	t.Helper()
	c := start(t, options, arguments...)
	Await(t, time.Minute, "the server answers", func() error {
		resp, err := http.Get(c.admin("/livez"))
		if err != nil {
			return err
		}
		return resp.Body.Close()
	})
	return c
}

func (c *container) url(target string) string { return "http://" + c.address + ":8000" + target }

func (c *container) admin(target string) string { return "http://" + c.address + ":9090" + target }

// log is what the server has written: all of it goes to standard error.
func (c *container) log(t testing.TB) string {
	out, err := Command("logs", c.id).CombinedOutput()
	if err != nil {
		t.Fatalf("docker logs: %v\n%s", err, out)
	}
	return string(out)
}

// records are the records of the log with the given logger, "" for the server's own.
func (c *container) records(t testing.TB, logger string) (found []map[string]any) {
	t.Helper()
	for line := range strings.Lines(c.log(t)) {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Errorf("a line of the log is not JSON: %q: %v", line, err)
			continue
		}
		name, _ := record["logger"].(string)
		if name == logger {
			found = append(found, record)
		}
	}
	return found
}

// health is the state of the health check: starting, healthy or unhealthy.
func (c *container) awaitHealth(t testing.TB, want string, within time.Duration) {
	t.Helper()
	Await(t, within, "the container is "+want, func() error {
		if got := Output(t, "inspect", "-f", "{{.State.Health.Status}}", c.id); got != want {
			return fmt.Errorf("it is %s: %s", got, Output(t, "inspect", "-f", "{{json .State.Health.Log}}", c.id))
		}
		return nil
	})
}

// stop is docker stop: it returns how long that took, and the server's exit code.
func (c *container) stop(t testing.TB) (took time.Duration, code string) {
	t.Helper()
	began := time.Now()
	Output(t, "stop", c.id)
	return time.Since(began), Output(t, "inspect", "-f", "{{.State.ExitCode}}", c.id)
}

// get asks for url and returns the answer's status and content.
func get(t testing.TB, url string, fields ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	return answer(t, &client, r)
}

// answer sends a request, and reads the whole answer.
func answer(t testing.TB, client *http.Client, r *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(content)
}

// folder makes a directory that every user may read, with the given files.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	// Not t.TempDir, whose parent is the user's alone.
	dir, err := os.MkdirTemp("", "previewd-docker.")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		write(t, filepath.Join(dir, name), content)
	}
	return dir
}

func write(t testing.TB, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// mounted is the option that mounts dir, read-only.
func mounted(dir string, options ...string) []string {
	return append([]string{"-v", dir + ":/srv:ro"}, options...)
}

func tail(text string, n int) string { return text[max(0, len(text)-n):] }
