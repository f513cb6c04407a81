package site

import (
	"strings"
	"testing"
	"time"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/sitetest"
)

func withPages(o *Options) { o.CleanURLs, o.ErrorPages = true, true }

// TestNames: the file, the directory with an index page, the page of a clean URL, the directory without an index page.
func TestNames(t *testing.T) {
	dir := sitetest.Build(t, t.TempDir(), map[string]string{
		"index.html": "index", "about.html": "about", "docs/index.html": "docs", "docs.html": "no", "pair/x.txt": "x", "pair.html": "pair",
		"plain/y.txt": "y", "noext": "noext", "plain.txt": "text", "a:b/index.html": "ab",
	})
	s := newSite(t, dir, withPages)
	for _, c := range []struct {
		target   string
		status   int
		says     string
		location string
	}{
		{"/about", 200, "about", ""},
		{"/about/", 200, "about", ""},
		{"/about.html", 200, "about", ""},
		{"/about.html/", 404, "", ""},
		{"/About", 404, "", ""},
		{"/index", 200, "index", ""},
		{"/docs", 301, "", "./docs/"},
		{"/docs?x=1", 301, "", "./docs/?x=1"},
		{"/docs/", 200, "docs", ""},
		{"/docs/index", 200, "docs", ""},
		{"/pair", 200, "pair", ""},
		{"/pair/", 200, "pair", ""},
		{"/plain", 301, "", "./plain/"},
		{"/plain/", 200, "y.txt", ""},
		{"/noext", 200, "noext", ""},
		{"/noext/", 404, "", ""},
		{"/plain.txt/", 404, "", ""},
		{"/x/../docs", 301, "", "./docs/"},
		{"/a:b", 301, "", "./a:b/"},
	} {
		resp, content := get(t, s, c.target)
		if resp.Status != c.status || !strings.Contains(content, c.says) || resp.Fields.Get("Location") != c.location {
			t.Errorf("%s is %d %q, Location %q, want %d %q %q", c.target, resp.Status, content, resp.Fields.Get("Location"), c.status, c.says, c.location)
		}
		file, found := s.Find(c.target)
		if want := resp.Status == 200 && c.says != "y.txt" || c.location != "" && c.location != "./plain/"; found != want {
			t.Errorf("Find(%s) is %q, %v, want %v", c.target, file, found, want)
		}
	}
}

// TestExactHasNoneOfThem: http.server's answers, whatever the site brings.
func TestExactHasNoneOfThem(t *testing.T) {
	dir := sitetest.Build(t, t.TempDir(), map[string]string{"about.html": "about", "404.html": "lost", "200.html": "app", "docs/x": "x"})
	s := newSite(t, dir, withPages, func(o *Options) { o.Exact, o.Fallback = true, "/200.html" })
	for target, want := range map[string]int{"/about": 404, "/none": 404, "/docs": 301} {
		resp, content := get(t, s, target, message.Field{Name: "Accept", Value: "text/html"})
		if resp.Status != want || content != "" || resp.Via != "" {
			t.Errorf("%s is %d %q", target, resp.Status, content)
		}
		if location := resp.Fields.Get("Location"); want == 301 && location != "/docs/" {
			t.Errorf("Location is %q", location)
		}
	}
	if methods := s.Methods(); methods["POST"] != nil {
		t.Error("POST is answered")
	}
}

// TestFallback: navigations to nothing get the page, and nothing else does.
func TestFallback(t *testing.T) {
	const html = "text/html,application/xhtml+xml,*/*;q=0.8"
	dir := sitetest.Build(t, t.TempDir(), map[string]string{"index.html": "app", "app.js": "js", "img/a.png": "png", ".env": "secret", "data/v1.2/x": "x"})
	s := newSite(t, dir, withPages, func(o *Options) { o.Fallback = "/index.html" })
	for _, c := range []struct {
		target, accept, mode string
		status               int
	}{
		{"/app/users/42", html, "", 200},
		{"/app/users/42?x=a.b", "", "navigate", 200},
		{"/app/users/42", "*/*", "navigate", 200},
		{"/app/users/42", html, "cors", 404},
		{"/app/users/42", "*/*", "", 404},
		{"/app/users/42", "text/html;q=0, */*", "", 404},
		{"/app/users/42", "TEXT/HTML", "", 200},
		{"/app/users/42", "application/json", "", 404},
		{"/app/users/42", "", "", 404},
		{"/app/v1.2/", html, "", 200},
		{"/app/v1.2", html, "", 404},
		{"/x.js", html, "navigate", 404},
		{"/a%2Ejs", html, "navigate", 404},
		{"/img", html, "", 200},
		{"/img/", html, "", 200},
		{"/data/v1.2", html, "", 404},
		{"/app.js", html, "", 200},
	} {
		var fields message.Fields
		if c.accept != "" {
			fields = append(fields, message.Field{Name: "Accept", Value: c.accept})
		}
		if c.mode != "" {
			fields = append(fields, message.Field{Name: "Sec-Fetch-Mode", Value: c.mode})
		}
		resp, content := get(t, s, c.target, fields...)
		if resp.Status != c.status {
			t.Errorf("%s with Accept %q and Sec-Fetch-Mode %q is %d %q, want %d", c.target, c.accept, c.mode, resp.Status, content, c.status)
		}
		if c.target == "/app.js" {
			continue
		}
		if vary := resp.Fields.Get("Vary"); !strings.HasSuffix(vary, "Sec-Fetch-Mode, Accept") {
			t.Errorf("%s: Vary is %q", c.target, vary)
		}
		if c.status == 200 && (content != "app" || resp.Via != "/index.html") {
			t.Errorf("%s is %q via %q", c.target, content, resp.Via)
		}
	}
}

// TestAPageAtTheTopIsTheFallback without a setting.
func TestAPageAtTheTopIsTheFallback(t *testing.T) {
	dir := sitetest.Build(t, t.TempDir(), map[string]string{"200.html": "app", "404.html": "lost"})
	s := newSite(t, dir, withPages)
	if resp, content := get(t, s, "/none", message.Field{Name: "Sec-Fetch-Mode", Value: "navigate"}); resp.Status != 200 || content != "app" {
		t.Errorf("a navigation gets %d %q", resp.Status, content)
	}
	if resp, content := get(t, s, "/none", message.Field{Name: "Accept", Value: "*/*"}); resp.Status != 404 || content != "lost" {
		t.Errorf("others get %d %q", resp.Status, content)
	}
}

// TestErrorPage: the nearest one up the tree, for whoever accepts HTML, with status 404 and never the cause of another error.
func TestErrorPage(t *testing.T) {
	dir := sitetest.Build(t, t.TempDir(), map[string]string{
		"404.html": "top", "docs/404.html": "docs", "docs/deep/er/404.html": "er", "odd/404.html/x": "x", "other/x": "x",
	})
	s := newSite(t, dir, withPages, func(o *Options) { o.Listing = ListingOff })
	for target, want := range map[string]string{
		"/none": "top", "/docs/none": "docs", "/docs/none/more": "docs", "/docs/deep/none": "docs", "/docs/deep/er/none": "er", "/docs/": "docs",
		"/odd/none": "top", "/other/none.js": "top", "/docsx": "top", "/404.html/": "top",
	} {
		resp, content := get(t, s, target, message.Field{Name: "Range", Value: "bytes=0-0"})
		if resp.Status != 404 || content != want || resp.Close || resp.Fields.Get("ETag") != "" || !strings.HasPrefix(resp.Fields.Get("Content-type"), "text/html") {
			t.Errorf("%s is %d %q %v, want %q", target, resp.Status, content, resp.Fields, want)
		}
	}
	if resp, content := get(t, s, "/none", message.Field{Name: "Accept", Value: "application/json"}); content != "" || resp.Via != "" {
		t.Errorf("who wants JSON gets %q", content)
	}
	long := "/" + strings.Repeat("a/", 30000)
	if resp, _ := get(t, s, long); resp.Status != 404 {
		t.Errorf("a long path is %d", resp.Status)
	}
}

// TestReservedNames are neither served nor listed, and are read for the server itself.
func TestReservedNames(t *testing.T) {
	dir := sitetest.Build(t, t.TempDir(), map[string]string{"_headers": "/*", "sub/_headers": "sub", "a.txt": "a"})
	s := newSite(t, dir, func(o *Options) { o.Tree.Reserved = []string{"_headers", "_redirects"} })
	for target, want := range map[string]int{"/_headers": 404, "/_HEADERS": 404, "/%5fheaders": 404, "/x/../_headers": 404, "/_headers/": 404, "/sub/_headers": 200, "/_redirects": 404} {
		if resp, _ := get(t, s, target); resp.Status != want {
			t.Errorf("%s is %d, want %d", target, resp.Status, want)
		}
	}
	if _, listing := get(t, s, "/"); strings.Contains(listing, "_headers") || !strings.Contains(listing, "a.txt") {
		t.Errorf("the listing is %q", listing)
	}
	if _, listing := get(t, s, "/sub/"); !strings.Contains(listing, "_headers") {
		t.Errorf("the listing is %q", listing)
	}
	if _, version, err := s.Look("_redirects", "", 100); version != "" || err != nil {
		t.Errorf("what is not there has version %q, %v", version, err)
	}
	data, version, err := s.Look("_headers", "", 1)
	if string(data) != "/" || version == "" || err != nil {
		t.Errorf("got %q %q %v", data, version, err)
	}
}

// TestAChangeIsAnotherVersion, also of the same length within the same tick of the clock.
func TestAChangeIsAnotherVersion(t *testing.T) {
	dir := sitetest.Build(t, t.TempDir(), map[string]string{"_headers": "one"})
	s := newSite(t, dir)
	_, seen, err := s.Look("_headers", "", 100)
	sitetest.Check(t, err)
	if data, version, _ := s.Look("_headers", seen, 100); version != seen {
		t.Errorf("unchanged, and version %q of %q is not %q", version, data, seen)
	}
	sitetest.Build(t, dir, map[string]string{"_headers": "two"}) // with the same date
	if data, version, _ := s.Look("_headers", seen, 100); version == seen || string(data) != "two" {
		t.Errorf("changed, and %q is still version %q", data, version)
	}
	later := newSite(t, dir, func(o *Options) { o.Content.Now = func() time.Time { return time.Now().Add(time.Hour) } })
	_, seen, _ = later.Look("_headers", "", 100)
	if data, version, _ := later.Look("_headers", seen, 100); version != seen || data != nil {
		t.Errorf("at rest it was read again: %q, %q", data, version)
	}
}

// TestOtherMethodsAreNotAllowed: they are known, and the answer says what is.
func TestOtherMethodsAreNotAllowed(t *testing.T) {
	s := newSite(t, t.TempDir())
	resp := s.Methods().Serve(t.Context(), &message.Request{Method: "POST", Target: "/"})
	if resp.Status != 405 || resp.Fields.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST is %d %v", resp.Status, resp.Fields)
	}
	if resp := s.Methods().Serve(t.Context(), &message.Request{Method: "BREW", Target: "/"}); resp.Status != 501 {
		t.Errorf("BREW is %d", resp.Status)
	}
}
