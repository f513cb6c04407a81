package site

import (
	"fmt"
	"strings"
	"testing"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/sitetest"
	"github.com/previewd/previewd/server/site/tree"
)

// helpFor is what the page for a target says beyond http.server's words, with HTML's words in short.
func helpFor(t *testing.T, s *Site, line, target string, fields ...message.Field) string {
	t.Helper()
	resp := s.Serve(t.Context(), &message.Request{Line: line, Method: "GET", Target: target, Fields: fields, Version: message.Version{Major: 1, Minor: 1}})
	f := resp.Failure()
	if f == nil || f.Help == nil {
		return ""
	}
	list := []string{}
	for _, link := range append(f.Help.Similar, f.Help.Nearest) {
		list = append(list, link.URL+" "+link.Text)
	}
	return strings.Join(list, ", ")
}

func TestHelpWithANameThatIsNotThere(t *testing.T) {
	dir := sitetest.Build(t, t.TempDir(), map[string]string{"index.html": "", "README.md": "", ".env": "", "docs/install.html": "",
		"docs/a b&c.html": "", "docs/deep/er/page.html": "", "img/x.svg": "", "sec:ret/x": "", "\xfcber.txt": ""})
	s := newSite(t, dir)
	for _, c := range []struct{ target, want string }{
		{"/nothing-like-it", "./ /"},
		{"/readme.md?x=1", "./README.md /README.md, ./ /"},
		{"/docs/instal.html", "./install.html /docs/install.html, ./ /docs/"},
		{"/docs/a%20b&d.html", "./a%20b&c.html /docs/a b&c.html, ./ /docs/"},
		{"/dosc/install.html", "../docs/install.html /docs/install.html, ../ /"},
		{"/dosc/nothing-like-it", "../docs/ /docs/, ../ /"},
		{"/docs/deep/x/y/z", "../../ /docs/deep/"},
		{"/docs/deep/x/y/z/", "../../../ /docs/deep/"},
		{"/README.md/", "../README.md /README.md, ../ /"},
		{"/README.md/more", "../README.md /README.md, ../ /"},
		{"/env", "./ /"},
		{"/sec:rt/x", "../sec:ret/x /sec:ret/x, ../ /"},
		{"/%C3%BCber.txt", "./%FCber.txt /\uFFFDber.txt, ./ /"},
		// Paths that a browser does not resolve as the site does.
		{"/docs//instal.html", ""},
		{"/docs/../readme.md", ""},
		{"/docs%2Finstal.html", ""},
		{"/%00", ""},
	} {
		if got := helpFor(t, s, "GET "+c.target+" HTTP/1.1", c.target); got != c.want {
			t.Errorf("%s: got %q, want %q", c.target, got, c.want)
		}
	}
	resp := s.Serve(t.Context(), &message.Request{Line: "GET /app/docs/instal.html HTTP/1.1", Method: "GET", Target: "/docs/instal.html", Prefix: "/app",
		Version: message.Version{Major: 1, Minor: 1}})
	below := resp.Failure().Help
	if below.Nearest != (message.Link{URL: "./", Text: "/app/docs/"}) || len(below.Similar) != 1 || below.Similar[0].Text != "/app/docs/install.html" {
		t.Errorf("below BASE_PATH: got %q", below)
	}
	if got := helpFor(t, s, "GET /old HTTP/1.1", "/docs/instal.html"); got != "" {
		t.Errorf("a path that a rule has made another: got %q", got)
	}
}

// TestHelpIsForWhoReadsIt: a browser's scripts and images are read by nobody.
func TestHelpIsForWhoReadsIt(t *testing.T) {
	dir := sitetest.Build(t, t.TempDir(), map[string]string{"README.md": ""})
	s := newSite(t, dir)
	const want = "./README.md /README.md, ./ /"
	for _, c := range []struct{ name, value, want string }{
		{"Accept", "text/html,*/*;q=0.8", want},
		{"Accept", "*/*", want},
		{"Accept", "application/json", ""},
		{"Sec-Fetch-Mode", "navigate", want},
		{"Sec-Fetch-Mode", "no-cors", ""},
		{"X", "", want},
	} {
		if got := helpFor(t, s, "", "/readme.md", message.Field{Name: c.name, Value: c.value}); got != c.want {
			t.Errorf("%s: %s: got %q, want %q", c.name, c.value, got, c.want)
		}
	}
}

// TestHelpIsBounded: of a directory with many names none is looked for, and a page has three at most.
func TestHelpIsBounded(t *testing.T) {
	files := map[string]string{}
	for i := range 10 {
		files[fmt.Sprintf("page%d.html", i)] = ""
	}
	dir := sitetest.Build(t, t.TempDir(), files)
	s := newSite(t, dir)
	if got := helpFor(t, s, "", "/page.html"); strings.Count(got, "page") != 6 {
		t.Errorf("got %q, want three names", got)
	}
	for i := range maxNames {
		files[fmt.Sprintf("other%d", i)] = ""
	}
	s = newSite(t, sitetest.Build(t, t.TempDir(), files))
	if got := helpFor(t, s, "", "/page.html"); got != "./ /" {
		t.Errorf("many names: got %q", got)
	}
}

// TestHelpTellsOfNothingThatIsNotServed: what is hidden, reserved or led to by a link that is not followed.
func TestHelpTellsOfNothingThatIsNotServed(t *testing.T) {
	dir := sitetest.Build(t, t.TempDir(), map[string]string{".secret": "", ".git/config": "", "_redirects": "", "outside.txt": "-> /etc/hostname", "notes/x": ""})
	s := newSite(t, dir, func(o *Options) { o.Tree.Hidden, o.Tree.Reserved = tree.HiddenDeny, []string{"_redirects"} })
	for _, target := range []string{"/.secert", "/_redirect", "/outside.tx", "/.git/confg"} {
		if got := helpFor(t, s, "", target); got != "./ /" && got != "../ /" {
			t.Errorf("%s: got %q", target, got)
		}
	}
	for name, off := range map[string]func(*Options){"LISTING": func(o *Options) { o.Listing = ListingOff }, "EXACT": func(o *Options) { o.Exact = true }} {
		if got := helpFor(t, newSite(t, dir, off), "", "/note/x"); got != "" {
			t.Errorf("%s: got %q", name, got)
		}
	}
}
