package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// askPreview asks a service for a URL by its host, and returns the answer with its content.
func askPreview(t *testing.T, s runningService, host, path string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest("GET", "http://"+s.addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(content)
}

func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		layOut(t, dir, name, []byte(content))
	}
}

// TestPreviews: settings apply to each preview, and to the overview.
func TestPreviews(t *testing.T) {
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{
		"pr-1/index.html": "one", "pr-1/_headers": "/*\n  X-Of: one\n", "pr-1/200.html": "app of one",
		"pr-2/index.html": "two", "pr-2/404.html": "nothing in two",
	})
	s := startService(t, []string{"PORT=0", "BIND=127.0.0.1", "ADMIN_PORT=0", "LOG_FORMAT=text", "DIRECTORY=" + dir, "PREVIEWS=directories",
		"PREVIEWS_DOMAIN=preview.example.com", "BASE_PATH=/docs", "PUBLIC_ENV=/env.js", "PUBLIC_A=b", "ALLOWED_HOSTS=www.example.org", "HEADERS=X-All: yes",
		"TRUSTED_PROXIES=127.0.0.1", "AUTH=anna:$2y$04$h4iLLecHuJXCMlAly5vsOuP5jmCCaN1cSFAVtEKmc/0vXdLLvogDm"})
	const page = "text/html"
	for _, c := range []struct {
		host, path string
		status     int
		part       string
	}{
		{"pr-1.preview.example.com", "/docs/", 200, "one"},
		{"pr-1.localhost:8000", "/docs/index.html", 200, "one"},
		{"pr-1.localhost:8000", "/docs/app/page", 200, "app of one"},
		{"pr-2.preview.example.com", "/docs/nothing", 404, "nothing in two"},
		{"pr-2.preview.example.com", "/docs/env.js", 200, "PUBLIC_A"},
		{"pr-2.preview.example.com", "/", 302, ""},
		{"preview.example.com:8443", "/docs/", 200, `href="https://pr-2.preview.example.com:8443/docs/"`},
		{"pr-3.preview.example.com", "/docs/", 404, "There is no preview pr-3"},
		{"www.example.org", "/docs/", 404, "All previews"},
		{"mail.example.org", "/docs/", 403, "ALLOWED_HOSTS"},
	} {
		resp, content := askPreview(t, s, c.host, c.path, "Accept", page, "X-Forwarded-Proto", "https", "Authorization", "Basic YW5uYTpzZWNyZXQ=")
		if resp.StatusCode != c.status || !strings.Contains(content, c.part) || resp.Header.Get("X-All") != "yes" {
			t.Errorf("%s%s: got %d %v %q, want %d and %q", c.host, c.path, resp.StatusCode, resp.Header, content, c.status, c.part)
		}
		if of := resp.Header.Get("X-Of"); (of == "one") != (strings.HasPrefix(c.host, "pr-1.") && c.status == 200) {
			t.Errorf("%s%s: the rules of pr-1 gave %q", c.host, c.path, of)
		}
	}
	for _, host := range []string{"pr-1.localhost", "preview.example.com", "pr-3.localhost"} {
		if resp, _ := askPreview(t, s, host, "/docs/"); resp.StatusCode != 401 {
			t.Errorf("%s without a password: got %d", host, resp.StatusCode)
		}
	}
	resp, content := askPreview(t, s, "127.0.0.1:1", "/docs/", "X-Forwarded-Host", "pr-2.preview.example.com", "Authorization", "Basic YW5uYTpzZWNyZXQ=")
	if resp.StatusCode != 200 || content != "two" || !strings.HasPrefix(resp.Header.Get("X-Preview-Build"), "pr-2 ") {
		t.Errorf("by X-Forwarded-Host: got %d %v %q", resp.StatusCode, resp.Header, content)
	}
}

// TestPagesReloadByTheirOwnPreview: what changes in another preview is nothing to a page.
func TestPagesReloadByTheirOwnPreview(t *testing.T) {
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{"pr-1/a.html": "<p>one", "pr-2/b.html": "<p>two"})
	s := startService(t, []string{"PORT=0", "BIND=127.0.0.1", "ADMIN_PORT=0", "LOG_FORMAT=text", "DIRECTORY=" + dir, "PREVIEWS=directories", "RELOAD=true"})
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	listen := func(host, page string) *bufio.Scanner {
		if _, content := askPreview(t, s, host, page, "Accept", "text/html"); !strings.Contains(content, "__previewd/reload.js") {
			t.Fatalf("%s: the page has no script: %q", host, content)
		}
		r, err := http.NewRequestWithContext(ctx, "GET", "http://"+s.addr+"/__previewd/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		lines := bufio.NewScanner(resp.Body)
		if !lines.Scan() { // the stream is open
			t.Fatal(lines.Err())
		}
		return lines
	}
	await := func(lines *bufio.Scanner) string {
		for lines.Scan() {
			if lines.Text() == "event: reload" && lines.Scan() {
				return lines.Text()
			}
		}
		t.Fatalf("the stream has ended: %v", lines.Err())
		return ""
	}
	one, two := listen("pr-1.localhost", "/a.html"), listen("pr-2.localhost", "/b.html")
	// The changes of pr-2 come first. If pr-1 were told of them, that would be its first event.
	for i := range 2 {
		writeFiles(t, dir, map[string]string{"pr-2/b.html": fmt.Sprint("<p>two, changed ", i)})
		await(two)
	}
	writeFiles(t, dir, map[string]string{"pr-1/a.html": "<p>one, changed"})
	if got := await(one); got != `data: ["/a.html"]` {
		t.Errorf("the page of pr-1 was told of %s", got)
	}
	if _, content := askPreview(t, s, "pr-1.localhost", "/a.html", "Accept", "text/html"); !strings.Contains(content, "one, changed") {
		t.Errorf("got %q", content)
	}
	// A directory that is replaced as a whole is a change too.
	writeFiles(t, dir, map[string]string{"next/b.html": "<p>two, replaced"})
	if err := os.Rename(filepath.Join(dir, "pr-2"), filepath.Join(dir, "before")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "next"), filepath.Join(dir, "pr-2")); err != nil {
		t.Fatal(err)
	}
	await(two)
	if _, content := askPreview(t, s, "pr-2.localhost", "/b.html", "Accept", "text/html"); !strings.Contains(content, "two, replaced") {
		t.Errorf("got %q", content)
	}
}
