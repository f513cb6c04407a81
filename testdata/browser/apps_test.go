package browser

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/previewd/previewd/testdata/internal/chromium"
)

// missing wants a request of the page to be answered 404.
func (p page) missing(path string) {
	p.t.Helper()
	for _, r := range p.Requests() {
		if strings.HasSuffix(r.URL, path) {
			if r.Status != 404 {
				p.t.Errorf("%s: status %d, want 404", r.URL, r.Status)
			}
			return
		}
	}
	p.t.Errorf("the page has not asked for %s", path)
}

// TestReact: an app of one page with a router. A navigation to any of its paths gets the page, on a reload too; what is
// missing and is no navigation stays missing.
func TestReact(t *testing.T) {
	dir := "apps/react/dist"
	for name, fallback := range map[string]func(t *testing.T) site{
		"FALLBACK": func(t *testing.T) site { return serve(t, dir, "FALLBACK=/index.html") },
		"--spa":    func(t *testing.T) site { return start(t, []string{binary, "--spa"}, dir, "LOG_FORMAT=text") },
		"200.html": func(t *testing.T) site {
			copied := t.TempDir()
			if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(filepath.Join(copied, "index.html"), filepath.Join(copied, "200.html")); err != nil {
				t.Fatal(err)
			}
			return serve(t, copied)
		},
		"_redirects": func(t *testing.T) site {
			copied := t.TempDir()
			if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(copied, "_redirects"), []byte("/berths/* /index.html 200\n/logbook /index.html 200\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			return serve(t, copied)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := fallback(t)
			p := open(t, s.url+"/berths/42")
			p.is(200)
			p.shows("Berth 42")
			p.must(p.Reload())
			p.is(200)
			p.shows("Berth 42")
			p.quiet()
			p.must(p.Click("a[href='/logbook']"))
			p.shows("Logbook", "Tern arrived, Gull left", "missing.json: 404", "missing: 404")
			p.must(p.Reload())
			p.is(200)
			p.shows("Tern arrived, Gull left", "missing.json: 404", "missing: 404")
			p.quiet("/missing")
		})
	}
	t.Run("missing module", func(t *testing.T) {
		p := open(t, serve(t, dir, "FALLBACK=/index.html").url+"/berths/42")
		var said string
		p.must(p.Value("import('/assets/gone-B5apZ1Gv.js').then(() => 'loaded', e => 'refused')", &said))
		if said != "refused" {
			t.Errorf("a module that is missing was %s", said)
		}
		p.missing("/assets/gone-B5apZ1Gv.js")
		// A script that is a page would be a syntax error, and a confusing one.
		for _, problem := range p.Problems() {
			if strings.Contains(problem, "MIME type") || strings.Contains(problem, "Unexpected token") {
				t.Errorf("the browser was sent a page for a module: %s", problem)
			}
		}
		p = open(t, serve(t, dir, "FALLBACK=/index.html").url+"/gone.js")
		p.is(404)
	})
	t.Run("nothing asked for", func(t *testing.T) {
		p := open(t, serve(t, dir).url+"/berths/42")
		p.is(404)
		p.shows("Error code: 404")
	})
}

// TestVue: an app that was built for a path, below which it is served. A dot in a path that leads to a page is none of a
// file's if a slash follows.
func TestVue(t *testing.T) {
	s := serve(t, "apps/vue/dist", "BASE_PATH=/station", "FALLBACK=/index.html")
	p := open(t, s.url+"/")
	p.is(200)
	p.shows("All stations")
	p.must(p.Await("location.pathname == '/station/'"))
	p.must(p.Click("a[href$='/charts']"))
	p.shows("Charts")
	p.must(p.Await("getComputedStyle(document.querySelector('.charts')).color == 'rgb(1, 2, 3)'"))
	for range 2 {
		p.must(p.Reload())
		p.is(200)
		p.shows("Charts")
	}
	p.must(p.Go(s.url + "/station/stations/Kettle%20Rock?unit=m/s#now"))
	p.is(200)
	p.shows("Station Kettle Rock, wind m/s")
	p.quiet()

	p.must(p.Go(s.url + "/elsewhere"))
	p.is(404)
	p.must(p.Go(s.url + "/station/assets/gone-BO0KgaPG.css"))
	p.is(404)
	p.shows("Error code: 404")
}

// TestSvelteKit: a static site, whose pages are files without their suffix in its links, and whose 404.html is a page
// of its own.
func TestSvelteKit(t *testing.T) {
	s := serve(t, "apps/sveltekit/dist")
	p := open(t, s.url+"/docs/intro")
	p.is(200)
	p.shows("Introduction")
	p.must(p.Click("a[href='/docs']"))
	p.shows("Documents")
	// docs.html stands beside docs/intro.html.
	p.must(p.Reload())
	p.is(200)
	p.shows("Documents")
	p.must(p.Click("a[href='/']"))
	p.shows("Ferry timetable")
	// The button works as soon as the script has taken over what was drawn.
	p.must(p.Await("(document.querySelector('button').click(), document.body.innerText.includes('Passengers: 1'))"))
	p.must(p.Go(s.url + "/about"))
	p.is(200)
	p.shows("About the ferry")
	p.quiet()

	p = open(t, s.url+"/islands/nowhere")
	p.is(404)
	p.shows("No ferry goes to /islands/nowhere (404)")
	p.must(p.Reload())
	p.is(404)
	p.shows("No ferry goes to /islands/nowhere (404)")
	p.quiet("/islands/nowhere")

	var said string
	p.must(p.Value("import('/_app/gone.js').then(() => 'loaded', e => 'refused')", &said))
	if said != "refused" {
		t.Errorf("a module that is missing was %s", said)
	}
	p.missing("/_app/gone.js")
}

// TestElsewhere: what a page may use of another origin. A field of its own makes the browser ask first.
func TestElsewhere(t *testing.T) {
	pages := serve(t, "apps/elsewhere/page")
	for _, c := range []struct {
		cors string
		want []string
	}{
		{"*", []string{"font: loaded", "tide: high", "depth: 12", "missing: 404"}},
		{pages.url, []string{"font: loaded", "tide: high", "depth: 12", "missing: 404"}},
		{"http://other.example", []string{"font: refused", "tide: refused", "depth: refused", "missing: refused"}},
		{"", []string{"font: refused", "tide: refused", "depth: refused", "missing: refused"}},
	} {
		t.Run(c.cors, func(t *testing.T) {
			p := open(t, pages.url+"/?from="+serve(t, "apps/elsewhere", "CORS="+c.cors).url)
			p.shows("done")
			p.shows(c.want...)
		})
	}
}

// TestIsolation: with ISOLATION two threads share one memory, and without it browsers refuse that.
func TestIsolation(t *testing.T) {
	p := open(t, serve(t, "apps/isolated", "ISOLATION=true").url+"/")
	p.shows("isolated; the other thread has written 42")
	p.quiet()
	p = open(t, serve(t, "apps/isolated").url+"/")
	p.shows("not isolated; SharedArrayBuffer is undefined")
}

// TestLogin: a browser asks for name and password, and what the page loads has them too.
func TestLogin(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("lamp oil"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, module+"/testdata/www", fmt.Sprintf("AUTH=keeper:%s", hash))
	p := blank(t)
	p.must(p.LogIn(&chromium.Credentials{Name: "keeper", Password: "lamp oil"}))
	p.must(p.Go(s.url + "/"))
	p.is(200)
	p.shows("5 lights, all in order.")
	p.must(p.Reload())
	p.shows("5 lights, all in order.")
	if n := p.LogIns(); n != 1 {
		t.Errorf("the browser has asked %d times", n)
	}

	p = blank(t)
	p.must(p.LogIn(nil))
	p.must(p.Go(s.url + "/"))
	p.is(401)
	p.shows("Error code: 401")
	log, err := os.ReadFile(s.Output)
	p.must(err)
	if strings.Contains(string(log), "lamp oil") || strings.Contains(string(log), string(hash)) {
		t.Errorf("the log tells a secret:\n%s", log)
	}
}
