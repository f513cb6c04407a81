package previews

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/previews/registrytest"
	"github.com/previewd/previewd/server/previews/tags"
	"github.com/previewd/previewd/server/site/sitetest"
)

// ask is get with a method.
func ask(t testing.TB, p *Previews, method, url string, fields ...message.Field) (message.Response, string) {
	t.Helper()
	host, path, _ := strings.Cut(url, "/")
	r := &message.Request{Method: method, Target: "/" + path, Scheme: "http", Fields: append(message.Fields{{Name: "Host", Value: host}}, fields...)}
	profile := message.Profile{ErrorFormat: message.ErrorFormatForPeople}.WithDefaults()
	resp := profile.Complete(p.Serve(context.Background(), r))
	if resp.Body == nil {
		return resp, ""
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	_, err := resp.Body.WriteTo(&b)
	sitetest.Check(t, err)
	return resp, b.String()
}

// stateOf is what /__previewd/build tells of a preview.
func stateOf(t testing.TB, p *Previews, label string) (b struct {
	Name, Tag, Digest, State, Reason string
	Done, Size                       int64
}) {
	t.Helper()
	resp, text := get(t, p, label+".localhost"+buildPath)
	if err := json.Unmarshal([]byte(text), &b); err != nil || resp.Status != 200 || resp.Fields.Get("Cache-Control") != "no-store" {
		t.Errorf("the build of %s: got %d %v %q", label, resp.Status, resp.Fields, text)
	}
	return b
}

// moves pushes a build and waits until that is shown.
func moves(t testing.TB, p *Previews, r *registrytest.Registry, tag string, files map[string]string) (digest string) {
	t.Helper()
	digest = r.Push(tag, files)
	eventually(t, tag+" shows "+digest, func() bool {
		s := p.tags.Wait(t.Context(), tag)
		defer s.Leave()
		if s.State == tags.Gone {
			_ = p.tags.Find(t.Context(), tag)
		}
		return s.Build != nil && s.Build.Digest == digest
	})
	return digest
}

// TestTheBuildBefore: what a page that is still open loads comes from its build, like any file of a site; for nothing else.
func TestTheBuildBefore(t *testing.T) {
	r := registrytest.Start(t)
	p := serveTags(t, r, t.TempDir())
	first := moves(t, p, r, "pr-1", map[string]string{"index.html": "1", "old.js": "0123456789", "old.html": "page"})
	second := moves(t, p, r, "pr-1", map[string]string{"index.html": "2", "new.js": "new"})
	const old = "pr-1.localhost/old.js"
	resp, text := ask(t, p, "GET", old)
	tag := resp.Fields.Get("ETag")
	if resp.Status != 200 || text != "0123456789" || tag == "" {
		t.Errorf("got %d %q with the entity tag %q", resp.Status, text, tag)
	}
	for _, c := range []struct {
		name, method, url string
		field             message.Field
		status            int
		content, build    string
	}{
		{"a range", "GET", old, message.Field{Name: "Range", Value: "bytes=2-4"}, 206, "234", first},
		{"a script that is cached", "GET", old, message.Field{Name: "If-None-Match", Value: tag}, 304, "", first},
		{"HEAD", "HEAD", old, message.Field{Name: "Sec-Fetch-Mode", Value: "cors"}, 200, "", first},
		{"a navigation", "GET", "pr-1.localhost/old.html", message.Field{Name: "Sec-Fetch-Mode", Value: "navigate"}, 404, "", second},
		{"a browser without Fetch metadata that wants a page", "GET", "pr-1.localhost/old.html", message.Field{Name: "Accept", Value: "text/html, */*;q=0.8"}, 404, "", second},
		{"POST", "POST", old, message.Field{Name: "Sec-Fetch-Mode", Value: "cors"}, 405, "", second},
		{"what neither has", "GET", "pr-1.localhost/none.js", message.Field{Name: "Sec-Fetch-Mode", Value: "no-cors"}, 404, "", second},
		{"what the new one has", "GET", "pr-1.localhost/new.js", message.Field{Name: "Sec-Fetch-Mode", Value: "no-cors"}, 200, "new", second},
	} {
		resp, text := ask(t, p, c.method, c.url, c.field)
		if resp.Status != c.status || c.content != "" && text != c.content || resp.Fields.Get(buildField) != "pr-1 "+c.build {
			t.Errorf("%s: got %d %.40q by %q, want %d %q by %q", c.name, resp.Status, text, resp.Fields.Get(buildField), c.status, c.content, c.build)
		}
	}
}

// TestARepositoryWithoutTags is named, so that whoever has mistyped it sees that.
func TestARepositoryWithoutTags(t *testing.T) {
	r := registrytest.Start(t)
	p := serveTags(t, r, t.TempDir())
	expect(t, p, "localhost/", 200, "There are no previews yet.</p><p>Each tag of "+r.Repository+" is one")
}

// TestWhatPagesDependOnIsShown: an answer of the build before depends on what the shown build has by the same names. Else a page
// that loads such a file would be told that it is gone, reload, load it again, and so on.
func TestWhatPagesDependOnIsShown(t *testing.T) {
	r := registrytest.Start(t)
	p := serveTags(t, r, t.TempDir())
	moves(t, p, r, "pr-1", map[string]string{"index.html": "1", "old.js": "of 1", "_headers": "/*\n  X-Test: 1\n"})
	moves(t, p, r, "pr-1", map[string]string{"index.html": "2", "_headers": "/*\n  X-Test: 2\n"})
	var used []message.File
	resp := p.Serve(t.Context(), &message.Request{Method: "GET", Target: "/old.js", Scheme: "http", Fields: message.Fields{{Name: "Host", Value: "pr-1.localhost"}},
		Uses: func(f message.File) { used = append(used, f) }})
	if resp.Status != 200 || len(used) == 0 {
		t.Errorf("got %d, which depends on %v", resp.Status, used)
	}
	for _, f := range used {
		(&tagFiles{p, "pr-1"}).See([]string{f.Name}, func(_ int, shown message.FileState) {
			if f.State != shown {
				t.Errorf("%s: got %+v, in what is shown it is %+v", f.Name, f.State, shown)
			}
		})
	}
}

// TestTheOldBuildStays where the new one is refused, or has no room, and whoever looks is told why.
func TestTheOldBuildStays(t *testing.T) {
	r := registrytest.Start(t)
	p := serveTags(t, r, t.TempDir())
	for tag, c := range map[string]struct {
		files         map[string]string
		state, reason string
	}{
		"refused": {map[string]string{"page.txt": "no index page"}, "refused", "PREVIEWS_PATH"},
		"no-room": {map[string]string{"index.html": "large", "large": strings.Repeat("x", 65<<20)}, "failed", "no room"},
	} {
		first := moves(t, p, r, tag, map[string]string{"index.html": "the first"})
		r.Push(tag, c.files)
		eventually(t, tag+": it is seen", func() bool { return stateOf(t, p, tag).State == c.state })
		if b := stateOf(t, p, tag); b.Digest != first || !strings.Contains(b.Reason, c.reason) {
			t.Errorf("%s: got %+v, want %s and %q", tag, b, first, c.reason)
		}
		if resp, text := get(t, p, tag+".localhost/"); text != "the first" || resp.Fields.Get(buildField) != tag+" "+first {
			t.Errorf("%s: got %d %q by %q", tag, resp.Status, text, resp.Fields.Get(buildField))
		}
		for _, row := range list(t, p) {
			if row.Tag == tag && (row.State != ready || row.Digest != first || row.Files != 1 || row.URL == "" ||
				!strings.HasPrefix(row.Reason, "its newest build is not shown: ") || !strings.Contains(row.Reason, c.reason)) {
				t.Errorf("%s in the overview: got %+v", tag, row)
			}
		}
	}
	// A tag that never had another one.
	r.Push("new", map[string]string{"page.txt": ""})
	eventually(t, "it is refused", func() bool {
		resp, text := get(t, p, "new.localhost/")
		return resp.Status == 404 && strings.Contains(text, "The preview new cannot be shown")
	})
	if b := stateOf(t, p, "new"); b.State != "refused" || b.Digest != "" {
		t.Errorf("got %+v", b)
	}
}

// TestATagThatComesBack: deleted and pushed again it is there again, with another build.
func TestATagThatComesBack(t *testing.T) {
	r := registrytest.Start(t)
	p := serveTags(t, r, t.TempDir())
	for n := range 2 {
		want := fmt.Sprint("build ", n)
		moves(t, p, r, "pr-1", map[string]string{"index.html": want})
		expect(t, p, "pr-1.localhost/", 200, want)
		r.Delete("pr-1")
		eventually(t, "it is gone", func() bool { resp, _ := get(t, p, "pr-1.localhost/"); return resp.Status == 404 })
		expect(t, p, "pr-1.localhost"+buildPath, 404, "Its tag has been deleted or renamed")
	}
}

// TestPagesOfTagsLeadWhereTheyMay: with the path of a proxy before it, and with PREVIEWS_LIST=false nowhere.
func TestPagesOfTagsLeadWhereTheyMay(t *testing.T) {
	r := registrytest.Start(t)
	r.Push("pr-1", map[string]string{"index.html": "one"})
	r.Push("refused", map[string]string{"page.txt": ""})
	hangs := make(chan struct{})
	defer close(hangs)
	for name, list := range map[string]bool{"list": true, "no list": false} {
		p := serveTags(t, r, t.TempDir(), func(o *Options) { o.List = list })
		page := func(url string, fields ...message.Field) (int, string) {
			host, path, _ := strings.Cut(url, "/")
			request := &message.Request{Method: "GET", Target: "/" + path, Scheme: "https", Prefix: "/builds", Fields: append(message.Fields{{Name: "Host", Value: host}}, fields...)}
			profile := message.Profile{ErrorFormat: message.ErrorFormatForPeople}.WithDefaults()
			resp := profile.Complete(p.Serve(context.Background(), request))
			var b bytes.Buffer
			_, err := resp.Body.WriteTo(&b)
			sitetest.Check(t, err)
			_ = resp.Body.Close()
			return resp.Status, b.String()
		}
		eventually(t, "it is refused", func() bool { _, text := page("refused.localhost/"); return strings.Contains(text, "cannot be shown") })
		r.Fault(func(_ http.ResponseWriter, req *http.Request) bool {
			if strings.Contains(req.URL.Path, "/blobs/") {
				<-hangs
			}
			return false
		})
		if _, text := page("pr-1.localhost/", message.Field{Name: "Sec-Fetch-Mode", Value: "navigate"}); !strings.Contains(text, `data-build="/builds/__previewd/build"`) {
			t.Errorf("%s: the progress page asks elsewhere: %s", name, text)
		}
		const link = `href="https://localhost/builds/"`
		for _, url := range []string{"refused.localhost/", "nothing.localhost/", "a.b.localhost/"} {
			if status, text := page(url); status != 404 || strings.Contains(text, link) != list {
				t.Errorf("%s: %s: got %d %s", name, url, status, text)
			}
		}
		if status, text := page("localhost/"); list != strings.Contains(text, `href="https://pr-1.localhost/builds/"`) || (status == 200) != list {
			t.Errorf("%s: the overview: got %d %s", name, status, text)
		}
		r.Fault(nil)
	}
}

// TestHeadIsLikeGet: the same status and the same fields, whatever is asked for.
func TestHeadIsLikeGet(t *testing.T) {
	r := registrytest.Start(t)
	p := serveTags(t, r, t.TempDir())
	moves(t, p, r, "pr-1", map[string]string{"index.html": "one"})
	r.Push("refused", map[string]string{"page.txt": ""})
	eventually(t, "it is refused", func() bool {
		_, text := get(t, p, "refused.localhost/")
		return strings.Contains(text, "cannot be shown")
	})
	for _, url := range []string{"localhost/", "localhost/none", "pr-1.localhost/", "pr-1.localhost/none", "pr-1.localhost" + buildPath, "refused.localhost/", "none.localhost/", "a.b.localhost/"} {
		got, _ := ask(t, p, "HEAD", url)
		want, _ := ask(t, p, "GET", url)
		if got.Status != want.Status || fmt.Sprint(got.Fields) != fmt.Sprint(want.Fields) {
			t.Errorf("%s: got %d %v, want %d %v", url, got.Status, got.Fields, want.Status, want.Fields)
		}
	}
}

// TestAnUnknownNameOfARegistryThatIsDown is not said not to be there.
func TestAnUnknownNameOfARegistryThatIsDown(t *testing.T) {
	r := registrytest.Start(t)
	r.Fault(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusForbidden); return true })
	p := serveTags(t, r, t.TempDir())
	resp, text := get(t, p, "pr-1.localhost/")
	if resp.Status != 503 || resp.Fields.Get("Retry-After") == "" || resp.Fields.Get("Refresh") == "" || !strings.Contains(text, "403") {
		t.Errorf("got %d %v %s", resp.Status, resp.Fields, text)
	}
	_, text = get(t, p, "localhost/")
	if !strings.Contains(text, "has not been reached since the start") {
		t.Errorf("the overview: got %s", text)
	}
	r.Fault(nil)
	r.Push("pr-1", map[string]string{"index.html": "one"})
	eventually(t, "it is there", func() bool { resp, _ := get(t, p, "pr-1.localhost/"); return resp.Status == 200 })
}

const revision = "0123456789abcdef0123456789abcdef01234567"

// hostile are texts that a label may have.
var hostile = []string{"", "javascript:alert(1)", "data:text/html,<x>", "//github.com/a/b", "https:github.com/a/b", "https://user:word@github.com/a/b", "https://github.com@evil.example/a",
	"https://github.com.evil.example/a", "https://evil.example/github.com/", "https://evil.example#github.com", "https://GitHub.com:8443/a/b/", "https://gitlab.example.com/g/s/p.git",
	"http://[::1]/a", "https://github.com/a/../../b?x#y", "https://github.com/\"><x>", "https://github.com/%22%3e%3cx%3e", "https://github.com/a b", "https://github.com/\x00", "https://git\u202ehub.com/a", "\xff\xfe",
	"https://bitbucket.org/a/b", "https://codeberg.org/a/b", "</script><x>", "\u202eabc", "'\"<x>&", strings.Repeat("é", 500), "git@github.com:a/b.git", "ssh://git@github.com/a/b"}

// TestCommitLinks lead to the commit at the forge that the image names, and nowhere else.
func TestCommitLinks(t *testing.T) {
	for source, want := range map[string]string{
		"https://github.com/team/app":           "https://github.com/team/app/commit/" + revision,
		"https://github.com/team/app.git":       "https://github.com/team/app/commit/" + revision,
		"https://GitHub.com:8443/team/app/?q#f": "https://GitHub.com:8443/team/app/commit/" + revision,
		"https://gitlab.example.com/g/s/p.git":  "https://gitlab.example.com/g/s/p/-/commit/" + revision,
		"https://bitbucket.org/team/app":        "https://bitbucket.org/team/app/commits/" + revision,
		"https://codeberg.org/team/app":         "https://codeberg.org/team/app/commit/" + revision,
		"https://evil.example/github.com":       "",
		"https://notgithub.com/team/app":        "",
		"https://user@github.com/team/app":      "",
		"ssh://git@github.com/team/app":         "",
		"git@github.com:team/app.git":           "",
		"//github.com/team/app":                 "",
		"javascript://github.com/%0aalert(1)":   "",
		"":                                      "",
	} {
		if link, _ := commit(map[string]string{sourceLabel: source, revisionLabel: revision}); link != want {
			t.Errorf("%q: got %q, want %q", source, link, want)
		}
	}
	for _, no := range []string{"", "main", "../../x", "0123\n", "ABCDEF", "0123?x", "<x>"} {
		if link, _ := commit(map[string]string{sourceLabel: "https://github.com/team/app", revisionLabel: no}); link != "" {
			t.Errorf("revision %q: got %q", no, link)
		}
	}
}

// FuzzLabels: whatever an image says, a link is to http or https at the host that it named, the page has the elements that it
// has for any other image, and the JSON has the text.
func FuzzLabels(f *testing.F) {
	for _, text := range hostile {
		f.Add(text, text, text)
		f.Add(text, "title", revision)
		f.Add("https://github.com/team/app", text, text)
	}
	p := &Previews{opts: Options{Zone: time.UTC}, tags: &tags.Tags{}}
	f.Fuzz(func(t *testing.T, source, title, revision string) {
		labels := map[string]string{sourceLabel: source, titleLabel: title, revisionLabel: revision}
		link, short := commit(labels)
		if link != "" {
			u, err := url.Parse(link)
			named, _ := url.Parse(strings.TrimSuffix(strings.TrimSuffix(source, "/"), ".git"))
			if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.Host != named.Host || u.RawQuery != "" || u.Fragment != "" || !strings.HasSuffix(u.Path, "/"+revision) {
				t.Errorf("source %q, revision %q: got %q, %v", source, revision, link, err)
			}
		}
		if !utf8.ValidString(short) || len(short) > longest {
			t.Errorf("revision %q: got %q", revision, short)
		}
		page := func(labels map[string]string, reason string) string {
			r := row{entry: &entry{name: "a", label: "a"}, state: ready, reason: reason, tag: &tags.Row{Tag: "a", Digest: "sha256:0123456789", Shown: tags.Shown{Info: &tags.Info{Labels: labels}}}}
			var b bytes.Buffer
			w := bufio.NewWriter(&b)
			p.writeHTML(w, asked{scheme: "http", base: "localhost"}, []row{r})
			sitetest.Check(t, w.Flush())
			if !utf8.Valid(b.Bytes()) {
				t.Errorf("%q: the page is no UTF-8", labels)
			}
			b.Reset()
			writeJSON(w, asked{scheme: "http", base: "localhost"}, []row{r})
			sitetest.Check(t, w.Flush())
			var list []told
			if err := json.Unmarshal(b.Bytes(), &list); err != nil || len(list) != 1 || utf8.ValidString(title) && list[0].Labels[titleLabel] != labels[titleLabel] {
				t.Errorf("%q: the JSON is %s, %v", labels, b.Bytes(), err)
			}
			w.Reset(&b)
			b.Reset()
			p.writeHTML(w, asked{scheme: "http", base: "localhost"}, []row{r})
			sitetest.Check(t, w.Flush())
			return elements(b.String())
		}
		plain := map[string]string{titleLabel: "", revisionLabel: ""}
		if title != "" {
			plain[titleLabel] = "title"
		}
		if short != "" {
			plain[revisionLabel] = "revision"
		}
		if link != "" {
			plain[revisionLabel], plain[sourceLabel] = "0123", "https://github.com/a/b"
		}
		reason := ""
		if source != "" {
			reason = "reason"
		}
		if got, want := page(labels, text(source)), page(plain, reason); got != want {
			t.Errorf("%q: got the elements %s, want %s", labels, got, want)
		}
	})
}

// elements are the tags of a page, with the names of their attributes.
func elements(page string) string {
	var b strings.Builder
	for rest := page; ; {
		_, after, found := strings.Cut(rest, "<")
		if !found {
			return b.String()
		}
		quote, end := byte(0), 0
		b.WriteByte('<')
		for ; end < len(after) && (quote != 0 || after[end] != '>'); end++ {
			switch c := after[end]; {
			case quote == 0 && (c == '"' || c == '\''):
				quote = c
			case c == quote:
				quote = 0
			case quote == 0:
				b.WriteByte(c)
			}
		}
		rest = after[end:]
	}
}
