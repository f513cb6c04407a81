package site

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/sitetest"
)

func field(name, value string) message.Field { return message.Field{Name: name, Value: value} }

// sizes are the two ways in which content is held: in memory, and as an open file.
var sizes = map[string]func(*Options){
	"in memory": func(o *Options) {},
	"from disk": func(o *Options) { o.Content.MaxFile = 4 },
}

func TestRanges(t *testing.T) {
	dir := sitetest.Build(t, t.TempDir(), map[string]string{"a.txt": "0123456789", "empty.txt": ""})
	for how, change := range sizes {
		s := newSite(t, dir, later, change)
		etag := mustGet(t, s, "/a.txt").Fields.Get("ETag")
		for _, c := range []struct {
			fields       []message.Field
			status       int
			contentRange string
			content      string
		}{
			{nil, 200, "", "0123456789"},
			{[]message.Field{field("Range", "bytes=0-4")}, 206, "bytes 0-4/10", "01234"},
			{[]message.Field{field("Range", "bytes=5-")}, 206, "bytes 5-9/10", "56789"},
			{[]message.Field{field("Range", "bytes=-3")}, 206, "bytes 7-9/10", "789"},
			{[]message.Field{field("Range", "bytes=8-99")}, 206, "bytes 8-9/10", "89"},
			{[]message.Field{field("Range", "bytes=10-")}, 416, "bytes */10", ""},
			{[]message.Field{field("Range", "lines=1-2")}, 200, "", "0123456789"},
			{[]message.Field{field("Range", "bytes=0-4"), field("If-Range", etag)}, 206, "bytes 0-4/10", "01234"},
			{[]message.Field{field("Range", "bytes=0-4"), field("If-Range", `"other"`)}, 200, "", "0123456789"},
			{[]message.Field{field("Range", "bytes=0-4"), field("If-Range", "Sun, 06 Nov 1994 08:49:37 GMT")}, 206, "bytes 0-4/10", "01234"},
			{[]message.Field{field("Range", "bytes=0-4"), field("If-None-Match", etag)}, 304, "", ""},
			{[]message.Field{field("Range", "bytes=0-4"), field("If-Match", `"other"`)}, 412, "", ""},
			{[]message.Field{field("Range", "bytes=0-4"), acceptEncoding("gzip")}, 206, "bytes 0-4/10", "01234"},
		} {
			resp, content := get(t, s, "/a.txt", c.fields...)
			if resp.Status != c.status || resp.Fields.Get("Content-Range") != c.contentRange || content != c.content {
				t.Errorf("%s %q: got %d %q %q", how, c.fields, resp.Status, resp.Fields, content)
			}
			if resp.Status == 206 && (resp.Fields.Get("ETag") != etag || resp.Fields.Get("Content-type") != "text/plain; charset=utf-8" || resp.Fields.Get("Last-Modified") == "") {
				t.Errorf("%s %q: fields %q", how, c.fields, resp.Fields)
			}
		}
		if resp, _ := get(t, s, "/empty.txt", field("Range", "bytes=0-")); resp.Status != 200 || resp.Fields.Get("Content-Range") != "" {
			t.Errorf("%s: an empty file: %d %q", how, resp.Status, resp.Fields)
		}
		head := s.Serve(t.Context(), &message.Request{Method: "HEAD", Target: "/a.txt", Fields: message.Fields{field("Range", "bytes=0-4")}})
		if head.Status != 200 || head.Body.Len() != 10 {
			t.Errorf("%s: HEAD: %d", how, head.Status)
		}
		sitetest.Check(t, head.Body.Close())
	}
}

func TestSeveralRanges(t *testing.T) {
	dir := sitetest.Build(t, t.TempDir(), map[string]string{"a.txt": "0123456789"})
	for how, change := range sizes {
		s := newSite(t, dir, later, change)
		resp, content := get(t, s, "/a.txt", field("Range", "bytes=0-1, 8-, 4-4"))
		mediaType, params, err := mime.ParseMediaType(resp.Fields.Get("Content-type"))
		if err != nil || resp.Status != 206 || mediaType != "multipart/byteranges" || resp.Fields.Get("Content-Range") != "" {
			t.Fatalf("%s: %d %q %v", how, resp.Status, resp.Fields, err)
		}
		if got := mustGet(t, s, "/a.txt").Fields.Get("Content-type"); got != "text/plain; charset=utf-8" {
			t.Fatalf("%s: the file has become %q", how, got)
		}
		r := multipart.NewReader(strings.NewReader(content), params["boundary"])
		for _, want := range []struct{ contentRange, content string }{
			{"bytes 0-1/10", "01"}, {"bytes 8-9/10", "89"}, {"bytes 4-4/10", "4"},
		} {
			p, err := r.NextPart()
			sitetest.Check(t, err)
			got, err := io.ReadAll(p)
			sitetest.Check(t, err)
			if string(got) != want.content || p.Header.Get("Content-Range") != want.contentRange || p.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
				t.Errorf("%s: part %q %q, want %q", how, p.Header, got, want)
			}
		}
		if _, err := r.NextPart(); err != io.EOF {
			t.Errorf("%s: after the last part: %v", how, err)
		}
	}
}

// TestRangeOfAChangedFileIsCut: a part is as much of one state as the whole is.
func TestRangeOfAChangedFileIsCut(t *testing.T) {
	for _, value := range []string{"bytes=0-4", "bytes=0-1, 8-9"} {
		dir := sitetest.Build(t, t.TempDir(), map[string]string{"a.txt": "0123456789"})
		s := newSite(t, dir, later, sizes["from disk"])
		resp := s.Serve(t.Context(), &message.Request{Method: "GET", Target: "/a.txt", Fields: message.Fields{field("Range", value)}})
		sitetest.Check(t, os.WriteFile(filepath.Join(dir, "a.txt"), []byte("9876543210"), 0o644))
		var b bytes.Buffer
		if _, err := resp.Body.WriteTo(&b); err == nil || int64(b.Len()) >= resp.Body.Len() {
			t.Errorf("%s: wrote %q, %v", value, b.String(), err)
		}
		sitetest.Check(t, resp.Body.Close())
	}
}
