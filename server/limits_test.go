package server

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/previewd/previewd/server/message"
)

// TestHeadsThatAreTooLargeAreRefusedAlike: in HTTP/1.1 and HTTP/2 with the same answer, and one record each.
func TestHeadsThatAreTooLargeAreRefusedAlike(t *testing.T) {
	fields := func(n, size int) http.Header {
		h := http.Header{}
		for range n {
			h.Add("X", strings.Repeat("x", size))
		}
		return h
	}
	for _, c := range []struct {
		name   string
		target string
		fields http.Header
		want   string
	}{
		{"many bytes, not too many", "/", fields(17, 60_000), "200 hello"},
		{"a head over 1 MiB", "/", fields(18, 60_000), "431 Message: Header section too large."},
		{"a head just below 2 MiB", "/", fields(34, 60_000), "431 Message: Header section too large."},
		{"too many fields", "/", fields(120, 10), "431 Message: Too many headers."},
		{"a field line", "/", fields(1, 65_536), "431 Message: Line too long."},
		{"a target", "/" + strings.Repeat("a", 65_536), nil, "414 Message: URI Too Long."},
	} {
		for _, protocol := range []string{"http/1.1", "h2"} {
			t.Run(c.name+" "+protocol, func(t *testing.T) {
				observed := make(chan string, 10)
				s := serveTLS(t, &Server{Handler: hello, Observe: func(x *message.Exchange) {
					observed <- fmt.Sprint(x.Status, " ", x.Refused, " ", x.Request.Method)
				}}, protocol)
				r, err := http.NewRequest("GET", "https://"+s.address+c.target, nil)
				if err != nil {
					t.Fatal(err)
				}
				if c.fields != nil {
					r.Header = c.fields
				}
				resp, err := client(t).Do(r)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				page, err := io.ReadAll(resp.Body)
				status, text, _ := strings.Cut(c.want, " ")
				if err != nil || fmt.Sprint(resp.StatusCode) != status || !strings.Contains(string(page), text) {
					t.Errorf("got %s, %v, want %s\n%s", resp.Status, err, c.want, page)
				}
				method := "GET"
				if status == "414" && protocol == "http/1.1" {
					method = "" // the line was not read to its end
				}
				select {
				case got := <-observed:
					if want := fmt.Sprint(status, " ", status != "200", " ", method); got != want {
						t.Errorf("observed %q, want %q", got, want)
					}
				case <-time.After(time.Minute):
					t.Error("nothing was observed")
				}
				s.end(t)
			})
		}
	}
}
