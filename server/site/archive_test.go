package site

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/archive"
	"github.com/previewd/previewd/server/site/sitetest"
	"github.com/previewd/previewd/server/site/tree"
)

func withArchives(o *Options) { later(o); o.Listing, o.Archives = ListingRich, true }

// unpackZip and unpackTar return the entries of an archive as lines: name, mode, time, content.
func unpackZip(t *testing.T, text string) (list []string) {
	t.Helper()
	r, err := zip.NewReader(strings.NewReader(text), int64(len(text)))
	sitetest.Check(t, err)
	for _, f := range r.File {
		in, err := f.Open()
		sitetest.Check(t, err)
		content, err := io.ReadAll(in)
		sitetest.Check(t, err)
		list = append(list, fmt.Sprintf("%s %v %s %s", f.Name, f.Mode(), f.Modified.UTC().Format("2006-01-02 15:04:05"), content))
	}
	return list
}

func unpackTar(t *testing.T, text string) (list []string) {
	t.Helper()
	packed, err := gzip.NewReader(strings.NewReader(text))
	sitetest.Check(t, err)
	r := tar.NewReader(packed)
	for {
		head, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list
		}
		sitetest.Check(t, err)
		content, err := io.ReadAll(r)
		sitetest.Check(t, err)
		list = append(list, fmt.Sprintf("%s %v %s %s", head.Name, head.FileInfo().Mode(), head.ModTime.UTC().Format("2006-01-02 15:04:05"), string(content)+head.Linkname))
	}
}

// Law: an archive has every file that is served below the directory, in the order of their names, and is the same each time.
func TestArchives(t *testing.T) {
	files := map[string]string{"site/docs/b.txt": "b", "site/docs/a/x.txt": strings.Repeat("x", 300_000), "site/docs/a-b": "", "site/docs/index.html": "index",
		"site/docs/Ærø \"1\".txt": "æ", "site/docs/.hidden": "h", "site/docs/to-file": "-> b.txt", "site/docs/to-dir": "-> a", "site/docs/out": "-> ../../secret",
		"site/docs/dead": "-> gone", "site/docs/to-hidden": "-> .hidden", "site/docs/empty/": "", "secret": "s", "site/docs/" + strings.Repeat("long", 50): "l", "site/docs/back\\slash": ""}
	dir := sitetest.Build(t, t.TempDir(), files)
	sitetest.Check(t, os.Chmod(filepath.Join(dir, "site/docs/b.txt"), 0o751))
	for _, name := range []string{"docs", "docs/a", "docs/empty"} {
		sitetest.Check(t, os.Chtimes(filepath.Join(dir, "site", name), sitetest.Later(), sitetest.Later().AddDate(-30, 0, 0)))
	}
	for how, c := range map[string]struct {
		change func(*Options)
		names  string
	}{
		"inside": {func(*Options) {}, "docs/ .hidden a/ a/x.txt a-b b.txt back\\slash empty/ index.html LONG to-dir to-file to-hidden Ærø"},
		"deny":   {func(o *Options) { o.Tree.Symlinks = tree.SymlinksDeny }, "docs/ .hidden a/ a/x.txt a-b b.txt back\\slash empty/ index.html LONG Ærø"},
		"hidden": {func(o *Options) { o.Tree.Hidden = tree.HiddenDeny }, "docs/ a/ a/x.txt a-b b.txt back\\slash empty/ index.html LONG to-dir to-file Ærø"},
		"follow": {func(o *Options) { o.Tree.Symlinks = tree.SymlinksFollow }, "docs/ .hidden a/ a/x.txt a-b b.txt back\\slash empty/ index.html LONG out to-dir to-file to-hidden Ærø"},
	} {
		s := newSite(t, filepath.Join(dir, "site"), withArchives, c.change)
		for query, unpack := range map[string]func(*testing.T, string) []string{"?archive=zip": unpackZip, "?x=1&archive=tar.gz#f": unpackTar} {
			resp, text := get(t, s, "/docs/"+query)
			if resp.Status != 200 || resp.Body.Len() != -1 || resp.Fields.Get("ETag") != "" {
				t.Fatalf("%s %s: %d %q", how, query, resp.Status, resp.Fields)
			}
			if _, again := get(t, s, "/docs/"+query); again != text {
				t.Errorf("%s %s: another archive the second time", how, query)
			}
			entries := unpack(t, text)
			var names []string
			for i, e := range entries {
				e = strings.Replace(e, "\"1\".txt ", "", 1)
				name, _, _ := strings.Cut(e, " ")
				if i > 0 {
					name = strings.TrimPrefix(name, "docs/")
				}
				names = append(names, strings.Replace(name, strings.Repeat("long", 50), "LONG", 1))
			}
			want := strings.Fields(c.names)
			if strings.Contains(query, "zip") {
				want[slices.Index(want, "back\\slash")] = "back%5Cslash"
			}
			if !slices.Equal(names, want) {
				t.Errorf("%s %s: got %q\nwant %q", how, query, names, want)
			}
			for _, want := range []string{"docs/b.txt -rwxr-x--x 1994-11-06 08:49:37 b", "docs/a/x.txt -rw-r--r-- 1994-11-06 08:49:37 " + strings.Repeat("x", 300_000)} {
				if !slices.Contains(entries, want) {
					t.Errorf("%s %s: no entry %.60q", how, query, want)
				}
			}
			if how == "inside" {
				link := slices.IndexFunc(entries, func(e string) bool { return strings.HasPrefix(e, "docs/to-dir ") })
				if !strings.HasPrefix(entries[link], "docs/to-dir L") || !strings.HasSuffix(entries[link], " a") {
					t.Errorf("%s: the link is %q", query, entries[link])
				}
			}
		}
		if held, _ := s.names.Use(); held != 0 || len(s.archives) != 0 {
			t.Errorf("%s: %d bytes are not given back, %d archives are open", how, held, len(s.archives))
		}
	}
}

// Law: an archive has no program of those that are run and not sent.
func TestProgramsAreInNoArchive(t *testing.T) {
	dir := sitetest.Build(t, t.TempDir(), map[string]string{"top": "", "cgi-bin/a.py": "", "cgi-bin/lib/b": "", "d/cgi-bin/c": "", "d/run/e": "", "cgi-bin2/f": ""})
	for programs, want := range map[string]string{
		"":                 "cgi-bin/ cgi-bin/a.py cgi-bin/lib/ cgi-bin/lib/b cgi-bin2/ cgi-bin2/f d/ d/cgi-bin/ d/cgi-bin/c d/run/ d/run/e top",
		"/cgi-bin d":       "cgi-bin2/ cgi-bin2/f d/ d/cgi-bin/ d/cgi-bin/c d/run/ d/run/e top",
		"/cgi-bin/ /d/run": "cgi-bin2/ cgi-bin2/f d/ d/cgi-bin/ d/cgi-bin/c top",
		"/":                "cgi-bin/ cgi-bin/a.py cgi-bin/lib/ cgi-bin/lib/b cgi-bin2/ cgi-bin2/f d/ d/cgi-bin/ d/cgi-bin/c d/run/ d/run/e",
	} {
		s := newSite(t, dir, withArchives, func(o *Options) { o.Programs = strings.Fields(programs) })
		for query, unpack := range map[string]func(*testing.T, string) []string{"?archive=zip": unpackZip, "?archive=tar.gz": unpackTar} {
			_, text := get(t, s, "/"+query)
			var names []string
			for _, e := range unpack(t, text)[1:] {
				name, _, _ := strings.Cut(e, " ")
				_, name, _ = strings.Cut(name, "/")
				names = append(names, name)
			}
			slices.Sort(names)
			if got := strings.Join(names, " "); got != want {
				t.Errorf("%q, %s: got  %s\nwant %s", programs, query, got, want)
			}
		}
		if held, _ := s.names.Use(); held != 0 {
			t.Errorf("%q: %d bytes are not given back", programs, held)
		}
	}
}

// TestArchivesAreAskedFor: where there are archives, and what they are called.
func TestArchivesAreAskedFor(t *testing.T) {
	dir := sitetest.Build(t, filepath.Join(t.TempDir(), "my site"), map[string]string{"d/x": "x", "Ærø d/x": "", "i/index.html": "index", "f.txt": "f"})
	s := newSite(t, dir, withArchives)
	for target, want := range map[string]string{
		"/?archive=zip":                   `attachment; filename="my site.zip"`,
		"/d/?archive=tar.gz":              `attachment; filename="d.tar.gz"`,
		"/d/../d/?archive=zip":            `attachment; filename="d.zip"`,
		"/i/?archive=zip":                 `attachment; filename="i.zip"`,
		"/%C3%86r%C3%B8%20d/?archive=zip": `attachment; filename="_r_ d.zip"; filename*=UTF-8''%C3%86r%C3%B8%20d.zip`,
		"/d/?archive=rar":                 "",
		"/d/?archive=":                    "",
		"/d/?archives=zip":                "",
		"/f.txt?archive=zip":              "",
		"/i/?page=archive=zip":            "",
	} {
		if resp, _ := get(t, s, target); resp.Status != 200 || resp.Fields.Get("Content-Disposition") != want {
			t.Errorf("%s: %d %q, want %s", target, resp.Status, resp.Fields, want)
		}
	}
	if resp, _ := get(t, s, "/d?archive=zip"); resp.Status != 301 || resp.Fields.Get("Location") != "./d/?archive=zip" {
		t.Errorf("without a slash: %d %q", resp.Status, resp.Fields)
	}
	if resp, _ := get(t, s, "/nowhere/?archive=zip"); resp.Status != 404 {
		t.Errorf("of nothing: %d", resp.Status)
	}
	if _, page := get(t, s, "/d/"); !strings.Contains(page, `name="archive" value="zip"`) {
		t.Error("the listing has no button")
	}
	for how, change := range map[string]func(*Options){"off": func(o *Options) { o.Archives = false }, "exact": func(o *Options) { o.Exact = true },
		"no listings": func(o *Options) { o.Listing = ListingOff }} {
		s := newSite(t, dir, withArchives, change)
		for _, target := range []string{"/d/?archive=zip", "/i/?archive=zip"} {
			if resp, page := get(t, s, target); resp.Fields.Get("Content-Disposition") != "" || strings.Contains(page, "value=\"zip\"") {
				t.Errorf("%s: %s: %d %q", how, target, resp.Status, resp.Fields)
			}
		}
	}
	if resp, _ := get(t, newSite(t, dir, withArchives, func(o *Options) { o.Listing = ListingPlain }), "/d/?archive=zip"); resp.Fields.Get("Content-Disposition") == "" {
		t.Errorf("with the plain page: %q", resp.Fields)
	}
}

// changing is a Writer that changes something when the first bytes come.
type changing struct {
	bytes.Buffer
	change func()
}

func (c *changing) Write(p []byte) (int, error) {
	if c.change != nil {
		c.change()
		c.change = nil
	}
	return c.Buffer.Write(p)
}

func appendTo(name string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString("more")
	return errors.Join(err, f.Close())
}

// Law: what changes while an archive is sent ends it before its end, also what has been sent by then.
func TestArchivesOfWhatChanges(t *testing.T) {
	noise := make([]byte, 300_000)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise) // never fails
	for _, format := range []string{"zip", "tar.gz"} {
		for what, change := range map[string]func(dir string) error{
			"a file that is being sent": func(dir string) error { return os.WriteFile(filepath.Join(dir, "d/a"), noise[:150_000], 0o644) },
			"a file that grows":         func(dir string) error { return appendTo(filepath.Join(dir, "d/a")) },
			"a file that was sent":      func(dir string) error { return os.WriteFile(filepath.Join(dir, "d/A"), []byte("B"), 0o644) },
			"a file that was sent, whose time is set back": func(dir string) error {
				return errors.Join(os.WriteFile(filepath.Join(dir, "d/A"), []byte("B"), 0o644), os.Chtimes(filepath.Join(dir, "d/A"), sitetest.Later(), sitetest.Later().AddDate(-30, 0, 0)))
			},
			"a file that was sent grows": func(dir string) error { return appendTo(filepath.Join(dir, "d/A")) },
			"a new name where it was":    func(dir string) error { return os.WriteFile(filepath.Join(dir, "d/0/new"), nil, 0o644) },
			"a link that was sent": func(dir string) error {
				return errors.Join(os.Remove(filepath.Join(dir, "d/L")), os.Symlink("0", filepath.Join(dir, "d/L")))
			},
			"a file that is to come":      func(dir string) error { return os.Remove(filepath.Join(dir, "d/z")) },
			"a new name":                  func(dir string) error { return os.WriteFile(filepath.Join(dir, "d/new"), nil, 0o644) },
			"a directory that is to come": func(dir string) error { return os.RemoveAll(filepath.Join(dir, "d/e")) },
			"":                            func(string) error { return nil },
		} {
			dir := sitetest.Build(t, t.TempDir(), map[string]string{"d/0/y": "y", "d/A": "A", "d/L": "-> e", "d/a": string(noise), "d/e/x": "x", "d/z": "z"})
			s := newSite(t, dir, withArchives)
			resp := s.Serve(t.Context(), &message.Request{Method: "GET", Target: "/d/?archive=" + format})
			out := &changing{change: func() { sitetest.Check(t, change(dir)) }}
			_, err := resp.Body.WriteTo(out)
			sitetest.Check(t, resp.Body.Close())
			if (err == nil) != (what == "") || err != nil && !errors.Is(err, message.ErrChanged) {
				t.Errorf("%s, %q: %v", format, what, err)
			}
			text := out.String()
			if _, zipErr := zip.NewReader(strings.NewReader(text), int64(len(text))); format == "zip" && (zipErr == nil) != (what == "") {
				t.Errorf("%q: the archive looks whole: %v", what, zipErr)
			}
			if packed, err := gzip.NewReader(strings.NewReader(text)); format == "tar.gz" && err == nil {
				if _, err := io.Copy(io.Discard, packed); (err == nil) != (what == "") {
					t.Errorf("%q: the archive looks whole: %v", what, err)
				}
			}
		}
	}
}

// TestArchivesEndWithTheirClient: and then another may be had.
func TestArchivesAreBounded(t *testing.T) {
	files := map[string]string{}
	for i := range 1000 {
		files[fmt.Sprintf("d/file %d", i)] = "x"
	}
	dir := sitetest.Build(t, t.TempDir(), files)
	s := newSite(t, dir, withArchives)
	ctx, cancel := context.WithCancel(t.Context())
	ask := func(format string) message.Response {
		return s.Serve(ctx, &message.Request{Method: "GET", Target: "/d/?archive=" + format})
	}
	var open []message.Response
	for range maxArchives {
		open = append(open, ask("tar.gz"))
	}
	if resp := ask("zip"); resp.Status != 503 || resp.Fields.Get("Retry-After") != "10" {
		t.Errorf("one too many: %d %q", resp.Status, resp.Fields)
	}
	cancel()
	for _, resp := range open {
		if _, err := resp.Body.WriteTo(io.Discard); !errors.Is(err, context.Canceled) {
			t.Errorf("the client has gone: %v", err)
		}
		sitetest.Check(t, resp.Body.Close())
	}
	if resp, _ := get(t, s, "/d/?archive=zip"); resp.Status != 200 {
		t.Errorf("afterwards: %d", resp.Status)
	}
	s = newSite(t, dir, withArchives, func(o *Options) { o.MaxListings = 200_000 })
	if resp, _ := get(t, s, "/d/?archive=zip"); resp.Status != 503 || !strings.Contains(resp.Failure().Explain, "tar.gz") || !archive.IsTooMany(resp.Failure().Cause) {
		t.Errorf("too many files for a .zip: %d %v", resp.Status, resp.Err)
	}
	if resp, text := get(t, s, "/d/?archive=tar.gz"); resp.Status != 200 || len(unpackTar(t, text)) != 1001 {
		t.Errorf("not too many for a .tar.gz: %d", resp.Status)
	}
	s = newSite(t, dir, withArchives, func(o *Options) { o.Content.MaxInFlight = 1 << 20 })
	if resp, _ := get(t, s, "/d/?archive=tar.gz"); resp.Status != 503 {
		t.Errorf("without memory: %d", resp.Status)
	}
	if held, _ := s.names.Use(); held != 0 || len(s.archives) != 0 {
		t.Errorf("%d bytes are not given back", held)
	}
}

// TestLinksInArchives: a link to a directory is one in the archive too, as long as what it leads to is there; else it is left
// out, and the log says so.
func TestLinksInArchives(t *testing.T) {
	base := t.TempDir()
	sitetest.Build(t, base, map[string]string{"elsewhere/x": "x", "site/other/x": "x", "site/d/in/deep/x": "x", "site/d/self": "-> .", "site/d/in/up": "-> ..", "site/d/in/round": "-> ../../d/in",
		"site/d/to-in": "-> in", "site/d/by-link": "-> to-in/deep", "site/d/by-link-up": "-> to-in/../to-in/deep/..", "site/d/out": "-> ../other", "site/d/by-out": "-> out/../d/in", "site/d/away": "-> ../../elsewhere",
		"site/d/absolute": "-> " + base + "/site/d/in", "site/d/scripts": "-> cgi-bin", "site/d/cgi-bin/x": "", "site/d/file": "-> ../other/x", "site/d/dead": "-> gone"})
	for how, c := range map[string]struct {
		symlinks tree.Policy
		out      string
	}{
		"inside": {tree.SymlinksInside, "absolute away by-out in/round out scripts"},
		"follow": {tree.SymlinksFollow, "absolute away by-out in/round out scripts"},
		"deny":   {tree.SymlinksDeny, "absolute away by-link by-link-up by-out dead file in/round in/up out scripts self to-in"},
	} {
		s := newSite(t, filepath.Join(base, "site"), withArchives, func(o *Options) { o.Tree.Symlinks, o.Programs = c.symlinks, []string{"/d/cgi-bin"} })
		for query, unpack := range map[string]func(*testing.T, string) []string{"zip": unpackZip, "tar.gz": unpackTar} {
			r := &message.Request{Method: "GET", Target: "/d/?archive=" + query}
			resp := s.Serve(t.Context(), r)
			var out bytes.Buffer
			_, err := resp.Body.WriteTo(&out)
			sitetest.Check(t, errors.Join(err, resp.Body.Close()))
			var got []string
			for _, e := range unpack(t, out.String()) {
				if name, rest, _ := strings.Cut(strings.TrimPrefix(e, "d/"), " "); strings.HasPrefix(rest, "L") {
					got = append(got, name)
				}
			}
			want := "by-link by-link-up in/up self to-in"
			if how == "deny" {
				want = ""
			}
			if strings.Join(got, " ") != want {
				t.Errorf("%s, %s: links %q, want %q", how, query, got, want)
			}
			notes := strings.Join(r.Notes, "\n")
			for i, name := range strings.Fields(c.out) {
				if told := strings.Contains(notes, `"d/`+name+`" is not in the archive, as it is a link`); told != (i < 10) {
					t.Errorf("%s, %s: of %s it is told: %v; %q", how, query, name, told, notes)
				}
			}
			if how == "deny" && !strings.HasSuffix(notes, "\n3 more are not in the archive") {
				t.Errorf("%s: %q", query, notes)
			}
		}
	}
}

// TestUnreadableIsLeftOut: what is not served is not in the archive, and the log says so.
func TestUnreadableIsLeftOut(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything")
	}
	dir := sitetest.Build(t, t.TempDir(), map[string]string{"d/secret": "s", "d/x": "x", "d/closed/x": ""})
	sitetest.Check(t, os.Chmod(filepath.Join(dir, "d/secret"), 0))
	sitetest.Check(t, os.Chmod(filepath.Join(dir, "d/closed"), 0))
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(dir, "d/closed"), fs.ModePerm) })
	s := newSite(t, dir, withArchives)
	r := &message.Request{Method: "GET", Target: "/d/?archive=tar.gz"}
	resp := s.Serve(t.Context(), r)
	var out bytes.Buffer
	_, err := resp.Body.WriteTo(&out)
	sitetest.Check(t, errors.Join(err, resp.Body.Close()))
	if got := unpackTar(t, out.String()); len(got) != 2 || len(r.Notes) != 2 {
		t.Errorf("got %q, notes %q", got, r.Notes)
	}
}
