package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/previewd/previewd/testdata/internal/subject"
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
	process *subject.Process
}

// start runs a server on a free port. Its standard output and standard error go to the file of its access log.
func start(ctx context.Context, s site, k kind, w work, binary, other string) (*server, error) {
	port, err := subject.FreePort()
	if err != nil {
		return nil, err
	}
	files := filepath.Join(s.scratch, w.name+"-"+k.name)
	p := place{site: s, work: w, kind: k.name, binary: binary, port: port, log: files + ".log", files: files, other: other}
	words, variables, err := k.command(p)
	if err != nil {
		return nil, err
	}
	output, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	command := exec.Command(words[0], words[1:]...)
	command.Stdout, command.Stderr = output, output
	// Nothing that tunes a server comes from outside.
	command.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, variables...)
	// An interrupt from the keyboard is for this program, which then stops the servers.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	process, err := subject.Run(command)
	if err != nil {
		return nil, err
	}
	one := &server{kind: k, url: "http://127.0.0.1:" + port, log: p.log, process: process}
	if w.tls {
		one.url = "https://127.0.0.1:" + port
	}
	if err := one.awaitStart(ctx, port); err != nil {
		one.stop()
		return nil, err
	}
	return one, nil
}

func (s *server) awaitStart(ctx context.Context, port string) error {
	for end := time.Now().Add(startTimeout); time.Now().Before(end); {
		connection, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			return connection.Close()
		}
		if s.process.Ended() {
			text, _ := os.ReadFile(s.log)
			return fmt.Errorf("it ended at once: %s", text)
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("it does not listen after %v", startTimeout)
}

// stop ends the process and its children, by force if they do not.
func (s *server) stop() {
	family, _ := tree(s.process.ID())
	_ = s.process.Signal(syscall.SIGTERM)
	if _, err := s.process.Wait(stopTimeout); err == nil {
		return
	}
	for _, p := range family {
		_ = syscall.Kill(p.id, syscall.SIGKILL)
	}
	s.process.Kill()
}

// firstAnswer asks once, checks the answer, and returns the names of its fields, and the fields that a conditional
// request carries.
func (s *server) firstAnswer(ctx context.Context, site site, w work) (sent, fields []string, err error) {
	status, header, content, err := s.get(ctx, w, nil)
	if err != nil {
		return nil, nil, err
	}
	sent = slices.Sorted(maps.Keys(header))
	if w.conditional && status == http.StatusNotModified {
		return sent, nil, nil // the loop answers so whatever it is asked
	}
	if status != http.StatusOK {
		return nil, nil, fmt.Errorf("%s is answered with %d", w.path, status)
	}
	if size := site.sizes[w.path]; size > 0 && size != len(content) {
		return nil, nil, fmt.Errorf("%s has %d bytes, want %d", w.path, len(content), size)
	}
	if site.sizes[w.path] == 0 && !bytes.Contains(content, []byte(nameOf(names-1))) {
		return nil, nil, fmt.Errorf("%s does not list %s", w.path, nameOf(names-1))
	}
	if w.conditional {
		fields, err = s.condition(ctx, w, header)
	}
	return sent, fields, err
}

// sameNames returns an error if the two servers were started and do not answer with the same fields.
func sameNames(results []result, one, other string) error {
	i := slices.IndexFunc(results, func(r result) bool { return r.server == one })
	j := slices.IndexFunc(results, func(r result) bool { return r.server == other })
	if i < 0 || j < 0 || slices.Equal(results[i].names, results[j].names) {
		return nil
	}
	return fmt.Errorf("%s answers with the fields %v, %s with %v", one, results[i].names, other, results[j].names)
}

// condition returns the field that gives the validator of an answer back, after it has tried it.
func (s *server) condition(ctx context.Context, w work, header http.Header) ([]string, error) {
	name, value := "If-None-Match", header.Get("ETag")
	if value == "" {
		name, value = "If-Modified-Since", header.Get("Last-Modified")
	}
	status, _, _, err := s.get(ctx, w, http.Header{name: {value}})
	if err == nil && status != http.StatusNotModified {
		err = fmt.Errorf("%s: %s is answered with %d", name, value, status)
	}
	return []string{name + ": " + value}, err
}

// get makes one request over a connection of its own.
func (s *server) get(ctx context.Context, w work, header http.Header) (status int, answer http.Header, content []byte, err error) {
	transport := &http.Transport{DisableCompression: true, Protocols: new(http.Protocols), TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	transport.Protocols.SetHTTP1(!w.http2)
	transport.Protocols.SetHTTP2(w.http2)
	defer transport.CloseIdleConnections()
	return get(ctx, &http.Client{Transport: transport, Timeout: 30 * time.Second}, s.url+w.path, header)
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
