package http1

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/previewd/previewd/server/budget"
	"github.com/previewd/previewd/server/message"
)

// TestPiecesOfAFileAreOfTheBudget: where the kernel does not send a file itself, a client that does not read holds one piece of
// it, a small one where there is no memory for more, and in the end none.
func TestPiecesOfAFileAreOfTheBudget(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789"), 50_000)
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ limit, held int64 }{{10 * pieceCost, pieceCost}, {10*pieceCost - 10, 0}} {
		e := &Engine{HeaderTimeout: time.Minute, IdleTimeout: time.Minute, Budget: budget.New(c.limit), Handler: func(context.Context, *message.Request) message.Response {
			f, err := os.Open(name)
			return message.Response{Status: 200, Body: &message.FileSection{File: f, Length: int64(len(content))}, Err: err}
		}}
		client, _, done := serveOne(e)
		reader := bufio.NewReader(client)
		for range 3 {
			if _, err := io.WriteString(client, "GET / HTTP/1.1\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(reader, nil)
			if err != nil {
				t.Fatal(err)
			}
			if held, _ := e.Budget.Use(); held != c.held {
				t.Errorf("of %d bytes %d are held, want %d", c.limit, held, c.held)
			}
			if got, err := io.ReadAll(resp.Body); err != nil || !bytes.Equal(got, content) {
				t.Errorf("got %d bytes, %v", len(got), err)
			}
		}
		_ = client.Close()
		_ = client.Close()
		<-done
		if held, _ := e.Budget.Use(); held != 0 {
			t.Errorf("%d bytes are held in the end", held)
		}
	}
}
