package site

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/sitetest"
)

// Law: what is asked for of a log that is written to all the time is answered with what was there, whole or in parts;
// as it has no validator, nobody takes it for what will be there.
func TestALogThatIsNeverAtRest(t *testing.T) {
	for how, change := range sizes {
		for _, exact := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/exact_%v", how, exact), func(t *testing.T) {
				t.Parallel()
				const lines, length = 2000, 10
				dir := t.TempDir()
				f, err := os.Create(filepath.Join(dir, "app.log"))
				sitetest.Check(t, err)
				t.Cleanup(func() { f.Close() })
				for i := range lines {
					fmt.Fprintf(f, "%0*d\n", length-1, i)
				}
				sitetest.Every(t, 2*time.Millisecond, func(i int) { fmt.Fprintf(f, "%0*d\n", length-1, lines+i) })
				s := newSite(t, dir, change, func(o *Options) { o.Exact = exact })
				resp, content := get(t, s, "/app.log")
				if resp.Status != 200 || len(content) < lines*length || len(content)%length != 0 ||
					!strings.HasSuffix(content, fmt.Sprintf("%0*d\n", length-1, len(content)/length-1)) {
					t.Errorf("%d with %d bytes, the last %.20q", resp.Status, len(content), content[max(0, len(content)-20):])
				}
				if exact {
					return
				}
				if how == "from disk" && resp.Fields.Get("ETag")+resp.Fields.Get("Last-Modified") != "" {
					t.Errorf("validators: %q", resp.Fields)
				}
				coded := s.Serve(t.Context(), &message.Request{Method: "GET", Target: "/app.log", Fields: message.Fields{acceptEncoding("gzip")}})
				var packed bytes.Buffer
				_, err = coded.Body.WriteTo(&packed)
				sitetest.Check(t, errors.Join(err, coded.Body.Close()))
				if content = packed.String(); coded.Fields.Get("Content-Encoding") != "" {
					content = unpack(t, "gzip", content)
				}
				if len(content) < lines*length || !strings.HasSuffix(content, fmt.Sprintf("%0*d\n", length-1, len(content)/length-1)) {
					t.Errorf("coded: %q, %d bytes", coded.Fields, len(content))
				}
				var size, first, last int
				resp, content = get(t, s, "/app.log", field("Range", "bytes=-100"))
				if _, err := fmt.Sscanf(resp.Fields.Get("Content-Range"), "bytes %d-%d/%d", &first, &last, &size); err != nil || resp.Status != 206 ||
					last != size-1 || first != size-100 || !strings.HasSuffix(content, fmt.Sprintf("%0*d\n", length-1, size/length-1)) {
					t.Errorf("the last bytes: %d %q, %q", resp.Status, resp.Fields, content)
				}
				resp, content = get(t, s, "/app.log", field("Range", "bytes=0-9,20-29"))
				if resp.Status != 206 || !strings.Contains(content, "000000000\n") || !strings.Contains(content, "000000002\n") {
					t.Errorf("two parts: %d %q, %q", resp.Status, resp.Fields, content)
				}
			})
		}
	}
}

// Law: the last of several parts vouches for all of them: a part that was written over after it was sent is noticed,
// and what is appended harms none.
func TestAFileThatChangesBetweenItsParts(t *testing.T) {
	const size = 300 << 10
	for _, c := range []struct {
		name  string
		at    int64
		whole bool
	}{{"in_the_first", 70 << 10, false}, {"in_the_last", 250 << 10, false}, {"behind_all", size, true}} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			name := filepath.Join(dir, "a.bin")
			sitetest.Check(t, os.WriteFile(name, []byte(sitetest.Text(size)), 0o644))
			s := newSite(t, dir, func(o *Options) { o.Content.MaxFile = 4 })
			request := &message.Request{Method: "GET", Target: "/a.bin", Fields: message.Fields{field("Range", "bytes=65536-131071,200000-299999")}}
			resp := s.Serve(t.Context(), request)
			if resp.Status != 206 {
				t.Fatalf("%d", resp.Status)
			}
			w := &inTheSecondPart{do: func() {
				f, err := os.OpenFile(name, os.O_WRONLY, 0)
				sitetest.Check(t, err)
				_, err = f.WriteAt([]byte("\x00"), c.at)
				sitetest.Check(t, errors.Join(err, f.Close()))
			}}
			_, err := resp.Body.WriteTo(w)
			sitetest.Check(t, resp.Body.Close())
			if whole := err == nil; whole != c.whole || err != nil && !errors.Is(err, message.ErrChanged) {
				t.Errorf("%d bytes, %v", w.Len(), err)
			}
		})
	}
}

// inTheSecondPart calls a function when the first bytes of the second part come.
type inTheSecondPart struct {
	bytes.Buffer
	heads int
	do    func()
}

func (w *inTheSecondPart) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("Content-Range: ")) {
		w.heads++
	} else if w.heads == 2 {
		w.heads++
		w.do()
	}
	return w.Buffer.Write(p)
}
