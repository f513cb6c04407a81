package registry

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestOverview: all that the overview tells of each tag, as HTML and as JSON, the newest first.
func TestOverview(t *testing.T) {
	r := serve(t, options{})
	p := show(t, r)
	if list := p.overview(); len(list) != 0 {
		t.Errorf("nothing has been pushed, and the overview has %v", list)
	}

	const commit = "0123456789abcdef0123456789abcdef01234567"
	now := time.Now().UTC().Truncate(time.Second)
	hours := func(n int) time.Time { return now.Add(-time.Duration(n)*time.Hour - time.Minute) }
	push := func(tag string, age int, labels map[string]string) string {
		return r.push(tag, labelled(t, pages(tag).image(t), hours(age), labels))
	}
	digests := map[string]string{
		"pr-1": push("pr-1", 5, map[string]string{
			"org.opencontainers.image.title": "Login <b>form</b>", "org.opencontainers.image.revision": commit, "org.opencontainers.image.source": "https://github.com/team/app",
		}),
		"pr-2": push("pr-2", 3, map[string]string{"org.opencontainers.image.revision": commit, "org.opencontainers.image.source": "https://gitlab.example.com/team/app.git"}),
		"pr-3": push("pr-3", 50, map[string]string{"org.opencontainers.image.source": "javascript:alert(1)", "org.opencontainers.image.revision": commit}),
		"old":  r.push("old", labelled(t, pages("old").image(t), time.Unix(0, 0), nil)), // as reproducible builds have it
	}
	r.push("Bad_Tag", files{"../index.html": "outside"}.image(t))
	p.has("pr-1", pages("pr-1"))
	await(t, "the page says why it is refused", func() error {
		if got := p.get("bad-tag.localhost", "/"); got.StatusCode != 404 || !strings.Contains(got.content, "cannot be shown") {
			return fmt.Errorf("%v", got)
		}
		return nil
	})

	rows := map[string]map[string]any{}
	var order []string
	await(t, "the overview knows all", func() error {
		order = nil
		for _, row := range p.overview() {
			rows[row["name"].(string)] = row
			order = append(order, row["name"].(string))
		}
		if len(order) == 5 && rows["pr-3"]["size"] != nil && rows["pr-2"]["size"] != nil && rows["old"]["size"] != nil && rows["bad-tag"]["reason"] != nil {
			return nil
		}
		return fmt.Errorf("%v", rows)
	})
	// The two without a time of their own are as old as they are known here; the others are older.
	if got := strings.Join(order[2:], " "); got != "pr-2 pr-1 pr-3" {
		t.Errorf("the order is %q", order)
	}
	for name, digest := range digests {
		row := rows[name]
		if row["digest"] != digest || row["tag"] != name || row["url"] != "http://"+name+".localhost/" || row["size"].(float64) < 500 {
			t.Errorf("%s: %v", name, row)
		}
	}
	title := fmt.Sprint(rows["pr-1"]["labels"])
	for key, want := range map[string]any{"state": "ready", "files": 3.0, "time": hours(5).Format(time.RFC3339), "commit": "https://github.com/team/app/commit/" + commit} {
		if got := rows["pr-1"][key]; got != want {
			t.Errorf("pr-1 has the %s %v, want %v", key, got, want)
		}
	}
	if !strings.Contains(title, "image.title:Login <b>form</b>") {
		t.Errorf("pr-1 has the labels %s", title)
	}
	if row := rows["pr-2"]; row["state"] != "not fetched" || row["files"] != nil || row["commit"] != "https://gitlab.example.com/team/app/-/commit/"+commit {
		t.Errorf("pr-2: %v", row)
	}
	if row := rows["pr-3"]; row["commit"] != nil {
		t.Errorf("pr-3: %v", row)
	}
	if row := rows["bad-tag"]; row["state"] != "refused" || row["tag"] != "Bad_Tag" || !strings.Contains(row["reason"].(string), "..") {
		t.Errorf("bad-tag: %v", row)
	}
	page := p.get("localhost", "/", navigation...)
	for _, text := range []string{
		`<a href="http://pr-1.localhost/"><bdi>pr-1</bdi></a>`, "Login &lt;b&gt;form&lt;/b&gt;", `href="https://github.com/team/app/commit/` + commit + `"`, "5 hours ago", "2 days ago",
		"3 files", "01234567", "ready", "refused", "Bad_Tag", "not fetched", "5 previews",
	} {
		if !strings.Contains(page.content, text) {
			t.Errorf("the page has no %q: %v", text, page)
		}
	}
	if strings.Contains(page.content, "javascript:") || strings.Contains(page.content, "<b>form") {
		t.Errorf("the page has what an image put there: %v", page)
	}
	if got := p.get("pr-1.localhost", "/__previewd/build"); !strings.Contains(got.content, digests["pr-1"]) || got.StatusCode != 200 {
		t.Errorf("the build: %v", got)
	}
	_, metrics := p.admin("/metrics")
	for _, line := range []string{"previewd_previews_known 5", "previewd_previews_builds 1", `previewd_previews_pulls_total{result="ok"} 1`, `previewd_previews_pulls_total{result="refused"} 1`} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("the metrics have no %q", line)
		}
	}
}

// TestTags: a tag that is pushed is there at the first visit, and one that is deleted is gone, with a page that says so.
func TestTags(t *testing.T) {
	r := serve(t, options{})
	p := show(t, r)
	if got := p.get("pr-1.localhost", "/", navigation...); got.StatusCode != 404 || !strings.Contains(got.content, "There is no preview pr-1") {
		t.Errorf("before the first push: %v", got)
	}
	for _, tag := range []string{"pr-1", "pr-2", "pr-3"} {
		r.push(tag, pages(tag).image(t))
		p.has(tag, pages(tag))
	}
	r.forget("pr-1")
	await(t, "the tag in use is gone", func() error {
		if got := p.get("pr-1.localhost", "/", navigation...); got.StatusCode != 404 || !strings.Contains(got.content, "The preview pr-1 is gone") {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	if list := fmt.Sprint(p.overview()); strings.Contains(list, "pr-1") || !strings.Contains(list, "pr-2") {
		t.Errorf("the overview: %s", list)
	}
	p.has("pr-2", pages("pr-2"))
	// It comes back under the same name.
	r.push("pr-1", pages("again").image(t))
	p.has("pr-1", pages("again"))
}
