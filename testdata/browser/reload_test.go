package browser

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
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
