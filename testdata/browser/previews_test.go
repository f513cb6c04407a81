package browser

import (
	"net"
	"os"
	"path/filepath"
	"testing"
)

// TestPreviews: a preview by its name, with the absolute links of a build, the overview that leads there, and the page of a
// name that nothing has.
func TestPreviews(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"pr-42", "Feature_Log_In"} {
		written(t, dir, name+"/index.html", `<!DOCTYPE html><title>`+name+`</title><link rel="icon" href="/icon.svg"><link rel="stylesheet" href="/style.css">
<h1>`+name+`</h1><p><a href="/guide">guide</a></p><img src="/plain.svg"><script type="module" src="/app.js"></script>`,
			name+"/guide.html", `<!DOCTYPE html><title>guide</title><link rel="icon" href="/icon.svg"><p>the guide of `+name, name+"/icon.svg", picture(11), name+"/plain.svg", picture(11),
			name+"/style.css", "h1 { color: rgb(1, 2, 3) }", name+"/app.js", "document.title = 'started'")
	}
	s := serve(t, dir, "PREVIEWS=directories", "RELOAD=true")
	_, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	at := func(label string) string { return "http://" + label + "localhost:" + port + "/" }

	p := open(t, at("pr-42."))
	p.is(200)
	p.must(p.Await("document.title == 'started' && getComputedStyle(document.querySelector('h1')).color == 'rgb(1, 2, 3)' && document.images[0].naturalWidth == 11"))
	p.quiet()
	p.must(p.Click("a"))
	p.shows("the guide of pr-42")

	// The overview leads to all, on a phone too, and without a script.
	p = open(t, at(""))
	p.is(200)
	p.shows("2 previews", "Feature_Log_In")
	p.quiet()
	var wide bool
	p.must(p.Value("document.documentElement.scrollWidth > innerWidth || document.scripts.length > 0", &wide))
	if wide {
		t.Error("the overview is wider than the window, or has a script")
	}
	p.must(p.Click(`a[href="` + at("feature-log-in.") + `"]`))
	p.shows("Feature_Log_In")
	p.must(p.Await("location.hostname == 'feature-log-in.localhost' && document.title == 'started'"))

	// A name that nothing has leads to the overview.
	p = open(t, at("pr-7."))
	p.is(404)
	p.shows("There is no preview pr-7", "All previews")
	p.must(p.Click(`a[href="` + at("") + `"]`))
	p.shows("2 previews")

	// A page reloads when its own files change.
	p = open(t, at("pr-42.")+"guide")
	p.shows("the guide of pr-42")
	s.listens(t, 1)
	written(t, dir, "Feature_Log_In/guide.html", "changed")
	p.mark()
	written(t, dir, "pr-42/guide.html", "<!DOCTYPE html><p>another guide")
	p.shows("another guide")

	// What is deleted is gone at once, and the page says so.
	if err := os.RemoveAll(filepath.Join(dir, "pr-42")); err != nil {
		t.Fatal(err)
	}
	p = open(t, at("pr-42."))
	p.is(404)
	p.shows("The preview pr-42 is gone")
}
