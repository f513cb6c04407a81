package docker

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/previewd/previewd/testdata/internal/subject"
)

const (
	// maxImage is how large the image may become, in bytes.
	maxImage = 16_000_000
	starts   = 20
)

// TestFigures measures what the README says, beside python -m http.server.
func TestFigures(t *testing.T) {
	size, err := strconv.Atoi(Output(t, "image", "inspect", "-f", "{{.Size}}", image))
	if err != nil || size > maxImage {
		t.Errorf("the image has %d bytes, want at most %d (%v)", size, maxImage, err)
	}
	t.Logf("image: %.1f MB", float64(size)/1e6)

	dir := folder(t, map[string]string{"index.html": "<p>hello</p>\n"})
	var runs []time.Duration
	for range starts {
		began := time.Now()
		c := start(t, mounted(dir, hardened...))
		untilAnswered(t, c.url("/"))
		runs = append(runs, time.Since(began))
		Output(t, "kill", c.id)
	}
	t.Logf("docker run to the first answer: median %v", median(runs))

	c := serving(t, mounted(dir, hardened...))
	get(t, c.url("/"))
	time.Sleep(6 * time.Second) // a health check, too
	t.Logf("resident in its container, idle: %.1f MB", float64(status(c.pid, "VmRSS"))*1024/1e6)

	binary := filepath.Join(t.TempDir(), "previewd")
	Output(t, "cp", c.id+":/previewd", binary)
	ours, resident := startUps(t, func(port string) *exec.Cmd {
		cmd := exec.Command(binary, port, "-d", dir, "--bind", "127.0.0.1")
		cmd.Env = append(os.Environ(), "ADMIN_PORT=0")
		return cmd
	})
	// The interpreter itself, as python3 may be a script that looks for it.
	python, err := exec.Command("python3", "-c", "import sys; print(sys.executable)").Output()
	if err != nil {
		t.Fatal(err)
	}
	theirs, residentTheirs := startUps(t, func(port string) *exec.Cmd {
		return exec.Command(strings.TrimSpace(string(python)), "-m", "http.server", port, "-d", dir, "--bind", "127.0.0.1")
	})
	t.Logf("start to the first answer, without a container: previewd %v, python -m http.server %v", ours, theirs)
	t.Logf("resident after it: previewd %.1f MB, python -m http.server %.1f MB", resident, residentTheirs)
	if ours > theirs {
		t.Errorf("previewd starts more slowly than Python: %v, %v", ours, theirs)
	}
}

// startUps is the median of how long a server takes from its start to its first answer, and the median of
// what it then has resident, in MB.
func startUps(t *testing.T, server func(port string) *exec.Cmd) (time.Duration, float64) {
	t.Helper()
	var took []time.Duration
	var resident []float64
	for range starts {
		port, err := subject.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		cmd := server(port)
		began := time.Now()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		untilAnswered(t, "http://127.0.0.1:"+port+"/")
		took = append(took, time.Since(began))
		time.Sleep(100 * time.Millisecond)
		resident = append(resident, float64(status(strconv.Itoa(cmd.Process.Pid), "VmRSS"))*1024/1e6)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	return median(took), median(resident)
}

// untilAnswered asks until there is an answer.
func untilAnswered(t *testing.T, url string) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		resp, err := http.Get(url)
		if err == nil {
			resp.Body.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
}

func median[T int | float64 | time.Duration](values []T) T {
	slices.Sort(values)
	return values[len(values)/2]
}
