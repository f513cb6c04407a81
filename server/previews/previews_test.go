package previews

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/rules"
	"github.com/previewd/previewd/server/site"
	"github.com/previewd/previewd/server/site/content"
	"github.com/previewd/previewd/server/site/sitetest"
	"github.com/previewd/previewd/server/site/tree"
)

// one is a preview as the service makes them: the rules of its files around its files.
type one struct {
	*site.Site
	handler message.Handler
}

func (o one) Serve(ctx context.Context, r *message.Request) message.Response {
	return o.handler(ctx, r)
}
func (o one) InUse() bool { return false }
func (o one) Close()      { _ = o.Site.Close() }

// serve returns the previews in a directory.
func serve(t testing.TB, dir string, with ...func(*Options, *tree.Options)) *Previews {
	t.Helper()
	var opts Options
	of := tree.Options{Directory: dir, Reserved: []string{rules.RedirectsFile, rules.HeadersFile}}
	opts.List, opts.IndexPages, opts.Zone = true, []string{"index.html"}, time.UTC
	for _, change := range with {
		change(&opts, &of)
	}
	all := site.New(site.Options{Tree: of, IndexPages: opts.IndexPages, Listing: site.ListingRich, CleanURLs: true, ErrorPages: true,
		Content: content.Options{MaxFile: 1 << 20, CacheSize: 16 << 20}})
	t.Cleanup(func() { _ = all.Close() })
	opts.Directory = all.Directory()
	opts.Open = func(directory, _ string) Site {
		sub := all.Sub(directory)
		return one{sub, rules.New(rules.Options{Site: sub}).Handler(sub.Methods().Serve)}
	}
	return New(opts)
}

// get asks for a URL without its scheme, "pr-1.localhost/a".
func get(t testing.TB, p *Previews, url string, fields ...message.Field) (message.Response, string) {
	t.Helper()
	return ask(t, p, "GET", url, fields...)
}

// expect compares an answer: its status, and a part of its content.
func expect(t testing.TB, p *Previews, url string, status int, part string) {
	t.Helper()
	resp, content := get(t, p, url)
	if resp.Status != status || !strings.Contains(content, part) {
		if _, body, found := strings.Cut(content, "<body>"); found {
			content = body
		}
		t.Errorf("%s: got %d %q, want %d with %q", url, resp.Status, content, status, part)
	}
}

// TestEachDirectoryIsASite: names, absolute paths, and the files that a site brings.
func TestEachDirectoryIsASite(t *testing.T) {
	dir := sitetest.Build(t, t.TempDir(), map[string]string{
		"pr-42/index.html":       "forty-two",
		"pr-42/app.js":           "script of 42",
		"pr-42/404.html":         "nothing in 42",
		"pr-42/_redirects":       "/old /app.js 302\n/up /../pr-43/app.js 200\n/out /pr-43/app.js 200\n",
		"pr-42/_headers":         "/*\n  X-Of: 42\n",
		"pr-43/index.html":       "forty-three",
		"pr-43/app.js":           "script of 43",
		"pr-43/secret":           "of 43",
		"pr-42/link":             "-> ../pr-43/secret",
		"pr-42/absolute":         "-> " + os.TempDir(),
		"Feature/Log_In/a":       "", // a directory with a directory
		"Feature_Log/index.html": "by slug",
		"v1.2/index.html":        "version",
		"latest":                 "-> pr-43",
		"outside":                "-> ..",
		"file":                   "no directory",
		"twin_a/index.html":      "",
		"twin.a/index.html":      "",
		"exact-a/index.html":     "exact",
		"Exact_A/index.html":     "shadowed",
		"___/index.html":         "",
	})
	p := serve(t, dir)
	expect(t, p, "pr-42.localhost/", 200, "forty-two")
	expect(t, p, "PR-42.localhost:8000/app.js", 200, "script of 42")
	expect(t, p, "pr-43.localhost/app.js", 200, "script of 43")
	expect(t, p, "pr-42.localhost/nothing", 404, "nothing in 42")
	expect(t, p, "pr-43.localhost/nothing", 404, "File not found")
	expect(t, p, "feature-log.localhost/", 200, "by slug")
	expect(t, p, "v1-2.localhost/", 200, "version")
	expect(t, p, "latest.localhost/", 200, "forty-three")
	expect(t, p, "exact-a.localhost/", 200, "exact")
	expect(t, p, "outside.localhost/", 404, "The preview outside is not shown")
	expect(t, p, "file.localhost/", 404, "There is no preview file")
	expect(t, p, "twin-a.localhost/", 409, `"twin.a" and "twin_a" have the same name`)
	expect(t, p, "nothing.localhost/", 404, `All previews: <a href="http://localhost/">localhost</a>`)
	// Nothing leads from one preview to another.
	for _, path := range []string{"link", "absolute/", "up", "out", "../pr-43/secret", "%2e%2e/pr-43/secret"} {
		if resp, content := get(t, p, "pr-42.localhost/"+path); resp.Status != 404 || strings.Contains(content, "43") {
			t.Errorf("/%s: got %d %q, want 404", path, resp.Status, content)
		}
	}
	if resp, _ := get(t, p, "pr-42.localhost/old"); resp.Status != 302 || resp.Fields.Get("Location") != "/app.js" || resp.Fields.Get("X-Of") != "42" {
		t.Errorf("a rule of pr-42: got %d, %v", resp.Status, resp.Fields)
	}
	if resp, _ := get(t, p, "pr-43.localhost/old"); resp.Status != 404 || resp.Fields.Get("X-Of") != "" {
		t.Errorf("a rule of pr-42 is one of pr-43: got %d, %v", resp.Status, resp.Fields)
	}
}

// TestPoliciesAreOfPreviewsToo: HIDDEN and SYMLINKS say which directories are previews.
func TestPoliciesAreOfPreviewsToo(t *testing.T) {
	outside := sitetest.Build(t, t.TempDir(), map[string]string{"index.html": "outside"})
	dir := sitetest.Build(t, t.TempDir(), map[string]string{
		"a/index.html":          "a",
		".git/index.html":       "hidden",
		"link":                  "-> a",
		"out":                   "-> " + outside,
		"to-hidden":             "-> .git",
		"lost+found/index.html": "",
	})
	for _, c := range []struct {
		symlinks, hidden tree.Policy
		want             string
	}{
		{tree.SymlinksInside, tree.HiddenServe, "a git link to-hidden"},
		{tree.SymlinksInside, tree.HiddenDeny, "a link"},
		{tree.SymlinksDeny, tree.HiddenServe, "a git"},
		{tree.SymlinksFollow, tree.HiddenServe, "a git link out to-hidden"},
	} {
		for _, portable := range []bool{false, true} {
			if portable && c.symlinks == tree.SymlinksFollow {
				continue
			}
			p := serve(t, dir, func(_ *Options, of *tree.Options) {
				of.Symlinks, of.Hidden, of.Portable = c.symlinks, c.hidden, portable
			})
			var shown, listed []string
			for _, label := range []string{"a", "git", "link", "lost-found", "out", "to-hidden"} {
				if resp, _ := get(t, p, label+".localhost/"); resp.Status == 200 {
					shown = append(shown, label)
				}
			}
			for _, row := range list(t, p) {
				if row.State == ready {
					listed = append(listed, row.Name)
				}
			}
			slices.Sort(listed)
			if got := strings.Join(shown, " "); got != c.want || strings.Join(listed, " ") != c.want {
				t.Errorf("SYMLINKS=%s HIDDEN=%s, portable %v: %q are shown, %q listed, want %q", c.symlinks, c.hidden, portable, got, listed, c.want)
			}
		}
	}
}

// list is the overview as programs get it.
func list(t testing.TB, p *Previews) (rows []told) {
	t.Helper()
	resp, content := get(t, p, "localhost:8000/", message.Field{Name: "Accept", Value: "application/json"})
	if err := json.Unmarshal([]byte(content), &rows); err != nil || resp.Status != 200 || resp.Fields.Get("Content-Type") != "application/json" {
		t.Fatalf("got %d %v %q: %v", resp.Status, resp.Fields, content, err)
	}
	return rows
}

// TestWhatIsThereIsShownAtOnce: a directory that comes, goes, or is replaced, by its own name or by a slug.
func TestWhatIsThereIsShownAtOnce(t *testing.T) {
	for _, portable := range []bool{false, true} {
		dir := sitetest.Build(t, t.TempDir(), map[string]string{"pr-1/index.html": "one"})
		p := serve(t, dir, func(_ *Options, of *tree.Options) { of.Portable = portable })
		at := func(name string) string { return filepath.Join(dir, name) }
		for range 4 {
			expect(t, p, "pr-2.localhost/", 404, "preview pr-2")
			sitetest.Build(t, dir, map[string]string{"pr-2/index.html": "two", "Pr_3/index.html": "three"})
			expect(t, p, "pr-2.localhost/", 200, "two")
			expect(t, p, "pr-3.localhost/", 200, "three")

			sitetest.Build(t, dir, map[string]string{"next/index.html": "two, again", "pr-3/index.html": "three, exactly"})
			sitetest.Check(t, os.Rename(at("pr-2"), at("before")))
			sitetest.Check(t, os.Rename(at("next"), at("pr-2")))
			expect(t, p, "pr-2.localhost/", 200, "two, again")
			expect(t, p, "pr-3.localhost/", 200, "three, exactly")
			sitetest.Check(t, os.RemoveAll(at("pr-3")))
			expect(t, p, "pr-3.localhost/", 200, "three")
			sitetest.Build(t, dir, map[string]string{"PR_3/index.html": "a twin"})
			expect(t, p, "pr-3.localhost/", 409, "the name of more than one directory")
			for _, name := range []string{"pr-2", "before", "Pr_3", "PR_3"} {
				sitetest.Check(t, os.RemoveAll(at(name)))
			}
			expect(t, p, "pr-2.localhost/", 404, "The preview pr-2 is gone")
			expect(t, p, "pr-3.localhost/", 404, "preview pr-3")
			expect(t, p, "pr-1.localhost/", 200, "one")
		}
		if rows := list(t, p); len(rows) != 1 {
			t.Errorf("got %+v, want pr-1 alone", rows)
		}
	}
}

// TestOverview: all previews, the newest first, with the scheme and the port that were asked for.
func TestOverview(t *testing.T) {
	dir := sitetest.Build(t, t.TempDir(), map[string]string{
		"pr-1/index.html": "", "pr-2/index.html": "", "pr-3/a.html": "", "A_b/index.html": "", "epoch/index.html": "",
		"x_y/": "", "x.y/": "", "-<&>-/index.html": "",
	})
	day := func(n int) time.Time { return time.Date(2026, 11, n, 12, 0, 0, 0, time.UTC) }
	for name, at := range map[string]time.Time{"pr-1": day(3), "pr-2": day(1), "pr-2/index.html": day(5), "pr-3": day(4), "A_b": day(2), "epoch": time.Unix(1, 0),
		"epoch/index.html": time.Unix(1, 0), "-<&>-": day(1)} {
		sitetest.Check(t, os.Chtimes(filepath.Join(dir, name), at, at))
	}
	p := serve(t, dir)
	var got []string
	for _, row := range list(t, p) {
		got = append(got, strings.TrimSpace(strings.Join([]string{row.Name, row.Directory, row.State, row.Time, row.URL, row.Reason}, " ")))
	}
	want := []string{
		"pr-2 pr-2 ready 2026-11-05T12:00:00Z http://pr-2.localhost:8000/",
		"pr-3 pr-3 ready 2026-11-04T12:00:00Z http://pr-3.localhost:8000/",
		"pr-1 pr-1 ready 2026-11-03T12:00:00Z http://pr-1.localhost:8000/",
		"a-b A_b ready 2026-11-02T12:00:00Z http://a-b.localhost:8000/",
		"-<&>- refused   its name has no letter and no digit for a host name",
		"epoch epoch ready  http://epoch.localhost:8000/",
		`x-y x.y refused   "x.y" and "x_y" have the same host name`,
		`x-y x_y refused   "x.y" and "x_y" have the same host name`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	resp, page := get(t, p, "localhost:8000/")
	for _, part := range []string{`<a href="http://pr-2.localhost:8000/"><bdi>pr-2</bdi></a>`, `<span class="to"><bdi>A_b</bdi></span>`, "8 previews", "-&lt;&amp;&gt;-",
		`<time datetime="2026-11-05T12:00:00Z" title="2026-11-05 12:00:00 UTC">`} {
		if !strings.Contains(page, part) {
			t.Errorf("the page has no %s:\n%s", part, page)
		}
	}
	if resp.Status != 200 || resp.Fields.Get("Content-Type") != "text/html; charset=utf-8" || resp.Fields.Get("Vary") != "Accept" || strings.Contains(page, "<script") {
		t.Errorf("got %d, %v", resp.Status, resp.Fields)
	}
	if _, page = get(t, p, "192.0.2.1:8000/"); !strings.Contains(page, "set PREVIEWS_DOMAIN") {
		t.Errorf("at an address the page does not say where its links lead:\n%s", page)
	}

	p = serve(t, dir, func(opts *Options, _ *tree.Options) { opts.Domain = "preview.example.com" })
	r := &message.Request{Method: "GET", Target: "/", Scheme: "https", Prefix: "/docs", Host: "preview.example.com:8443", Fields: message.Fields{{Name: "Host", Value: "previewd"}}}
	var b bytes.Buffer
	resp = p.Serve(context.Background(), r)
	_, err := resp.Body.WriteTo(&b)
	sitetest.Check(t, err)
	if part := `"https://pr-1.preview.example.com:8443/docs/"`; !strings.Contains(b.String(), part) {
		t.Errorf("behind a proxy: there is no %s in\n%s", part, &b)
	}
	for _, method := range []string{"POST", "DELETE", "OPTIONS"} {
		r.Method = method
		if resp := p.Serve(context.Background(), r); resp.Status != 405 || resp.Fields.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: got %d", method, resp.Status)
		}
	}
	expect(t, p, "preview.example.com/index.html", 404, "All previews")
}

// TestEmptyOverview says how there come to be previews.
func TestEmptyOverview(t *testing.T) {
	p := serve(t, t.TempDir())
	expect(t, p, "localhost/", 200, "There are no previews yet")
	if rows := list(t, p); len(rows) != 0 {
		t.Errorf("got %v", rows)
	}
}

// TestNothingLeadsToOthersWithoutTheList: no overview, and no page that leads there.
func TestNothingLeadsToOthersWithoutTheList(t *testing.T) {
	dir := sitetest.Build(t, t.TempDir(), map[string]string{"pr-1/index.html": "one", "twin_a/": "", "twin.a/": ""})
	p := serve(t, dir, func(opts *Options, _ *tree.Options) { opts.List, opts.Domain = false, "preview.example.com" })
	expect(t, p, "pr-1.preview.example.com/", 200, "one")
	for _, url := range []string{"preview.example.com/", "localhost/", "previewd/", "127.0.0.1/", "pr-2.preview.example.com/", "www.example.org/", "a.pr-1.localhost/", "pr-1.localhost./", "twin-a.localhost/"} {
		resp, page := get(t, p, url)
		if resp.Status != 404 && resp.Status != 409 || strings.Contains(page, "pr-1.") && !strings.Contains(url, "pr-1.") || strings.Contains(page, "<a ") {
			t.Errorf("%s: got %d %s", url, resp.Status, page)
		}
	}
}

// TestOtherHosts are a page that leads to the overview, and to what may have been meant.
func TestOtherHosts(t *testing.T) {
	p := serve(t, sitetest.Build(t, t.TempDir(), map[string]string{"pr-1/index.html": "one"}), func(opts *Options, _ *tree.Options) { opts.Domain = "preview.example.com" })
	const all = `All previews: <a href="http://preview.example.com:8000/">preview.example.com:8000</a>`
	expect(t, p, "www.example.org:8000/", 404, all)
	expect(t, p, "a.pr-1.preview.example.com:8000/", 404, all)
	expect(t, p, ".preview.example.com:8000/", 404, all)
	expect(t, p, "pr-1.preview.example.com.:8000/", 404, `Did you mean <a href="http://pr-1.preview.example.com:8000/">`)
	expect(t, p, "<script>.example.org:8000/", 404, "&lt;script&gt;.example.org")
	expect(t, p, "a.pr-1.localhost:8000/", 404, `All previews: <a href="http://localhost:8000/">`)
}

// TestWhichBuildIsShown is told by a field with each answer, and as JSON.
func TestWhichBuildIsShown(t *testing.T) {
	dir := sitetest.Build(t, t.TempDir(), map[string]string{"Pr_1/index.html": "one"})
	at := time.Date(2026, 11, 5, 12, 0, 0, 0, time.UTC)
	sitetest.Check(t, os.Chtimes(filepath.Join(dir, "Pr_1"), at, at))
	p := serve(t, dir)
	resp, content := get(t, p, "pr-1.localhost/__previewd/build?x")
	if want := `{"name":"pr-1","directory":"Pr_1","time":"2026-11-05T12:00:00Z"}` + "\n"; content != want || resp.Status != 200 || resp.Fields.Get("Content-Type") != "application/json" {
		t.Errorf("got %d %v %q, want %q", resp.Status, resp.Fields, content, want)
	}
	for _, path := range []string{"", "index.html", "nothing", "__previewd/build"} {
		if resp, _ := get(t, p, "pr-1.localhost/"+path); resp.Fields.Get(buildField) != "pr-1 2026-11-05T12:00:00Z" {
			t.Errorf("/%s: got %v", path, resp.Fields)
		}
	}
	sitetest.Check(t, os.WriteFile(filepath.Join(dir, "Pr_1/index.html"), []byte("one"), 0o644))
	if resp, _ := get(t, p, "pr-1.localhost/"); resp.Fields.Get(buildField) == "pr-1 2026-11-05T12:00:00Z" {
		t.Error("a new index page is the same build")
	}
	if resp, _ := get(t, p, "localhost/__previewd/build"); resp.Status != 404 || resp.Fields.Get(buildField) != "" {
		t.Errorf("at the overview: got %d", resp.Status)
	}
}

// TestOpenDirectoriesAreBounded: of many that are known few are open, and none when they are not used.
func TestOpenDirectoriesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const count = maxIdle + 100
		files := map[string]string{}
		for i := range count {
			files[fmt.Sprintf("Pr_%d/index.html", i)] = fmt.Sprint("number ", i)
		}
		p := serve(t, sitetest.Build(t, t.TempDir(), files))
		ctx, end := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { p.Run(ctx); close(done) }()
		var all sync.WaitGroup
		for worker := range 4 {
			all.Go(func() {
				for i := worker; i < count; i += 4 {
					expect(t, p, fmt.Sprintf("pr-%d.localhost/", i), 200, fmt.Sprint("number ", i))
				}
			})
		}
		all.Wait()
		if known, open := p.Counts(); known != count || open == 0 || open > maxIdle {
			t.Errorf("%d are known and %d open, want %d and at most %d", known, open, count, maxIdle)
		}
		time.Sleep(unused + unused/5)
		synctest.Wait()
		if _, open := p.Counts(); open != 0 {
			t.Errorf("%d are open that nobody uses", open)
		}
		expect(t, p, "pr-7.localhost/", 200, "number 7")
		end()
		<-done
	})
}

// TestManyAtOnce: while directories come and go, each answer is of the preview that was asked for.
func TestManyAtOnce(t *testing.T) {
	dir := t.TempDir()
	for i := range 8 {
		sitetest.Build(t, dir, map[string]string{fmt.Sprintf("pr-%d/index.html", i): fmt.Sprint("of ", i)})
	}
	p := serve(t, dir)
	stop := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			name := filepath.Join(dir, fmt.Sprintf("pr-%d", i%8))
			if os.Rename(name, name+"_away") != nil || os.Rename(name+"_away", name) != nil {
				t.Error("renaming failed")
				return
			}
		}
	})
	var asking sync.WaitGroup
	for worker := range 4 {
		asking.Go(func() {
			for i := range 500 {
				n := (i + worker) % 8
				resp, content := get(t, p, fmt.Sprintf("pr-%d.localhost/", n))
				if resp.Status == 200 && content != fmt.Sprint("of ", n) || resp.Status != 200 && resp.Status != 404 {
					t.Errorf("pr-%d: got %d %q", n, resp.Status, content)
				}
			}
		})
	}
	asking.Wait()
	close(stop)
	all.Wait()
}
