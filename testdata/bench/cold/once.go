package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/previewd/previewd/testdata/internal/subject"
)

// figures are of one answer. The times begin with the request, on a connection that is there.
type figures struct {
	bytes            int64
	first, last, cpu time.Duration
}

// rate is what the client reads, in bytes a second: 100 Mbit/s.
const rate = 100_000_000 / 8

// kind is a server to measure.
type kind struct {
	name    string
	codings []string
	// command returns what starts it in the foreground on a port, and its environment.
	command func(scratch, root, port string) (words, variables []string, err error)
}

func previewd(binary string) kind {
	return kind{"previewd", []string{"identity", "gzip", "br", "zstd"}, func(_, root, port string) (words, variables []string, err error) {
		return []string{binary}, []string{"PORT=" + port, "BIND=127.0.0.1", "ADMIN_PORT=0", "DIRECTORY=" + root}, nil
	}}
}

var nginx = kind{"nginx", []string{"identity", "gzip"}, func(scratch, root, port string) (words, variables []string, err error) {
	var own strings.Builder
	for _, name := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&own, "%s_temp_path %s;\n", name, filepath.Join(scratch, "nginx-"+name))
	}
	text := fmt.Sprintf(`daemon off; user root root; worker_processes auto; pid %[1]s/nginx.pid; error_log %[1]s/nginx.err;
events { worker_connections 256; }
http {
	types { text/javascript js; application/wasm wasm; text/html html; }
	access_log %[1]s/nginx.log combined;
	sendfile on; autoindex on; gzip on; gzip_types text/javascript application/wasm;
	%[2]s
	server { listen 127.0.0.1:%[3]s; root %[4]s; }
}
`, scratch, own.String(), port, root)
	file := filepath.Join(scratch, "nginx.conf")
	return []string{"nginx", "-c", file, "-e", filepath.Join(scratch, "nginx.err")}, nil, os.WriteFile(file, []byte(text), 0o644)
}}

func caddyOf(binary string) kind {
	return kind{"caddy", []string{"identity", "gzip", "zstd"}, func(scratch, root, port string) (words, variables []string, err error) {
		text := fmt.Sprintf("{\n\tadmin off\n\tauto_https off\n}\nhttp://127.0.0.1:%s {\n\troot * %s\n\tlog\n\tencode zstd gzip\n\tfile_server browse\n}\n", port, root)
		file := filepath.Join(scratch, "Caddyfile")
		return []string{binary, "run", "--config", file, "--adapter", "caddyfile"}, []string{"XDG_DATA_HOME=" + scratch, "XDG_CONFIG_HOME=" + scratch},
			os.WriteFile(file, []byte(text), 0o644)
	}}
}

// once starts a server, asks for a path, and ends the server.
func once(ctx context.Context, k kind, scratch, root, path, coding string) (f figures, err error) {
	port, err := subject.FreePort()
	if err != nil {
		return f, err
	}
	words, variables, err := k.command(scratch, root, port)
	if err != nil {
		return f, err
	}
	command := exec.Command(words[0], words[1:]...)
	command.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + scratch}, variables...)
	process, err := subject.Run(command)
	if err != nil {
		return f, err
	}
	defer func() {
		if stopped := process.Stop(); err == nil {
			err = stopped
		}
	}()
	conn, err := dial(ctx, process, port)
	if err != nil {
		return f, err
	}
	defer conn.Close()
	time.Sleep(200 * time.Millisecond) // the start has its own processor time
	before := cpu(process.ID())
	client := &http.Client{Transport: &http.Transport{DisableCompression: true, DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+port+path, nil)
	if err != nil {
		return f, err
	}
	request.Header.Set("Accept-Encoding", coding)
	conn.began = time.Now()
	response, err := client.Do(request)
	if err != nil {
		return f, err
	}
	defer response.Body.Close()
	got := response.Header.Get("Content-Encoding")
	if response.StatusCode != http.StatusOK || got != coding && (coding != "identity" || got != "") {
		return f, fmt.Errorf("status %d, coding %q", response.StatusCode, got)
	}
	f.bytes, err = io.Copy(io.Discard, response.Body)
	f.last, f.first = time.Since(conn.began), conn.first
	time.Sleep(200 * time.Millisecond) // what is done behind the answer counts
	f.cpu = cpu(process.ID()) - before
	return f, err
}

func dial(ctx context.Context, process *subject.Process, port string) (*paced, error) {
	dialer := net.Dialer{Timeout: time.Second}
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end) && !process.Ended(); time.Sleep(20 * time.Millisecond) {
		conn, err := dialer.DialContext(ctx, "tcp", "127.0.0.1:"+port)
		if err == nil {
			// What the system holds for the client is not read yet.
			return &paced{Conn: conn}, conn.(*net.TCPConn).SetReadBuffer(64 << 10)
		}
	}
	return nil, fmt.Errorf("it does not listen on port %s", port)
}

// paced is a connection from which rate bytes a second are read.
type paced struct {
	net.Conn
	began time.Time
	first time.Duration
	n     int64
}

func (p *paced) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b[:min(len(b), 16<<10)])
	if p.first == 0 {
		p.first = time.Since(p.began)
	}
	p.n += int64(n)
	time.Sleep(time.Until(p.began.Add(time.Duration(p.n * int64(time.Second) / rate))))
	return n, err
}

// cpu is the processor time of a process and its children: the first figure of schedstat of each thread.
func cpu(id int) (total time.Duration) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", id))
	for _, file := range files {
		text, _ := os.ReadFile(file) // a thread may have ended
		ns, _, _ := strings.Cut(string(text), " ")
		n, _ := strconv.ParseInt(ns, 10, 64)
		total += time.Duration(n)
	}
	children, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", id))
	for _, file := range children {
		text, _ := os.ReadFile(file)
		for _, child := range strings.Fields(string(text)) {
			n, _ := strconv.Atoi(child)
			total += cpu(n)
		}
	}
	return total
}
