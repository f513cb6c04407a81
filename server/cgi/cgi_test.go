//go:build linux

package cgi_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/previewd/previewd/server"
	"github.com/previewd/previewd/server/cgi"
	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site"
	"github.com/previewd/previewd/server/site/tree"
)

// The tests run this binary as the script, under many names: what it does is scripts[its name].
func TestMain(m *testing.M) {
	if os.Getenv("GATEWAY_INTERFACE") != "" {
		name, _, _ := strings.Cut(filepath.Base(os.Getenv("SCRIPT_NAME")), "#")
		if scripts[name] == nil {
			name = "hello"
		}
		scripts[name]()
		os.Exit(0)
	}
	if os.Getenv("CGI_TEST_PREPARE") != "" {
		_, err := cgi.Prepare(os.DirFS("/"))
		fmt.Print(err)
		os.Exit(0)
	}
	// A directory that every user may enter, as scripts of root run as nobody.
	var err error
	if base, err = os.MkdirTemp("", "cgi-test-"); err != nil {
		panic(err)
	}
	check(os.Chmod(base, 0o755))
	binary = filepath.Join(base, "binary")
	own, err := os.ReadFile("/proc/self/exe")
	check(err)
	check(os.WriteFile(binary, own, 0o755))
	code := m.Run()
	check(os.RemoveAll(base))
	os.Exit(code)
}

var base, binary string

func check(err error) {
	if err != nil {
		panic(err)
	}
}

const plain = "Content-Type: text/plain\n\n"

var scripts = map[string]func(){
	"hello":  func() { fmt.Print(plain, "hello\n") },
	"silent": func() {},
	"stderr": func() {
		fmt.Fprint(os.Stderr, "first\r\nsec\x1bond\n\n", strings.Repeat("x", 10000), "\nlast")
	},
	"hang": func() {
		fmt.Fprintln(os.Stderr, "pid", os.Getpid())
		time.Sleep(time.Hour)
	},
	// As a shell would, with a child in the same group that outlives it if it may.
	"hang-with-child": func() {
		child := sleeper(nil)
		fmt.Fprintln(os.Stderr, "pid", os.Getpid())
		fmt.Fprintln(os.Stderr, "pid", child)
		time.Sleep(time.Hour)
	},
	"head-alone": func() {
		fmt.Print(plain)
		fmt.Fprintln(os.Stderr, "pid", os.Getpid())
		time.Sleep(time.Hour)
	},
	"head-and-hang": func() {
		fmt.Print(plain, "begun\n")
		fmt.Fprintln(os.Stderr, "pid", os.Getpid())
		time.Sleep(time.Hour)
	},
	"deaf": func() { // goes on when its output has ended, and when asked politely to stop
		signal.Ignore(syscall.SIGPIPE, syscall.SIGTERM, syscall.SIGHUP)
		fmt.Fprintln(os.Stderr, "pid", os.Getpid())
		fmt.Print(plain, "all\n")
		os.Stdout.Close()
		time.Sleep(time.Hour)
	},
	"fork": func() {
		fmt.Print(plain, "parent\n")
		fmt.Fprintln(os.Stderr, "pid", sleeper(nil))
	},
	"daemon": func() {
		fmt.Print(plain, "parent\n")
		fmt.Fprintln(os.Stderr, "pid", sleeper(&syscall.SysProcAttr{Setsid: true}))
	},
	"flood":        func() { flood(os.Stdout, plain) },
	"flood-errors": func() { flood(os.Stderr, plain) },
	"flood-local":  func() { flood(os.Stdout, "Location: /hello.txt\n\n") },
	"flood-broken": func() { flood(os.Stdout, "no head\n") },
	"leaves-group": func() { // for that of the server
		group, err := unix.Getpgid(os.Getppid())
		check(err)
		check(unix.Setpgid(0, group))
		fmt.Fprintln(os.Stderr, "pid", os.Getpid())
		time.Sleep(time.Hour)
	},
	"environ": func() {
		environ := os.Environ()
		slices.Sort(environ)
		fmt.Printf("%s%q\n%s\n", plain, os.Args[1:], strings.Join(environ, "\n"))
	},
	"fds": func() {
		fmt.Print(plain)
		for fd := range 1024 {
			if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err == nil {
				target, _ := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
				kind, _, _ := strings.Cut(target, ":")
				if strings.HasPrefix(kind, "/sys/fs/cgroup/") {
					continue // Go's runtime opens these itself
				}
				fmt.Println(fd, kind, "nonblock", flags&unix.O_NONBLOCK != 0)
			}
		}
	},
	"signals": func() {
		status, err := os.ReadFile("/proc/self/status")
		check(err)
		_, ignored, _ := strings.Cut(string(status), "SigIgn:\t")
		_, blocked, _ := strings.Cut(string(status), "SigBlk:\t")
		fmt.Print(plain, ignored[:16], " ", blocked[:16], " group leader ", unix.Getpgrp() == os.Getpid())
	},
	"user": func() {
		groups, err := os.Getgroups()
		check(err)
		fmt.Print(plain, os.Getuid(), os.Geteuid(), os.Getgid(), os.Getegid(), groups)
	},
	"sum": func() {
		h := sha256.New()
		n, err := io.Copy(h, os.Stdin)
		check(err)
		fmt.Printf("%s%d %x", plain, n, h.Sum(nil))
	},
	"echo": func() {
		fmt.Print(plain)
		_, err := io.Copy(os.Stdout, os.Stdin)
		check(err)
	},
	"large": func() {
		fmt.Printf("Content-Length: %d\n%s", large, plain)
		piece := make([]byte, 1<<20)
		for range large / len(piece) {
			_, err := os.Stdout.Write(piece)
			check(err)
		}
	},
	"endless": func() {
		fmt.Fprintln(os.Stderr, "pid", os.Getpid())
		fmt.Print(plain)
		for piece := make([]byte, 64<<10); ; {
			if _, err := os.Stdout.Write(piece); err != nil {
				os.Exit(1)
			}
		}
	},
	"slow":     func() { time.Sleep(300 * time.Millisecond); fmt.Print(plain, "at last\n") },
	"exit3":    func() { fmt.Print(plain, "about to fail\n"); os.Exit(3) },
	"killed":   func() { fmt.Print(plain); _ = unix.Kill(os.Getpid(), unix.SIGKILL) },
	"smuggle":  func() { fmt.Print("Content-Type: text/plain\nX: a\rSet-Cookie: b\n\nhello") },
	"name":     func() { fmt.Print(plain, os.Getenv("SCRIPT_NAME")) },
	"status":   func() { fmt.Print("Status: 404 Not Found\n", plain, "gone\n") },
	"local":    func() { fmt.Print("Location: /hello.txt\n\n") },
	"to-hello": func() { fmt.Print("Location: /cgi-bin/hello?x\n\n") },
	"to-exit":  func() { fmt.Print("Location: /cgi-bin/exit3\n\n") },
	"loop":     func() { fmt.Print("Location: /cgi-bin/loop\n\n") },
	"moved":    func() { fmt.Print("Location: https://example.org/\n\n") },
	"short":    func() { fmt.Print("Content-Length: 10\n", plain, "short") },
	"long":     func() { fmt.Print("Content-Length: 4\n", plain, "long, too") },
	"204":      func() { fmt.Print("Status: 204 Nothing\n\nstill\n") },
}

// sleeper starts a process that sleeps with our standard output and error, and returns its number.
func sleeper(attr *syscall.SysProcAttr) int {
	c := exec.Command("/bin/sleep", "3600")
	c.Stdout, c.Stderr, c.SysProcAttr = os.Stdout, os.Stderr, attr
	check(c.Start())
	return c.Process.Pid
}

// flood leaves a process behind that is in no group of ours and fills one of our outputs until nobody reads it.
func flood(file *os.File, head string) {
	fmt.Print(head)
	c := exec.Command("/usr/bin/yes")
	c.Stdout, c.SysProcAttr = file, &syscall.SysProcAttr{Setsid: true}
	check(c.Start())
	time.Sleep(200 * time.Millisecond)
}

// service is a whole server with scripts.
type service struct {
	*cgi.Handler
	t       *testing.T
	address string
	dir     string
	stop    context.CancelFunc
	cuts    bool // the server may cut connections when it stops

	mu       sync.Mutex
	lines    []string // of standard error
	failures []string
	notes    []string
	causes   []string
	started  int
	running  int
	most     int // running at once
}

// newService serves a site with all scripts in /cgi-bin. change may change what is left as it is here.
func newService(t *testing.T, change func(*cgi.Options, *site.Options)) *service {
	t.Helper()
	return newServiceThatStops(t, 5*time.Second, change)
}

// newServiceThatStops is newService with a SHUTDOWN_TIMEOUT.
func newServiceThatStops(t *testing.T, within time.Duration, change func(*cgi.Options, *site.Options)) *service {
	t.Helper()
	dir, err := os.MkdirTemp(base, "site-")
	check(err)
	check(os.Chmod(dir, 0o755))
	s := &service{t: t, dir: dir}
	check(os.Mkdir(filepath.Join(dir, "cgi-bin"), 0o755))
	for name := range scripts {
		check(os.Link(binary, filepath.Join(dir, "cgi-bin", name)))
	}
	check(os.WriteFile(filepath.Join(dir, "hello.txt"), []byte("Hello, world!\n"), 0o644))
	s.write("cgi-bin/data.txt", "data\n", 0o644)

	user, err := cgi.Prepare(os.DirFS("/"))
	check(err)
	siteOptions := site.Options{Tree: tree.Options{Directory: dir}, IndexPages: []string{"index.html"}, Listing: site.ListingPlain}
	options := cgi.Options{
		Directories: []string{"/cgi-bin/"}, Timeout: 20 * time.Second, MaxProcesses: 16,
		// A program with the race detector sleeps for a second at its end unless it is told not to.
		Environ: []string{"GORACE=atexit_sleep_ms=0"}, User: user, ServerName: "test.example",
		Profile: message.Profile{Server: "test/1"},
		Log:     func(script, line string) { s.note(func() { s.lines = append(s.lines, line) }) },
		Started: func() {
			s.note(func() { s.started++; s.running++; s.most = max(s.most, s.running) })
		},
		Ended:  func(time.Duration) { s.note(func() { s.running-- }) },
		Failed: func(f cgi.Failure) { s.note(func() { s.failures = append(s.failures, string(f)) }) },
	}
	if change != nil {
		change(&options, &siteOptions)
	}
	files := site.New(siteOptions)
	options.Site, options.Files = files.Serve, files
	s.Handler = cgi.New(options)
	l, err := server.Listen(t.Context(), "127.0.0.1:0")
	check(err)
	s.address = l.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	ended := make(chan error, 1)
	engine := &server.Server{Handler: s.Methods().Serve, Profile: options.Profile, ShutdownTimeout: within,
		Observe: func(x *message.Exchange) {
			s.note(func() {
				s.notes = append(s.notes, x.Request.Notes...)
				if x.Failure != nil && x.Failure.Cause != nil {
					s.causes = append(s.causes, x.Failure.Cause.Error())
				}
				if x.Err != nil {
					s.causes = append(s.causes, x.Err.Error())
				}
			})
		}}
	go func() { ended <- engine.Serve(ctx, l) }()
	t.Cleanup(func() {
		s.Close()
		stop()
		var cut *server.CutError
		if err := <-ended; err != nil && !(s.cuts && errors.As(err, &cut)) {
			t.Errorf("Serve = %v", err)
		}
		check(os.RemoveAll(dir))
	})
	return s
}

func (s *service) note(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *service) write(name, text string, mode os.FileMode) {
	name = filepath.Join(s.dir, name)
	check(os.MkdirAll(filepath.Dir(name), 0o755))
	check(os.WriteFile(name, []byte(text), mode))
	check(os.Chmod(name, mode))
}

// eventually waits until a condition holds, for as long as a busy machine may take.
func (s *service) eventually(what string, holds func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		s.mu.Lock()
		ok := holds()
		s.mu.Unlock()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("not in time: %s; failures %q, causes %q, notes %q, log %.200q", what, s.failures, s.causes, s.notes, s.lines)
		}
	}
}

// pids returns the processes that scripts told on standard error, waiting for n.
func (s *service) pids(n int) (pids []int) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("%d scripts that tell their number", n), func() bool {
		pids = nil
		for _, line := range s.lines {
			if text, found := strings.CutPrefix(line, "pid "); found {
				pid, err := strconv.Atoi(text)
				check(err)
				pids = append(pids, pid)
			}
		}
		return len(pids) >= n
	})
	return pids
}

// dead waits until processes are no more. Those that were not our children are left to init as zombies.
func (s *service) dead(pids ...int) {
	s.t.Helper()
	for _, pid := range pids {
		s.eventually(fmt.Sprintf("the end of process %d", pid), func() bool { return !alive(pid) })
	}
}

func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return rest[0] != 'Z' && rest[0] != 'X'
}

func (s *service) dial() *net.TCPConn {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.address)
	check(err)
	_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
	s.t.Cleanup(func() { conn.Close() })
	return conn.(*net.TCPConn)
}

// ask sends a request and returns the answer.
func (s *service) ask(raw string) (*http.Response, string) {
	s.t.Helper()
	conn := s.dial()
	defer conn.Close()
	_, err := io.WriteString(conn, raw)
	check(err)
	return s.answer(conn, raw)
}

func (s *service) answer(conn net.Conn, raw string) (*http.Response, string) {
	s.t.Helper()
	method, _, _ := strings.Cut(raw, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		s.t.Fatalf("%.60q: %v", raw, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		text = append(text, " cut: "+err.Error()...)
	}
	return resp, string(text)
}

func get(path string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
}
