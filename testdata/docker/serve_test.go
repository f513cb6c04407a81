package docker

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestServe is what the README promises of docker run -v, with every right taken away.
func TestServe(t *testing.T) {
	dir := folder(t, map[string]string{"page.html": "<p>one</p>\n", "sub/inside.txt": "inside\n", "with space.txt": ""})
	c := serving(t, mounted(dir, hardened...))

	resp, content := get(t, c.url("/page.html"))
	if resp.StatusCode != 200 || content != "<p>one</p>\n" || resp.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("a file: %s %q %q", resp.Status, resp.Header, content)
	}
	if resp, content := get(t, c.url("/")); resp.StatusCode != 200 || !strings.Contains(content, `<a href="with%20space.txt">`) ||
		!strings.Contains(content, `<a href="sub/">`) {
		t.Errorf("a listing: %s %q", resp.Status, content)
	}
	modified := resp.Header.Get("Last-Modified")
	if resp, content := get(t, c.url("/page.html"), "If-Modified-Since", modified); resp.StatusCode != 304 || content != "" {
		t.Errorf("not modified since %q: %s %q", modified, resp.Status, content)
	}
	for i := range 20 {
		want := fmt.Sprintf("<p>edit %d</p>\n", i)
		write(t, filepath.Join(dir, "page.html"), want)
		if _, got := get(t, c.url("/page.html")); got != want {
			t.Fatalf("after an edit: %q, want %q", got, want)
		}
	}
	if resp, _ := get(t, c.url("/nowhere")); resp.StatusCode != 404 {
		t.Errorf("nowhere: %s", resp.Status)
	}
	c.awaitHealth(t, "healthy", time.Minute)
	if resp, content := get(t, c.admin("/version")); !strings.Contains(content, version) || !strings.Contains(content, revision) {
		t.Errorf("/version: %s %q", resp.Status, content)
	}

	want := []string{"200 page.html", "200 ", "304 page.html"}
	for range 20 {
		want = append(want, "200 page.html")
	}
	want = append(want, "404 nowhere")
	var got []string
	for _, r := range c.records(t, "access") {
		target, _, _ := strings.Cut(strings.TrimPrefix(fmt.Sprint(r["request"]), "GET /"), " ")
		got = append(got, fmt.Sprintf("%v %s", r["code"], target))
	}
	// A JSON record may be later than its answer, and so than the next request.
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the log has %q, want %q", got, want)
	}

	// The time of docker stop is the engine's own for the most part.
	took, code := c.stop(t)
	t.Logf("docker stop took %v", took)
	if code != "0" || took > 8*time.Second {
		t.Errorf("stopped with exit code %s after %v", code, took)
	}
	if drained := c.drained(t); drained > 4*time.Second { // an idle server waits for nothing
		t.Errorf("it took %v from the signal to the exit", drained)
	}
}

// drained is how long the engine waited for the server: from its signal to the server's end.
func (c *container) drained(t *testing.T) time.Duration {
	t.Helper()
	began, ended := time.Time{}, time.Time{}
	until := strconv.FormatInt(time.Now().Unix()+1, 10)
	for line := range strings.Lines(Output(t, "events", "--since", "1m", "--until", until, "--filter", "container="+c.id, "--format", "{{json .}}")) {
		var event struct {
			Action   string `json:"Action"`
			TimeNano int64  `json:"timeNano"`
		}
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			t.Fatal(err)
		}
		switch event.Action {
		case "kill":
			began = time.Unix(0, event.TimeNano)
		case "die":
			ended = time.Unix(0, event.TimeNano)
		}
	}
	if began.IsZero() || ended.IsZero() {
		t.Fatalf("the engine tells of no kill or no die")
	}
	t.Logf("it took %v from the signal to the exit", ended.Sub(began))
	return ended.Sub(began)
}

// TestStopUnderLoad: every request that has begun when docker stop comes gets its whole answer.
func TestStopUnderLoad(t *testing.T) {
	content := strings.Repeat("0123456789abcdef", 64<<10) // 1 MiB
	dir := folder(t, map[string]string{"file": content})
	c := serving(t, mounted(dir, hardened...))
	var group sync.WaitGroup
	var whole, refused atomic.Int64
	for range 16 {
		group.Go(func() {
			for {
				conn, err := net.DialTimeout("tcp", c.address+":8000", time.Second)
				if err != nil {
					refused.Add(1)
					return
				}
				n, err := fetchSlowly(conn)
				conn.Close()
				if err != nil || n != int64(len(content)) {
					t.Errorf("an answer was cut: %d bytes, %v", n, err)
					return
				}
				whole.Add(1)
			}
		})
	}
	Await(t, time.Minute, "fifty answers", func() error {
		if n := whole.Load(); n < 50 {
			return fmt.Errorf("there are %d", n)
		}
		return nil
	})
	took, code := c.stop(t)
	group.Wait()
	t.Logf("%d whole answers, stopped after %v", whole.Load(), took)
	if code != "0" || refused.Load() != 16 {
		t.Errorf("exit code %s; %d of 16 clients were refused at last", code, refused.Load())
	}
	var last string
	for _, r := range c.records(t, "") {
		last = fmt.Sprint(r["msg"])
	}
	if last != "stopped" {
		t.Errorf("the last record says %q", last)
	}
	if n := int64(len(c.records(t, "access"))); n != whole.Load() {
		t.Errorf("%d records of requests, %d answers", n, whole.Load())
	}
}

// TestStopThroughAPublishedPort: a download by a port that is published on the loopback address is whole, though docker
// stop comes in the midst of it. A relay of Docker's hands it on, and goes with the container.
func TestStopThroughAPublishedPort(t *testing.T) {
	const size = 20 << 20
	dir := folder(t, map[string]string{"file": strings.Repeat("x", size)})
	for _, field := range []string{"Connection: keep-alive", "Connection: close"} {
		c := serving(t, append(mounted(dir, hardened...), "-p", "127.0.0.1::8000"))
		conn, err := net.Dial("tcp", Output(t, "port", c.id, "8000/tcp"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
		fmt.Fprintf(conn, "GET /file HTTP/1.1\r\nHost: localhost\r\n%s\r\n\r\n", field)
		began, got := make(chan struct{}), make(chan int64, 1)
		go func() {
			slow := &slowReader{from: conn}
			n, err := io.CopyN(io.Discard, slow, 1<<20)
			close(began)
			if err == nil {
				var rest int64
				rest, err = io.Copy(io.Discard, slow)
				n += rest
			}
			if err != nil {
				t.Errorf("%s: %v", field, err)
			}
			_ = conn.Close()
			got <- n
		}()
		<-began
		took, code := c.stop(t)
		// The head has less than 1 KiB.
		if n := <-got; n < size || n > size+1<<10 || code != "0" {
			t.Errorf("%s: %d bytes with the head, of %d of content; exit code %s", field, n, size, code)
		}
		t.Logf("%s: whole, stopped after %v", field, took)
	}
}

// fetchSlowly reads the file in pieces with pauses, some 50 ms in all.
func fetchSlowly(conn net.Conn) (n int64, err error) {
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, "GET /file HTTP/1.0\r\n\r\n"); err != nil {
		return 0, err
	}
	answer, err := io.ReadAll(&slowReader{from: conn})
	_, content, _ := strings.Cut(string(answer), "\r\n\r\n")
	return int64(len(content)), err
}

type slowReader struct {
	from io.Reader
	n    int
}

func (r *slowReader) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	if r.n += n; r.n > 200<<10 {
		r.n = 0
		time.Sleep(10 * time.Millisecond)
	}
	return n, err
}

// TestNothingMounted: the page of the image says how to mount, until something is mounted: at /srv, though it be empty,
// or below it.
func TestNothingMounted(t *testing.T) {
	c := serving(t, hardened)
	if resp, content := get(t, c.url("/")); resp.StatusCode != 200 || !strings.Contains(content, "$PWD:/srv:ro") {
		t.Errorf("%s %q", resp.Status, content)
	}
	c = serving(t, mounted(folder(t, nil), hardened...))
	if resp, content := get(t, c.url("/")); resp.StatusCode != 200 || !strings.Contains(content, "Directory listing for /") {
		t.Errorf("an empty folder: %s %q", resp.Status, content)
	}
	c = serving(t, append([]string{"-v", folder(t, map[string]string{"page.html": "page"}) + ":/srv/repo:ro"}, hardened...))
	if resp, content := get(t, c.url("/")); resp.StatusCode != 200 || !strings.Contains(content, `<a href="repo/">`) || strings.Contains(content, "index.html") {
		t.Errorf("mounted below: %s %q", resp.Status, content)
	}
	if _, content := get(t, c.url("/repo/page.html")); content != "page" {
		t.Errorf("mounted below: %q", content)
	}
}

// TestAdminPortTakenOnTheHost: in the host's network another program may have the admin port. The default gives way, as
// without an image, and the log says so; one that was asked for does not.
func TestAdminPortTakenOnTheHost(t *testing.T) {
	taken, err := net.Listen("tcp", ":9090")
	if err != nil {
		t.Logf("another has it already: %v", err)
	} else {
		defer taken.Close()
	}
	c := start(t, []string{"--network", "host", "--no-healthcheck"}, "0")
	Await(t, time.Minute, "the server listens", func() error {
		if !strings.Contains(c.log(t), `"urls":`) {
			return fmt.Errorf("the log has %q", c.log(t))
		}
		return nil
	})
	if n := c.warned(t, "port 9090 is taken, so that metrics and health are at another"); n != 1 {
		t.Errorf("%d warnings, want one:\n%s", n, c.log(t))
	}
	if out, err := Command("run", "--rm", "--network", "host", "-e", "ADMIN_PORT=9090", image, "0").CombinedOutput(); err == nil ||
		!strings.Contains(string(out), "port 9090 is in use by another program") || !strings.Contains(string(out), "ADMIN_PORT=9091") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestArgumentsFollowTheImage: the entry point is the server, so that its options can follow.
func TestArgumentsFollowTheImage(t *testing.T) {
	c := serving(t, nil, "-p", "HTTP/1.0", "7000")
	resp, err := http.Get("http://" + c.address + ":7000/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.Proto != "HTTP/1.0" || resp.StatusCode != 200 {
		t.Errorf("%s %s", resp.Proto, resp.Status)
	}
}

// TestMountThatCannotBeRead: the log and /readyz say who lacks which right, and the answer is 404.
func TestMountThatCannotBeRead(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give a folder to another user")
	}
	dir := folder(t, map[string]string{"page.html": "page", "closed/page.html": "page", "closed.txt": "text"})
	chown(t, dir, 1000, 0o700)
	c := serving(t, mounted(dir, hardened...))
	const why = `the directory /srv cannot be read by uid 12345: permission denied (mode drwx------, owner 1000:1000); ` +
		`run as its owner (docker run --user), allow others to read it (chmod -R o+rX), or, with SELinux, mount it with :z`
	if n := c.warned(t, why); n != 1 {
		t.Errorf("%d warnings at the start, want one", n)
	}
	for range 3 {
		for _, target := range []string{"/", "/page.html", "/closed/page.html"} {
			if resp, _ := get(t, c.url(target)); resp.StatusCode != 404 {
				t.Errorf("%s: %s, want 404", target, resp.Status)
			}
		}
	}
	if n := c.warned(t, why); n != 2 {
		t.Errorf("%d warnings after requests, want one more", n)
	}
	if resp, content := get(t, c.admin("/readyz")); resp.StatusCode != 503 || content != "directory: "+why+"\n" {
		t.Errorf("/readyz: %s %q", resp.Status, content)
	}
	out, err := Command("exec", c.id, "/previewd", "healthcheck").CombinedOutput()
	if want := "503 Service Unavailable: directory: " + why; err == nil || !strings.Contains(string(out), want) || strings.Count(string(out), "\n") != 1 {
		t.Errorf("healthcheck: %v %q, want %q in one line", err, out, want)
	}

	// Mended while it runs; what is below is closed still.
	chown(t, filepath.Join(dir, "closed"), 1000, 0o700)
	chown(t, filepath.Join(dir, "closed.txt"), 1000, 0o600)
	chown(t, dir, 1000, 0o755)
	c.awaitHealth(t, "healthy", time.Minute)
	if resp, content := get(t, c.url("/page.html")); resp.StatusCode != 200 || content != "page" {
		t.Errorf("mended: %s %q", resp.Status, content)
	}
	for _, below := range []struct{ name, target, mode string }{
		{"closed", "/closed/page.html", "drwx------"},
		{"closed.txt", "/closed.txt", "-rw-------"},
	} {
		for range 2 {
			if resp, _ := get(t, c.url(below.target)); resp.StatusCode != 404 {
				t.Errorf("%s: %s, want 404", below.target, resp.Status)
			}
		}
		want := fmt.Sprintf("%q cannot be read by uid 12345: permission denied (mode %s, owner 1000:1000); run as its owner", below.name, below.mode)
		if n := c.warned(t, want); n != 1 {
			t.Errorf("%d warnings that say %q, want one:\n%s", n, want, c.log(t))
		}
	}
}

func chown(t *testing.T, name string, uid int, mode os.FileMode) {
	t.Helper()
	if err := os.Chown(name, uid, uid); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, mode); err != nil {
		t.Fatal(err)
	}
}

// warned is how many warnings of the log begin with text.
func (c *container) warned(t *testing.T, text string) (n int) {
	t.Helper()
	for _, r := range c.records(t, "") {
		if r["level"] == "warn" && strings.HasPrefix(fmt.Sprint(r["msg"]), text) {
			n++
		}
	}
	return n
}

// TestHealthCheck: it finds the admin port wherever the environment has moved it.
func TestHealthCheck(t *testing.T) {
	for name, options := range map[string][]string{
		"moved":            {"-e", "ADMIN_PORT=7777"},
		"loopback":         {"-e", "ADMIN_BIND=127.0.0.1"},
		"IPv6 loopback":    {"-e", "ADMIN_BIND=::1", "--sysctl", "net.ipv6.conf.lo.disable_ipv6=0"},
		"as BIND":          {"-e", "BIND=0.0.0.0"},
		"by name":          {"-e", "ADMIN_BIND=localhost"},
		"any user at all":  {"--user", "98765:0"},
		"root, no rights":  {"--user", "0:0", "--cap-drop", "ALL"},
		"a small memory":   {"--memory", "32m"},
		"a proxy is named": {"-e", "HTTP_PROXY=http://192.0.2.1:3128", "-e", "http_proxy=http://192.0.2.1:3128"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start(t, options).awaitHealth(t, "healthy", time.Minute)
		})
	}
}
