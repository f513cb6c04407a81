package previews

import (
	"context"
	"testing"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/previews/registrytest"
)

// constantSite answers everything alike.
type constantSite struct {
	Site
	resp message.Response
}

func (c constantSite) Serve(context.Context, *message.Request) message.Response { return c.resp }

// BenchmarkServeTag is what a tag costs a request beside its site.
func BenchmarkServeTag(b *testing.B) {
	r := registrytest.Start(b)
	r.Push("pr-0", map[string]string{"index.html": "x"})
	fields := make([]message.Field, 6)
	p := serveTags(b, r, b.TempDir(), func(o *Options) {
		o.Open = func(string, string) Site { return constantSite{resp: message.Response{Status: 200, Fields: fields}} }
		o.Live = nil
	})
	req := func() *message.Request {
		return &message.Request{Method: "GET", Target: "/", Proto: "HTTP/1.1", Fields: message.Fields{{Name: "Host", Value: "pr-0.localhost:8000"}, {Name: "User-Agent", Value: "x"}}}
	}
	eventually(b, "it is shown", func() bool { return p.Serve(context.Background(), req()).Status == 200 })
	q := req()
	b.ReportAllocs()
	for b.Loop() {
		p.Serve(context.Background(), q)
	}
}
