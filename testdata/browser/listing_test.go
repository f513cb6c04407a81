package browser

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// listingSite makes directories to be listed: an empty one, one of twelve names, one of names from right to left, one of 10,000.
func listingSite(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, size int, age time.Duration) {
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(strings.Repeat("x", size)), 0o644); err != nil {
			t.Fatal(err)
		}
		date := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC).Add(-age)
		if err := os.Chtimes(full, date, date); err != nil {
			t.Fatal(err)
		}
	}
	for i, name := range []string{"chapter 2.txt", "chapter 10.txt", "notes.md", "photo.jpg", "report.pdf", "script.js", "שלום עולם.txt",
		"a <b> & \"c\".html", "archive.zip"} {
		write("twelve/"+name, 10+i*i*i*12345, time.Duration(i%4)*36*time.Hour)
	}
	for _, name := range []string{"build 10", "build 2"} {
		if err := os.Mkdir(filepath.Join(dir, "twelve", name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	readme := "# Twelve things\n\nThis is shown as it is: <b>not bold</b>.\n"
	if err := os.WriteFile(filepath.Join(dir, "twelve/README.md"), []byte(readme), 0o644); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"latest": "build 10", "nowhere": "gone"} {
		if err := os.Symlink(target, filepath.Join(dir, "twelve", link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"תמונות/x", "גרסה 2.txt", "גרסה 10.txt", "ملف.pdf", "دليل المستخدم (نسخة 2).html", "abc \u202egnp.exe"} {
		write("right-to-left/"+name, 100, 0)
	}
	for i := range 10_000 {
		write(fmt.Sprintf("many/file %d.txt", i+1), 0, 0)
	}
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "empty"), 0o755), os.Symlink("/etc/hosts", filepath.Join(dir, "outside.txt"))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// names are the names that the page shows, in their order.
func (p page) names() []string {
	p.t.Helper()
	var names []string
	p.must(p.Value("[...document.querySelectorAll('tbody th > :first-child > bdi')].map(e => e.textContent)", &names))
	return names
}

// TestListing: sort, filter and keyboard, as a person uses them.
func TestListing(t *testing.T) {
	s := serve(t, listingSite(t))
	p := open(t, s.url+"/twelve/")
	p.is(200)
	byName := []string{"build 2/", "build 10/", "latest/", "a <b> & \"c\".html", "archive.zip", "chapter 2.txt", "chapter 10.txt",
		"notes.md", "nowhere", "photo.jpg", "README.md", "report.pdf", "script.js", "שלום עולם.txt"}
	want := func(what string, names []string) {
		t.Helper()
		if got := p.names(); !slices.Equal(got, names) {
			t.Errorf("%s: %q\nwant %q", what, got, names)
		}
	}
	want("at first", byName)
	p.shows("3 folders", "This is shown as it is: <b>not bold</b>.", "→ build 10")

	// A click on a column sorts by it, a second one turns the order round; the address says so, and the links stay.
	p.must(p.Click("th[data-by=size] button"))
	if got := p.names(); got[0] != "archive.zip" || !slices.Contains(got[10:], "build 2/") {
		t.Errorf("by size: %q", got)
	}
	p.must(p.Await("location.hash == '#sort=-size' && document.querySelector('th[data-by=size]').ariaSort == 'descending'"))
	p.must(p.Click("th[data-by=size] button"))
	p.must(p.Await("location.hash == '#sort=size'"))
	if got := p.names(); got[13] != "archive.zip" {
		t.Errorf("by size, the smallest first: %q", got)
	}
	p.must(p.Await("document.querySelector('tbody a[href=\"archive.zip\"]').href == location.origin + '/twelve/archive.zip'"))
	p.must(p.Click("th[data-by=time] button"))
	p.must(p.Click("th[data-by=name] button"))
	want("by name again", byName)
	p.must(p.Await("location.hash == ''"))
	p = open(t, s.url+"/twelve/#sort=-name")
	want("by a link", reversed(byName))

	// The filter narrows as one types; Enter opens the first that is left.
	p = open(t, s.url+"/twelve/")
	p.must(p.Type("/"))
	p.must(p.Await("document.activeElement.type == 'search' && document.activeElement.value == ''"))
	p.must(p.Type("CH tx"))
	want("filtered", []string{"chapter 2.txt", "chapter 10.txt"})
	p.shows("2 of 14 match")
	p.must(p.Press("Escape"))
	want("not filtered any more", byName)
	p.must(p.Type("chap"))
	p.must(p.Press("ArrowDown"))
	p.must(p.Press("ArrowDown"))
	p.must(p.Press("ArrowUp"))
	p.must(p.Await("document.activeElement.textContent == 'chapter 2.txt'"))
	p.must(p.Press("ArrowDown"))
	p.must(p.Press("Enter"))
	p.must(p.Await("location.pathname == '/twelve/chapter%2010.txt'"))
	p = open(t, s.url+"/twelve/")
	p.must(p.Type("/lat"))
	p.must(p.Press("Enter"))
	p.must(p.Await("location.pathname == '/twelve/latest/'"))
	p.quiet()

	p = open(t, s.url+"/many/")
	p.must(p.Type("/file 999"))
	p.must(p.Await("document.querySelectorAll('tbody tr').length == 19"))
	p.quiet()
}

func reversed(list []string) []string {
	list = slices.Clone(list)
	slices.Reverse(list)
	return list
}

// TestListingOfSomeoneElsesPolicy: where the site has a Content-Security-Policy of its own the page has neither style nor
// script, and can be read.
func TestListingOfSomeoneElsesPolicy(t *testing.T) {
	s := serve(t, listingSite(t), "HEADERS=Content-Security-Policy: default-src 'none'")
	p := open(t, s.url+"/twelve/")
	p.shows("chapter 10.txt", "3 folders")
	p.must(p.Await("getComputedStyle(document.querySelector('table')).display == 'table' && document.querySelector('input').offsetParent == null"))
}

// TestNotFoundPage: the page of a 404 leads on to what may have been meant, and to the nearest directory.
func TestNotFoundPage(t *testing.T) {
	s := serve(t, listingSite(t))
	p := open(t, s.url+"/twelve/chapter%202.tx")
	p.is(404)
	p.shows("Error code: 404", "Message: File not found.", "Did you mean /twelve/chapter 2.txt?", "The nearest directory that exists is /twelve/.")
	p.must(p.Click("a[href$='.txt']"))
	p.must(p.Await("location.pathname == '/twelve/chapter%202.txt'"))
	p = open(t, s.url+"/twelve/no/such/page")
	p.is(404)
	p.must(p.Click("a"))
	p.must(p.Await("location.pathname == '/twelve/' && document.querySelector('table')"))
	p = open(t, s.url+"/outside.txt")
	p.is(404)
	p.shows("The reason, shown on the server's own machine only:")
	p.quiet("404")
}

// welcomed starts an image in which nothing is mounted, as far as the server can tell.
func welcomed(t *testing.T) site {
	t.Helper()
	dir := t.TempDir()
	image := filepath.Join(t.TempDir(), "previewd")
	if out, err := exec.Command("go", "build", "-ldflags", "-X main.mountPoint="+dir, "-o", image, module).CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return start(t, []string{image}, dir, "LOG_FORMAT=text")
}

// TestWelcomePage: what an image says in which nothing is mounted.
func TestWelcomePage(t *testing.T) {
	s := welcomed(t)
	p := open(t, s.url+"/")
	p.is(200)
	p.shows("previewd is running, but no files are mounted yet", `docker run --rm -p 8000:8000 -v "$PWD:/srv:ro" previewd`)
	p.quiet()
	if list := s.refused(t); len(list) > 0 {
		t.Errorf("refused: %q", list)
	}
}

// axe is the program axe-core, which finds what keeps people from using a page; "" where it is not needed and not there.
func axe(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(os.Getenv("PREVIEWD_PACKAGES"), "axe-core/axe.min.js"))
	if err != nil && required {
		t.Fatal(err)
	}
	return string(text)
}

// isForEveryone wants axe-core to find nothing on the page, with options for it.
func (p page) isForEveryone(what, axe, options string) {
	p.t.Helper()
	p.must(p.Value(axe+"\n;window.found = null; setTimeout(() => axe.run(document, "+options+").then(r => { window.found = r.violations.map(v => "+
		"({id: v.id, help: v.help, nodes: v.nodes.slice(0, 3).map(n => n.html.slice(0, 200))})) })); 0", nil))
	for tries := 1; p.Await("window.found") != nil; tries++ { // of 10,000 names it takes a minute
		if tries == 10 {
			p.t.Fatalf("%s: axe-core does not end", what)
		}
	}
	var found []json.RawMessage
	p.must(p.Value("window.found", &found))
	for _, v := range found {
		p.t.Errorf("%s: %s", what, v)
	}
}

// pictured writes a picture of the page to the directory PREVIEWD_PICTURES, if that is set.
func (p page) pictured(what string) {
	p.t.Helper()
	pictures := os.Getenv("PREVIEWD_PICTURES")
	if pictures == "" {
		return
	}
	shot, err := p.Picture()
	p.must(err)
	p.must(os.WriteFile(filepath.Join(pictures, what+".png"), shot, 0o644))
}

// TestPagesForEveryone: what axe-core finds on the pages that previewd makes, in light and dark, on a wide screen and on a
// phone's. PREVIEWD_PICTURES is a directory for pictures of what it looked at.
func TestPagesForEveryone(t *testing.T) {
	axe := axe(t)
	if axe == "" && os.Getenv("PREVIEWD_PICTURES") == "" {
		t.Skip("axe-core is not in PREVIEWD_PACKAGES")
	}
	s := serve(t, listingSite(t))
	pages := []struct{ name, url string }{{"top", s.url + "/"}, {"twelve", s.url + "/twelve/"}, {"empty", s.url + "/empty/"}, {"right-to-left", s.url + "/right-to-left/"}, {"many", s.url + "/many/"},
		{"404", s.url + "/twelve/chapter%202.tx"}, {"welcome", welcomed(t).url + "/"}}
	for _, c := range pages {
		for _, width := range []int{1000, 390} {
			for _, dark := range []bool{false, true} {
				what := fmt.Sprintf("%s-%d-dark=%v", c.name, width, dark)
				p := blank(t)
				p.must(p.Screen(width, 760, dark))
				p.must(p.Go(c.url))
				p.quiet("404")
				p.pictured(what)
				p.must(p.Await("document.documentElement.scrollWidth <= innerWidth"))
				// The page of an error keeps http.server's words, and so its lack of landmarks.
				if len(axe) == 0 || c.name == "404" || c.name == "many" && (dark || width < 1000) {
					continue
				}
				options := "{}"
				if c.name == "many" { // the colours are those of the other pages
					options = "{resultTypes: ['violations'], rules: {'color-contrast': {enabled: false}}}"
				}
				p.isForEveryone(what, axe, options)
			}
		}
	}
}
