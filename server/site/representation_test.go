package site

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/sitetest"
)

func TestCacheControl(t *testing.T) {
	dir := sitetest.Build(t, t.TempDir(), map[string]string{"app.3f9a1c2b.js": "", "app.js": "", "dir/x": ""})
	for _, c := range []struct {
		control       string
		fingerprinted bool
		target, want  string
	}{
		{"no-cache", false, "/app.js", "no-cache"},
		{"no-cache", false, "/app.3f9a1c2b.js", "no-cache"},
		{"no-cache", true, "/app.js", "no-cache"},
		{"no-cache", true, "/app.3f9a1c2b.js", immutable},
		{"max-age=60", true, "/app.js", "max-age=60"},
		{"max-age=60", false, "/dir/", "no-cache"},
		{"max-age=60", false, "/dir", "no-cache"},
		{"max-age=60", false, "/none", ""},
	} {
		s := newSite(t, dir, func(o *Options) { o.CacheControl, o.Fingerprinted = c.control, c.fingerprinted })
		if resp, _ := get(t, s, c.target); resp.Fields.Get("Cache-Control") != c.want {
			t.Errorf("%q, %v, %s: got %q, want %q", c.control, c.fingerprinted, c.target, resp.Fields.Get("Cache-Control"), c.want)
		}
	}
}

// TestValidators holds which files have a strong entity-tag, and which a date.
func TestValidators(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		name   string
		mtime  time.Time
		large  bool
		strong bool
		dated  bool
	}{
		{"any date", now.Add(-time.Hour), false, true, true},
		{"the epoch", time.Unix(0, 0), false, true, false},
		{"SOURCE_DATE_EPOCH=1", time.Unix(1, 0), false, true, false},
		{"the first date of ZIP", time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC), false, true, false},
		{"the future", now.Add(time.Hour), false, true, false},
		{"large, any date", now.Add(-time.Hour), true, true, true},
		{"large, the epoch", time.Unix(0, 0), true, false, false},
		{"large, the future", now.Add(time.Hour), true, false, false},
		{"large, just now", now.Add(-time.Second), true, false, true},
	} {
		dir := sitetest.Build(t, t.TempDir(), map[string]string{"a": "content"})
		sitetest.Check(t, os.Chtimes(filepath.Join(dir, "a"), c.mtime, c.mtime))
		s := newSite(t, dir, func(o *Options) {
			if c.large {
				o.Content.MaxFile = 1
			}
		})
		resp, _ := get(t, s, "/a")
		etag := resp.Fields.Get("ETag")
		if strong := strings.HasPrefix(etag, `"`); strong != c.strong || !strings.HasSuffix(etag, `"`) {
			t.Errorf("%s: ETag %s", c.name, etag)
		}
		if date := resp.Fields.Get("Last-Modified"); date != "" != c.dated {
			t.Errorf("%s: Last-Modified %q", c.name, date)
		}
	}
}

// TestTheEntityTagIsTheContents: it is the same on every replica, however the content is read and held.
func TestTheEntityTagIsTheContents(t *testing.T) {
	content := sitetest.Text(100 << 10)
	want := ""
	for name, change := range map[string]func(*Options){
		"kept": later, "not kept": func(*Options) {}, "no cache": func(o *Options) { later(o); o.Content.CacheSize = 0 },
		"no memory": func(o *Options) { later(o); o.Content.MaxInFlight = 1 },
	} {
		s := newSite(t, sitetest.Build(t, t.TempDir(), map[string]string{"a": content}), change)
		for range 2 {
			resp, got := get(t, s, "/a")
			etag := resp.Fields.Get("ETag")
			if want == "" {
				want = etag
			}
			if etag != want || !strings.HasPrefix(etag, `"`) || got != content {
				t.Errorf("%s: %s, want %s", name, etag, want)
			}
		}
	}
}

// TestTheVariantIsInEveryValidator: what is added to an answer makes it another representation (RFC 9110, section 8.8.1).
func TestTheVariantIsInEveryValidator(t *testing.T) {
	s := newSite(t, sitetest.Build(t, t.TempDir(), map[string]string{"a.txt": "text", "large": strings.Repeat("x", 5000)}), func(o *Options) { o.Content.MaxFile = 100 })
	serve := func(target, variant string, fields ...message.Field) message.Response {
		resp := s.Serve(t.Context(), &message.Request{Method: "GET", Target: target, Variant: variant, Fields: fields})
		resp.Discard()
		return resp
	}
	for _, target := range []string{"/a.txt", "/large"} {
		plain := serve(target, "")
		tag := plain.Fields.Get("ETag")
		one := serve(target, "one")
		if got, want := one.Fields.Get("ETag"), tag[:len(tag)-1]+`.one"`; got != want {
			t.Errorf("%s: ETag %s, want %s", target, got, want)
		}
		if date, found := one.Fields.Lookup("Last-Modified"); found {
			t.Errorf("%s: Last-Modified %q cannot tell that the fields changed", target, date)
		}
		if again := serve(target, "").Fields.Get("ETag"); again != tag || plain.Fields.Get("Last-Modified") == "" {
			t.Errorf("%s: without a variant the tag is %s, was %s", target, again, tag)
		}
		date := message.Field{Name: "If-Modified-Since", Value: plain.Fields.Get("Last-Modified")}
		for name, c := range map[string]struct {
			variant string
			field   message.Field
			want    int
		}{
			"same":             {"one", message.Field{Name: "If-None-Match", Value: one.Fields.Get("ETag")}, 304},
			"other":            {"two", message.Field{Name: "If-None-Match", Value: one.Fields.Get("ETag")}, 200},
			"before_there_was": {"one", message.Field{Name: "If-None-Match", Value: tag}, 200},
			"after":            {"", message.Field{Name: "If-None-Match", Value: one.Fields.Get("ETag")}, 200},
			"date":             {"one", date, 200},
			"other_match":      {"two", message.Field{Name: "If-Match", Value: one.Fields.Get("ETag")}, 412},
		} {
			resp := serve(target, c.variant, c.field)
			if resp.Status != c.want {
				t.Errorf("%s %s: status %d, want %d", target, name, resp.Status, c.want)
			}
			if resp.Status == 304 && resp.Fields.Get("ETag") != one.Fields.Get("ETag") {
				t.Errorf("%s %s: 304 with the tag %s", target, name, resp.Fields.Get("ETag"))
			}
		}
	}
}
