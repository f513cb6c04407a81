package http1

import (
	"net/http"
	"testing"

	"github.com/previewd/previewd/server/message"
)

// browserHead is a head as browsers send it.
const browserHead = "GET /assets/app.js?v=3 HTTP/1.1\r\n" +
	"Host: localhost:8000\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n" +
	"Accept: */*\r\n" +
	"Accept-Language: en-US,en;q=0.5\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Connection: keep-alive\r\n" +
	"Referer: http://localhost:8000/\r\n" +
	"If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n" +
	"Priority: u=2\r\n\r\n"

// BenchmarkParse reads a head and makes the request of it.
func BenchmarkParse(b *testing.B) {
	for name, raw := range map[string]string{"browser": browserHead, "plain": "GET / HTTP/1.1\r\nHost: localhost:8000\r\n\r\n"} {
		b.Run(name, func(b *testing.B) {
			var p headParser
			var r message.Request
			buf := []byte(raw)
			b.ReportAllocs()
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				p.reset()
				if state, failure := p.parse(buf, false); state != complete || failure != nil {
					b.Fatal(state, failure)
				}
				p.fill(&r, buf)
				if _, failure := framing(r.Version, r.Fields); failure != nil {
					b.Fatal(failure)
				}
			}
		})
	}
}

// BenchmarkHead renders the head of the answer for a file.
func BenchmarkHead(b *testing.B) {
	e := &Engine{}
	e.prepare()
	content := message.Bytes("hello")
	resp := message.Response{Status: http.StatusOK, Body: &content, Fields: message.Fields{
		{Name: "Content-type", Value: "text/javascript"}, {Name: "Last-Modified", Value: "Sun, 06 Nov 1994 08:49:37 GMT"}}}
	r := &message.Request{Method: "GET", Proto: "HTTP/1.1", Version: message.Version{Major: 1, Minor: 1}}
	c := &Conn{engine: e}
	var w answerWriter
	b.ReportAllocs()
	for b.Loop() {
		w.begin(c, r)
		settled := w.settle(resp)
		w.renderHead(&settled, true)
	}
}
