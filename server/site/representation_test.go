package site

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/conditional"
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
		{"large, the epoch", time.Unix(0, 0), true, true, false},
		{"large, the future", now.Add(time.Hour), true, true, false},
		{"large, just now", now.Add(-time.Second), true, true, true},
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

// TestAValidatorNeverLies: of a file that was replaced by other bytes of equal size and mtime nothing that was given out
// before says that it is unchanged, whatever its size is.
func TestAValidatorNeverLies(t *testing.T) {
	const maxFile, digested = 1000, 64 << 20
	dir := t.TempDir()
	name := filepath.Join(dir, "a.txt")
	write := func(to string, first byte, size int64, mtime time.Time) { // a hole behind the first byte
		sitetest.Check(t, os.WriteFile(to, []byte{first}, 0o644))
		sitetest.Check(t, os.Truncate(to, size))
		sitetest.Check(t, os.Chtimes(to, mtime, mtime))
	}
	replace := map[string]func(byte, int64, time.Time){
		"in place": func(first byte, size int64, mtime time.Time) { write(name, first, size, mtime) },
		"by another file": func(first byte, size int64, mtime time.Time) {
			write(name+".new", first, size, mtime)
			sitetest.Check(t, os.Rename(name+".new", name))
		},
	}
	for how, replace := range replace {
		for _, size := range []int64{maxFile, maxFile + 1, digested + 1} {
			for _, mtime := range []time.Time{time.Unix(0, 0), time.Unix(1, 0), time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC), time.Unix(1700000000, 0)} {
				s := newSite(t, dir, func(o *Options) {
					o.Content.MaxFile = maxFile
					if how == "by another file" { // so that all is remembered
						later(o)
					}
				})
				write(name, 'a', size, mtime)
				before := mustGet(t, s, "/a.txt").Fields
				replace('b', size, mtime)
				tag, date := before.Get("ETag"), before.Get("Last-Modified")
				if tag == "" && size <= digested {
					t.Errorf("%s, %d bytes of %v: no tag", how, size, mtime)
				}
				if date != "" && (mtime.Year() < 1990 || tag == "") {
					t.Errorf("%s, %d bytes of %v: Last-Modified %s", how, size, mtime, date)
				}
				for _, field := range []message.Field{
					{Name: "If-None-Match", Value: tag}, {Name: "If-None-Match", Value: "W/" + tag},
					{Name: "If-Range", Value: tag}, {Name: "If-Modified-Since", Value: mtime.UTC().Format(conditional.IMFFixdate)},
				} {
					fields := message.Fields{field}
					if field.Name == "If-Modified-Since" && date != "" {
						continue // a client that has a tag as well sends that
					}
					if field.Name == "If-Range" {
						fields = append(fields, message.Field{Name: "Range", Value: "bytes=1-"})
					}
					resp := s.Serve(t.Context(), &message.Request{Method: "GET", Target: "/a.txt", Fields: fields})
					if after := resp.Fields.Get("ETag"); resp.Status != 200 || after == tag && tag != "" {
						t.Errorf("%s, %d bytes of %v: %q gets %d with %s", how, size, mtime, field, resp.Status, after)
					}
					resp.Discard()
				}
			}
		}
	}
}

// TestLargeFilesHaveTheSameTagEverywhere, so that a download goes on at another replica.
func TestLargeFilesHaveTheSameTagEverywhere(t *testing.T) {
	files := map[string]string{"a.bin": sitetest.Text(5000)}
	tags := map[string]bool{}
	for range 2 {
		s := newSite(t, sitetest.Build(t, t.TempDir(), files), func(o *Options) { o.Content.MaxFile = 1000 })
		tags[mustGet(t, s, "/a.bin").Fields.Get("ETag")] = true
	}
	if len(tags) != 1 || tags[""] {
		t.Errorf("tags %v", tags)
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
