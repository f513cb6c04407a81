package reload

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/previewd/previewd/server/message"
)

// TestRequestsWait: a request for a file that was there a moment ago waits for it; one for a file that never was does not.
func TestRequestsWait(t *testing.T) {
	const wait = 5 * time.Second
	for name, c := range map[string]struct {
		target string
		after  time.Duration // how long the build takes
		write  func(f *files)
		since  time.Duration // how long ago it was there
		status int
		took   [2]time.Duration
	}{
		"it comes back":            {"/app.js", 2 * time.Second, func(f *files) { f.write("app.js", "2") }, 0, 200, [2]time.Duration{2 * time.Second, 2100 * time.Millisecond}},
		"the page comes back":      {"/", 2 * time.Second, func(f *files) { f.write("index.html", "2") }, 0, 200, [2]time.Duration{2 * time.Second, 2100 * time.Millisecond}},
		"it has another name now":  {"/app.js", 2 * time.Second, func(f *files) { f.write("index.html", "2"); f.write("app-2.js", "2") }, 0, 404, [2]time.Duration{2200 * time.Millisecond, 2500 * time.Millisecond}},
		"the build takes longer":   {"/app.js", time.Hour, func(*files) {}, 0, 503, [2]time.Duration{wait, wait}},
		"it never was":             {"/never.js", time.Hour, func(*files) {}, 0, 404, [2]time.Duration{}},
		"it was there long ago":    {"/app.js", time.Hour, func(*files) {}, 11 * time.Second, 404, [2]time.Duration{}},
		"only it is gone, forever": {"/app.js", 0, func(f *files) { f.write("index.html", "page") }, 0, 404, [2]time.Duration{250 * time.Millisecond, 500 * time.Millisecond}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFiles()
				f.write("index.html", "page")
				f.write("app.js", "1")
				rn := run(t, f, wait)
				rn.get("/", navigation)
				rn.get("/app.js", nil)
				time.Sleep(c.since)
				f.remove("index.html", "app.js")
				go func() {
					time.Sleep(c.after)
					c.write(f)
				}()
				began := time.Now()
				fields := navigation
				if c.target != "/" {
					fields = nil
				}
				resp, text := rn.get(c.target, fields)
				if took := time.Since(began); resp.Status != c.status || took < c.took[0] || took > c.took[1] {
					t.Errorf("%d after %v, want %d after %v: %s", resp.Status, took, c.status, c.took, text)
				}
				if c.status == 503 && resp.Fields.Get("Retry-After") != "1" {
					t.Errorf("503 has %q", resp.Fields)
				}
				synctest.Wait()
				if _, _, _, waiters := rn.holds(); waiters != 0 {
					t.Error("a request still waits")
				}
				time.Sleep(2 * time.Hour)
			})
		})
	}
}

// TestPagesOfABuild: what is missing while a build is on is a page that reloads itself, and is told that the file is there.
func TestPagesOfABuild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFiles()
		f.write("index.html", "page")
		rn := run(t, f, time.Second)
		rn.open("/").leave()
		f.remove("index.html")
		c := rn.open("/")
		if c.rn.files.askedFor("/") < 3 || c.text == "" {
			t.Errorf("the page says %q", c.text)
		}
		c.live(time.Second)
		f.write("index.html", "new")
		c.live(time.Second)
		if c.reloads != 1 || c.text != "new" {
			t.Errorf("%d reloads, the page says %q", c.reloads, c.text)
		}
		c.leave()
	})
}

// TestStopEndsWaits: a server that stops keeps no request waiting.
func TestStopEndsWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFiles()
		f.write("app.js", "1")
		rn := run(t, f, time.Minute)
		rn.get("/app.js", nil)
		f.remove("app.js")
		f.write("index.html", "page")
		rn.get("/", navigation)
		f.remove("index.html") // so that the build goes on
		began := time.Now()
		time.AfterFunc(time.Second, rn.stop)
		resp := rn.handler(t.Context(), &message.Request{Method: "GET", Target: "/app.js"})
		if took := time.Since(began); took != time.Second || resp.Status != 404 {
			t.Errorf("%d after %v", resp.Status, took)
		}
	})
}
