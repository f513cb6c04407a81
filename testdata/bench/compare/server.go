package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const (
	// startTimeout is how long a server may take until it answers, stopTimeout until it has ended.
	startTimeout, stopTimeout = 10 * time.Second, 15 * time.Second
	// settleTime is how long a server may take after a load to see the connections end and to write its log.
	settleTime = 300 * time.Millisecond
)

// server is a running process with its children.
type server struct {
	kind    kind
	url     string // without a path
	log     string
	command *exec.Cmd
	ended   chan struct{}
}

// start runs a server on a free port. Its standard output and standard error go to the file of its access log.
func start(ctx context.Context, s site, k kind, w work, binary string) (*server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	files := filepath.Join(s.scratch, w.name+"-"+k.name)
	p := place{site: s, work: w, binary: binary, port: port, log: files + ".log", files: files}
	words, variables, err := k.command(p)
	if err != nil {
		return nil, err
	}
	output, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	one := &server{kind: k, url: "http://127.0.0.1:" + port, log: p.log, ended: make(chan struct{})}
	if w.tls {
		one.url = "https://127.0.0.1:" + port
	}
	one.command = exec.Command(words[0], words[1:]...)
	one.command.Stdout, one.command.Stderr = output, output
	// Nothing that tunes a server comes from outside.
	one.command.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, variables...)
	// An interrupt from the keyboard is for this program, which then stops the servers.
	one.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := one.command.Start(); err != nil {
		return nil, err
	}
	go one.reap()
	if err := one.awaitStart(ctx, port); err != nil {
		one.stop()
		return nil, err
	}
	return one, nil
}

// freePort returns a port that nothing listens on now.
func freePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port), nil
}

func (s *server) reap() {
	_ = s.command.Wait()
	close(s.ended)
}

func (s *server) awaitStart(ctx context.Context, port string) error {
	for end := time.Now().Add(startTimeout); time.Now().Before(end); {
		connection, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			return connection.Close()
		}
		select {
		case <-s.ended:
			text, _ := os.ReadFile(s.log)
			return fmt.Errorf("it ended at once: %s", text)
		default:
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("it does not listen after %v", startTimeout)
}

// stop ends the process and its children, by force if they do not.
func (s *server) stop() {
	family, _ := tree(s.command.Process.Pid)
	_ = s.command.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
		return
	case <-time.After(stopTimeout):
	}
	for _, p := range family {
		_ = syscall.Kill(p.id, syscall.SIGKILL)
	}
	<-s.ended
}

// firstAnswer asks once, checks the answer, and returns the fields that a conditional request carries.
func (s *server) firstAnswer(ctx context.Context, site site, w work) (fields []string, err error) {
	status, header, content, err := s.get(ctx, w.path, nil)
	if err != nil {
		return nil, err
	}
	if w.conditional && status == http.StatusNotModified {
		return nil, nil // the loop answers so whatever it is asked
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("%s is answered with %d", w.path, status)
	}
	if size := site.sizes[w.path]; size > 0 && size != len(content) {
		return nil, fmt.Errorf("%s has %d bytes, want %d", w.path, len(content), size)
	}
	if site.sizes[w.path] == 0 && !bytes.Contains(content, []byte(nameOf(names-1))) {
		return nil, fmt.Errorf("%s does not list %s", w.path, nameOf(names-1))
	}
	if !w.conditional {
		return nil, nil
	}
	return s.condition(ctx, w, header)
}

// condition returns the field that gives the validator of an answer back, after it has tried it.
func (s *server) condition(ctx context.Context, w work, header http.Header) ([]string, error) {
	name, value := "If-None-Match", header.Get("ETag")
	if value == "" {
		name, value = "If-Modified-Since", header.Get("Last-Modified")
	}
	status, _, _, err := s.get(ctx, w.path, http.Header{name: {value}})
	if err == nil && status != http.StatusNotModified {
		err = fmt.Errorf("%s: %s is answered with %d", name, value, status)
	}
	return []string{name + ": " + value}, err
}

// get makes one request over a connection of its own.
func (s *server) get(ctx context.Context, path string, header http.Header) (status int, answer http.Header, content []byte, err error) {
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, DisableCompression: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}, Timeout: 30 * time.Second}
	return get(ctx, &client, s.url+path, header)
}

func get(ctx context.Context, client *http.Client, url string, header http.Header) (status int, answer http.Header, content []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, nil, err
	}
	request.Header = header
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, nil, err
	}
	defer response.Body.Close()
	content, err = io.ReadAll(response.Body)
	return response.StatusCode, response.Header, content, err
}
