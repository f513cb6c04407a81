package mediatype

import (
	"strings"
	"testing"

	"github.com/previewd/previewd/server/site/coding"
)

func first(content string) func() First { return func() First { return First{[]byte(content), true} } }

// TestWhatANameTells: the types that Debian's mime.types, nginx's and the bundlers' servers know, and text shown.
func TestWhatANameTells(t *testing.T) {
	rules := &Rules{}
	for want, names := range map[string]string{
		"text/plain": `a.yaml a.yml a.toml a.log a.tsx a.go a.rs a.py a.sh a.ini a.cfg a.conf a.sql a.diff a.patch a.jsx a.cts a.rb a.java a.kt
			a.swift a.c a.h a.cpp a.cs a.php a.lua a.r a.pl a.lock a.env a.properties a.vue a.svelte a.scss a.graphql a.proto a.tf a.tex
			a.rst a.adoc a.bat a.ps1 a.sha256 a.srt a.TXT a.Yaml dir.d/a.md5 go.mod go.sum Dockerfile.dev .env.local Makefile.am README.old`,
		"text/markdown": "a.md README.md", "text/csv": "a.csv", "text/html": "a.html a.htm", "text/css": "a.css", "text/vtt": "a.vtt",
		"text/javascript": "a.js a.mjs a.cjs", "application/json": "a.json a.map", "application/geo+json": "a.geojson",
		"application/vnd.android.package-archive": "a.apk", "application/x-ios-app": "a.ipa", "text/calendar": "a.ics",
		"application/rss+xml": "a.rss", "application/atom+xml": "a.atom", "model/vnd.usdz+zip": "a.usdz", "model/gltf-binary": "a.glb",
		"model/gltf+json": "a.gltf", "image/ktx2": "a.ktx2", "application/dash+xml": "a.mpd", "application/vnd.apple.mpegurl": "a.m3u8",
		"video/iso.segment": "a.m4s", "application/x-apple-aspen-config": "a.mobileconfig", "image/jxl": "a.jxl", "image/heic": "a.heic",
		"audio/ogg": "a.opus a.ogg a.oga", "audio/flac": "a.flac", "application/epub+zip": "a.epub", "application/wasm": "a.wasm",
		"application/manifest+json": "a.webmanifest", "font/woff2": "a.woff2", "image/svg+xml": "a.svg", "image/avif": "a.avif",
		"video/mp4": "a.mp4", "audio/mpeg": "a.mp3", "application/pdf": "a.pdf", "image/vnd.microsoft.icon": "favicon.ico a.cur",
		"application/gzip": "a.gz a.tgz a.tar.gz data.csv.gz a.nii.gz a.json.gz a.html.gz a.txt.gz", "application/x-xz": "a.tar.xz a.txz",
		"application/x-bzip2": "a.bz2 a.tbz2", "application/zstd": "a.zst a.js.zst", "application/x-tar": "a.tar", "text/xml": "a.xml",
		"application/octet-stream": "a.bin a.unknown a.exe a.iso", "video/mp2t": "a.m2ts",
	} {
		for name := range strings.FieldsSeq(names) {
			n := rules.Of(name)
			if got := n.ContentType(func() First { return First{[]byte("\xe9"), true} }); got != want && !n.Asks() {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
			if n.Coding != coding.Identity {
				t.Errorf("%s: coded as %v", name, n.Coding)
			}
		}
	}
}

// TestTheTable: no suffix stands twice, all are in lower case.
func TestTheTable(t *testing.T) {
	seen := make(map[string]string)
	for line := range strings.Lines(table) {
		words := strings.Fields(line)
		if len(words) < 2 || strings.Count(words[0], "/") != 1 {
			t.Fatalf("%q is no line of a type and its suffixes", line)
		}
		for _, suffix := range words {
			if suffix != strings.ToLower(suffix) {
				t.Errorf("%q is not in lower case", suffix)
			}
		}
		for _, suffix := range words[1:] {
			if other := seen[suffix]; other != "" {
				t.Errorf("%s is %s and %s", suffix, other, words[0])
			}
			seen[suffix] = words[0]
		}
	}
	for ext := range pythonTypes {
		if types[ext] == "" {
			t.Errorf("http.server knows %s", ext)
		}
	}
}

func TestWhatBytesTell(t *testing.T) {
	rules := &Rules{}
	packets := func(n, lead int) string {
		return strings.Repeat(strings.Repeat("\xff", lead)+"G"+strings.Repeat("\x00", 187), n)
	}
	for _, c := range []struct{ name, content, want string }{
		{"a.ts", "export const é = 1", "text/plain; charset=utf-8"},
		{"a.ts", "GGG export", "text/plain; charset=utf-8"},
		{"a.ts", strings.Repeat("G", 1) + strings.Repeat("x", 400), "text/plain; charset=utf-8"},
		{"a.ts", packets(1, 0), "video/mp2t"},
		{"a.ts", packets(9, 0), "video/mp2t"},
		{"a.ts", packets(9, 0) + "G12", "video/mp2t"},
		{"a.ts", packets(9, 0) + "x12", "text/plain"},
		{"a.ts", "", "text/plain; charset=utf-8"},
		{"a.ts", "Gr\xf6\xdfe = 1", "text/plain"},
		{"log", "\x1b[1mbold\x1b(B\x1b[m", "text/plain"},
		{"log", "ø \x1b[1mbold\x1b(B\x1b[m", "text/plain; charset=utf-8"},
		{"a.mts", packets(5, 4), "video/mp2t"},
		{"a.mts", "export {}", "text/plain; charset=utf-8"},
		{"Dockerfile", "FROM scratch\n", "text/plain; charset=utf-8"},
		{"LICENSE", "© me\n", "text/plain; charset=utf-8"},
		{".gitignore", "*.o\n", "text/plain; charset=utf-8"},
		{"dir.d/README", "x\t\x1b[1my\x1b[0m\r\n", "text/plain; charset=utf-8"},
		{"program", "\x7fELF\x02\x01\x01\x00", "application/octet-stream"},
		{"latin", "caf\xe9", "application/octet-stream"},
		{".env.local", "A=1", "text/plain; charset=utf-8"},
		{"Dockerfile.dev", "\x00\x01", "application/octet-stream"},
	} {
		n := rules.Of(c.name)
		if got := n.ContentType(first(c.content)); got != c.want || !n.Asks() {
			t.Errorf("%s with %.20q: %q, want %q", c.name, c.content, got, c.want)
		}
	}
}

// TestCharset: a text that is UTF-8 says so, and nothing else does.
func TestCharset(t *testing.T) {
	rules := &Rules{}
	const utf8, none = true, false
	for _, c := range []struct {
		name, content string
		want          bool
	}{
		{"a.txt", "Røde Ø", utf8}, {"a.md", "Ø", utf8}, {"a.csv", "Ø", utf8}, {"a.html", "<p>Ø", utf8}, {"a.txt", "ASCII", utf8},
		{"a.txt", "", utf8}, {"a.txt", "\ufeffØ", utf8}, {"a.css", "q{content:'»'}", utf8}, {"a.js", "'Ø'", utf8}, {"a.vtt", "WEBVTT", utf8},
		{"a.log", "\x1b[31mred\x1b[0m", utf8}, {"a.log", "ø \x1b[1mbold\x1b(B\x1b[m", utf8}, {"a.log", "\x1b[1mbold\x1b(B\x1b[m", none},
		{"a.css", "@charset \"UTF-8\"; q{content:'»'}", utf8}, {"a.css", "@charset \"iso-8859-1\"; q{}", none},
		{"a.css", "@charset \"utf-16\"; q{}", utf8}, {"a.css", "@charset 'latin1'; q{}", utf8}, {"a.css", "@charset \"latin1", utf8},
		{"a.txt", "R\xf8de", none}, {"a.html", "R\xf8de", none}, {"a.txt", "\xff\xfea\x00", none}, {"a.txt", "a\x00b\x00", none},
		{"a.txt", "\x1b$BF|K\\8l\x1b(B", none}, {"a.txt", "\xed\xa0\x80", none}, {"a.txt", "\xc3", none},
		{"a.json", `"Ø"`, none}, {"a.svg", "<svg>Ø", none}, {"a.xml", "<a>Ø</a>", none}, {"a.xhtml", "<html>Ø", none},
		{"a.geojson", `"Ø"`, none}, {"a.png", "Ø", none}, {"a.bin", "Ø", none}, {"a.rtf", "{\\rtf1}", none}, {"a.webmanifest", `"Ø"`, none},
		{"a.html", `<meta charset="utf-8">Ø`, utf8}, {"a.html", `<META CHARSET=UTF8>Ø`, utf8},
		{"a.html", `<meta charset="iso-8859-1">Ø`, none}, {"a.html", `<meta charset=windows-1252>`, none}, {"a.html", `<meta charset='Shift_JIS'/>`, none},
		{"a.html", `<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-1">`, none},
		{"a.html", `<meta content='text/html;charset=EUC-JP' http-equiv=content-type>`, none},
		{"a.html", `<meta http-equiv="Content-Type" content="text/html; charset=utf-8">`, utf8},
		{"a.html", `<meta http-equiv="refresh" content="0; charset=iso-8859-1">`, utf8},
		{"a.html", `<meta name="description" content="charset=iso-8859-1">`, utf8},
		{"a.html", `<meta name=a content=">"><meta charset=latin1>`, none},
		{"a.html", `<!-- <meta charset="iso-8859-1"> --><p>Ø`, utf8}, {"a.html", `<metadata charset=latin1>`, utf8},
		{"a.html", strings.Repeat(" ", 1024) + `<meta charset="iso-8859-1">`, utf8},
		{"a.html", `<?xml version="1.0" encoding="iso-8859-1"?><html>`, none}, {"a.html", `<?xml version="1.0" encoding="UTF-8"?><html>`, utf8},
		{"a.html", "<meta", utf8}, {"a.html", "<meta =", utf8}, {"a.html", "<meta charset=", utf8}, {"a.html", "<meta charset='latin1", none},
	} {
		n := rules.Of(c.name)
		got := n.ContentType(first(c.content))
		if strings.HasSuffix(got, "; charset=utf-8") != c.want || !strings.HasPrefix(got, n.Type) {
			t.Errorf("%s with %.60q: %q", c.name, c.content, got)
		}
	}
}

// TestTheFirstBytesAreCutAtACharacter: what is not the whole may end within one.
func TestTheFirstBytesAreCutAtACharacter(t *testing.T) {
	n := (&Rules{}).Of("a.txt")
	for _, text := range []string{"ø", "日本", "😀😀", "aø日😀"} {
		for end := range len(text) + 1 {
			cut := First{Bytes: []byte(text[:end])}
			if got := n.ContentType(func() First { return cut }); got != "text/plain; charset=utf-8" {
				t.Errorf("%q: %q", cut.Bytes, got)
			}
		}
	}
	for _, text := range []string{"a\xf8", "\xf8", "a\x80", "ab\xff\xff"} {
		if got := n.ContentType(func() First { return First{Bytes: []byte(text + "bcde")} }); got != "text/plain" {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// TestCodedFiles: a page asks for some by name, and wants what is in them.
func TestCodedFiles(t *testing.T) {
	rules := &Rules{}
	const br, gz = "application/x-brotli", "application/gzip"
	for _, c := range []struct {
		name      string
		mediaType string
		coding    coding.Coding
		container string
	}{
		{"x.js.br", "text/javascript; charset=utf-8", coding.Br, br}, {"x.data.br", "application/octet-stream", coding.Br, br},
		{"x.wasm.gz", "application/wasm", coding.Gzip, gz}, {"x.framework.js.gz", "text/javascript; charset=utf-8", coding.Gzip, gz},
		{"x.mjs.gz", "text/javascript; charset=utf-8", coding.Gzip, gz}, {"x.css.gz", "text/css; charset=utf-8", coding.Gzip, gz},
		{"x.data.gz", "application/octet-stream", coding.Gzip, gz}, {"x.symbols.json.gz", "application/json", coding.Gzip, gz},
		{"X.JS.GZ", "text/javascript; charset=utf-8", coding.Gzip, gz}, {"x.svgz", "image/svg+xml", coding.Gzip, gz},
		{"x.html.br", "text/html; charset=utf-8", coding.Br, br}, {"README.br", "text/plain; charset=utf-8", coding.Br, br},
		{"x.js.gz.br", gz, coding.Br, br}, {"x.json.br", "application/json", coding.Br, br},
	} {
		n := rules.Of(c.name)
		if got := n.ContentType(first("text")); got != c.mediaType || n.Coding != c.coding || n.Container != c.container {
			t.Errorf("%s: %q as %v, in %q", c.name, got, n.Coding, n.Container)
		}
	}
}

// TestSettingsDecide: EXTENSIONS_MAP has suffixes, whole names, and names without a suffix; DEFAULT_CONTENT_TYPE the rest.
func TestSettingsDecide(t *testing.T) {
	rules := &Rules{Given: map[string]string{".md": "text/x", "dockerfile": "text/y", ".gitignore": "text/z", "": "text/none", ".gz": "a/gz"}, Default: "a/default"}
	for name, want := range map[string]string{
		"a.md": "text/x", "d/a.MD": "text/x", "Dockerfile": "text/y", "sub/Dockerfile": "text/y", ".gitignore": "text/z", "LICENSE": "text/none",
		"a.js.gz": "a/gz", "a.unknown": "a/default", "a.txt": "text/plain; charset=utf-8", "a.bin": "application/octet-stream",
	} {
		n := rules.Of(name)
		if got := n.ContentType(first("ø")); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	n := (&Rules{Default: "a/default"}).Of("LICENSE")
	if got := n.ContentType(first("ø")); got != "a/default" {
		t.Errorf("a default that was set: %q", got)
	}
}

// Law: whatever a page begins with, the look at it ends, and what no tag says is UTF-8.
func FuzzDeclaresOther(f *testing.F) {
	for _, seed := range []string{"<meta charset=x>", "<meta http-equiv=content-type content='a;charset=b'>", "<!--", "<?xml encoding=", "<meta / = ' \""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, page string) {
		if declaresOther([]byte(page)) && !strings.Contains(strings.ToLower(page), "charset") && !strings.Contains(strings.ToLower(page), "encoding") {
			t.Errorf("%q declares no encoding", page)
		}
	})
}
