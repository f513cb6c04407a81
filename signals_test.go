package main

import (
	"bufio"
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test binary be the program, for tests of what only a process of its own can show.
func TestMain(m *testing.M) {
	if os.Getenv("PREVIEWD_TEST_PROGRAM") != "" {
		main()
	}
	os.Exit(m.Run())
}

// process is the program as a process of its own.
type process struct {
	*exec.Cmd
	lines chan string // what it logs; closed at its end
}

// startProcess starts the program, by a shell command that has "$@" in it.
func startProcess(t *testing.T, shell string, environ ...string) *process {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("it has no such signals")
	}
	p := &process{exec.Command("sh", "-c", shell, "sh", os.Args[0]), make(chan string, 1000)}
	p.Env = append([]string{endsAtOnce, "PREVIEWD_TEST_PROGRAM=1", "PORT=0", "BIND=127.0.0.1", "ADMIN_PORT=0", "DIRECTORY=" + t.TempDir()}, environ...)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.Stderr = w
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	t.Cleanup(func() { _ = p.Process.Kill() })
	go func() {
		defer close(p.lines)
		for lines := bufio.NewScanner(r); lines.Scan(); {
			p.lines <- lines.Text()
		}
	}()
	return p
}

// await returns the next line of the log that has a text in it.
func (p *process) await(t *testing.T, text string) string {
	t.Helper()
	var all []string
	for timeout := time.After(time.Minute); ; {
		select {
		case line, open := <-p.lines:
			if !open {
				t.Fatalf("no %q in\n%s", text, strings.Join(all, "\n"))
			}
			if all = append(all, line); strings.Contains(line, text) {
				return line
			}
		case <-timeout:
			t.Fatalf("no %q in\n%s", text, strings.Join(all, "\n"))
		}
	}
}

// end sends SIGTERM and wants the program to end well.
func (p *process) end(t *testing.T) {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.await(t, "stopped")
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
}

// Law: SIGHUP ends nothing. It has the certificate files read again and is logged, however the program was started, and
// as often as it comes.
func TestHangupReadsTheCertificateAgain(t *testing.T) {
	for name, shell := range map[string]string{"plain": `exec "$@"`, "nohup": `trap "" HUP; exec "$@"`} {
		t.Run(name, func(t *testing.T) {
			file := testCertificate(t)
			p := startProcess(t, shell, "TLS_CERT="+file)
			line := p.await(t, "https://127.0.0.1:")
			_, rest, _ := strings.Cut(line, "https://")
			url := "https://" + rest[:strings.IndexByte(rest, '/')+1]
			for range 3 {
				if err := p.Process.Signal(syscall.SIGHUP); err != nil {
					t.Fatal(err)
				}
				p.await(t, "SIGHUP: reading the certificate files again")
			}
			client := &http.Client{Transport: &http.Transport{TLSClientConfig: trusting(t), TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}}
			defer client.CloseIdleConnections()
			resp, err := client.Get(url)
			if err != nil {
				t.Fatal(err)
			}
			_, err = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if err != nil || resp.StatusCode != 200 {
				t.Errorf("after it: %s, %v", resp.Status, err)
			}
			p.end(t)
		})
	}
}

// Without certificate files there is nothing to read, which is said too; and a drain goes on.
func TestHangupWithoutCertificateAndInADrain(t *testing.T) {
	p := startProcess(t, `exec "$@"`, "SHUTDOWN_DELAY=1s")
	p.await(t, "http://127.0.0.1:")
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.await(t, "SIGHUP: there are no certificate files to read again")
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		time.Sleep(20 * time.Millisecond) // spread over the second of the drain's delay; whenever it comes it has to do no harm
		if err := p.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	p.await(t, "stopped")
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
}
