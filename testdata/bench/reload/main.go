// Reload measures how long it takes from saving a file until Chromium asks for what it has to show then: a style sheet, which is
// replaced, and a page, which is loaded again.
//
//	go run ./testdata/bench/reload [-saves 100] [-files 300] [-npm DIR] [-overlay] [-serve DIR -write DIR] PREVIEWD
//
// The page has as many style sheets and pictures as -files says. -npm is a directory in which npm has installed vite and
// live-server, to be measured too. -overlay measures a second time, with files that are served from an overlay file system and
// written to its lower side, where there are no file events; it needs root. -serve and -write are two paths of one directory on
// another mount.
package main

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/previewd/previewd/testdata/internal/chromium"
	"github.com/previewd/previewd/testdata/internal/subject"
)

type options struct {
	saves, files int
	npm          string
	overlay      bool
}

// mount is where files are served from, and where they are written to.
type mount struct{ name, serve, write string }

func main() {
	var opt options
	var other mount
	flag.IntVar(&opt.saves, "saves", 100, "how often each file is saved")
	flag.IntVar(&opt.files, "files", 300, "how many files the page uses")
	flag.StringVar(&opt.npm, "npm", "", "where npm has installed vite and live-server")
	flag.BoolVar(&opt.overlay, "overlay", false, "measure the lower side of an overlay too")
	flag.StringVar(&other.serve, "serve", "", "directory to serve; a new one by default")
	flag.StringVar(&other.write, "write", "", "the same directory, where it is written to")
	flag.Parse()
	if err := run(flag.Args(), opt, other); err != nil {
		fmt.Fprintln(os.Stderr, "reload:", err)
		os.Exit(1)
	}
}

func run(command []string, opt options, other mount) (err error) {
	scratch, err := os.MkdirTemp("", "previewd-reload-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	browser, err := chromium.Start(scratch)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, browser.Close()) }()
	mounts := []mount{{"directory", filepath.Join(scratch, "site"), filepath.Join(scratch, "site")}}
	if other.serve != "" {
		mounts[0] = mount{"mount", other.serve, other.write}
	}
	if opt.overlay {
		over, unmount, err := overlay(scratch)
		if err != nil {
			return err
		}
		defer unmount()
		mounts = append(mounts, over)
	}
	var rows []row
	for _, m := range mounts {
		b := bench{options: opt, mount: m, browser: browser, scratch: scratch}
		if err := b.prepare(); err != nil {
			return err
		}
		if err := b.previewd(command); err != nil {
			return err
		}
		if opt.npm != "" {
			err := b.other("vite", func(port string) []string {
				return []string{m.serve, "--host", "127.0.0.1", "--strictPort", "--port", port}
			})
			if err == nil {
				err = b.other("live-server", func(port string) []string {
					return []string{m.serve, "--host=127.0.0.1", "--no-browser", "--quiet", "--port=" + port}
				})
			}
			if err != nil {
				return err
			}
		}
		rows = append(rows, b.rows...)
	}
	fmt.Printf("\n%d saves of each file, of a page that uses %d\n", opt.saves, opt.files)
	printTable(rows)
	return nil
}

// overlay mounts an overlay of two lower directories, so that it needs no upper one.
func overlay(scratch string) (m mount, unmount func(), err error) {
	m = mount{"overlay's lower side", filepath.Join(scratch, "merged"), filepath.Join(scratch, "lower")}
	empty := filepath.Join(scratch, "empty")
	for _, dir := range []string{m.serve, m.write, empty} {
		if err := os.Mkdir(dir, 0o777); err != nil {
			return m, nil, err
		}
	}
	if err := syscall.Mount("overlay", m.serve, "overlay", 0, "lowerdir="+m.write+":"+empty); err != nil {
		return m, nil, fmt.Errorf("mounting an overlay: %w", err)
	}
	return m, func() { _ = syscall.Unmount(m.serve, syscall.MNT_DETACH) }, nil
}

type bench struct {
	options
	mount
	browser *chromium.Browser
	scratch string
	page    string
	rows    []row
}

// prepare writes the site.
func (b *bench) prepare() error {
	if err := os.MkdirAll(b.write, 0o777); err != nil {
		return err
	}
	var page strings.Builder
	page.WriteString("<!DOCTYPE html><html><head><link rel=\"icon\" href=\"data:,\"><link rel=\"stylesheet\" href=\"/changing.css\">")
	for i := range b.files - 2 {
		name := fmt.Sprintf("%d.svg", i)
		text := `<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>`
		if i%10 == 0 {
			name, text = fmt.Sprintf("%d.css", i), fmt.Sprintf(".c%d { color: red }", i)
			fmt.Fprintf(&page, "<link rel=\"stylesheet\" href=\"/%s\">", name)
		} else {
			fmt.Fprintf(&page, "<img src=\"/%s\">", name)
		}
		if err := os.WriteFile(filepath.Join(b.write, name), []byte(text), 0o666); err != nil {
			return err
		}
	}
	page.WriteString("</head><body>page</body></html>")
	b.page = page.String()
	return errors.Join(b.save(styleSheet, 0), b.save(document, 0))
}

// previewd measures previewd, and what it does meanwhile.
func (b *bench) previewd(command []string) error {
	server, err := subject.Start(command, b.serve, b.scratch, "RELOAD=true", "LOG_LEVEL=debug", "LOG_FORMAT=json")
	if err != nil {
		return err
	}
	defer server.Kill()
	told, err := listen("http://" + server.Addr + "/__previewd/events")
	if err != nil {
		return err
	}
	defer told.end()
	return b.measure("previewd", "http://"+server.Addr+"/", &witness{told, server.Output})
}

// other measures a program of npm's.
func (b *bench) other(name string, args func(port string) []string) error {
	port, err := subject.FreePort()
	if err != nil {
		return err
	}
	process, err := subject.Run(exec.Command(filepath.Join(b.npm, "node_modules/.bin", name), args(port)...))
	if err != nil {
		return err
	}
	defer process.Kill()
	url := "http://127.0.0.1:" + port + "/"
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		resp, err := http.Get(url)
		if err == nil {
			resp.Body.Close()
			break
		}
		if process.Ended() || time.Now().After(end) {
			return fmt.Errorf("%s does not answer: %w", name, err)
		}
	}
	return b.measure(name, url, nil)
}

// The files that are saved.
const styleSheet, document = "changing.css", "index.html"

// enough is how many saves in a row a server may miss: then it misses all.
const enough = 5

// measure measures one server.
func (b *bench) measure(server, url string, w *witness) error {
	for _, file := range []string{styleSheet, document} {
		page, err := b.browser.Open()
		if err != nil {
			return err
		}
		if err := page.Go(url); err != nil {
			return err
		}
		if err := page.Settle(); err != nil {
			return err
		}
		time.Sleep(time.Second)
		r := row{server: server, mount: b.name, file: file}
		inARow := 0
		for i := range b.saves {
			before := len(page.Requests())
			s := save{saved: time.Now()}
			if err := b.save(file, i+1); err != nil {
				return err
			}
			var found bool
			if s.asked, found = asked(page, before, file, s.saved); found {
				r.saves = append(r.saves, s)
				inARow = 0
				// It listens when it has everything.
				if err := page.Settle(); err != nil {
					return err
				}
			} else {
				r.missed++
				if inARow++; inARow == enough {
					break
				}
			}
			time.Sleep(time.Second + rand.N(200*time.Millisecond))
		}
		page.Close()
		if w != nil {
			if err := w.complete(file, r.saves); err != nil {
				return err
			}
		}
		fmt.Fprintln(os.Stderr, r.line())
		b.rows = append(b.rows, r)
	}
	return nil
}

// save writes a file in place, as most editors do.
func (b *bench) save(file string, n int) error {
	text := fmt.Sprintf(".changing { width: %dpx }", n)
	if file == document {
		text = fmt.Sprintf("%s<!-- %d -->", b.page, n)
	}
	return os.WriteFile(filepath.Join(b.write, file), []byte(text), 0o666)
}

// asked waits until the browser has asked for a file, and says when.
func asked(page *chromium.Page, before int, file string, since time.Time) (at time.Time, found bool) {
	for time.Since(since) < 5*time.Second {
		for _, r := range page.RequestsFrom(before) {
			path, _, _ := strings.Cut(r.URL, "?")
			if strings.HasSuffix(path, "/"+file) || file == document && strings.HasSuffix(path, "/") && r.Method == "GET" {
				return r.Begun, true
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	return at, false
}
