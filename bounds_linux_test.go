package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// TestHalfOpenConnectionsOfTheAdminPortLeaveTheSiteAnswering: with few descriptors, and more connections at the admin port
// than there are descriptors, each with the beginning of a head. Probes are answered too.
func TestHalfOpenConnectionsOfTheAdminPortLeaveTheSiteAnswering(t *testing.T) {
	p := startProcess(t, `ulimit -n 64; exec "$@"`, "LOG_FORMAT=json", "HEADER_TIMEOUT=1h")
	var start struct {
		URLs  []string `json:"urls"`
		Admin string   `json:"admin_url"`
	}
	if err := json.Unmarshal([]byte(p.await(t, `"admin_url"`)), &start); err != nil || len(start.URLs) == 0 {
		t.Fatalf("the start line: %v, %+v", err, start)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	ask := func(url string) {
		t.Helper()
		resp, err := client.Get(url)
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s, %v", url, resp.Status, err)
		}
	}
	ask(start.Admin + "livez")
	var held []net.Conn
	for _, url := range []string{start.Admin, start.URLs[0]} {
		for range 100 {
			conn, err := net.Dial("tcp", url[len("http://"):len(url)-1])
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, conn)
			fmt.Fprint(conn, "GET / HTTP/1.1\r\n")
		}
		for range 3 {
			ask(start.URLs[0])
			ask(start.Admin + "livez")
			ask(start.Admin + "metrics")
		}
	}
	for _, conn := range held {
		_ = conn.Close()
	}
	p.end(t)
}
