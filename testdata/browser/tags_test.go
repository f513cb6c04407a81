package browser

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/previewd/previewd/server/previews/registrytest"
)

// tagged starts previewd on a registry.
func tagged(t *testing.T, r *registrytest.Registry) (s site, at func(label string) string) {
	t.Helper()
	s = start(t, []string{binary}, "", "PREVIEWS="+r.Repository, "PREVIEWS_INSECURE=true", "PREVIEWS_CHECK=1s", "RELOAD=true", "LOG_FORMAT=text",
		"PREVIEWS_STORE="+filepath.Join(t.TempDir(), "store"), "DOCKER_CONFIG="+t.TempDir())
	_, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	return s, func(label string) string { return "http://" + label + "localhost:" + port + "/" }
}

// built is a build that says its name, and shows it when its script has run.
func built(name string) map[string]string {
	return map[string]string{
		"index.html": `<!DOCTYPE html><title>` + name + `</title><link rel="icon" href="/icon.svg"><link rel="stylesheet" href="/style.css"><h1>` + name +
			`</h1><script type="module" src="/app.js"></script>`,
		"style.css": "h1 { color: rgb(1, 2, 3) }", "icon.svg": picture(11), "app.js": "document.title = 'started " + name + "'",
	}
}

// screens calls look with a screen's width, and whether it is dark.
func screens(look func(width int, dark bool)) {
	for _, width := range []int{1000, 390} {
		for _, dark := range []bool{false, true} {
			look(width, dark)
		}
	}
}

// TestTags: the overview of tags, and a page that reloads when its tag has moved. Names below localhost need no setting.
func TestTags(t *testing.T) {
	axe := axe(t)
	r := registrytest.Start(t)
	const commit = "0123456789abcdef0123456789abcdef01234567"
	r.Push("pr-42", built("one"), "org.opencontainers.image.title", "Log in with a passkey", "org.opencontainers.image.revision", commit,
		"org.opencontainers.image.source", "https://github.com/team/app")
	r.Push("Feature_Log_In", built("feature"), "org.opencontainers.image.revision", commit)
	r.Push("main", built("main"))
	r.Push("hostile", map[string]string{"../index.html": "outside"})
	s, at := tagged(t, r)

	p := open(t, at("hostile."))
	p.shows("cannot be shown")
	p = open(t, at("pr-42."))
	p.must(p.Await("document.title == 'started one' && getComputedStyle(document.querySelector('h1')).color == 'rgb(1, 2, 3)'"))
	p.is(200)
	p.quiet("503") // the page that was there first

	described(t, at(""))

	screens(func(width int, dark bool) {
		what := fmt.Sprintf("tags-%d-dark=%v", width, dark)
		over := blank(t)
		over.must(over.Screen(width, 760, dark))
		over.must(over.Go(at("")))
		over.is(200)
		over.shows("4 previews", "Log in with a passkey", "01234567", "not fetched", "refused", "4 files", "just now")
		over.quiet()
		over.pictured(what)
		over.must(over.Await("document.documentElement.scrollWidth <= innerWidth && document.scripts.length == 0"))
		if axe != "" {
			over.isForEveryone(what, axe, "{}")
		}
		over.must(over.Click(`a[href="` + at("feature-log-in.") + `"]`))
		over.must(over.Await("location.hostname == 'feature-log-in.localhost' && document.title == 'started feature'"))
	})

	p = open(t, at("pr-42."))
	s.listens(t, 1)
	p.mark()
	r.Push("pr-42", built("two"))
	p.must(p.Await("document.title == 'started two'"))
	if p.marked() {
		t.Error("the page was not loaded again")
	}
	r.Delete("main")
	p = open(t, at("main."))
	p.shows("main", "All previews")
	p.is(404)
}

// described waits until the overview knows of all what they are.
func described(t *testing.T, overview string) {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, overview, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "application/json")
	var text []byte
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		resp, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		text, err = io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if all := strings.Count(string(text), `"name"`); all > 0 && strings.Count(string(text), `"size"`) == all {
			return
		}
	}
	t.Fatalf("the overview does not know all: %s", text)
}

// TestProgress: the page of a build that is being fetched says how far it is, and turns into the site by itself.
func TestProgress(t *testing.T) {
	axe := axe(t)
	r := registrytest.Start(t)
	large := make([]byte, 2_000_000)
	random := rand.NewChaCha8([32]byte{})
	_, _ = random.Read(large)
	files := built("fetched")
	files["large.bin"] = string(large)
	r.Push("pr-42", files)
	rest := make(chan struct{})
	r.Fault(halted(rest))
	_, at := tagged(t, r)

	screens(func(width int, dark bool) {
		what := fmt.Sprintf("progress-%d-dark=%v", width, dark)
		p := blank(t)
		p.must(p.Screen(width, 760, dark))
		p.must(p.Go(at("pr-42.")))
		p.is(503)
		p.shows("is being fetched", "1.0 MB of 2.0 MB")
		p.must(p.Await("document.querySelector('progress').position > 0.4 && document.documentElement.scrollWidth <= innerWidth"))
		p.pictured(what)
		if axe != "" {
			p.isForEveryone(what, axe, "{}")
		}
	})
	p := open(t, at("pr-42."))
	p.shows("1.0 MB of 2.0 MB")
	close(rest)
	p.must(p.Await("document.title == 'started fetched'"))
	p.is(200)
	p.quiet("503")
}

// halted sends half of each large blob, and the rest when that is wanted.
func halted(rest <-chan struct{}) func(w http.ResponseWriter, r *http.Request) bool {
	const own = "X-Own" // a question of this function, for the registry
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get(own) != "" || !strings.Contains(r.URL.Path, "/blobs/") || r.Method != http.MethodGet {
			return false
		}
		again, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://"+r.Host+r.URL.Path, nil)
		if err != nil {
			return false
		}
		again.Header.Set(own, "yes")
		resp, err := http.DefaultClient.Do(again)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		w.Header().Set("Content-Length", resp.Header.Get("Content-Length"))
		if half := resp.ContentLength / 2; half > 1000 {
			if _, err := io.CopyN(w, resp.Body, half); err != nil {
				return true
			}
			_ = http.NewResponseController(w).Flush()
			select {
			case <-rest:
			case <-r.Context().Done():
			}
		}
		_, _ = io.Copy(w, resp.Body)
		return true
	}
}
