package site

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/sitetest"
)

func accept(value string) message.Field { return message.Field{Name: "Accept", Value: value} }

// TestJSON: a directory for programs, in the form of nginx, with its own validators.
func TestJSON(t *testing.T) {
	dir := sitetest.Build(t, t.TempDir(), map[string]string{"d/a \"b\"\n\\.txt": "12345", "d/sub/x": "", "d/link": "-> sub", "d/out": "-> /etc", "d/\xff": "", "d/é": "", "d/index/index.html": "i", "e/": ""})
	sitetest.Check(t, os.Chtimes(filepath.Join(dir, "d/sub"), sitetest.Later(), sitetest.Later().AddDate(-30, 0, 0)))
	s := newSite(t, dir, later, richly)
	resp, text := get(t, s, "/d/", accept("application/json"))
	var got []struct {
		Name, Type, Mtime, Href string
		Size                    *int64
		Link                    *string
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	var names []string
	for _, e := range got {
		name := e.Name + " " + e.Type
		if e.Size != nil {
			name += fmt.Sprint(" ", *e.Size)
		}
		if e.Link != nil {
			name += " -> " + *e.Link
		}
		names = append(names, name+e.Href)
		if strings.HasPrefix(e.Name, "a ") && e.Mtime != "Sun, 06 Nov 1994 08:49:37 GMT" {
			t.Errorf("mtime %q", e.Mtime)
		}
	}
	want := "index directory|link directory -> sub|sub directory|a \"b\"\n\\.txt file 5|out other -> |é file 0|\ufffd file 0%FF"
	if strings.Join(names, "|") != want {
		t.Errorf("got  %q\nwant %q", strings.Join(names, "|"), want)
	}
	tag := resp.Fields.Get("ETag")
	if resp.Fields.Get("Content-type") != "application/json" || resp.Fields.Get("Vary") != "Accept-Encoding, Accept" || tag == "" {
		t.Errorf("fields %q", resp.Fields)
	}
	if page, _ := get(t, s, "/d/"); page.Fields.Get("ETag") == tag || page.Fields.Get("Vary") != "Accept-Encoding, Accept" {
		t.Errorf("the page: %q", page.Fields)
	}
	if again, _ := get(t, s, "/d/", accept("application/json"), message.Field{Name: "If-None-Match", Value: tag}); again.Status != 304 || again.Fields.Get("Vary") == "" {
		t.Errorf("its own tag gets %d %q", again.Status, again.Fields)
	}
	if _, text := get(t, s, "/e/", accept("application/json")); text != "[\n]\n" {
		t.Errorf("an empty directory: %q", text)
	}
	if _, text := get(t, s, "/d/index/", accept("application/json")); text != "i" {
		t.Errorf("with an index page: %q", text)
	}
	for value, isJSON := range map[string]bool{"application/json, text/plain, */*": true, "application/json;q=0.9": true, "text/html, application/json;q=0.9": false,
		"text/html;q=0.5, APPLICATION/JSON": true, "*/*": false, "application/*": false, "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": false,
		"application/json;q=0": false, "application/json, text/html": false, "application/json;q=x": false} {
		if resp, _ := get(t, s, "/d/", accept(value)); (resp.Fields.Get("Content-type") == "application/json") != isJSON {
			t.Errorf("Accept: %s: %q", value, resp.Fields)
		}
	}
	for how, change := range map[string]func(*Options){"plain": func(o *Options) { o.Listing = ListingPlain }, "exact": func(o *Options) { o.Exact = true }} {
		if resp, _ := get(t, newSite(t, dir, richly, change), "/d/", accept("application/json")); !strings.HasPrefix(resp.Fields.Get("Content-type"), "text/html") {
			t.Errorf("%s: %q", how, resp.Fields)
		}
	}
}
