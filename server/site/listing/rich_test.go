package listing

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/previewd/previewd/server/site/sitetest"
	"github.com/previewd/previewd/server/site/tree"
)

// read reads a directory with all details.
func read(t *testing.T, dir, name string, with ...func(*tree.Options)) *Directory {
	t.Helper()
	opts := tree.Options{Directory: dir}
	for _, change := range with {
		change(&opts)
	}
	directory := tree.New(opts)
	defer directory.Close()
	open, err := directory.Acquire()
	sitetest.Check(t, err)
	defer open.Release()
	d, err := Read(open, name, Options{Room: func(int64) bool { return true }, Natural: true, Detailed: 10_000})
	sitetest.Check(t, err)
	return d
}

// rich is the page of a directory.
func rich(t *testing.T, p *Rich) string {
	t.Helper()
	if p.Zone == nil {
		p.Zone = time.UTC
	}
	var b bytes.Buffer
	sitetest.Check(t, p.Write(&b))
	if b.Len() > p.Size() && len(p.Directory.Entries) > 2 {
		t.Errorf("the page has %d bytes, more than %d", b.Len(), p.Size())
	}
	return b.String()
}

// TestNaturalOrder: directories first, numbers by their value, and no regard to case.
func TestNaturalOrder(t *testing.T) {
	dir := sitetest.Build(t, t.TempDir(), map[string]string{"b/": "", "a10": "", "a9": "", "A2": "", "a2": "", "a02b": "", "Z": "", "é": "",
		"É2": "", "10": "", "9": "", "link": "-> b", "_x": "", "99999999999999999999999": "", "1e": ""})
	var got []string
	for _, e := range read(t, dir, ".").Entries {
		got = append(got, e.Name)
	}
	want := []string{"b", "link", "1e", "9", "10", "99999999999999999999999", "_x", "A2", "a2", "a02b", "a9", "a10", "Z", "é", "É2"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

// Law: arrange sorts stably whatever it is given.
func TestArrange(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		list := make([]int, r.IntN(40))
		for i := range list {
			list[i] = r.IntN(8)<<16 | i
		}
		want := slices.Clone(list)
		slices.SortStableFunc(want, func(a, b int) int { return a>>16 - b>>16 })
		arrange(len(list), func(a, b int32) int { return list[a]>>16 - list[b]>>16 }, func(a, b int32) { list[a], list[b] = list[b], list[a] })
		if !slices.Equal(list, want) {
			t.Fatalf("got %v, want %v", list, want)
		}
	}
}

// Law: whatever a file is called, its name is text in the page and its bytes are in the link; nothing else is a link but what
// leads upwards.
func TestNamesAreEscaped(t *testing.T) {
	names := []string{`a"b'c&d<e>f`, "javascript:alert(1)", "a?b#c%d", "new\nline\ttab", "\x01\x7f", "\xff\xfe", "…日本", "\u202egnp.exe", "<script>", "&amp;", " blank ", "..."}
	files := map[string]string{}
	for _, name := range names {
		files[name] = ""
	}
	p := &Rich{Directory: read(t, sitetest.Build(t, t.TempDir(), files), "."), Path: `/a<b>&"/` + "\xff/", Up: 2}
	page := rich(t, p)
	body := page[strings.Index(page, "<body>"):strings.Index(page, "<footer")]
	var got []string
	for _, found := range regexp.MustCompile(`<a href="([^"]*)"`).FindAllStringSubmatch(body, -1) {
		got = append(got, found[1])
	}
	for _, name := range names {
		escaped := string(appendReference(nil, name))
		if !slices.Contains(got, escaped) {
			t.Errorf("no link to %q, which is %s, in %q", name, escaped, got)
		}
	}
	if len(got) != len(names)+2 || got[0] != "../../" || got[1] != "../" {
		t.Errorf("links %q", got)
	}
	for _, text := range []string{"<bdi>a\"b'c&amp;d&lt;e&gt;f</bdi>", "<bdi>new␊line␉tab</bdi>", "<bdi>␁␡</bdi>", "<bdi>\ufffd\ufffd</bdi>", "<bdi>&lt;script&gt;</bdi>", "<bdi>\ufffdgnp.exe</bdi>",
		"<h1><bdi>\ufffd</bdi></h1>", `<a href="../"><bdi>a&lt;b&gt;&amp;"</bdi></a>`} {
		if !strings.Contains(body, text) {
			t.Errorf("the page has no %q", text)
		}
	}
}

// TestWhatIsShownOfEntries: links as far as they are followed, and what is no file.
func TestWhatIsShownOfEntries(t *testing.T) {
	dir := sitetest.Build(t, t.TempDir(), map[string]string{"site/file": strings.Repeat("x", 12345), "site/dir/x": "", "outside": "secret", "site/to-file": "-> file",
		"site/to-dir": "-> dir", "site/out": "-> ../outside", "site/absolute": "-> /etc/hosts", "site/dead": "-> gone", "site/.hidden": "h", "site/to-hidden": "-> .hidden"})
	row := func(page, name string) string {
		t.Helper()
		for line := range strings.Lines(page) {
			if strings.HasPrefix(line, "<tr") && strings.Contains(line, "<bdi>"+name+"<") {
				return line
			}
		}
		return ""
	}
	site := filepath.Join(dir, "site")
	for how, c := range map[string]struct {
		change func(*tree.Options)
		want   map[string]string
	}{
		"inside": {func(*tree.Options) {}, map[string]string{
			"file":      `<a href="file"><bdi>file</bdi></a></th><td><data value="12345" title="12,345 bytes">12.3 kB</data></td><td><time datetime="1994-11-06T08:49:37Z" title="1994-11-06 08:49:37 UTC">1994-11-06 08:49</time>`,
			"dir/":      `<a href="dir/"><bdi>dir/</bdi></a></th><td></td><td><time `,
			"to-file":   `<a href="to-file"><bdi>to-file</bdi></a> <span class="to">→ <bdi>file</bdi></span></th><td><data value="12345"`,
			"to-dir/":   `<a href="to-dir/"><bdi>to-dir/</bdi></a> <span class="to">→ <bdi>dir</bdi></span></th><td></td>`,
			"out":       `<span class="off"><bdi>out</bdi></span> <span class="to"> (link, not followed)</span></th><td></td><td></td>`,
			"absolute":  `<span class="off"><bdi>absolute</bdi></span> <span class="to"> (link, not followed)</span>`,
			"dead":      `<span class="off"><bdi>dead</bdi></span> <span class="to">→ <bdi>gone</bdi> (leads to no file)</span>`,
			"to-hidden": `<a href="to-hidden">`,
		}},
		"deny, hidden": {func(o *tree.Options) { o.Hidden = tree.HiddenDeny }, map[string]string{
			".hidden": "", "to-hidden": `<span class="off"><bdi>to-hidden</bdi></span> <span class="to"> (link, not followed)</span>`}},
		"deny": {func(o *tree.Options) { o.Symlinks = tree.SymlinksDeny }, map[string]string{
			"to-file": `<span class="off"><bdi>to-file</bdi></span> <span class="to"> (link, not followed)</span>`}},
		"follow": {func(o *tree.Options) { o.Symlinks = tree.SymlinksFollow }, map[string]string{
			"out": `<a href="out"><bdi>out</bdi></a> <span class="to">→ <bdi>../outside</bdi></span></th><td><data value="6">6 B</data>`, "absolute": `<a href="absolute"><bdi>absolute</bdi></a></th>`}},
	} {
		page := rich(t, &Rich{Directory: read(t, site, ".", c.change), Path: "/"})
		for name, want := range c.want {
			if got := row(page, name); want == "" && got != "" || !strings.Contains(got, want) {
				t.Errorf("%s: %s is %q\nwant %q", how, name, got, want)
			}
		}
		if strings.Contains(page, "/etc/") {
			t.Errorf("%s: the page tells of /etc", how)
		}
	}
}

// Law: the sum is another one as soon as anything is that is shown.
func TestSum(t *testing.T) {
	dir := sitetest.Build(t, t.TempDir(), map[string]string{"a": "a", "b": "b", "dir/": "", "link": "-> a"})
	seen := map[[32]byte]string{}
	look := func(what string) {
		t.Helper()
		d := read(t, dir, ".")
		if d.Sum() != read(t, dir, ".").Sum() {
			t.Errorf("%s: two sums of the same", what)
		}
		if before, found := seen[d.Sum()]; found {
			t.Errorf("%s: the same sum as %s", what, before)
		}
		seen[d.Sum()] = what
	}
	look("at first")
	for what, change := range map[string]func() error{
		"size":        func() error { return os.WriteFile(filepath.Join(dir, "a"), []byte("aa"), 0o644) },
		"time":        func() error { return os.Chtimes(filepath.Join(dir, "b"), time.Now(), time.Unix(1e9, 5)) },
		"new name":    func() error { return os.WriteFile(filepath.Join(dir, "c"), nil, 0o644) },
		"other type":  func() error { return os.Remove(filepath.Join(dir, "dir")) },
		"link's file": func() error { return os.Chtimes(filepath.Join(dir, "a"), time.Now(), time.Unix(2e9, 0)) },
	} {
		sitetest.Check(t, change())
		look(what)
	}
	sitetest.Check(t, os.Remove(filepath.Join(dir, "link")))
	sitetest.Check(t, os.Symlink("./a", filepath.Join(dir, "link")))
	look("link's target")
	d := read(t, dir, ".")
	if d.Sum("a", "b") == d.Sum("ab", "") || d.Sum("a") == d.Sum("b") {
		t.Error("the texts beside it do not count")
	}
}

func TestSizes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 99_949: "99.9 kB", 99_950: "100 kB", 999_499: "999 kB", 999_500: "1.0 MB",
		5 << 30: "5.4 GB", 1<<63 - 1: "9.2 EB"} {
		if got := FormatSize(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int64]string{1: "1", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := string(appendGrouped(nil, n)); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

// TestWaysUp: each part of the path leads there, also where the path is spelled in an unusual way.
func TestWaysUp(t *testing.T) {
	empty := &Directory{}
	for _, c := range []struct {
		path  string
		up    int
		hrefs string
	}{
		{"/", 0, ""},
		{"/a/", 1, "../"},
		{"/a/b/c/", 3, "../../../ ../../ ../"},
		{"/a/b/c/", 5, "../../../../../"},
	} {
		page := rich(t, &Rich{Directory: empty, Path: c.path, Up: c.up, Hint: "Look <there>."})
		var hrefs []string
		for _, found := range regexp.MustCompile(`<a href="([^"]*)"`).FindAllStringSubmatch(page, -1) {
			hrefs = append(hrefs, found[1])
		}
		if got := strings.Join(hrefs, " "); got != c.hrefs {
			t.Errorf("%s: %s, want %s", c.path, got, c.hrefs)
		}
		if !strings.Contains(page, "This folder is empty.") || !strings.Contains(page, "Look &lt;there&gt;.") || strings.Contains(page, "<script>") {
			t.Errorf("%s: %s", c.path, page)
		}
	}
}

// TestManyNames: above the number of names with details there are names only, and no more work than that.
func TestManyNames(t *testing.T) {
	d := &Directory{}
	for i := range 250 {
		d.Entries = append(d.Entries, tree.Entry{Name: fmt.Sprint("n", i)})
	}
	d.Entries = append(d.Entries, tree.Entry{Name: "pipe", Mode: fs.ModeNamedPipe}, tree.Entry{Name: "dead", Mode: fs.ModeSymlink | fs.ModeIrregular})
	page := rich(t, &Rich{Directory: d, Path: "/"})
	if strings.Count(page, "<tbody>") != 3 || strings.Count(page, "<a href") != 250 || strings.Contains(page, "<td>") ||
		!strings.Contains(page, "250 files, 2 others; with so many, sizes and times are left out") || !strings.Contains(page, `<bdi>pipe</bdi></span> <span class="to">named pipe</span>`) {
		t.Errorf("%s", page)
	}
}

// TestSummary: what is no folder and no file that is served is counted as another thing, and has no size.
func TestSummary(t *testing.T) {
	const link = fs.ModeSymlink
	for _, c := range []struct {
		modes []fs.FileMode
		want  string
	}{
		{[]fs.FileMode{0}, "1 file, 10 B"},
		{[]fs.FileMode{fs.ModeDir, link | fs.ModeDir, 0, link}, "2 folders, 2 files, 20 B"},
		{[]fs.FileMode{fs.ModeNamedPipe}, "1 other"},
		{[]fs.FileMode{fs.ModeSocket, fs.ModeDevice | fs.ModeCharDevice, link | fs.ModeIrregular, 0}, "1 file, 3 others, 10 B"},
	} {
		d := &Directory{}
		for range c.modes {
			d.Details = append(d.Details, Detail{Size: 10})
		}
		for i, mode := range c.modes {
			d.Entries = append(d.Entries, tree.Entry{Name: fmt.Sprint(i), Mode: mode})
		}
		if got := (&Rich{Directory: d}).summary(); got != c.want {
			t.Errorf("%v: %q, want %q", c.modes, got, c.want)
		}
	}
}

// TestJSONOfManyNames: without details there are names and types, and links can be told from files.
func TestJSONOfManyNames(t *testing.T) {
	d := &Directory{Entries: []tree.Entry{{Name: "dir", Mode: fs.ModeDir}, {Name: "to-dir", Mode: fs.ModeSymlink | fs.ModeDir}, {Name: "file"},
		{Name: "to-file", Mode: fs.ModeSymlink}, {Name: "dead", Mode: fs.ModeSymlink | fs.ModeIrregular}, {Name: "pipe", Mode: fs.ModeNamedPipe}}}
	var b bytes.Buffer
	sitetest.Check(t, (&JSON{d}).Write(&b))
	want := `[
{ "name":"dir", "type":"directory" },
{ "name":"to-dir", "type":"directory", "link":"" },
{ "name":"file", "type":"file" },
{ "name":"to-file", "type":"file", "link":"" },
{ "name":"dead", "type":"other", "link":"" },
{ "name":"pipe", "type":"other" }
]
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}
