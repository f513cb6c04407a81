package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/previewd/previewd/server/rules"
	"github.com/previewd/previewd/server/site/sitetest/faultfs"
)

// startOn starts the program for a directory.
func startOn(t *testing.T, dir string, environ ...string) holed {
	t.Helper()
	return holed{t, startService(t, append([]string{"PORT=0", "BIND=127.0.0.1", "ADMIN_PORT=0", "LOG_FORMAT=text", "DIRECTORY=" + dir}, environ...))}
}

// admin asks the admin port for a path.
func (h holed) admin(path string) (int, string) {
	h.t.Helper()
	h.await(h.t, "info: admin port url=")
	_, rest, _ := strings.Cut(h.stderr.String(), "info: admin port url=")
	url, _, _ := strings.Cut(rest, "\n")
	return fetchStatus(h.t, strings.TrimSuffix(url, "/")+path)
}

// fetchStatus asks for a URL on a connection of its own. A status of 0 is an answer that was cut.
func fetchStatus(t *testing.T, url string) (int, string) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	resp, err := client.Get(url)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, ""
	}
	return resp.StatusCode, string(text)
}

// Law: what a file system fails with is never "not found", and never a short answer passed off as whole: it is 503 or a cut, and
// the log has the reason. What is kept is sent while looking at it succeeds. When the fault is over all is well, without a restart.
func TestAFileSystemThatFails(t *testing.T) {
	long := strings.Repeat("All lights in order.\n", 100_000)
	want := map[string]string{"/a.txt": "a", "/sub/b.txt": "b", "/long.bin": long}
	targets := []string{"/a.txt", "/sub/b.txt", "/long.bin", "/sub/", "/"}
	for _, errno := range []syscall.Errno{unix.EIO, unix.ESTALE, unix.ENFILE} {
		for request, fails := range map[faultfs.Request][]int{ // for each target
			faultfs.Lookup:  {503, 503, 503, 503, 503},
			faultfs.Getattr: {503, 503, 503, 503, 503},
			faultfs.Open:    {200, 200, 503, 200, 200},
			faultfs.Read:    {200, 200, 0, 200, 200},
			faultfs.Opendir: {200, 200, 200, 503, 503},
			faultfs.Readdir: {200, 200, 200, 503, 503},
		} {
			t.Run(unix.ErrnoName(errno)+"/"+string(request), func(t *testing.T) {
				f := faultfs.Mount(t, map[string]string{"a.txt": "a", "sub/b.txt": "b", "long.bin": long})
				h := startOn(t, f.Dir)
				all := func(when string) {
					t.Helper()
					for target, content := range want {
						if status, text := h.get(target); status != 200 || text != content {
							t.Errorf("%s: %s: %d, %d bytes", when, target, status, len(text))
						}
					}
					if status, text := h.get("/"); status != 200 || !strings.Contains(text, "long.bin") {
						t.Errorf("%s: /: %d %q", when, status, text)
					}
				}
				all("before")
				f.Fail(request, errno)
				for i, target := range targets {
					status, text := fetchStatus(t, "http://"+h.addr+target)
					if status != fails[i] {
						t.Errorf("%s: %d %q, want %d", target, status, text[:min(len(text), 200)], fails[i])
					}
					if content, isFile := want[target]; status == 200 && isFile && text != content {
						t.Errorf("%s: other content of %d bytes", target, len(text))
					}
				}
				f.Fail(request, 0)
				all("afterwards")
				code, log := h.stop()
				if code != 0 || !strings.Contains(log, errno.Error()) {
					t.Errorf("exit code %d, and the log does not say %q:\n%s", code, errno.Error(), log)
				}
			})
		}
	}
}

// Law: requests for files on a mount that hangs wait, and nothing else does. Each takes a thread, so there are 256 of them at most
// (defaultDiskThreads in server/service), or one with rules; the others get 503 in time. When the mount answers again so do those
// that wait.
func TestAMountThatHangs(t *testing.T) {
	const clients, threads = 400, 256
	for setting, most := range map[string]int{"true": 1, "false": threads} {
		t.Run("RULES="+setting, func(t *testing.T) {
			t.Parallel()
			f := faultfs.Mount(t, map[string]string{"a.txt": "a"})
			h := startOn(t, f.Dir, "RULES="+setting)
			if status, text := h.get("/a.txt"); status != 200 || text != "a" {
				t.Fatalf("%d %q", status, text)
			}
			f.Hang()
			time.Sleep(2 * rules.MaxAge) // else some still go by the rules that were read before
			var waiting sync.WaitGroup
			statuses := make(chan int, clients)
			for range clients {
				waiting.Go(func() {
					status, _ := fetchStatus(t, "http://"+h.addr+"/a.txt")
					statuses <- status
				})
			}
			refused := 0
			for refused < clients-most { // those that do not wait in the file system
				if status := <-statuses; status != 503 {
					t.Errorf("status %d while the mount hangs", status)
				}
				refused++
			}
			if n := f.Waiting(); n != most {
				t.Errorf("%d wait in the file system, want %d", n, most)
			}
			if list, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", h.pid)); err != nil || len(list) > most+40 {
				t.Errorf("%d threads, %v", len(list), err)
			}
			for path, want := range map[string]int{"/livez": 200, "/metrics": 200, "/readyz": 503} {
				if status, text := h.admin(path); status != want {
					t.Errorf("%s: %d %.100q, want %d", path, status, text, want)
				}
			}
			f.Resume()
			for range clients - refused {
				if status := <-statuses; status != 200 {
					t.Errorf("status %d afterwards", status)
				}
			}
			waiting.Wait()
			for deadline := time.Now().Add(time.Minute); ; { // a probe may take a second, on a busy machine longer
				status, text := h.admin("/readyz")
				if status == 200 {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("/readyz is %d afterwards: %s", status, text)
				}
			}
			if code, log := h.stop(); code != 0 {
				t.Errorf("exit code %d\n%s", code, log)
			}
		})
	}
}

// Law: the end is on time while a mount hangs: SHUTDOWN_TIMEOUT is for all.
func TestTheEndWhileAMountHangs(t *testing.T) {
	f := faultfs.Mount(t, map[string]string{"a.txt": "a"})
	h := startOn(t, f.Dir, "SHUTDOWN_TIMEOUT=100ms")
	h.get("/a.txt") // it has started
	f.Hang()
	cut := make(chan error)
	go func() {
		resp, err := http.Get("http://" + h.addr + "/a.txt")
		if err == nil {
			resp.Body.Close()
		}
		cut <- err
	}()
	for f.Waiting() == 0 {
		runtime.Gosched()
	}
	code, log := h.stop()
	if err := <-cut; code != 0 || err == nil || !strings.Contains(log, "stopped before all answers were finished") {
		t.Errorf("exit code %d, the client has %v\n%s", code, err, log)
	}
}

// Law: where TLS_STATE_DIR is full the program does not start, says why in one line, and leaves nothing there that would be in its
// way once there is room.
func TestAFullStateDirectory(t *testing.T) {
	dir := t.TempDir()
	mount := func(flags uintptr, pages int) {
		t.Helper()
		if err := unix.Mount("tmpfs", dir, "tmpfs", flags, fmt.Sprintf("size=%d", pages*os.Getpagesize())); err != nil {
			t.Skip("nothing can be mounted here:", err)
		}
	}
	mount(0, 1)
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, os.Getpagesize()), 0o600); err != nil {
		t.Fatal(err)
	}
	environ := []string{"PORT=0", "BIND=127.0.0.1", "ADMIN_PORT=0", "LOG_FORMAT=text", "DIRECTORY=testdata/www", "TLS_SELF_SIGNED=true", "TLS_STATE_DIR=" + dir}
	refused := func(left ...string) {
		t.Helper()
		var stdout, stderr output
		code := run(t.Context(), nil, environ, &stdout, &stderr)
		if text := stderr.String(); code != 1 || strings.Count(text, "\n") != 1 || !strings.Contains(text, "TLS_STATE_DIR") || !strings.HasSuffix(text, "no space left on device\n") {
			t.Errorf("exit code %d\n%s", code, text)
		}
		entries, err := os.ReadDir(dir)
		var names []string
		for _, entry := range entries {
			names = append(names, entry.Name())
		}
		if err != nil || !slices.Equal(names, left) {
			t.Errorf("left behind are %q, %v; want %q", names, err, left)
		}
	}
	refused("filler")
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	refused("ca-key.pem") // which is whole: the next start uses it
	mount(unix.MS_REMOUNT, 16)
	s := startProgram(t, os.Args[0], append(environ, "PREVIEWD_TEST_PROGRAM=1"))
	if code, log := s.stop(); code != 0 || !strings.Contains(log, "development CA") {
		t.Errorf("exit code %d\n%s", code, log)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "ca.pem")); err != nil || len(text) == 0 {
		t.Errorf("ca.pem: %q, %v", text, err)
	}
}
