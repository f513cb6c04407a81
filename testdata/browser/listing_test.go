package browser

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// listingSite makes directories to be listed: an empty one, one of twelve names, one of 10,000.
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
	for i := range 10_000 {
		write(fmt.Sprintf("many/file %d.txt", i+1), 0, 0)
	}
	if err := os.Mkdir(filepath.Join(dir, "empty"), 0o755); err != nil {
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

// TestListingForEveryone: what axe-core finds, in light and dark, on a wide screen and on a phone's. PREVIEWD_PICTURES is a
// directory for pictures of what it looked at.
func TestListingForEveryone(t *testing.T) {
	axe, err := os.ReadFile(filepath.Join(os.Getenv("PREVIEWD_PACKAGES"), "axe-core/axe.min.js"))
	if err != nil && required {
		t.Fatal(err)
	}
	pictures := os.Getenv("PREVIEWD_PICTURES")
	if err != nil && pictures == "" {
		t.Skip("axe-core is not in PREVIEWD_PACKAGES")
	}
	s := serve(t, listingSite(t))
	for _, path := range []string{"/", "/twelve/", "/empty/", "/many/"} {
		for _, width := range []int{1000, 390} {
			for _, dark := range []bool{false, true} {
				what := fmt.Sprintf("%s-%d-dark=%v", strings.Trim(path, "/"), width, dark)
				p := blank(t)
				p.must(p.Screen(width, 760, dark))
				p.must(p.Go(s.url + path))
				p.quiet()
				if pictures != "" {
					shot, err := p.Picture()
					p.must(err)
					p.must(os.WriteFile(filepath.Join(pictures, what+".png"), shot, 0o644))
				}
				p.must(p.Await("document.documentElement.scrollWidth <= innerWidth"))
				if len(axe) == 0 || path == "/many/" { // whose rows are like those of the others, and take axe-core a minute
					continue
				}
				p.must(p.Value(string(axe)+"\n;0", nil))
				var found []json.RawMessage
				p.must(p.Value("axe.run().then(r => r.violations.map(v => ({id: v.id, help: v.help, nodes: v.nodes.slice(0, 3).map(n => n.html.slice(0, 200))})))", &found))
				for _, v := range found {
					t.Errorf("%s: %s", what, v)
				}
			}
		}
	}
}
