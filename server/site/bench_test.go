package site

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/sitetest"
)

func benchmark(b *testing.B, files map[string]string, r *message.Request, status int) {
	r.Method = "GET"
	s := newSite(b, sitetest.Build(b, b.TempDir(), files), later)
	b.ReportAllocs()
	for b.Loop() {
		resp := s.Serve(context.Background(), r)
		if resp.Status != status {
			b.Fatal(resp.Status, resp.Err)
		}
		if resp.Body != nil {
			resp.Body.Close()
		}
	}
}

func BenchmarkSmallFile(b *testing.B) {
	benchmark(b, map[string]string{"dir/page.html": strings.Repeat("x", 1024)}, &message.Request{Target: "/dir/page.html"}, 200)
}

func BenchmarkNotModified(b *testing.B) {
	benchmark(b, map[string]string{"dir/page.html": "x"}, &message.Request{Target: "/dir/page.html",
		Fields: message.Fields{{Name: "If-Modified-Since", Value: "Sun, 06 Nov 1994 08:49:37 GMT"}}}, 304)
}

func BenchmarkIndexPage(b *testing.B) {
	benchmark(b, map[string]string{"dir/index.html": strings.Repeat("x", 1024)}, &message.Request{Target: "/dir/"}, 200)
}

func BenchmarkCoded(b *testing.B) {
	benchmark(b, map[string]string{"dir/page.html": sitetest.Text(1024)}, &message.Request{Target: "/dir/page.html",
		Fields: message.Fields{acceptEncoding("gzip, deflate, br, zstd")}}, 200)
}

func BenchmarkNotFound(b *testing.B) {
	benchmark(b, nil, &message.Request{Target: "/dir/page.html"}, 404)
}

func BenchmarkListing10000(b *testing.B) {
	files := make(map[string]string)
	for i := range 10_000 {
		files[fmt.Sprintf("Report %05d (final).txt", i*7919%10_000)] = ""
	}
	benchmark(b, files, &message.Request{Target: "/"}, 200)
}
