package previews

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/previews/registry"
	"github.com/previewd/previewd/server/previews/registrytest"
	"github.com/previewd/previewd/server/previews/store"
	"github.com/previewd/previewd/server/previews/tags"
	"github.com/previewd/previewd/server/rules"
	"github.com/previewd/previewd/server/site"
	"github.com/previewd/previewd/server/site/content"
	"github.com/previewd/previewd/server/site/sitetest"
	"github.com/previewd/previewd/server/site/tree"
)

// check is how often tests have a tag asked for.
const check = 20 * time.Millisecond

// counts counts nothing.
type counts struct{}

func (counts) RegistryAsked(string)                {}
func (counts) Reached(time.Time)                   {}
func (counts) Pulled(string, int64, time.Duration) {}

// serveTags returns the previews of a repository, with a store of their own.
func serveTags(t testing.TB, r *registrytest.Registry, dir string, with ...func(*Options)) *Previews {
	t.Helper()
	client, err := registry.New(registry.Options{Repository: r.Repository, Insecure: true, UserAgent: "test"})
	sitetest.Check(t, err)
	builds, err := store.Open(dir, 64<<20)
	sitetest.Check(t, err)
	all := site.New(site.Options{Tree: tree.Options{Directory: dir, Reserved: []string{rules.RedirectsFile, rules.HeadersFile}}, IndexPages: []string{"index.html"},
		Listing: site.ListingRich, CleanURLs: true, ErrorPages: true, Content: content.Options{MaxFile: 1 << 20, CacheSize: 16 << 20}})
	opts := Options{List: true, Zone: time.UTC, IndexPages: []string{"index.html"},
		Repository: &tags.Options{Repository: r.Repository, Registry: client, Store: builds, IndexPages: []string{"index.html"}, Check: check,
			Info: func(string, string) {}, Warn: func(string, string) {}, Count: counts{}},
		Open: func(directory, _ string) Site {
			sub := all.Sub(directory)
			return one{sub, rules.New(rules.Options{Site: sub}).Handler(sub.Methods().Serve)}
		}}
	for _, change := range with {
		change(&opts)
	}
	p := New(opts)
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { p.Run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
		_ = all.Close()
		sitetest.Check(t, builds.Close())
	})
	return p
}

// eventually tries until a condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for range 3000 {
		if holds() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("never: %s", what)
}

// TestEachTagIsASite: names, the fields and what is told of a build, the overview.
func TestEachTagIsASite(t *testing.T) {
	r := registrytest.Start(t)
	digest := r.Push("pr-42", map[string]string{"index.html": "forty-two", "app.js": "script of 42", "_redirects": "/old /app.js 302\n"},
		"org.opencontainers.image.title", "The <app>", "org.opencontainers.image.revision", "0123456789abcdef0123456789abcdef01234567",
		"org.opencontainers.image.source", "https://github.com/team/app.git")
	slug := r.Push("Feature_Log.In", map[string]string{"index.html": "by slug", "_headers": "/*\n  X-Preview-Build: another\n"})
	r.Push("twin.a", map[string]string{"index.html": ""})
	r.Push("twin_a", map[string]string{"index.html": ""})
	r.Push("none", map[string]string{"page.html": ""})
	p := serveTags(t, r, t.TempDir())
	expect(t, p, "pr-42.localhost/", 200, "forty-two")
	expect(t, p, "pr-42.localhost/app.js", 200, "script of 42")
	expect(t, p, "feature-log-in.localhost/", 200, "by slug")
	expect(t, p, "twin-a.localhost/", 409, `"twin.a" and "twin_a" have the same name`)
	expect(t, p, "nothing.localhost/", 404, "No tag has this name")
	expect(t, p, "none.localhost/", 404, "PREVIEWS_PATH")
	resp, _ := get(t, p, "feature-log-in.localhost/")
	if got, want := resp.Fields.Values(buildField), []string{"feature-log-in " + slug}; !slices.Equal(got, want) {
		t.Errorf("the site says which build it is: %q, want %q", got, want)
	}
	resp, _ = get(t, p, "pr-42.localhost/old")
	if resp.Status != 302 || resp.Fields.Get(buildField) != "pr-42 "+digest {
		t.Errorf("got %d %v, want 302 by build %s", resp.Status, resp.Fields, digest)
	}
	var b struct{ Name, Tag, Digest, State string }
	_, text := get(t, p, "pr-42.localhost/__previewd/build")
	if err := json.Unmarshal([]byte(text), &b); err != nil || b.Name != "pr-42" || b.Tag != "pr-42" || b.Digest != digest || b.State != "ready" {
		t.Errorf("the build: got %q, %v", text, err)
	}
	var rows []told
	eventually(t, "all are described", func() bool {
		rows = list(t, p)
		for _, row := range rows {
			if row.Digest == "" || row.Size == 0 && row.State != refused {
				return false
			}
		}
		return true
	})
	byName := map[string]told{}
	for _, row := range rows {
		byName[row.Tag] = row
	}
	if row := byName["pr-42"]; len(rows) != 5 || row.State != ready || row.URL != "http://pr-42.localhost:8000/" || row.Files != 3 || row.Digest != digest ||
		row.Commit != "https://github.com/team/app/commit/0123456789abcdef0123456789abcdef01234567" || row.Labels["org.opencontainers.image.title"] != "The <app>" {
		t.Errorf("got %d rows with %+v %+v", len(rows), row, row.aboutTag)
	}
	if row := byName["twin_a"]; row.State != refused || row.URL != "" {
		t.Errorf("twin_a: got %+v", row)
	}
	_, page := get(t, p, "localhost/")
	for _, part := range []string{`<bdi>The &lt;app&gt;</bdi>`, `/commit/0123456789abcdef0123456789abcdef01234567"`, ">01234567</a>", "3 files", "<td>refused</td>"} {
		if !strings.Contains(page, part) {
			t.Errorf("the overview has no %q: %s", part, page)
		}
	}
}

// TestATagThatMoves: another build is shown without a request that is lost or mixed; what only the build before has still
// comes for what its pages load.
func TestATagThatMoves(t *testing.T) {
	r := registrytest.Start(t)
	first := r.Push("pr-1", map[string]string{"index.html": "build 1", "assets/a.1111.js": "of 1", "same.js": "of 1"})
	p := serveTags(t, r, t.TempDir())
	expect(t, p, "pr-1.localhost/", 200, "build 1")
	second := r.Push("pr-1", map[string]string{"index.html": "build 2", "assets/a.2222.js": "of 2", "same.js": "of 2"})
	eventually(t, "the second build is shown", func() bool {
		resp, text := get(t, p, "pr-1.localhost/")
		build := resp.Fields.Get(buildField)
		if resp.Status != 200 || (build == "pr-1 "+first) != (text == "build 1") || (build == "pr-1 "+second) != (text == "build 2") {
			t.Fatalf("got %d %q by %q", resp.Status, text, build)
		}
		return text == "build 2"
	})
	script := message.Field{Name: "Sec-Fetch-Mode", Value: "no-cors"}
	if resp, text := get(t, p, "pr-1.localhost/assets/a.1111.js", script); text != "of 1" || resp.Fields.Get(buildField) != "pr-1 "+first {
		t.Errorf("what only the build before has: got %d %q by %q", resp.Status, text, resp.Fields.Get(buildField))
	}
	if _, text := get(t, p, "pr-1.localhost/same.js", script); text != "of 2" {
		t.Errorf("what both have: got %q", text)
	}
	if resp, _ := get(t, p, "pr-1.localhost/assets/a.1111.js", message.Field{Name: "Sec-Fetch-Mode", Value: "navigate"}); resp.Status != 404 {
		t.Errorf("a page that only the build before has: got %d", resp.Status)
	}
	r.Delete("pr-1")
	eventually(t, "the tag is gone", func() bool { resp, _ := get(t, p, "pr-1.localhost/"); return resp.Status == 404 })
	expect(t, p, "pr-1.localhost/", 404, "Its tag has been deleted or renamed")
}

// TestProgress: a page shows how far a build is, all else waits.
func TestProgress(t *testing.T) {
	r := registrytest.Start(t)
	r.Push("pr-1", map[string]string{"index.html": "the site", "large.bin": strings.Repeat("x", 100_000)})
	gate := make(chan struct{})
	r.Fault(func(_ http.ResponseWriter, req *http.Request) bool {
		if strings.Contains(req.URL.Path, "/blobs/") && req.Method == http.MethodGet {
			<-gate
		}
		return false
	})
	p := serveTags(t, r, t.TempDir())
	navigate := message.Field{Name: "Sec-Fetch-Mode", Value: "navigate"}
	resp, page := get(t, p, "pr-1.localhost/", navigate)
	if resp.Status != 503 || !strings.Contains(page, "<progress") || resp.Fields.Get("Retry-After") == "" {
		t.Errorf("a page: got %d %v %s", resp.Status, resp.Fields, page)
	}
	if _, text := get(t, p, "pr-1.localhost/__previewd/build"); !strings.Contains(text, `"state":"fetching"`) {
		t.Errorf("the build: got %s", text)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	gone := &message.Request{Method: "GET", Target: "/", Scheme: "http", Fields: message.Fields{{Name: "Host", Value: "pr-1.localhost"}}}
	if resp := p.Serve(ctx, gone); resp.Status != 503 || resp.Fields.Get("Retry-After") == "" {
		t.Errorf("a client that has gone: got %d", resp.Status)
	}
	waits := make(chan string)
	go func() {
		_, text := get(t, p, "pr-1.localhost/")
		waits <- text
	}()
	close(gate)
	if text := <-waits; text != "the site" {
		t.Errorf("a request that waits: got %q", text)
	}
	if _, text := get(t, p, "pr-1.localhost/", navigate); text != "the site" {
		t.Errorf("a page: got %q", text)
	}
}

// TestARequestThatWaitsFollowsItsTag: it gets the build that the tag moves to, while the one that it waits for is still fetched.
func TestARequestThatWaitsFollowsItsTag(t *testing.T) {
	r := registrytest.Start(t)
	image := registrytest.Image(t, map[string]string{"index.html": "the first"})
	layers, err := image.Layers()
	sitetest.Check(t, err)
	slow, err := layers[0].Digest()
	sitetest.Check(t, err)
	r.PushImage("pr-1", image)
	asked, gate := make(chan struct{}), make(chan struct{})
	r.Fault(func(w http.ResponseWriter, req *http.Request) bool {
		if !strings.HasSuffix(req.URL.Path, "/blobs/"+slow.String()) {
			return false
		}
		_ = http.NewResponseController(w).Flush() // the layer comes, but nothing of it
		close(asked)
		<-gate
		return true
	})
	p := serveTags(t, r, t.TempDir())
	defer close(gate)
	expect(t, p, "pr-1.localhost"+buildPath, 200, `"fetching"`)
	shown := make(chan string, 1)
	go func() {
		s := p.tags.Wait(t.Context(), "pr-1")
		defer s.Leave()
		shown <- s.Build.Digest
	}()
	<-asked
	second := r.Push("pr-1", map[string]string{"index.html": "the second"})
	var got string
	eventually(t, "it is answered", func() bool {
		select {
		case got = <-shown:
		default:
		}
		return got != ""
	})
	if got != second {
		t.Errorf("got %s, want %s", got, second)
	}
}

// TestRegistryAway: what is here is shown while the registry does not answer, after a start too.
func TestRegistryAway(t *testing.T) {
	r := registrytest.Start(t)
	r.Push("pr-1", map[string]string{"index.html": "one"})
	for _, tag := range []string{"at-500", "at-401", "at-0"} {
		r.Push(tag, map[string]string{"index.html": tag})
	}
	dir := t.TempDir()
	t.Run("before", func(t *testing.T) {
		p := serveTags(t, r, dir)
		expect(t, p, "pr-1.localhost/", 200, "one")
		for _, status := range []int{500, 401, 0} {
			r.Fault(func(w http.ResponseWriter, _ *http.Request) bool {
				if status == 0 {
					panic(http.ErrAbortHandler)
				}
				w.WriteHeader(status)
				_, _ = fmt.Fprint(w, "<garbage>")
				return true
			})
			eventually(t, "it is seen", func() bool { return p.Reached() != nil })
			expect(t, p, "pr-1.localhost/", 200, "one")
			if resp, page := get(t, p, fmt.Sprintf("at-%d.localhost/", status)); resp.Status != 503 || !strings.Contains(page, "could not be fetched") {
				t.Errorf("status %d: a tag that is not here: got %d %s", status, resp.Status, page)
			}
			r.Fault(nil)
			eventually(t, "it is over", func() bool { return p.Reached() == nil })
		}
	})
	r.Stop()
	p := serveTags(t, r, dir)
	expect(t, p, "pr-1.localhost/", 200, "one")
	if err := p.Reached(); err == nil || !strings.Contains(err.Error(), "since the start") {
		t.Errorf("got %v", err)
	}
}

// TestTheRegistryIsLeftAlone: after a 429 nothing is asked until the time that it has said.
func TestTheRegistryIsLeftAlone(t *testing.T) {
	r := registrytest.Start(t)
	r.Push("pr-1", map[string]string{"index.html": "one"})
	p := serveTags(t, r, t.TempDir())
	expect(t, p, "pr-1.localhost/", 200, "one")
	r.Fault(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Retry-After", "200")
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	})
	eventually(t, "it is seen", func() bool { return p.Reached() != nil })
	asked := r.Asked()
	for range 20 { // of these some 10 would have asked
		expect(t, p, "pr-1.localhost/", 200, "one")
		expect(t, p, "unknown.localhost/", 503, "It is not known whether there is a preview unknown")
		time.Sleep(check)
	}
	if now := r.Asked(); now > asked+maxUnderWay {
		t.Errorf("asked %d times after 429", now-asked)
	}
}

// maxUnderWay is how many questions may have been under way.
const maxUnderWay = 4
