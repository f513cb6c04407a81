//go:build linux

package cgi_test

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/previewd/previewd/server/budget"
	"github.com/previewd/previewd/server/cgi"
	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site"
)

func clearCloseOnExec(f *os.File) {
	_, err := unix.FcntlInt(f.Fd(), unix.F_SETFD, 0)
	check(err)
}

// shortTimeout is long enough for a script to start and say its number, also on a busy machine.
func shortTimeout(o *cgi.Options, _ *site.Options) { o.Timeout = 3 * time.Second }

// A script that does not end is killed, and all of its group.
func TestTimeout(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script    string
		want      string
		processes int
	}{
		"before_the_head":  {"hang", "504 Gateway Timeout", 1},
		"behind_the_head":  {"head-alone", "504 Gateway Timeout", 1},
		"with_a_child":     {"hang-with-child", "504 Gateway Timeout", 2},
		"of_another_group": {"leaves-group", "504 Gateway Timeout", 1},
		"in_the_content":   {"head-and-hang", "200 Script output follows begun\n cut: unexpected EOF", 1},
		"after_its_output": {"deaf", "200 Script output follows all\n", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(t, shortTimeout)
			resp, text := s.ask(get("/cgi-bin/" + c.script))
			if strings.HasPrefix(text, "<!DOCTYPE") {
				text = ""
			}
			if got := strings.TrimSuffix(resp.Status+" "+text, " "); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			s.dead(s.pids(c.processes)...)
			s.eventually("a failure", func() bool { return len(s.failures) == 1 && s.running == 0 })
		})
	}
}

// CPython answers when the script has ended, whoever holds its output. What it leaves behind in its process
// group ends with it.
func TestAChildThatHoldsThePipe(t *testing.T) {
	for _, script := range []string{"fork", "daemon"} {
		s := newService(t, nil)
		if _, text := s.ask(get("/cgi-bin/" + script)); text != "parent\n" { // long before the sleeper ends
			t.Errorf("%s: %q", script, text)
		}
		pid := s.pids(1)[0]
		if script == "fork" {
			s.dead(pid)
			continue
		}
		if !alive(pid) {
			t.Error("a process that left the group was killed")
		}
		check(unix.Kill(pid, unix.SIGKILL))
	}
}

// What fills a pipe faster than it can be read does not keep the server from seeing that the script has ended.
func TestAFloodEndsWithTheScript(t *testing.T) {
	for _, raw := range []string{get("/cgi-bin/flood"), "HEAD /cgi-bin/flood HTTP/1.0\r\n\r\n", get("/cgi-bin/flood-errors"),
		get("/cgi-bin/flood-local"), get("/cgi-bin/flood-broken")} {
		t.Run(strings.Fields(raw)[0]+strings.Fields(raw)[1][len("/cgi-bin"):], func(t *testing.T) {
			s := newService(t, nil)
			conn := s.dial()
			check(conn.SetDeadline(time.Now().Add(time.Minute)))
			fmt.Fprint(conn, raw)
			resp, text := s.answer(conn, raw)
			if want := map[bool]int{false: 200, true: 500}[strings.Contains(raw, "broken")]; resp.StatusCode != want || strings.Contains(text, "cut") {
				t.Errorf("%s: %q, %.100q", raw, resp.Status, text)
			}
			s.eventually("the end of the script", func() bool { return s.started == 1 && s.running == 0 })
		})
	}
}

func TestAClientThatGoesKillsTheScript(t *testing.T) {
	for name, c := range map[string]struct {
		raw   string
		reset bool
	}{
		"reset_before_the_head": {get("/cgi-bin/hang-with-child"), true},
		"reset_in_the_content":  {get("/cgi-bin/head-and-hang"), true},
		"reset_while_sending":   {"POST /cgi-bin/hang HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc", true},
		"reset_with_unread_content": {"POST /cgi-bin/hang HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n" +
			strings.Repeat("x", 300<<10), true},
		"reset_with_more_waiting":  {get("/cgi-bin/hang") + get("/cgi-bin/hello"), true},
		"cannot_be_written_to":     {get("/cgi-bin/endless"), false},
		"cannot_be_written_to_1.0": {"GET /cgi-bin/endless HTTP/1.0\r\n\r\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, nil)
			conn := s.dial()
			_, err := io.WriteString(conn, c.raw)
			check(err)
			pids := s.pids(1)
			if c.reset {
				check(conn.SetLinger(0))
			}
			check(conn.Close())
			s.dead(pids...)
			s.eventually("the failure", func() bool { return len(s.failures) == 1 && s.failures[0] == "client" && s.running == 0 })
		})
	}
}

func TestAServerThatStopsKillsTheScript(t *testing.T) {
	s := newService(t, nil)
	conn := s.dial()
	fmt.Fprint(conn, get("/cgi-bin/hang"))
	pids := s.pids(1)
	s.Close()
	s.dead(pids...)
	if resp, _ := s.answer(conn, "GET"); resp.StatusCode != 503 {
		t.Errorf("got %q", resp.Status)
	}
}

// The clock runs while the server reads for nobody.
func TestAnEndlessAnswerForNobodyIsATimeout(t *testing.T) {
	t.Parallel()
	s := newService(t, shortTimeout)
	if resp, text := s.ask("HEAD /cgi-bin/endless HTTP/1.0\r\n\r\n"); resp.StatusCode != 200 || text != "" {
		t.Errorf("got %q %q", resp.Status, text)
	}
	s.dead(s.pids(1)...)
	s.eventually("the failure", func() bool { return len(s.failures) == 1 && s.failures[0] == "timeout" })
}

// A script that still runs at the end of SHUTDOWN_TIMEOUT, and one that waits for it, are answered for before
// their connections are cut.
func TestAServerThatCutsSaysSo(t *testing.T) {
	t.Parallel()
	s := newServiceThatStops(t, 2*time.Second, func(o *cgi.Options, _ *site.Options) { o.MaxProcesses = 2 })
	s.cuts = true
	first, second, third := s.dial(), s.dial(), s.dial()
	fmt.Fprint(first, "GET /cgi-bin/hang HTTP/1.1\r\n\r\n")
	fmt.Fprint(second, "GET /cgi-bin/head-and-hang HTTP/1.1\r\n\r\n")
	pids := s.pids(2)
	fmt.Fprint(third, "POST /cgi-bin/hello HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc")
	s.stop()
	if resp, _ := s.answer(first, "GET"); resp.StatusCode != 503 {
		t.Errorf("the first got %q", resp.Status)
	}
	if resp, text := s.answer(second, "GET"); text != "begun\n cut: unexpected EOF" {
		t.Errorf("the second got %q %q", resp.Status, text)
	}
	if resp, _ := s.answer(third, "POST"); resp.StatusCode != 503 {
		t.Errorf("the third got %q", resp.Status)
	}
	s.dead(pids...)
	s.eventually("the failures", func() bool { return strings.Join(s.failures, " ") == "shutdown shutdown shutdown" })
}

// As many scripts as are allowed run; the next waits, no longer than a script may take, and while its client
// is there.
func TestScriptsWaitForEachOther(t *testing.T) {
	t.Parallel()
	const timeout = 3 * time.Second
	s := newService(t, func(o *cgi.Options, _ *site.Options) { o.MaxProcesses, o.Timeout = 1, timeout })
	// A client that does not read: the script's clock stands still.
	first := s.dial()
	fmt.Fprint(first, "GET /cgi-bin/endless HTTP/1.0\r\n\r\n")
	running := s.pids(1)
	began := time.Now()
	if resp, _ := s.ask(get("/cgi-bin/hello")); resp.StatusCode != 503 || time.Since(began) < timeout {
		t.Errorf("got %q after %v", resp.Status, time.Since(began))
	}
	goes := s.dial()
	fmt.Fprint(goes, get("/cgi-bin/hello"))
	check(goes.SetLinger(0))
	check(goes.Close())
	s.eventually("one that gave up waiting, another whose client went", func() bool {
		return len(s.failures) == 2 && s.failures[0] == "busy" && s.failures[1] == "client"
	})
	waits := s.dial()
	fmt.Fprint(waits, get("/cgi-bin/hello"))
	time.Sleep(50 * time.Millisecond)
	if !alive(running[0]) {
		t.Error("a script was killed while its client was the slow one")
	}
	check(first.Close())
	if _, text := s.answer(waits, "GET"); text != "hello\n" {
		t.Errorf("the one that waited: %q", text)
	}
	s.note(func() {
		if s.started != 2 || s.most != 1 {
			t.Errorf("%d scripts were started, %d at once", s.started, s.most)
		}
	})
}

// A script that has ended makes room for the next, however slowly its client takes the answer.
func TestASlowClientHoldsNoSlot(t *testing.T) {
	s := newService(t, func(o *cgi.Options, _ *site.Options) { o.MaxProcesses, o.Timeout = 1, time.Minute })
	var answers []message.Response
	for range 3 {
		answers = append(answers, s.Serve(t.Context(), &message.Request{Method: "GET", Target: "/cgi-bin/hello", Content: message.NoContent{}}))
	}
	for _, resp := range answers {
		if resp.Status != 200 {
			t.Fatalf("status %d: %v", resp.Status, resp.Err)
		}
		var text strings.Builder
		if _, err := resp.Body.WriteTo(&text); err != nil || text.String() != "hello\n" {
			t.Errorf("got %q, %v", &text, err)
		}
		check(resp.Body.Close())
	}
	s.note(func() {
		if s.most != 1 || s.running != 0 || len(s.failures) != 0 {
			t.Errorf("%d at once, %d running, failures %q", s.most, s.running, s.failures)
		}
	})
}

// Law: a script takes memory from the budget until its answer is sent, also when it has ended long before; one for which there is
// none is not started.
func TestAnswersOfScriptsTakeMemoryFromTheBudget(t *testing.T) {
	memory := budget.New(1_500_000) // a third is enough for two
	s := newService(t, func(o *cgi.Options, _ *site.Options) { o.Budget = memory })
	ask := func(path string) message.Response {
		return s.Serve(t.Context(), &message.Request{Method: "GET", Target: path, Content: message.NoContent{}})
	}
	first, second := ask("/cgi-bin/hello"), ask("/cgi-bin/hello")
	one, _ := memory.Use()
	if first.Status != 200 || second.Status != 200 || one == 0 {
		t.Fatalf("got %d and %d, %d bytes are held", first.Status, second.Status, one)
	}
	s.eventually("the end of both", func() bool { return s.started == 2 && s.running == 0 })
	if resp := ask("/cgi-bin/hello"); resp.Status != 503 || resp.Fields.Get("Retry-After") == "" {
		t.Errorf("without memory: %d %v", resp.Status, resp.Fields)
	}
	first.Discard()
	for path, want := range map[string]int{"/cgi-bin/hello": 200, "/cgi-bin/silent": 500, "/cgi-bin/nothing": 404} {
		resp := ask(path)
		if resp.Status != want {
			t.Errorf("%s: %d, want %d", path, resp.Status, want)
		}
		resp.Discard()
	}
	second.Discard()
	if held, _ := memory.Use(); held != 0 {
		t.Errorf("%d bytes are held in the end", held)
	}
	s.note(func() {
		if s.started != 4 || len(s.failures) == 0 || s.failures[0] != "busy" {
			t.Errorf("%d were started, failures %q", s.started, s.failures)
		}
	})
}

// descriptors counts our open ones.
func descriptors() int {
	entries, err := os.ReadDir("/proc/self/fd")
	check(err)
	return len(entries)
}

func TestTwoHundredAtOnceLeaveNothingBehind(t *testing.T) {
	// The last ones wait for all others, on a busy machine for long.
	s := newService(t, func(o *cgi.Options, _ *site.Options) { o.Timeout = 2 * time.Minute })
	s.ask(get("/cgi-bin/hello"))
	before := descriptors()
	const clients = 200
	var group sync.WaitGroup
	for i := range clients {
		group.Go(func() {
			raw, want := get("/cgi-bin/hello"), "hello\n"
			switch i % 4 {
			case 1:
				raw, want = "POST /cgi-bin/echo HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc", "abc"
			case 2:
				raw, want = get("/cgi-bin/exit3"), "about to fail\n"
			case 3:
				raw, want = "HEAD /cgi-bin/hello HTTP/1.0\r\n\r\n", ""
			}
			if resp, text := s.ask(raw); resp.StatusCode != 200 || text != want {
				t.Errorf("%d: %s %q, want %q", i, resp.Status, text, want)
			}
		})
	}
	group.Wait()
	s.eventually("the end of all scripts", func() bool { return s.running == 0 && len(s.notes) == clients/4 })
	s.note(func() {
		if s.started != clients+1 || len(s.failures) != clients/4 || s.most > 16 {
			t.Errorf("started %d, failed %d, at once %d", s.started, len(s.failures), s.most)
		}
	})
	if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != unix.ECHILD {
		t.Errorf("a child is left: %d, %v", pid, err)
	}
	s.eventually("all descriptors closed", func() bool { return descriptors() <= before })
}

// Where the server is the init of a container, what scripts leave behind becomes its child: that ends as no
// zombie, and no script's exit code is lost to it.
func TestOrphansAreCollected(t *testing.T) {
	adopt := func(on uintptr) { check(unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, on, 0, 0, 0)) }
	adopt(1)
	t.Cleanup(func() { adopt(0) })
	s := newService(t, nil)
	const rounds = 10
	for range rounds {
		var group sync.WaitGroup
		for _, script := range []string{"daemon", "exit3", "fork", "exit3"} {
			group.Go(func() { s.ask(get("/cgi-bin/" + script)) })
		}
		group.Wait()
	}
	for _, pid := range s.pids(2 * rounds) {
		if session, err := unix.Getsid(pid); err == nil && session == pid {
			check(unix.Kill(pid, unix.SIGKILL)) // the daemon; the others ended with the groups of their scripts
		}
	}
	s.eventually("no child left", func() bool {
		err := unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		return err == unix.ECHILD
	})
	s.eventually("all exit codes", func() bool { return len(s.notes) == 2*rounds && len(s.failures) == 2*rounds })
}

// watchMemory returns by how much the heap grew at most until stop is called, in bytes.
func watchMemory() (stop func() int64) {
	debug.FreeOSMemory()
	measure := func() int64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapInuse)
	}
	began, most := measure(), int64(0)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			most = max(most, measure()-began)
			select {
			case <-done:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	return func() int64 { close(done); <-ended; return most }
}

// allowedMemory is by how much the heap may grow for one request, client included.
const allowedMemory = 8 << 20

func TestUploadTakesNoMemory(t *testing.T) {
	const size = 64 << 20
	s := newService(t, nil)
	stop := watchMemory()
	conn := s.dial()
	h := sha256.New()
	go func() {
		fmt.Fprintf(conn, "POST /cgi-bin/sum HTTP/1.1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", size)
		piece := make([]byte, 1<<20)
		for i := range size / len(piece) {
			piece[0] = byte(i)
			h.Write(piece)
			if _, err := conn.Write(piece); err != nil {
				return
			}
		}
	}()
	_, text := s.answer(conn, "POST")
	if want := fmt.Sprintf("%d %x", size, h.Sum(nil)); text != want {
		t.Errorf("got %q, want %q", text, want)
	}
	grown := stop()
	t.Logf("the heap grew by %d KiB", grown>>10)
	if grown > allowedMemory {
		t.Errorf("the heap grew by %d bytes", grown)
	}
}

// A client that pauses for longer than a script may take gets the whole answer. It is large, but
// not so large that a busy machine takes longer than that to make it.
func TestALargeAnswerForASlowClient(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	s := newService(t, func(o *cgi.Options, _ *site.Options) { o.Timeout = 6 * time.Second })
	stop := watchMemory()
	conn := s.dial()
	fmt.Fprint(conn, get("/cgi-bin/large"))
	resp, err := http.ReadResponse(bufio.NewReaderSize(conn, 64<<10), nil)
	check(err)
	defer resp.Body.Close()
	time.Sleep(7 * time.Second)
	n, err := io.Copy(io.Discard, resp.Body)
	if n != large || err != nil || resp.ContentLength != large {
		t.Errorf("%d of %d bytes, %v", n, resp.ContentLength, err)
	}
	grown := stop()
	t.Logf("the heap grew by %d KiB", grown>>10)
	if grown > allowedMemory {
		t.Errorf("the heap grew by %d bytes", grown)
	}
}

// A server of root that may not become another user does not start.
func TestPrepareRefusesToRunScriptsAsRoot(t *testing.T) {
	setpriv, err := exec.LookPath("setpriv")
	if os.Geteuid() != 0 || err != nil {
		t.Skip("needs root and setpriv")
	}
	c := exec.Command(setpriv, "--bounding-set=-setuid,-setgid", "--inh-caps=-setuid,-setgid", binary)
	c.Env = []string{"CGI_TEST_PREPARE=1"}
	text, err := c.CombinedOutput()
	check(err)
	if got := string(text); !strings.Contains(got, "scripts cannot run as user 65534 and group 65534 instead of as root: operation not permitted") {
		t.Errorf("got %q", got)
	}
}
