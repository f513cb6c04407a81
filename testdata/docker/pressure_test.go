package docker

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/previewd/previewd/testdata/internal/subject"
)

const (
	bigSize     = 1 << 30
	bigClients  = 10
	textSize    = 100 << 10
	textFiles   = 3 << 10 // 300 MiB
	textClients = 16
	// Together they are below MAX_CONNECTIONS, 512 with 64 MiB: testdata/load/siege goes beyond it.
	keptOpen  = 300
	dribblers = 150
)

// TestPressure asks for everything at once of a container with 64 MiB of memory and 64 tasks. Every answer
// has to be whole, and the container has to be healthy afterwards.
func TestPressure(t *testing.T) {
	dir := folder(t, map[string]string{"small.html": "<p>small</p>\n"})
	// A hole, whose pages the kernel makes when they are read: on the container's account, as files are
	// whose pages nobody had read before.
	write(t, filepath.Join(dir, "big.bin"), "")
	if err := os.Truncate(filepath.Join(dir, "big.bin"), bigSize); err != nil {
		t.Fatal(err)
	}
	line := "The light at Kettle Rock turns once in fifteen seconds; its keeper writes the weather down.\n"
	for i := range textFiles {
		text := strings.Repeat(fmt.Sprintf("%d ", i)+line, textSize/len(line)+1)[:textSize]
		write(t, textFile(dir, i), text)
	}
	for i := range textFiles {
		forget(t, textFile(dir, i))
	}
	c := serving(t, mounted(dir, hardened...))
	peaks := watch(c)

	p := &pressure{c: c, stop: make(chan struct{})}
	began := time.Now()
	for range keptOpen {
		p.background.Go(p.keepOpen)
	}
	for range dribblers {
		p.background.Go(p.dribble)
	}
	for range bigClients {
		p.work.Go(p.fetchBig)
	}
	var next atomic.Int64
	for range textClients {
		p.work.Go(func() { p.fetchTexts(&next) })
	}
	p.work.Wait()
	took := time.Since(began)
	close(p.stop)
	p.background.Wait()

	t.Logf("%v: %d MiB of large files, %d text files (%d compressed), %d requests on %d connections, %d heads dribbled",
		took.Round(time.Millisecond), p.big.Load()>>20, p.texts.Load(), p.compressed.Load(), p.small.Load(), keptOpen, p.dribbled.Load())
	t.Logf("peaks: %v", peaks())
	for _, err := range p.failures() {
		t.Error(err)
	}
	if p.big.Load() != bigClients*bigSize || p.texts.Load() != textFiles {
		t.Errorf("%d bytes of large files and %d text files came, want %d and %d", p.big.Load(), p.texts.Load(), bigClients*bigSize, textFiles)
	}
	if got := Output(t, "inspect", "-f", "{{.State.Running}} {{.State.OOMKilled}} {{.State.Pid}}", c.id); got != "true false "+c.pid {
		t.Errorf("running, killed for memory, process: %s", got)
	}
	c.awaitHealth(t, "healthy", time.Minute)
	if resp, content := get(t, c.url("/small.html")); resp.StatusCode != 200 || content != "<p>small</p>\n" {
		t.Errorf("afterwards: %s %q", resp.Status, content)
	}
	if took, code := c.stop(t); code != "0" || took > 9*time.Second {
		t.Errorf("stopped with exit code %s after %v", code, took)
	}
}

func textFile(dir string, i int) string {
	return filepath.Join(dir, "text", strconv.Itoa(i%10), strconv.Itoa(i)+".txt")
}

// forget writes a file to the disk and drops its pages from the cache.
func forget(t *testing.T, name string) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := errors.Join(f.Sync(), unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)); err != nil {
		t.Fatal(err)
	}
}

// pressure is what clients do to a container all at once, and what has come of it.
type pressure struct {
	c                *container
	work, background sync.WaitGroup
	stop             chan struct{} // ends what is in the background

	big, texts, compressed, small, dribbled atomic.Int64

	mu     sync.Mutex
	errors map[string]int
}

// fail notes what went wrong; the same thing is counted.
func (p *pressure) fail(what string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.errors == nil {
		p.errors = map[string]int{}
	}
	// Two errors of the same kind differ in the client's port.
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	p.errors[fmt.Sprintf("%s: %v", what, err)]++
}

func (p *pressure) failures() (list []error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for text, n := range p.errors {
		list = append(list, fmt.Errorf("%d times %s", n, text))
	}
	return list
}

func (p *pressure) stopped() bool {
	select {
	case <-p.stop:
		return true
	default:
		return false
	}
}

// pause waits for d, less if the pressure ends.
func (p *pressure) pause(d time.Duration) {
	select {
	case <-p.stop:
	case <-time.After(d):
	}
}

func (p *pressure) fetchBig() {
	resp, err := http.Get(p.c.url("/big.bin"))
	if err != nil {
		p.fail("large file", err)
		return
	}
	defer resp.Body.Close()
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, resp.Body, make([]byte, 256<<10))
	p.big.Add(n)
	if err != nil || resp.StatusCode != 200 {
		p.fail("large file, "+resp.Status, err)
	}
}

// fetchTexts asks for the next text file on a connection of its own until there is none. It takes
// compressed content, as a browser does.
func (p *pressure) fetchTexts(next *atomic.Int64) {
	client := http.Client{Transport: &http.Transport{}}
	for {
		i := int(next.Add(1) - 1)
		if i >= textFiles {
			return
		}
		target := strings.TrimPrefix(textFile("", i), "/")
		resp, err := client.Get(p.c.url("/" + target))
		if err != nil {
			p.fail("text file", err)
			continue
		}
		content, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 || len(content) != textSize || !strings.HasPrefix(string(content), fmt.Sprintf("%d The", i)) {
			p.fail(fmt.Sprintf("text file: %s, %d bytes", resp.Status, len(content)), err)
			continue
		}
		p.texts.Add(1)
		if resp.Uncompressed {
			p.compressed.Add(1)
		}
	}
}

// keepOpen asks for a small file a few times a second, always on the same connection.
func (p *pressure) keepOpen() {
	conn, err := net.DialTimeout("tcp", p.c.address+":8000", 30*time.Second)
	if err != nil {
		p.fail("connection", err)
		return
	}
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 1<<10)
	for !p.stopped() {
		_ = conn.SetDeadline(time.Now().Add(60 * time.Second))
		if _, err := io.WriteString(conn, "GET /small.html HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
			p.fail("request on a kept connection", err)
			return
		}
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			p.fail("answer on a kept connection", err)
			return
		}
		_, err = io.Copy(io.Discard, resp.Body)
		if err != nil || resp.StatusCode != 200 || resp.Close {
			p.fail("answer on a kept connection: "+resp.Status, err)
			return
		}
		p.small.Add(1)
		p.pause(500 * time.Millisecond)
	}
}

// dribble sends half a head, byte by byte, as often as the server closes the connection for that.
func (p *pressure) dribble() {
	for !p.stopped() {
		conn, err := net.DialTimeout("tcp", p.c.address+":8000", 30*time.Second)
		if err != nil {
			p.fail("dribbling connection", err)
			return
		}
		p.dribbled.Add(1)
		half := "GET /small.html HTTP/1.1\r\nHost: h\r\nCookie: " + strings.Repeat("x", 1<<20)
		for i := 0; i < len(half) && !p.stopped(); i++ {
			if _, err := conn.Write([]byte{half[i]}); err != nil {
				break // 408
			}
			p.pause(200 * time.Millisecond)
		}
		conn.Close()
	}
}

// watch follows what a container takes until the function it returns is called, which describes the peaks.
func watch(c *container) func() string {
	done := make(chan struct{})
	var group sync.WaitGroup
	var resident, anonymous, threads int
	group.Go(func() {
		for {
			resident = max(resident, status(c.pid, "VmRSS"))
			anonymous = max(anonymous, status(c.pid, "RssAnon"))
			threads = max(threads, status(c.pid, "Threads"))
			select {
			case <-done:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	})
	return func() string {
		close(done)
		group.Wait()
		text := fmt.Sprintf("resident %d KiB, of it %d KiB the process's own, %d threads", resident, anonymous, threads)
		for _, name := range []string{
			"/sys/fs/cgroup/memory/docker/" + c.id + "/memory.max_usage_in_bytes",
			"/sys/fs/cgroup/memory/docker/" + c.id + "/memory.failcnt",
			"/sys/fs/cgroup/pids/docker/" + c.id + "/pids.events",
			"/sys/fs/cgroup/docker/" + c.id + "/memory.peak",
			"/sys/fs/cgroup/system.slice/docker-" + c.id + ".scope/memory.peak",
		} {
			if value, err := os.ReadFile(name); err == nil {
				text += fmt.Sprintf(", %s %s", filepath.Base(name), strings.TrimSpace(string(value)))
			}
		}
		return text
	}
}

// status is a number of /proc/PID/status, in KiB if it is memory; 0 if it cannot be read.
func status(pid, name string) int {
	id, _ := strconv.Atoi(pid)
	n, _ := subject.Status(id, name)
	return int(n)
}
