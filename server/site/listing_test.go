package site

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/sitetest"
)

// Law: the page of a directory is coded as a text is, and has a tag that is another one as soon as the page is.
func TestListingsAreCodedAndValidated(t *testing.T) {
	files := map[string]string{"sub/short": "", "link": "-> sub"}
	for i := range 2000 {
		files[fmt.Sprintf("file %04d.txt", i)] = ""
	}
	dir := sitetest.Build(t, t.TempDir(), files)
	for how, change := range map[string]func(*Options){
		"kept": later, "not kept": func(*Options) {}, "no cache": func(o *Options) { later(o); o.Content.CacheSize = 0 },
	} {
		s := newSite(t, dir, change)
		plain, page := get(t, s, "/")
		tags := map[string]bool{plain.Fields.Get("ETag"): true}
		for _, coding := range []string{"zstd", "br", "gzip", "zstd", "br", "gzip"} {
			resp, packed := get(t, s, "/", acceptEncoding(coding))
			if resp.Fields.Get("Content-Encoding") != coding || len(packed) > len(page)/5 || unpack(t, coding, packed) != page {
				t.Errorf("%s: %d bytes with %q", how, len(packed), resp.Fields)
			}
			if resp.Fields.Get("Vary") != "Accept-Encoding" || resp.Fields.Get("Cache-Control") != "no-cache" {
				t.Errorf("%s: fields %q", how, resp.Fields)
			}
			tag := resp.Fields.Get("ETag")
			tags[tag] = true
			if again, _ := get(t, s, "/", acceptEncoding(coding), message.Field{Name: "If-None-Match", Value: tag}); again.Status != 304 || again.Fields.Get("ETag") != tag {
				t.Errorf("%s: its own tag gets %d %q", how, again.Status, again.Fields)
			}
		}
		if len(tags) != 4 || tags[""] {
			t.Errorf("%s: tags %v", how, tags)
		}
		name := filepath.Join(dir, "new "+strings.ReplaceAll(how, " ", "-"))
		sitetest.Check(t, os.WriteFile(name, nil, 0o644))
		for tag := range tags {
			if resp, _ := get(t, s, "/", acceptEncoding("zstd"), message.Field{Name: "If-None-Match", Value: tag}); resp.Status != 200 {
				t.Errorf("%s: the tag of an older page gets %d", how, resp.Status)
			}
		}
		if resp, _ := get(t, s, "/sub/", acceptEncoding("zstd")); resp.Fields.Get("Content-Encoding") != "" {
			t.Errorf("%s: a short page is coded", how)
		}
		// A link that leads elsewhere changes no name: the coded page knows it too.
		before, _ := get(t, s, "/", acceptEncoding("zstd"))
		sitetest.Check(t, os.Rename(filepath.Join(dir, "sub"), filepath.Join(dir, "away")))
		after, packed := get(t, s, "/", acceptEncoding("zstd"))
		sitetest.Check(t, os.Rename(filepath.Join(dir, "away"), filepath.Join(dir, "sub")))
		if before.Fields.Get("ETag") == after.Fields.Get("ETag") || !strings.Contains(unpack(t, "zstd", packed), `href="link">`) {
			t.Errorf("%s: an old page", how)
		}
	}
	s := newSite(t, dir, later, func(o *Options) { o.Exact = true })
	if resp, _ := get(t, s, "/", acceptEncoding("zstd")); len(resp.Fields) != 1 {
		t.Errorf("exact: %q", resp.Fields)
	}
}
