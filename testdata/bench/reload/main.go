// Reload measures how long it takes from saving a file until Chromium asks for what it has to show then: a style sheet, which is
// replaced, and a page, which is loaded again.
//
//	go run ./testdata/bench/reload [-saves 100] [-files 300] [-serve DIR -write DIR] [-vite BINARY] [-live-server BINARY] PREVIEWD
//
// The page has as many style sheets and pictures as -files says. -serve and -write are two paths of one directory, on another
// mount: an overlay and its lower side, a FUSE file system and what it shows.
package main

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/previewd/previewd/testdata/internal/chromium"
	"github.com/previewd/previewd/testdata/internal/subject"
)

type options struct {
	saves, files     int
	serve, write     string
	vite, liveServer string
}

func main() {
	var opt options
	flag.IntVar(&opt.saves, "saves", 100, "how often each file is saved")
	flag.IntVar(&opt.files, "files", 300, "how many files the page uses")
	flag.StringVar(&opt.serve, "serve", "", "directory to serve; a new one by default")
	flag.StringVar(&opt.write, "write", "", "the same directory, where it is written to")
	flag.StringVar(&opt.vite, "vite", "", "the program vite, of npm's package vite")
	flag.StringVar(&opt.liveServer, "live-server", "", "the program live-server, of npm's package live-server")
	flag.Parse()
	if err := run(flag.Args(), opt); err != nil {
		fmt.Fprintln(os.Stderr, "reload:", err)
		os.Exit(1)
	}
}

func run(command []string, opt options) (err error) {
	scratch, err := os.MkdirTemp("", "previewd-reload-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	if opt.serve == "" {
		opt.serve = filepath.Join(scratch, "site")
		if err := os.Mkdir(opt.serve, 0o777); err != nil {
			return err
		}
	}
	if opt.write == "" {
		opt.write = opt.serve
	}
	var page strings.Builder
	page.WriteString("<!DOCTYPE html><html><head><link rel=\"icon\" href=\"data:,\"><link rel=\"stylesheet\" href=\"/changing.css\">")
	for i := range opt.files - 2 {
		name := fmt.Sprintf("%d.svg", i)
		text := `<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>`
		if i%10 == 0 {
			name, text = fmt.Sprintf("%d.css", i), fmt.Sprintf(".c%d { color: red }", i)
			fmt.Fprintf(&page, "<link rel=\"stylesheet\" href=\"/%s\">", name)
		} else {
			fmt.Fprintf(&page, "<img src=\"/%s\">", name)
		}
		if err := os.WriteFile(filepath.Join(opt.write, name), []byte(text), 0o666); err != nil {
			return err
		}
	}
	page.WriteString("</head><body>page</body></html>")
	browser, err := chromium.Start(scratch)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, browser.Close()) }()

	b := bench{opt, browser, page.String()}
	server, err := subject.Start(command, opt.serve, scratch, "RELOAD=true")
	if err != nil {
		return err
	}
	err = b.measure("previewd", "http://"+server.Addr+"/")
	server.Kill()
	if err != nil {
		return err
	}
	for _, other := range []struct {
		name, path string
		args       []string
	}{
		{"vite", opt.vite, []string{opt.serve, "--host", "127.0.0.1", "--strictPort", "--port"}},
		{"live-server", opt.liveServer, []string{opt.serve, "--host=127.0.0.1", "--no-browser", "--quiet", "--port"}},
	} {
		if other.path == "" {
			continue
		}
		port, err := subject.FreePort()
		if err != nil {
			return err
		}
		args := append(other.args, port)
		if other.name == "live-server" {
			args = append(other.args[:len(other.args)-1], "--port="+port)
		}
		process, err := subject.Run(exec.Command(other.path, args...))
		if err != nil {
			return err
		}
		time.Sleep(4 * time.Second) // they do not say in the same words that they are ready
		err = b.measure(other.name, "http://127.0.0.1:"+port+"/")
		process.Kill()
		if err != nil {
			return err
		}
	}
	return nil
}

type bench struct {
	options
	browser *chromium.Browser
	page    string
}

// measure measures one server.
func (b *bench) measure(name, url string) error {
	for _, file := range []string{"changing.css", "index.html"} {
		if err := b.save("changing.css", 0); err != nil {
			return err
		}
		if err := b.save("index.html", 0); err != nil {
			return err
		}
		page, err := b.browser.Open()
		if err != nil {
			return err
		}
		if err := page.Go(url); err != nil {
			return err
		}
		time.Sleep(2 * time.Second)
		var took []time.Duration
		missed := 0
		for i := range b.saves {
			before := len(page.Requests())
			saved := time.Now()
			if err := b.save(file, i+1); err != nil {
				return err
			}
			at, found := asked(page, before, file, saved)
			if !found {
				missed++
			} else {
				took = append(took, at.Sub(saved))
			}
			time.Sleep(time.Second + rand.N(200*time.Millisecond))
		}
		page.Close()
		if len(took) == 0 {
			return fmt.Errorf("%s: the browser has never asked for %s", name, file)
		}
		slices.Sort(took)
		fmt.Printf("%-12s %-13s median %4d ms, 95th percentile %4d ms, at most %4d ms, missed %d of %d\n", name, file,
			took[len(took)/2].Milliseconds(), took[len(took)*95/100].Milliseconds(), took[len(took)-1].Milliseconds(), missed, b.saves)
	}
	return nil
}

// save writes a file in place, as most editors do.
func (b *bench) save(file string, n int) error {
	text := fmt.Sprintf(".changing { width: %dpx }", n)
	if file == "index.html" {
		text = fmt.Sprintf("%s<!-- %d -->", b.page, n)
	}
	return os.WriteFile(filepath.Join(b.write, file), []byte(text), 0o666)
}

// asked waits until the browser has asked for a file, and says when.
func asked(page *chromium.Page, before int, file string, since time.Time) (at time.Time, found bool) {
	for time.Since(since) < 5*time.Second {
		for _, r := range page.Requests()[before:] {
			path, _, _ := strings.Cut(r.URL, "?")
			if strings.HasSuffix(path, "/"+file) || file == "index.html" && strings.HasSuffix(path, "/") && r.Method == "GET" {
				return r.Begun, true
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	return at, false
}
