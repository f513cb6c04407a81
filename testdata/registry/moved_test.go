package registry

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

const (
	moves   = 200 // how often a tag moves
	seen    = 25  // each of so many builds is waited for
	clients = 32
)

// numbered is a build that says its number in each of its files. One file is larger than any buffer, and one has a name that
// only this build has.
func numbered(n int) files {
	text := fmt.Sprintf("build %d", n)
	return files{
		"index.html":   fmt.Sprintf("<!DOCTYPE html><title>%s</title><script src=/app.%d.js></script>", text, n),
		"about.html":   "<p>" + text,
		"data.json":    `{"text":"` + text + `"}`,
		"large.txt":    strings.Repeat(text+"\n", 30_000),
		chunkOf(n)[1:]: "console.log('" + text + "')",
	}
}

// chunkOf is the path of the script that only one build has.
func chunkOf(n int) string { return fmt.Sprintf("/app.%d.js", n) }

// said finds the builds that a content tells of.
var said = regexp.MustCompile(`build ([0-9]+)`)

// TestMovedTag: a tag moves again and again under load, in a store that has room for a few builds. Each answer is whole and of
// one build, the one that it names; an open page gets the script that only its own build has; no client sees an older build
// after a newer one; and in the end all see the last.
func TestMovedTag(t *testing.T) {
	r := serve(t, options{})
	builds := make([]v1.Image, moves+1)
	for n := range builds {
		builds[n] = numbered(n).image(t)
		r.store(builds[n])
	}
	r.move("pr-1", builds[0])
	p := show(t, r, "PREVIEWS_SIZE=16MiB")
	p.has("pr-1", numbered(0))

	var all sync.WaitGroup
	stop := make(chan struct{})
	results := make([]visitor, clients)
	for i := range results {
		results[i] = visitor{previewd: p, numbers: map[string]int{}}
		all.Go(func() { results[i].visit(stop) })
	}
	for n := 1; n <= moves; n++ {
		r.move("pr-1", builds[n])
		if n%seen == 0 { // others come and go between two questions of the server
			p.becomes("pr-1", files{"about.html": numbered(n)["about.html"]})
		}
	}
	close(stop)
	all.Wait()

	shown, answers := map[int]bool{}, 0
	for _, v := range results {
		answers += v.answers
		for _, failed := range v.failed {
			t.Error(failed)
		}
		for build, n := range v.numbers {
			shown[n] = true
			if !strings.Contains(build, digest(t, builds[n])) {
				t.Errorf("the answers of number %d are said to be of %q, want %s", n, build, digest(t, builds[n]))
			}
		}
	}
	t.Logf("%d answers, of the builds %d", answers, slices.Sorted(maps.Keys(shown)))
	p.has("pr-1", numbered(moves))
}

// visitor is a client of a preview, and what it has seen.
type visitor struct {
	*previewd
	answers int
	latest  int            // the number of the build that was shown last
	numbers map[string]int // of the builds, by what X-Preview-Build says
	failed  []string       // what must not be, a few
}

// visit goes to pages and loads what they need, until stop is closed.
func (v *visitor) visit(stop <-chan struct{}) {
	pace := time.NewTicker(200 * time.Millisecond) // so that who pushes gets his share of the processor
	defer pace.Stop()
	for {
		select {
		case <-stop:
			return
		case <-pace.C:
		}
		if page := v.ask("/", navigation...); page >= 0 {
			v.latest = page
			if n := v.ask(chunkOf(page), subresource...); n != page {
				v.fail("the script of page %d is of build %d", page, n)
			}
		}
		for range 3 {
			path := []string{"/about.html", "/data.json", "/large.txt"}[rand.IntN(3)]
			if n := v.ask(path); n >= 0 && n < v.latest {
				v.fail("%s is of build %d after one of build %d", path, n, v.latest)
			} else {
				v.latest = max(n, v.latest)
			}
		}
	}
}

// ask returns the number of the build that an answer is of, -1 where it is not what it should be.
func (v *visitor) ask(path string, fields ...string) int {
	got, err := v.try("pr-1.localhost", path, fields...)
	v.answers++
	if err != nil {
		v.fail("%s: %v", path, err)
		return -1
	}
	name := strings.TrimPrefix(path, "/")
	if name == "" {
		name = "index.html"
	}
	match := said.FindStringSubmatch(got.content)
	if got.StatusCode != http.StatusOK || match == nil {
		v.fail("%s: %v", path, got)
		return -1
	}
	n, _ := strconv.Atoi(match[1])
	if got.content != numbered(n)[name] {
		v.fail("%s is not as build %d has it: %d bytes", path, n, len(got.content))
	}
	if named, known := v.numbers[got.build()]; known && named != n {
		v.fail("%s is of build %d, and said to be of %q, which is number %d", path, n, got.build(), named)
	}
	v.numbers[got.build()] = n
	return n
}

func (v *visitor) fail(format string, values ...any) {
	if len(v.failed) < 3 {
		v.failed = append(v.failed, fmt.Sprintf(format, values...))
	}
}
