// Save changes the files of a page that Chromium shows, at random: rewritten in place, replaced by rename, deleted and made
// again, or built anew with other names. After each burst the page has to show the last state, by itself.
//
//	go run ./testdata/load/save [-saves 2000] [-over 10m] [-seed 1] BINARY
//
// At the end the server must have no more goroutines and descriptors than at the beginning, with the same page open.
package main

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/previewd/previewd/testdata/internal/chromium"
	"github.com/previewd/previewd/testdata/internal/subject"
)

func main() {
	saves := flag.Int("saves", 2000, "how many changes to make")
	over := flag.Duration("over", 10*time.Minute, "how long to take for them")
	seed := flag.Uint64("seed", 1, "of the random numbers")
	flag.Parse()
	if err := run(flag.Args(), *saves, *over, *seed); err != nil {
		fmt.Fprintln(os.Stderr, "save:", err)
		os.Exit(1)
	}
}

// site is the directory that is changed.
type site struct {
	dir    string
	random *rand.Rand
	chunk  int            // the number in the name of the script
	number map[string]int // what each file says
	saves  int
}

// files are those of the site, but for the script and the page.
var files = []string{"style.css", "import.css", "data.json", "picture.svg"}

// text is what a file contains.
func (s *site) text(name string) string {
	n := s.number[name]
	switch name {
	case "style.css":
		return fmt.Sprintf(`@import "import.css"; #a { width: %dpx }`, n)
	case "import.css":
		return fmt.Sprintf("#b { width: %dpx }", n)
	case "data.json":
		return fmt.Sprint(n)
	case "picture.svg":
		return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="1"/>`, n)
	case "index.html":
		return fmt.Sprintf(`<!DOCTYPE html><link rel="icon" href="data:,"><link rel="stylesheet" href="style.css"><div id="a"></div><div id="b"></div>
<img src="picture.svg"><script>window.page = %d</script><script type="module" src="%s"></script>`, n, s.script())
	}
	return fmt.Sprintf("window.app = %d; window.data = await (await fetch('data.json')).json()", n)
}

func (s *site) script() string { return fmt.Sprintf("app-%d.js", s.chunk) }

// shown is an expression that is true on a page that shows the last state.
func (s *site) shown() string {
	return fmt.Sprintf(`document.querySelector('#a').offsetWidth == %d && document.querySelector('#b').offsetWidth == %d && window.page == %d &&
		window.app == %d && window.data == %d && document.querySelector('img').naturalWidth == %d`,
		s.number["style.css"], s.number["import.css"], s.number["index.html"], s.number[s.script()], s.number["data.json"], s.number["picture.svg"])
}

// write writes a file, in place or by rename.
func (s *site) write(name string) error {
	s.saves++
	path := filepath.Join(s.dir, name)
	if s.random.IntN(2) == 0 {
		return os.WriteFile(path, []byte(s.text(name)), 0o666)
	}
	if err := os.WriteFile(path+"~", []byte(s.text(name)), 0o666); err != nil {
		return err
	}
	return os.Rename(path+"~", path)
}

// pause is that between two changes of a burst.
func (s *site) pause() { time.Sleep(time.Duration(s.random.IntN(120)) * time.Millisecond) }

// save changes a file.
func (s *site) save() error {
	all := append(slices.Clone(files), s.script(), "index.html")
	name := all[s.random.IntN(len(all))]
	s.number[name] = 1 + s.random.IntN(500)
	if s.random.IntN(6) > 0 {
		return s.write(name)
	}
	if err := os.Remove(filepath.Join(s.dir, name)); err != nil {
		return err
	}
	s.saves++
	s.pause()
	return s.write(name)
}

// build makes everything anew, the script under another name.
func (s *site) build() error {
	for _, name := range append(slices.Clone(files), s.script(), "index.html") {
		if err := os.Remove(filepath.Join(s.dir, name)); err != nil {
			return err
		}
		s.saves++
	}
	delete(s.number, s.script())
	s.chunk++
	s.pause()
	all := append(slices.Clone(files), s.script(), "index.html")
	s.random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, name := range all {
		s.number[name] = 1 + s.random.IntN(500)
	}
	for _, name := range all {
		if err := s.write(name); err != nil {
			return err
		}
		if s.random.IntN(3) == 0 {
			s.pause()
		}
	}
	return nil
}

func run(command []string, saves int, over time.Duration, seed uint64) (err error) {
	scratch, err := os.MkdirTemp("", "previewd-save-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	s := &site{dir: filepath.Join(scratch, "site"), random: rand.New(rand.NewPCG(seed, 0)), number: map[string]int{}}
	if err := os.Mkdir(s.dir, 0o777); err != nil {
		return err
	}
	for _, name := range append(slices.Clone(files), s.script(), "index.html") {
		s.number[name] = 1
		if err := s.write(name); err != nil {
			return err
		}
	}
	server, err := subject.Start(command, s.dir, scratch, "RELOAD=true")
	if err != nil {
		return err
	}
	defer server.Kill()
	browser, err := chromium.Start(scratch)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, browser.Close()) }()
	page, err := browser.Open()
	if err != nil {
		return err
	}
	if err := page.Go("http://" + server.Addr + "/"); err != nil {
		return err
	}
	if err := page.Await(s.shown()); err != nil {
		return err
	}
	goroutines, descriptors, err := atRest(server)
	if err != nil {
		return err
	}
	var took []time.Duration
	s.saves = 0
	for began := time.Now(); s.saves < saves; {
		if s.random.IntN(40) == 0 {
			err = s.build()
		} else {
			for range 1 + s.random.IntN(6) {
				if err = s.save(); err != nil {
					break
				}
				s.pause()
			}
		}
		if err != nil {
			return err
		}
		saved := time.Now()
		if err := page.Await(s.shown()); err != nil {
			return fmt.Errorf("after %d saves: %w", s.saves, err)
		}
		took = append(took, time.Since(saved))
		time.Sleep(time.Duration(s.saves)*over/time.Duration(saves) - time.Since(began))
	}
	goroutinesAfter, descriptorsAfter, err := atRest(server)
	if err != nil {
		return err
	}
	slices.Sort(took)
	fmt.Printf("%d saves in %d bursts: each last state was shown, after %v (median), %v (95th percentile), %v (at most)\n",
		s.saves, len(took), took[len(took)/2].Round(time.Millisecond), took[len(took)*95/100].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond))
	fmt.Printf("%d goroutines and %d descriptors, %d and %d before\n", goroutinesAfter, descriptorsAfter, goroutines, descriptors)
	if goroutinesAfter > goroutines || descriptorsAfter > descriptors {
		return errors.New("the server has more goroutines or descriptors than before")
	}
	return server.Stop()
}

// restTimeout is how long the server may take until it has what it needs for an open page and no more.
const restTimeout = 3 * time.Minute

// samples is how often atRest counts.
const samples = 20

// atRest counts goroutines and descriptors while the server has one connection, by which the page listens: the least of some
// samples, as each question to the admin port takes some too.
func atRest(server *subject.Server) (goroutines, descriptors int, err error) {
	goroutines, descriptors = 1<<30, 1<<30
	rests := 0
	for end := time.Now().Add(restTimeout); rests < samples; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			return 0, 0, fmt.Errorf("the page has not been listening by the only connection within %v", restTimeout)
		}
		before, err := listens(server)
		if err != nil {
			return 0, 0, err
		}
		n, err := server.Metric("go_goroutines")
		if err != nil {
			return 0, 0, err
		}
		files, err := server.Descriptors()
		if err != nil {
			return 0, 0, err
		}
		after, err := listens(server)
		if err != nil {
			return 0, 0, err
		}
		if before && after {
			goroutines, descriptors = min(goroutines, int(n)), min(descriptors, files)
			rests++
		}
	}
	return goroutines, descriptors, nil
}

// listens says whether the server has one connection, which is the page's stream.
func listens(server *subject.Server) (bool, error) {
	connections, err := server.Metric("previewd_connections")
	if err != nil {
		return false, err
	}
	streams, err := server.Metric("previewd_reload_streams")
	return connections == 1 && streams == 1, err
}
