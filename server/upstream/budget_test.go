package upstream_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/previewd/previewd/server/budget"
	"github.com/previewd/previewd/server/upstream"
)

// Law: what a request holds is taken before it is asked, and given back at its end; without memory the answer is 503.
func TestMemoryIsTakenFromTheBudget(t *testing.T) {
	address := answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n"+strings.Repeat("x", 200000))
	for limit, want := range map[int64]int{1 << 20: 200, 1 << 10: 503} {
		memory := budget.New(limit)
		f := start(t, upstream.Options{Budget: memory, Routes: []upstream.Route{{Prefix: "/", Target: "http://" + address}}})
		resp, err := http.Get("http://" + f.address + "/")
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != want || err != nil || (len(content) == 200000) != (want == 200) {
			t.Errorf("%d bytes: got %s with %d bytes, %v", limit, resp.Status, len(content), err)
		}
		f.end(t)
		if used, _ := memory.Use(); used != 0 {
			t.Errorf("%d bytes: %d are still taken", limit, used)
		}
	}
}

// Law: the head of an answer takes memory by its size, until the end of the answer.
func TestHeadsTakeMemory(t *testing.T) {
	address := answering(t, "HTTP/1.1 200 OK\r\nX-Large: "+strings.Repeat("x", 200<<10)+"\r\nContent-Length: 2\r\n\r\nok")
	for limit, want := range map[int64]int{1 << 20: 200, 512 << 10: 503} {
		memory := budget.New(limit)
		f := start(t, upstream.Options{Budget: memory, Routes: []upstream.Route{{Prefix: "/", Target: "http://" + address}}})
		resp, err := http.Get("http://" + f.address + "/")
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != want || err != nil || (string(content) == "ok") != (want == 200) {
			t.Errorf("%d bytes: got %s %q, %v", limit, resp.Status, content, err)
		}
		f.end(t)
		if used, _ := memory.Use(); used != 0 {
			t.Errorf("%d bytes: %d are still taken", limit, used)
		}
	}
}
