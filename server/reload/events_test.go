package reload

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/previewd/previewd/server/message"
)

// TestEveryoneIsTold: GET is told of all that is known, also of what is asked for later.
func TestEveryoneIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFiles()
		f.write("index.html", "page")
		f.write("a b.css", "1")
		rn := run(t, f, 0)
		rn.get("/", navigation)
		events, leave := rn.listen("", nil, 0)
		defer leave()
		rn.get("/a%20b.css", nil)
		time.Sleep(time.Second)
		f.write("a b.css", "2")
		if e := <-events; e != (heard{"reload", `["/a b.css"]`}) {
			t.Errorf("got %q", e)
		}
		f.remove("index.html")
		if e := <-events; e != (heard{"rebuilding", `["/"]`}) {
			t.Errorf("got %q", e)
		}
		f.write("index.html", "page 2")
		if e := <-events; e != (heard{"reload", `["/"]`}) {
			t.Errorf("got %q", e)
		}
		if streams, changes, sent, _ := rn.counted(); sent != 2 || changes != 3 || streams != 1 {
			t.Errorf("counted %d reloads, %d changes and %d streams", sent, changes, streams)
		}
	})
}

// TestStreamsAreBounded: beyond maxPages a page is told to come later; the end of the server ends all.
func TestStreamsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFiles()
		f.write("index.html", "page")
		rn := run(t, f, 0)
		rn.get("/", navigation)
		var all []<-chan heard
		for range maxPages {
			events, leave := rn.listen("/", map[string]shows{"/": nil}, 0)
			defer leave()
			all = append(all, events)
		}
		resp := rn.handler(t.Context(), &message.Request{Method: "GET", Target: eventsPath})
		if resp.Status != 503 || resp.Fields.Get("Retry-After") == "" {
			t.Errorf("one more: %d %q", resp.Status, resp.Fields)
		}
		rn.stop()
		for _, events := range all {
			for range events {
			}
		}
		synctest.Wait()
		streams, _, _, _ := rn.counted()
		if pages, held, _, _ := rn.holds(); streams != 0 || pages != 0 || held != 0 {
			t.Errorf("%d streams, %d pages and %d bytes are left", streams, pages, held)
		}
		if resp := rn.handler(t.Context(), &message.Request{Method: "GET", Target: eventsPath}); resp.Status != 503 {
			t.Errorf("a stream of a server that stops: %d", resp.Status)
		}
	})
}

// TestKeepAlive: a stream says something each 15 s.
func TestKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rn := run(t, newFiles(), 0)
		resp := rn.handler(t.Context(), &message.Request{Method: "GET", Target: eventsPath})
		for name, want := range map[string]string{"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"} {
			if got := resp.Fields.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		var b strings.Builder
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = resp.Body.WriteTo(&b)
			_ = resp.Body.Close()
		}()
		time.Sleep(time.Minute + time.Second)
		rn.stop()
		<-done
		if n := strings.Count(b.String(), ":\n\n"); n < 4 || n > 5 {
			t.Errorf("%d comments in a minute: %q", n, b.String())
		}
	})
}

// TestPagesEndTheirStreams: a page that listens anew ends its stream before, and one that is left says so.
func TestPagesEndTheirStreams(t *testing.T) {
	rn := run(t, newFiles(), 0)
	post := func(content string) message.Response {
		return rn.handler(t.Context(), &message.Request{Method: "POST", Target: eventsPath, Content: strings.NewReader(content)})
	}
	streams := 0
	for _, c := range []struct {
		content         string
		status, streams int
	}{
		{`{"id":"a","shows":{}}`, 200, 1}, {`{"id":"b","ends":"a","shows":{}}`, 200, 1}, {`{"id":"c","shows":{}}`, 200, 2},
		{`{"ends":"other"}`, 204, 2}, {`{"ends":"b"}`, 204, 1}, {`{"ends":"c"}`, 204, 0},
	} {
		resp := post(c.content)
		if streams, _, _, _ = rn.holds(); resp.Status != c.status || streams != c.streams {
			t.Errorf("%s: %d, %d streams, want %d, %d", c.content, resp.Status, streams, c.status, c.streams)
		}
		if resp.Body != nil {
			t.Cleanup(func() { _ = resp.Body.Close() })
		}
	}
}

// TestStreamRequests: what is no request of a page is refused.
func TestStreamRequests(t *testing.T) {
	rn := run(t, newFiles(), 0)
	for name, c := range map[string]struct {
		method, content string
		fields          message.Fields
		want            int
	}{
		"no JSON":        {"POST", "x", nil, 400},
		"another origin": {"GET", "", message.Fields{{Name: "Sec-Fetch-Site", Value: "cross-site"}}, 403},
		"PUT":            {"PUT", "", nil, 405},
		"HEAD":           {"HEAD", "", nil, 200},
		"odd names":      {"POST", `{"page":"/","shows":{"/":{"../x":"1","%zz":"1","a":"!","/b":"2"},"x":null,"/__previewd/events":null}}`, nil, 200},
	} {
		resp := rn.handler(t.Context(), &message.Request{Method: c.method, Target: eventsPath, Content: strings.NewReader(c.content), Fields: c.fields})
		if resp.Status != c.want {
			t.Errorf("%s: %d, want %d", name, resp.Status, c.want)
		}
		resp.Discard()
	}
	if pages, held, _, _ := rn.holds(); held != 0 || pages != 0 {
		t.Errorf("%d bytes and %d pages are left", held, pages)
	}
}

// TestNamesAreBounded: beyond maxNames the oldest are dropped, and counted; a page that uses them is not told of them.
func TestNamesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFiles()
		f.write("index.html", "page")
		rn := run(t, f, 0)
		rn.get("/", navigation)
		old, leave := rn.listen("/", map[string]shows{"/": nil}, 0)
		defer leave()
		for i := range maxNames + 50 {
			rn.get(fmt.Sprintf("/%d.css", i), nil)
		}
		_, _, _, dropped := rn.counted()
		if _, _, names, _ := rn.holds(); names > maxNames || dropped < 50 {
			t.Errorf("%d names are known, %d dropped", names, dropped)
		}
		events, leaveToo := rn.listen("", nil, 0)
		defer leaveToo()
		f.write("index.html", "another")
		f.write(fmt.Sprintf("%d.css", maxNames), "new")
		if e := <-events; e.data != fmt.Sprintf(`["/%d.css"]`, maxNames) {
			t.Errorf("got %q", e)
		}
		<-old // what the page shows
		synctest.Wait()
		if len(old) > 0 {
			t.Errorf("a page was told of what is dropped: %q", <-old)
		}
	})
}
