package browser

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/previewd/previewd/testdata/internal/subject"
)

// written writes files of a site: pairs of name and content.
func written(t *testing.T, dir string, pairs ...string) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		path := filepath.Join(dir, pairs[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(pairs[i+1]), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// picture is an SVG of that many pixels.
func picture(width int) string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="9"><path d="M0 0h99v9H0z" fill="#c63"/></svg>`, width)
}

const shown = `<!DOCTYPE html><title>Pier</title><link rel="icon" href="icon.svg"><link rel="stylesheet" href="style.css">
<style>@import "inline.css";</style>
<h1>Pier</h1><p class="a">first</p><p class="b">second</p><p class="c">third</p><p class="d">fourth</p>
<img id="plain" src="plain.svg"><img id="set" srcset="set.svg 1x, other.svg 2x">
<p class="back">back</p><p id="own" style="background: url('own.svg')">own</p>
<script type="module" src="app.js"></script>`

// reloading is a site whose pages reload themselves, with a page of all that can be replaced.
func reloading(t *testing.T, variables ...string) (site, string) {
	t.Helper()
	dir := t.TempDir()
	written(t, dir, "index.html", shown, "style.css", `@import "import.css"; .a { color: rgb(1, 0, 0) } .back { background: url(back.svg) }`,
		"import.css", ".b { color: rgb(1, 0, 0) }", "inline.css", ".d { color: rgb(1, 0, 0) }", "module.css", ".c { color: rgb(1, 0, 0) }",
		"app.js", `const link = document.createElement('link'); link.rel = 'stylesheet'; link.href = 'module.css'; document.head.append(link);
		document.title = (await (await fetch('data.json')).json()).title;`,
		"data.json", `{"title": "Pier 1"}`, "unused.css", "",
		"plain.svg", picture(11), "set.svg", picture(11), "other.svg", picture(11), "back.svg", picture(11), "own.svg", picture(11), "icon.svg", picture(11))
	return serve(t, dir, append(variables, "RELOAD=true", "LOG_LEVEL=debug")...), dir
}

// listens waits until the server knows what a page shows.
func (s site) listens(t *testing.T, pages int) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		n, err := s.Metric("previewd_reload_streams")
		if err != nil {
			t.Fatal(err)
		}
		if int(n) >= pages {
			time.Sleep(400 * time.Millisecond) // a page listens anew when it has loaded more
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%v pages listen, want %d", n, pages)
		}
	}
}

// mark leaves a variable in the page, which is gone when it is loaded again.
func (p page) mark() { p.t.Helper(); p.must(p.Value("window.mark = 1", nil)) }

func (p page) marked() bool {
	p.t.Helper()
	var is bool
	p.must(p.Value("window.mark === 1", &is))
	return is
}

const colour = `getComputedStyle(document.querySelector('%s')).color == 'rgb(%d, 0, 0)'`

// TestSwap: style sheets and pictures are replaced where they are.
func TestSwap(t *testing.T) {
	s, dir := reloading(t)
	p := open(t, s.url+"/")
	p.must(p.Await("document.title == 'Pier 1'"))
	p.must(p.Await(fmt.Sprintf(colour, ".c", 1)))
	s.listens(t, 1)
	p.mark()
	for _, c := range []struct{ name, content, await string }{
		{"style.css", `@import "import.css"; .a { color: rgb(2, 0, 0) } .back { background: url(back.svg) }`, fmt.Sprintf(colour, ".a", 2)},
		{"import.css", `.b { color: rgb(2, 0, 0) }`, fmt.Sprintf(colour, ".b", 2)},
		{"module.css", `.c { color: rgb(2, 0, 0) }`, fmt.Sprintf(colour, ".c", 2)},
		{"inline.css", `.d { color: rgb(2, 0, 0) }`, fmt.Sprintf(colour, ".d", 2)},
		{"style.css", `@import "import.css"; .a { color: rgb(3, 0, 0) } .back { background: url(back.svg) }`, fmt.Sprintf(colour, ".a", 3)},
		{"plain.svg", picture(22), "document.querySelector('#plain').naturalWidth == 22"},
		{"plain.svg", picture(33), "document.querySelector('#plain').naturalWidth == 33"},
		{"set.svg", picture(22), "document.querySelector('#set').naturalWidth == 22"},
		{"back.svg", picture(22), `getComputedStyle(document.querySelector('.back')).backgroundImage.includes('back.svg?__previewd=')`},
		{"own.svg", picture(22), `getComputedStyle(document.querySelector('#own')).backgroundImage.includes('own.svg?__previewd=')`},
		{"icon.svg", picture(22), `document.querySelectorAll('link[rel=icon]').length == 1 && document.querySelector('link[rel=icon]').href.includes('?__previewd=')`},
	} {
		written(t, dir, c.name, c.content)
		p.must(p.Await(c.await))
		if !p.marked() {
			t.Fatalf("the page was loaded again when %s changed", c.name)
		}
	}
	var sheets int
	p.must(p.Value("document.querySelectorAll('link[rel=stylesheet]').length", &sheets))
	if sheets != 2 {
		t.Errorf("%d style sheets, want 2", sheets)
	}
	written(t, dir, "unused.css", "changed")
	time.Sleep(500 * time.Millisecond)
	if !p.marked() {
		t.Error("the page was loaded again for a file that it does not use")
	}
	p.quiet("/__previewd/events")
}

// TestReload: for all else the page is loaded again, where it was scrolled to.
func TestReload(t *testing.T) {
	s, dir := reloading(t)
	p := open(t, s.url+"/")
	p.must(p.Await("document.title == 'Pier 1'"))
	p.quiet("/__previewd/events")
	for i, c := range []struct{ name, content, await string }{
		{"data.json", `{"title": "Pier 2"}`, "document.title == 'Pier 2'"},
		{"app.js", "document.title = 'Pier 3'", "document.title == 'Pier 3'"},
		{"index.html", strings.Replace(shown, "first", "other", 1), "document.querySelector('.a').innerText == 'other'"},
		{"index.html", "<h1>Pier</h1><div style='height: 9000px'></div><script>document.title = 'tall'</script>", "document.title == 'tall'"},
		{"index.html", "<h1>Pier</h1><div style='height: 9000px'></div><script>document.title = 'taller'</script>", "document.title == 'taller'"},
	} {
		s.listens(t, 1)
		p.mark()
		if i == 4 {
			p.must(p.Value("scrollTo(0, 4000)", nil))
		}
		written(t, dir, c.name, c.content)
		p.must(p.Await(c.await + " && !window.mark"))
	}
	p.must(p.Await("scrollY == 4000"))
	p.quiet("/__previewd/events", "/favicon.ico")
}

// streams are the requests of a page to listen.
func (p page) streams() (n int) {
	for _, r := range p.Requests() {
		if strings.HasSuffix(r.URL, "/__previewd/events") {
			n++
		}
	}
	return n
}

// count is the value of a metric.
func (s site) count(t *testing.T, name string) int {
	t.Helper()
	n, err := s.Metric(name)
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}

// TestBuild: a build that empties its output is said in a corner, and is one reload at its end, though its chunks have other
// names. A request that comes meanwhile waits, or gets a page that reloads itself.
func TestBuild(t *testing.T) {
	s, dir := reloading(t, "REBUILD_WAIT=1s")
	written(t, dir, "index.html", `<h1>old</h1><script type="module" src="app-1.js"></script>`, "app-1.js", "document.title = 'old'")
	p := open(t, s.url+"/")
	p.must(p.Await("document.title == 'old'"))
	s.listens(t, 1)
	for _, name := range []string{"index.html", "app-1.js"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	p.mark()
	const badge = "document.querySelector('previewd-rebuilding')"
	p.must(p.Await(badge))
	var said string
	p.must(p.Value(badge+".shadowRoot.textContent + getComputedStyle("+badge+".shadowRoot.firstChild).position", &said))
	if said != "Rebuilding…fixed" {
		t.Errorf("the page says %q", said)
	}
	// Meanwhile another tab opens the page, waits, and says that it is being built.
	other := open(t, s.url+"/")
	other.is(503)
	other.shows("being rebuilt", "index.html")
	if !p.marked() {
		t.Error("the page was loaded again in the middle of the build")
	}
	written(t, dir, "app-2.js", "document.title = 'new'")
	time.Sleep(100 * time.Millisecond)
	written(t, dir, "index.html", `<h1>new</h1><script type="module" src="app-2.js"></script>`)
	p.must(p.Await("document.title == 'new' && !window.mark && !" + badge))
	other.must(other.Await("document.title == 'new'"))
	s.listens(t, 2)
	loads := 0
	for _, r := range p.Requests() {
		if r.URL == s.url+"/" {
			loads++
		}
	}
	if loads != 2 {
		t.Errorf("the page was loaded %d times, want 2", loads)
	}
}

// TestWait: what is asked for in a build is waited for.
func TestWait(t *testing.T) {
	s, dir := reloading(t)
	p := open(t, s.url+"/")
	p.must(p.Await("document.title == 'Pier 1'"))
	if err := os.Remove(filepath.Join(dir, "data.json")); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(time.Second, func() { written(t, dir, "data.json", `{"title": "late"}`) })
	var text string
	p.must(p.Value("fetch('data.json').then(r => r.text())", &text))
	if text != `{"title": "late"}` {
		t.Errorf("got %q", text)
	}
}

// TestRestart: a page goes on where the server comes back, and is loaded again only if something has changed.
func TestRestart(t *testing.T) {
	s, dir := reloading(t)
	p := open(t, s.url+"/")
	p.must(p.Await("document.title == 'Pier 1'"))
	s.listens(t, 1)
	port := s.Addr[strings.LastIndexByte(s.Addr, ':')+1:]
	for _, change := range []bool{false, true} {
		p.mark()
		began := time.Now()
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("the server took %v to end", took)
		}
		if change {
			written(t, dir, "app.js", "document.title = 'Pier 2'")
		}
		s = start(t, []string{"sh", "-c", `shift; exec "$0" ` + port + ` "$@"`, binary}, dir, "RELOAD=true", "LOG_FORMAT=text")
		if change {
			p.must(p.Await("document.title == 'Pier 2' && !window.mark"))
		}
		s.listens(t, 1)
		if !change && !p.marked() {
			t.Error("the page was loaded again although nothing has changed")
		}
	}
}

// TestTabs: a hidden tab holds no connection, so that there is one for the seventh tab, and catches up when it is seen. A
// page without a network does too.
func TestTabs(t *testing.T) {
	s, dir := reloading(t)
	p := open(t, s.url+"/")
	p.must(p.Await("document.title == 'Pier 1'"))
	s.listens(t, 1)
	var last page
	for range 7 {
		tab, err := p.Beside()
		p.must(err)
		last = page{tab, t}
		t.Cleanup(func() { tab.Close() })
		last.must(tab.Go(s.url + "/"))
		last.must(last.Await("document.title == 'Pier 1'"))
	}
	var hidden bool
	p.must(p.Value("document.hidden", &hidden))
	if !hidden {
		t.Fatal("the first of eight tabs is not hidden")
	}
	p.mark()
	written(t, dir, "app.js", "document.title = 'Pier 2'")
	last.must(last.Await("document.title == 'Pier 2'"))
	for end := time.Now().Add(10 * time.Second); s.count(t, "previewd_reload_streams") > 1; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d pages listen, want 1", s.count(t, "previewd_reload_streams"))
		}
	}
	if !p.marked() {
		t.Error("a hidden tab was loaded again")
	}
	p.must(p.Show())
	p.must(p.Await("document.title == 'Pier 2' && !window.mark"))

	p.must(p.Offline(true))
	written(t, dir, "app.js", "document.title = 'Pier 3'")
	time.Sleep(time.Second)
	p.must(p.Offline(false))
	p.must(p.Await("document.title == 'Pier 3'"))
}

// TestPolicy: 'self' is enough; where the stream is forbidden the console says what to allow.
func TestPolicy(t *testing.T) {
	s, dir := reloading(t, "HEADERS=Content-Security-Policy: default-src 'self'")
	written(t, dir, "index.html", "<link rel=stylesheet href=module.css><p class=c>one")
	p := open(t, s.url+"/")
	s.listens(t, 1)
	p.mark()
	written(t, dir, "module.css", ".c { color: rgb(2, 0, 0) }")
	p.must(p.Await(fmt.Sprintf(colour, ".c", 2)))
	if err := os.Remove(filepath.Join(dir, "module.css")); err != nil {
		t.Fatal(err)
	}
	written(t, dir, "index.html", "two")
	p.must(p.Await("!window.mark && document.body.innerText.includes('two')"))
	p.quiet("/__previewd/events", "/favicon.ico")

	s, _ = reloading(t, "HEADERS=Content-Security-Policy: default-src 'self'; connect-src 'none'; style-src 'unsafe-inline'")
	p = open(t, s.url+"/")
	for end := time.Now().Add(10 * time.Second); len(p.Warnings()) == 0 && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
	}
	time.Sleep(time.Second)
	if got := strings.Join(p.Warnings(), "\n"); !strings.Contains(got, "Add 'self' (or "+s.url+") to connect-src") {
		t.Errorf("the console says %q", got)
	}
	if n := p.streams(); n > 1 {
		t.Errorf("the page has tried %d times", n)
	}
}

// TestHeals: a page of what is missing is loaded again when it is there, and a listing when there is another name.
func TestHeals(t *testing.T) {
	s, dir := reloading(t)
	missing := open(t, s.url+"/guide/start")
	missing.is(404)
	if err := os.MkdirAll(filepath.Join(dir, "files"), 0o777); err != nil {
		t.Fatal(err)
	}
	list := open(t, s.url+"/files/")
	list.shows("files")
	s.listens(t, 2)
	written(t, dir, "guide/start.html", "<h1>Guide</h1>", "files/new.txt", "new")
	missing.must(missing.Await("document.body.innerText.includes('Guide')"))
	missing.is(200)
	list.shows("new.txt")
	s.listens(t, 2)
	written(t, dir, "404.html", "<h1>Lost</h1>")
	if err := os.RemoveAll(filepath.Join(dir, "guide")); err != nil {
		t.Fatal(err)
	}
	gone := open(t, s.url+"/other")
	gone.shows("Lost")
	s.listens(t, 3)
	written(t, dir, "404.html", "<h1>Astray</h1>")
	gone.shows("Astray")
}

// TestFrames: a page listens for its frames, which are loaded again each for itself.
func TestFrames(t *testing.T) {
	s, dir := reloading(t)
	written(t, dir, "top.html", "<title>top</title><iframe id=a src=a.html></iframe><iframe id=b src=b.html></iframe>", "a.html", "<p>a1", "b.html", "<link rel=stylesheet href=style.css><p class=a>b1")
	p := open(t, s.url+"/top.html")
	s.listens(t, 1)
	time.Sleep(400 * time.Millisecond)
	if n := s.count(t, "previewd_reload_streams"); n != 1 {
		t.Errorf("%d streams for a page with two frames", n)
	}
	p.mark()
	p.must(p.Value("document.querySelector('#b').contentWindow.mark = 1", nil))
	written(t, dir, "a.html", "<p>a2")
	p.must(p.Await("document.querySelector('#a').contentDocument.body.innerText.includes('a2')"))
	s.listens(t, 1)
	written(t, dir, "style.css", ".a { color: rgb(9, 0, 0) }")
	p.must(p.Await("getComputedStyle(document.querySelector('#b').contentDocument.querySelector('.a')).color == 'rgb(9, 0, 0)'"))
	var kept bool
	p.must(p.Value("document.querySelector('#b').contentWindow.mark == 1", &kept))
	if !kept || !p.marked() {
		t.Error("more was loaded again than one frame")
	}
	written(t, dir, "top.html", "<title>another</title>")
	p.must(p.Await("document.title == 'another'"))
}

// TestDocuments: pages of all kinds reload, and what is no page is left alone.
func TestDocuments(t *testing.T) {
	s, dir := reloading(t)
	xhtml := `<html xmlns="http://www.w3.org/1999/xhtml"><head><title>one</title></head><body><p>one</p></body></html><!-- end -->`
	wide := "\xff\xfe"
	for _, c := range "<title>one</title>" {
		wide += string([]byte{byte(c), 0})
	}
	written(t, dir, "page.xhtml", xhtml, "wide.html", wide, "mark.html", "\xef\xbb\xbf<title>one</title>", "bare.html", "one",
		"deep/er/base.html", "<base href='/elsewhere/'><title>one</title>", "large.html", "<title>one</title>"+"<!--"+strings.Repeat("filling ", 300000)+"-->",
		"packed.html", "<title>one</title>", "packed.html.gz", "not used", "fragment.html", "<p>fragment", "drawing.svg", picture(9))
	for name, next := range map[string]string{
		"page.xhtml": strings.ReplaceAll(xhtml, "one", "two"), "wide.html": strings.Replace(wide, "o\x00n\x00e\x00", "t\x00w\x00o\x00", 1),
		"mark.html": "\xef\xbb\xbf<title>two</title>", "bare.html": "two", "deep/er/base.html": "<title>two</title>", "packed.html": "<title>two</title>",
		"large.html": "<title>two</title>",
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t, s.url+"/"+name)
			p.must(p.Await("(document.title || document.body.innerText) == 'one'"))
			s.listens(t, 1)
			written(t, dir, name, next)
			p.must(p.Await("(document.title || document.body.innerText) == 'two'"))
			p.Close()
		})
	}
	p := open(t, s.url+"/bare.html")
	var text string
	p.must(p.Value("fetch('/fragment.html').then(r => r.text())", &text))
	if text != "<p>fragment" {
		t.Errorf("a page that is fetched is %q", text)
	}
	p = open(t, s.url+"/drawing.svg")
	p.must(p.Value("document.documentElement.outerHTML", &text))
	if strings.Contains(text, "previewd") {
		t.Errorf("a drawing is %q", text)
	}
}

// TestPrefix: behind nginx, which takes a prefix away and buffers, and below BASE_PATH.
func TestPrefix(t *testing.T) {
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		absent(t, "nginx is not installed: %v", err)
	}
	s, dir := reloading(t)
	port, err := subject.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	scratch := t.TempDir()
	written(t, scratch, "nginx.conf", fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log %[1]s/error.log;
events {}
http {
	access_log off; client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
	server { listen 127.0.0.1:%[2]s; location /shop/ { proxy_pass %[3]s/; } }
}`, scratch, port, s.url))
	process, err := subject.Run(exec.Command(nginx, "-c", filepath.Join(scratch, "nginx.conf")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(process.Kill)
	below, belowDir := reloading(t, "BASE_PATH=/shop")
	for _, c := range []struct {
		name, url, dir string
		site           site
	}{{"nginx", "http://127.0.0.1:" + port + "/shop/", dir, s}, {"BASE_PATH", below.url + "/shop/", belowDir, below}} {
		t.Run(c.name, func(t *testing.T) {
			written(t, c.dir, "deep/page.html", "<base href='..'><link rel=stylesheet href=module.css><p class=c>one")
			p := blank(t)
			for end := time.Now().Add(10 * time.Second); p.Go(c.url) != nil && time.Now().Before(end); {
				time.Sleep(50 * time.Millisecond) // nginx is still starting
			}
			p.must(p.Await("document.title == 'Pier 1'"))
			c.site.listens(t, 1)
			p.mark()
			written(t, c.dir, "module.css", ".c { color: rgb(2, 0, 0) }")
			p.must(p.Await(fmt.Sprintf(colour, ".c", 2)))
			if !p.marked() {
				t.Error("the page was loaded again for a style sheet")
			}
			c.site.listens(t, 1)
			written(t, c.dir, "app.js", "document.title = 'Pier 2'")
			p.must(p.Await("document.title == 'Pier 2'"))
			if c.name == "BASE_PATH" { // nginx does not say which prefix it takes away
				p.must(p.Go(c.url + "deep/page.html"))
				c.site.listens(t, 1)
				written(t, c.dir, "deep/page.html", "two")
				p.must(p.Await("document.body.innerText == 'two'"))
			}
		})
	}
}

// TestHTTP2: pages reload over HTTP/2.
func TestHTTP2(t *testing.T) {
	s, dir := reloading(t, "TLS_SELF_SIGNED=true")
	p := blank(t)
	p.must(p.TrustAll())
	p.must(p.Go("https://" + s.Addr + "/"))
	p.must(p.Await("document.title == 'Pier 1'"))
	var protocol string
	p.must(p.Value("performance.getEntriesByType('navigation')[0].nextHopProtocol", &protocol))
	if protocol != "h2" {
		t.Errorf("the protocol is %s", protocol)
	}
	s.listens(t, 1)
	p.mark()
	written(t, dir, "module.css", ".c { color: rgb(2, 0, 0) }")
	p.must(p.Await(fmt.Sprintf(colour, ".c", 2)))
	if !p.marked() {
		t.Error("the page was loaded again for a style sheet")
	}
	s.listens(t, 1)
	written(t, dir, "app.js", "document.title = 'Pier 2'")
	p.must(p.Await("document.title == 'Pier 2'"))
}
