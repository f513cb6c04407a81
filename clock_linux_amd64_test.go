package main

import (
	"bytes"
	"crypto/tls"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// clock is the wall clock of one process, which a test sets: the code by which the kernel lets programs read it without a
// system call (vdso(7)) is replaced in that process.
type clock struct {
	memory *os.File
	offset int64 // where the offset in seconds is
}

// setClock is __vdso_clock_gettime(clock, *timespec): the system call, and for CLOCK_REALTIME an offset on top.
var setClock = []byte{
	0xb8, 0xe4, 0, 0, 0, // mov eax, 228: clock_gettime
	0x0f, 0x05, // syscall
	0x85, 0xff, // test edi, edi: CLOCK_REALTIME is 0
	0x75, 0x0a, // jne to the end
	0x48, 0x8b, 0x0d, 0x06, 0, 0, 0, // mov rcx, [rip+6]: the offset
	0x48, 0x01, 0x0e, // add [rsi], rcx
	0xc3, // ret
	0, 0, // up to the offset
	0, 0, 0, 0, 0, 0, 0, 0,
}

const offsetInSetClock = 24

// startWithClock starts a command whose clock can be set. It is traced until it has begun.
func startWithClock(t *testing.T, command *exec.Cmd) *clock {
	t.Helper()
	runtime.LockOSThread() // which traces
	defer runtime.UnlockOSThread()
	command.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := command.Start(); err != nil {
		t.Skip("no process can be traced here:", err)
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(command.Process.Pid, &status, 0, nil); err != nil || !status.Stopped() {
		t.Fatal("the program has not stopped at its start:", err)
	}
	memory, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", command.Process.Pid), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = memory.Close() })
	at := vdsoClock(t, command.Process.Pid, memory)
	if _, err := memory.WriteAt(setClock, at); err != nil {
		t.Fatal(err)
	}
	if err := syscall.PtraceDetach(command.Process.Pid); err != nil {
		t.Fatal(err)
	}
	return &clock{memory, at + offsetInSetClock}
}

// vdsoClock finds __vdso_clock_gettime in a process.
func vdsoClock(t *testing.T, pid int, memory *os.File) int64 {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(maps)) {
		var from, to int64
		if _, err := fmt.Sscanf(line, "%x-%x", &from, &to); err != nil || !strings.HasSuffix(line, "[vdso]\n") {
			continue
		}
		image := make([]byte, to-from)
		if _, err := memory.ReadAt(image, from); err != nil {
			t.Fatal(err)
		}
		file, err := elf.NewFile(bytes.NewReader(image))
		if err != nil {
			t.Fatal(err)
		}
		symbols, err := file.DynamicSymbols()
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range symbols {
			if s.Name == "__vdso_clock_gettime" {
				return from + int64(s.Value)
			}
		}
	}
	t.Skip("there is no vdso here")
	return 0
}

// set sets the clock off by so much.
func (c *clock) set(t *testing.T, off time.Duration) {
	t.Helper()
	if _, err := c.memory.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(int64(off/time.Second))), c.offset); err != nil {
		t.Fatal(err)
	}
}

// Law: a clock that jumps by an hour, forth and back, changes what the time is, in Date and in the log, and nothing else: nobody waits
// longer or shorter for it, durations are right, and what is written is seen at once.
func TestAClockThatJumps(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("page.txt", "0")
	var stderr output
	program := exec.Command(os.Args[0])
	program.Env = []string{endsAtOnce, "PREVIEWD_TEST_PROGRAM=1", "PORT=0", "BIND=127.0.0.1", "ADMIN_PORT=0", "LOG_FORMAT=json", "DIRECTORY=" + dir,
		"IDLE_TIMEOUT=2s", "HEADER_TIMEOUT=2s", "TZ=UTC"}
	program.Stderr = &stderr
	c := startWithClock(t, program)
	t.Cleanup(func() { _ = program.Process.Kill(); _ = program.Wait() })
	s := runningService{stderr: &stderr}
	s.await(t, "kernel confinement")
	s.addr = string(loggedURL.FindSubmatch([]byte(stderr.String()))[1])

	dial := func() (net.Conn, func(time.Duration)) {
		t.Helper()
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if _, err := io.WriteString(conn, "GET /page.txt HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		return conn, func(least time.Duration) {
			t.Helper()
			_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
			_, err := io.Copy(io.Discard, conn)
			if took := time.Since(began); err != nil || took < least {
				t.Errorf("the connection ended after %v, %v; not before %v", took, err, least)
			}
		}
	}
	for i, off := range []time.Duration{0, time.Hour, 0, -time.Hour, 0} {
		_, idleEnds := dial() // it is kept over the jump, for as long as IDLE_TIMEOUT
		slow, slowEnds := dial()
		if _, err := io.WriteString(slow, "GET /"); err != nil { // as is a head that is not complete, for HEADER_TIMEOUT
			t.Fatal(err)
		}
		s.await(t, fmt.Sprintf(`"msg":"\"GET /page.txt HTTP/1.1\" 200 %d"`, len(fmt.Sprint(i))))
		c.set(t, off)
		text := fmt.Sprint("number ", i)
		write("page.txt", text)
		write("_redirects", fmt.Sprintf("/where /%d 302\n", i))
		time.Sleep(100 * time.Millisecond) // rules.MaxAge is 50 ms
		client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		resp, got := fetch(t, client, "http://"+s.addr+"/page.txt")
		if got != text {
			t.Errorf("off by %v: got %q, want %q", off, got, text)
		}
		date, err := http.ParseTime(resp.Header.Get("Date"))
		if difference := date.Sub(time.Now().Add(off)); err != nil || difference.Abs() > time.Minute {
			t.Errorf("off by %v: Date is %v, which is wrong by %v", off, date, difference)
		}
		if resp, _ := fetch(t, client, "http://"+s.addr+"/where"); resp.Header.Get("Location") != fmt.Sprintf("/%d", i) {
			t.Errorf("off by %v: the rule leads to %q", off, resp.Header.Get("Location"))
		}
		idleEnds(1500 * time.Millisecond)
		slowEnds(1500 * time.Millisecond)
		write("page.txt", "0")
	}
	if err := program.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := program.Wait(); err != nil {
		t.Errorf("%v\n%s", err, stderr.String())
	}
	for line := range strings.Lines(stderr.String()) {
		_, rest, found := strings.Cut(line, `"duration":`)
		var seconds float64
		if _, err := fmt.Sscan(strings.SplitN(rest, ",", 2)[0], &seconds); found && (err != nil || seconds < 0 || seconds > 60) {
			t.Errorf("the duration of %s", line)
		}
	}
}

// Law: over HTTP/2 too: a connection is kept over the jumps, an answer that is under way is whole, and Date is right.
func TestAClockThatJumpsCutsNoConnectionOfHTTP2(t *testing.T) {
	dir := t.TempDir()
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<20) // more than a client makes room for at once
	if err := os.WriteFile(filepath.Join(dir, "large.bin"), large, 0o644); err != nil {
		t.Fatal(err)
	}
	var stderr output
	program := exec.Command(os.Args[0])
	program.Env = []string{endsAtOnce, "PREVIEWD_TEST_PROGRAM=1", "PORT=0", "BIND=127.0.0.1", "ADMIN_PORT=0", "LOG_FORMAT=json", "DIRECTORY=" + dir,
		"TLS_CERT=" + testCertificate(t), "TZ=UTC"}
	program.Stderr = &stderr
	c := startWithClock(t, program)
	t.Cleanup(func() { _ = program.Process.Kill(); _ = program.Wait() })
	s := runningService{stderr: &stderr}
	s.await(t, "kernel confinement")
	url := "https://" + string(loggedURL.FindSubmatch([]byte(stderr.String()))[1]) + "/large.bin"

	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	connections := 0
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		if !info.Reused {
			connections++
		}
	}})
	ask := func(method string) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(ctx, method, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != 200 || resp.ProtoMajor != 2 {
			t.Fatalf("%s over %s", resp.Status, resp.Proto)
		}
		return resp
	}
	for _, off := range []time.Duration{time.Hour, 0, -time.Hour, 0} {
		under := ask("GET")
		first := make([]byte, 100_000)
		if _, err := io.ReadFull(under.Body, first); err != nil {
			t.Fatal(err)
		}
		c.set(t, off)
		resp := ask("HEAD")
		_ = resp.Body.Close()
		date, err := http.ParseTime(resp.Header.Get("Date"))
		if difference := date.Sub(time.Now().Add(off)); err != nil || difference.Abs() > time.Minute {
			t.Errorf("off by %v: Date is %v, which is wrong by %v", off, date, difference)
		}
		rest, err := io.ReadAll(under.Body)
		if err != nil || !bytes.Equal(append(first, rest...), large) {
			t.Errorf("off by %v: the answer under way had %d bytes, %v", off, len(first)+len(rest), err)
		}
		_ = under.Body.Close()
	}
	if connections != 1 {
		t.Errorf("there were %d connections, want 1", connections)
	}
	if err := program.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := program.Wait(); err != nil {
		t.Errorf("%v\n%s", err, stderr.String())
	}
}
