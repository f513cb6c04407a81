package browser

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// real is a page that others have made, below the directory that is served, and what it shows when it works.
type real struct{ path, shows string }

// helps begins what a 404 page of previewd says behind the words of http.server.
const helps = "\n\nThe nearest directory that exists is "

// TestPythonDocs: the documentation of Python, as Debian has it. Two of its scripts are links to elsewhere.
func TestPythonDocs(t *testing.T) {
	dir, err := filepath.EvalSymlinks("/usr/share/doc/python3/html")
	if err != nil {
		absent(t, "Debian's python3-doc is not installed: %v", err)
	}
	likePython(t, dir, []real{
		{"/", "Python 3.11"},
		{"/library/http.server.html#http.server.SimpleHTTPRequestHandler", "SimpleHTTPRequestHandler"},
		{"/c-api", "Python/C API Reference Manual"},
		{"/_static", "Directory listing for /_static/"},
		{"/search.html?q=ZoneInfoNotFoundError", "Search finished"},
		{"/genindex-Z.html", "ZoneInfo"},
		{"/_sources/library/http.server.rst.txt", "SimpleHTTPRequestHandler"},
		{"/library/gone.html", "Error code: 404"},
	})
}

// TestPackages: large browser packages as npm has them, in the directory node_modules that PREVIEWD_PACKAGES names:
// style sheets, modules, workers, WebAssembly, fonts and binary tables.
func TestPackages(t *testing.T) {
	packages := os.Getenv("PREVIEWD_PACKAGES")
	if packages == "" {
		absent(t, "PREVIEWD_PACKAGES names no directory with swagger-ui-dist, pdfjs-dist and monaco-editor")
	}
	packages, err := filepath.Abs(packages)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("packages")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"swagger-ui-dist", "pdfjs-dist", "monaco-editor"} {
		if _, err := os.Stat(filepath.Join(packages, name)); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(packages, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	likePython(t, dir, []real{
		{"/swagger.html", "Lamps of the strait"},
		{"/swagger-ui-dist/", "Failed to load API definition"}, // which is on another machine
		{"/pdf.html", "drawn: Kettle Rock 灯台"},
		{"/editor.html", "an error in line 2"},
	})
}

// absent skips a test for want of something, unless everything has to be there.
func absent(t *testing.T, format string, args ...any) {
	t.Helper()
	if required {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// likePython opens each page as previewd serves it, and as http.server does, and wants the same text, the same problems on
// the console and the same failed requests.
func likePython(t *testing.T, dir string, pages []real) {
	t.Helper()
	ours := serve(t, dir, "SYMLINKS=follow", "LISTING=plain")
	theirs := start(t, []string{"python3", "-m", "http.server"}, dir)
	for _, of := range pages {
		t.Run(of.path, func(t *testing.T) {
			got, want := look(t, ours, of), look(t, theirs, of)
			if !slices.Equal(got.failures, want.failures) {
				t.Errorf("problems and failed requests: %q, with http.server %q", got.failures, want.failures)
			}
			if text, _, _ := strings.Cut(got.text, helps); strings.TrimSpace(text) != strings.TrimSpace(want.text) {
				t.Errorf("the page says\n%.2000s\nwith http.server\n%.2000s", got.text, want.text)
			}
			t.Logf("%d requests, failures: %q", got.loaded, got.failures)
		})
	}
}

// sight is what there was to be seen of a page.
type sight struct {
	text     string
	failures []string // sorted, each once, without the name of the server
	loaded   int      // requests with a good answer
}

// look opens a page on a server.
func look(t *testing.T, on site, of real) sight {
	t.Helper()
	p := open(t, on.url+of.path)
	p.shows(of.shows)
	p.must(p.Settle())
	s := sight{text: strings.ReplaceAll(p.Text(), on.url, "")}
	for _, r := range p.Requests() {
		if r.Status > 0 && r.Status < 400 && r.Error == "" {
			s.loaded++
		}
	}
	for _, failure := range slices.Concat(p.Problems(), p.failed()) {
		// The browser asks for it when it likes, and http.server's own pages make it ask (TestSample holds ours).
		if !strings.Contains(failure, "/favicon.ico") {
			s.failures = append(s.failures, strings.ReplaceAll(failure, on.url, ""))
		}
	}
	slices.Sort(s.failures)
	s.failures = slices.Compact(s.failures)
	return s
}
