package browser

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/previewd/previewd/testdata/internal/chromium"
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
	// What is seen in each frame that is drawn: a style sheet that is missing for a moment shows.
	p.must(p.Value(`window.seen = new Set(), (function look() {
		for (const name of ['.a', '.b', '.c', '.d']) seen.add(name + getComputedStyle(document.querySelector(name)).color);
		for (const name of ['#plain', '#set']) seen.add(name + document.querySelector(name).offsetWidth);
		requestAnimationFrame(look);
	})()`, nil))
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
	for name, want := range map[string]int{"plain.svg": 2, "set.svg": 1, "back.svg": 1, "own.svg": 1} {
		loads := 0
		for _, r := range p.Requests() {
			if strings.Contains(r.URL, "/"+name+"?") {
				loads++
			}
		}
		if loads != want {
			t.Errorf("%s was loaded again %d times, want %d", name, loads, want)
		}
	}
	var flashes []string
	p.must(p.Value(`[...seen].filter((what) => !/rgb\([1-9], 0, 0\)$|(11|22|33)$/.test(what))`, &flashes))
	if len(flashes) > 0 {
		t.Errorf("for a moment the page has shown %q", flashes)
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
	log, err := os.ReadFile(s.Output)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(log), "debug: file changed name=back.svg how=") {
		t.Errorf("the log does not say what has changed: %s", log)
	}
}

// TestReload: for all else the page is loaded again, where it was scrolled to, with what was typed into it.
func TestReload(t *testing.T) {
	const form = "<h1>Pier</h1><div style='height: 9000px'></div><form><input name=who><select name=what><option>pier<option>ferry</select><input name=yes type=checkbox></form>"
	s, dir := reloading(t)
	p := open(t, s.url+"/")
	p.must(p.Await("document.title == 'Pier 1'"))
	p.quiet("/__previewd/events")
	for i, c := range []struct{ name, content, await string }{
		{"data.json", `{"title": "Pier 2"}`, "document.title == 'Pier 2'"},
		{"app.js", "document.title = 'Pier 3'", "document.title == 'Pier 3'"},
		{"index.html", strings.Replace(shown, "first", "other", 1), "document.querySelector('.a').innerText == 'other'"},
		{"index.html", form + "<script>document.title = 'tall'</script>", "document.title == 'tall'"},
		{"index.html", form + "<script>document.title = 'taller'</script>", "document.title == 'taller'"},
	} {
		s.listens(t, 1)
		p.mark()
		if i == 4 {
			p.must(p.Value("document.querySelector('input').focus()", nil))
			p.must(p.Type("Anna"))
			p.must(p.Value("document.querySelector('select').value = 'ferry', document.querySelector('[type=checkbox]').click(), scrollTo(0, 4000)", nil))
		}
		written(t, dir, c.name, c.content)
		p.must(p.Await(c.await + " && !window.mark"))
	}
	p.must(p.Await("scrollY == 4000"))
	p.must(p.Await("document.querySelector('input').value == 'Anna' && document.querySelector('select').value == 'ferry' && document.querySelector('[type=checkbox]').checked"))
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
	p.must(p.Value("window.shifts = 0, new PerformanceObserver((list) => shifts += list.getEntries().length).observe({ type: 'layout-shift' })", nil))
	const badge = "document.querySelector('previewd-rebuilding')"
	p.must(p.Await(badge))
	var said string
	p.must(p.Value(badge+".shadowRoot.textContent + getComputedStyle("+badge+".shadowRoot.firstChild).position", &said))
	if said != "Rebuilding…fixed" {
		t.Errorf("the page says %q", said)
	}
	var shifts, moves int
	p.must(p.Value("new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(shifts))))", &shifts))
	p.must(p.Value(badge+".shadowRoot.firstChild.getAnimations().length", &moves))
	if shifts != 0 || moves != 1 {
		t.Errorf("the page has shifted %d times, %d animations", shifts, moves)
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

	// Nothing moves for whoever prefers that.
	p.must(p.Calm())
	p.mark()
	rename := func(from, to string) {
		if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
			t.Fatal(err)
		}
	}
	rename("app-2.js", "aside")
	p.must(p.Await(badge))
	p.must(p.Value(badge+".shadowRoot.firstChild.getAnimations().length", &moves))
	if moves != 0 {
		t.Errorf("%d animations for a person who prefers none", moves)
	}
	rename("aside", "app-2.js")
	p.must(p.Await("!" + badge))
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
	// A drain that waits for a stream takes longer than Stop does.
	s, dir := reloading(t, "SHUTDOWN_TIMEOUT=10m")
	p := open(t, s.url+"/")
	p.must(p.Await("document.title == 'Pier 1'"))
	s.listens(t, 1)
	port := s.Addr[strings.LastIndexByte(s.Addr, ':')+1:]
	for _, change := range []bool{false, true} {
		p.mark()
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
		if change {
			written(t, dir, "app.js", "document.title = 'Pier 2'")
		}
		s = start(t, []string{"sh", "-c", `shift; exec "$0" ` + port + ` "$@"`, binary}, dir, "RELOAD=true", "LOG_FORMAT=text", "SHUTDOWN_TIMEOUT=10m")
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
	for end := time.Now().Add(time.Minute); s.count(t, "previewd_reload_streams") > 1; time.Sleep(100 * time.Millisecond) {
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
	for end := time.Now().Add(time.Minute); len(p.Warnings()) == 0 && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
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

// TestFallback: a page that stands for others is loaded again when it changes, and when another one is there for the path.
func TestFallback(t *testing.T) {
	s, dir := reloading(t, "FALLBACK=/index.html")
	written(t, dir, "index.html", "<h1>app 1</h1>")
	p := open(t, s.url+"/deep/route")
	p.shows("app 1")
	s.listens(t, 1)
	written(t, dir, "index.html", "<h1>app 2</h1>")
	p.shows("app 2")
	s.listens(t, 1)
	written(t, dir, "deep/route.html", "<h1>a file</h1>")
	p.shows("a file")
}

// TestSaved: what is saved, and not shown, has no script in it: by a link with download, and by curl -O.
func TestSaved(t *testing.T) {
	const text = "<!DOCTYPE html><title>Saved</title><p>as it is"
	s, dir := reloading(t)
	written(t, dir, "index.html", "<a download href=saved.html>save</a>", "saved.html", text)
	saved := t.TempDir()
	run(t, saved, "curl", "-sSO", s.url+"/saved.html")
	p := open(t, s.url+"/saved.html") // what the browser has kept is another one
	var shown string
	p.must(p.Value("document.documentElement.outerHTML", &shown))
	if !strings.Contains(shown, "__previewd") {
		t.Errorf("the page that is shown is %q", shown)
	}
	downloads := t.TempDir()
	p.must(p.Downloads(downloads))
	p.must(p.Go(s.url + "/"))
	p.must(p.Click("a"))
	awaitFile(t, filepath.Join(downloads, "saved.html"))
	for _, dir := range []string{saved, downloads} {
		got, err := os.ReadFile(filepath.Join(dir, "saved.html"))
		if err != nil || string(got) != text {
			t.Errorf("%q is saved, %v", got, err)
		}
	}
}

// awaitFile waits until a browser has saved a file, which has another name before.
func awaitFile(t *testing.T, name string) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if info, err := os.Stat(name); err == nil && info.Size() > 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s was not saved", name)
		}
	}
}

// TestPlain: a browser that sends no Fetch metadata, as over HTTP from another machine, gets pages that reload, and what it
// fetches or saves as it is.
func TestPlain(t *testing.T) {
	scratch := t.TempDir()
	browser, err := chromium.Start(scratch, "--host-resolver-rules=MAP site.test 127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := browser.Close(); err != nil {
			t.Error(err)
		}
	})
	const text = "<!DOCTYPE html><title>Saved</title><p>as it is"
	s, dir := reloading(t)
	written(t, dir, "saved.html", text, "index.html", shown+"<a download href=saved.html>save</a>")
	tab, err := browser.Open()
	if err != nil {
		t.Fatal(err)
	}
	p := page{tab, t}
	p.must(p.Go("http://site.test" + s.Addr[strings.LastIndexByte(s.Addr, ':'):] + "/"))
	p.must(p.Await("document.title == 'Pier 1' && !isSecureContext"))
	var got string
	p.must(p.Value("fetch('saved.html').then(r => r.text())", &got))
	if got != text {
		t.Errorf("fetch has got %q", got)
	}
	p.must(p.Downloads(scratch))
	p.must(p.Click("a"))
	awaitFile(t, filepath.Join(scratch, "saved.html"))
	if got, err := os.ReadFile(filepath.Join(scratch, "saved.html")); err != nil || string(got) != text {
		t.Errorf("%q is saved, %v", got, err)
	}
	s.listens(t, 1)
	p.mark()
	written(t, dir, "module.css", ".c { color: rgb(2, 0, 0) }")
	p.must(p.Await(fmt.Sprintf(colour, ".c", 2)))
	if !p.marked() {
		t.Error("the page was loaded again for a style sheet")
	}
	written(t, dir, "app.js", "document.title = 'Pier 2'")
	p.must(p.Await("document.title == 'Pier 2'"))
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

// TestSandbox: a frame that may ask for nothing is loaded again by the page around it.
func TestSandbox(t *testing.T) {
	s, dir := reloading(t)
	written(t, dir, "top.html", "<title>top</title><script>onmessage = (event) => window.said = event.data</script><iframe sandbox=allow-scripts src=boxed.html></iframe>",
		"boxed.html", "<script>parent.postMessage('first', '*')</script>")
	p := open(t, s.url+"/top.html")
	p.must(p.Await("window.said == 'first'"))
	s.listens(t, 1)
	p.mark()
	written(t, dir, "boxed.html", "<script>parent.postMessage('second', '*')</script>")
	p.must(p.Await("window.said == 'second'"))
	if !p.marked() {
		t.Error("the page around was loaded again")
	}
	p.quiet("/__previewd/events", "/favicon.ico")
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
			for end := time.Now().Add(time.Minute); p.Go(c.url) != nil && time.Now().Before(end); {
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

// TestNames: files are found whatever is in their names.
func TestNames(t *testing.T) {
	s, dir := reloading(t)
	names := []string{"a b.css", "it's.css", `say "so" & <b>.css`, "100%.css", "%41.css", "question?.css", "number#1.css", "Ærø.css", "\xff.css", "back\\slash.css", "semi;colon+plus.css", "🚢.css"}
	rule := func(i, n int) string {
		return fmt.Sprintf("@import 'imported%%20%%23.css'; #n%d { color: rgb(%d, 0, 0) }", i, n)
	}
	text := "<!DOCTYPE html><meta charset=utf-8>"
	for i, name := range names {
		text += fmt.Sprintf("<link rel=stylesheet href=\"%s\"><p id=n%d>%d", url.PathEscape(name), i, i)
		written(t, dir, "deep/"+name, rule(i, 1))
	}
	written(t, dir, "deep/imported #.css", "body { color: rgb(1, 0, 0) }", "deep/pag\u00e9 'x' & #.html", text+"<p>first")
	p := open(t, s.url+"/deep/pag%C3%A9%20'x'%20&%20%23.html")
	s.listens(t, 1)
	p.mark()
	for i, name := range names {
		written(t, dir, "deep/"+name, rule(i, 2))
		p.must(p.Await(fmt.Sprintf(colour, fmt.Sprintf("#n%d", i), 2)))
	}
	written(t, dir, "deep/imported #.css", "body { color: rgb(2, 0, 0) }")
	p.must(p.Await(fmt.Sprintf(colour, "body", 2)))
	if !p.marked() {
		t.Error("the page was loaded again for a style sheet")
	}
	written(t, dir, "deep/pag\u00e9 'x' & #.html", text+"<p>second")
	p.shows("second")
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
