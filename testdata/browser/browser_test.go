// Package browser opens sites in Chromium and looks at what a person would see: the sample site, sites that others
// have made, and apps as their front-end tools build them (apps/README.md).
//
//	go test ./testdata/browser
//
// Without Chromium the tests are skipped, unless PREVIEWD_BROWSER is set. The package is below testdata, which ./...
// leaves out, as nothing else in the module needs a browser.
package browser

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/previewd/previewd/testdata/internal/chromium"
	"github.com/previewd/previewd/testdata/internal/subject"
)

// module is the module's root as seen from here.
const module = "../.."

// required says that what a test needs has to be there.
var required = os.Getenv("PREVIEWD_BROWSER") != ""

// chrome is the browser of all tests, and binary the server.
var (
	chrome *chromium.Browser
	binary string
)

func TestMain(m *testing.M) {
	code, err := prepare(m)
	if errors.Is(err, chromium.ErrAbsent) && !required {
		fmt.Printf("nothing is tested: %v\n", err)
		return
	}
	if err != nil {
		fmt.Println(err)
		code = 1
	}
	os.Exit(code)
}

// prepare builds the server, starts the browser, runs the tests and cleans up.
func prepare(m *testing.M) (code int, err error) {
	scratch, err := os.MkdirTemp("", "previewd-browser-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(scratch)
	if chrome, err = chromium.Start(scratch); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, chrome.Close()) }()
	binary = filepath.Join(scratch, "previewd")
	if out, err := exec.Command("go", "build", "-o", binary, module).CombinedOutput(); err != nil {
		return 1, fmt.Errorf("go build: %w\n%s", err, out)
	}
	return m.Run(), nil
}

// site is a running server and where it is.
type site struct {
	*subject.Server
	url string
}

// serve starts previewd on a directory, with variables of the form NAME=value.
func serve(t *testing.T, dir string, variables ...string) site {
	t.Helper()
	return start(t, []string{binary}, dir, append(variables, "LOG_FORMAT=text")...)
}

// start starts a server with http.server's command line until the test ends.
func start(t *testing.T, command []string, dir string, variables ...string) site {
	t.Helper()
	s, err := subject.Start(command, dir, t.TempDir(), variables...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	return site{s, "http://" + s.Addr}
}

// open opens a page of its own at a URL until the test ends.
func open(t *testing.T, url string) page {
	t.Helper()
	p := blank(t)
	p.must(p.Go(url))
	return p
}

// page is a page whose errors end the test.
type page struct {
	*chromium.Page
	t *testing.T
}

// blank opens an empty page until the test ends.
func blank(t *testing.T) page {
	t.Helper()
	p, err := chrome.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return page{p, t}
}

func (p page) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// shows waits until the page shows each of the texts.
func (p page) shows(texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		p.must(p.AwaitText(text))
	}
}

// is wants the status code of the page.
func (p page) is(status int) {
	p.t.Helper()
	if got := p.Status(); got != status {
		p.t.Errorf("the page's status is %d, want %d; it says: %.500s", got, status, p.Text())
	}
}

// quiet waits until the page has everything, and wants no problem and no failed request, but those that contain one of
// the texts.
func (p page) quiet(but ...string) {
	p.t.Helper()
	p.must(p.Settle())
	for _, problem := range append(p.Problems(), p.failed()...) {
		expected := false
		for _, text := range but {
			expected = expected || strings.Contains(problem, text)
		}
		if !expected {
			p.t.Errorf("a problem of the page: %s", problem)
		}
	}
}

// failed are the requests that got an error, or no answer.
func (p page) failed() []string {
	var list []string
	for _, r := range p.Requests() {
		if r.Status >= 400 || r.Error != "" {
			list = append(list, fmt.Sprintf("%s %s: %d %s", r.Method, r.URL, r.Status, r.Error))
		}
	}
	return list
}

// errorRecord is a record of an answer that is an error, in the text form of the access log.
var errorRecord = regexp.MustCompile(`(?m)^.*"(.*)" ([45][0-9][0-9]) .*$`)

// refused are the requests that the server has answered with an error.
func (s site) refused(t *testing.T) []string {
	t.Helper()
	log, err := os.ReadFile(s.Output)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, found := range errorRecord.FindAllStringSubmatch(string(log), -1) {
		list = append(list, found[1]+" "+found[2])
	}
	return list
}

// run runs a program that has to be there if a browser has, and returns what it printed.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		absent(t, "%v", err)
	}
	command := exec.Command(path, args...)
	command.Dir = dir
	out, err := command.CombinedOutput()
	if err != nil {
		t.Errorf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}
