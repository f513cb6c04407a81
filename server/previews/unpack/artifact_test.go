package unpack_test

import (
	"testing"

	"github.com/previewd/previewd/server/previews/unpack"
)

// TestArtifact: bytes decide which layers of an artifact are archives, titles are the names of the others, and a lone
// directory at the top is the site.
func TestArtifact(t *testing.T) {
	titled := func(title string, b []byte) unpack.Layer { l := layer(b); l.Title = title; return l }
	packed := func(title string, b []byte) unpack.Layer { l := titled(title, b); l.Unpack = true; return l }
	dist := archive(directory("dist"), file("dist/index.html", "one"), file("dist/a/b", "two"), symlink("dist/l", "/dist/a"))
	tests := map[string]struct {
		layers         []unpack.Layer
		path           string
		wantPath, want string
		wantRefusal    string
	}{
		"a directory":                        {layers: []unpack.Layer{packed("dist", zipped(dist))}, wantPath: "/dist", want: "a/\na/b: two\nindex.html: one\nl -> a"},
		"a directory by zstd":                {layers: []unpack.Layer{packed("dist", zstded(dist))}, wantPath: "/dist", want: "a/\na/b: two\nindex.html: one\nl -> a"},
		"an archive that nothing says of":    {layers: []unpack.Layer{layer(dist)}, wantPath: "/dist", want: "a/\na/b: two\nindex.html: one\nl -> a"},
		"an archive with a title":            {layers: []unpack.Layer{titled("dist.tar.gz", zipped(dist))}, wantPath: "/dist", want: "a/\na/b: two\nindex.html: one\nl -> a"},
		"an archive of files":                {layers: []unpack.Layer{layer(archive(file("index.html", "one"), file("a", "a")))}, wantPath: "/", want: "a: a\nindex.html: one"},
		"an archive with one directory more": {layers: []unpack.Layer{layer(archive(file("a/b", "b"), directory("c")))}, wantPath: "/", want: "a/\na/b: b\nc/"},
		"an archive with one file":           {layers: []unpack.Layer{layer(archive(file("./a", "b")))}, wantPath: "/", want: "a: b"},
		"only one directory is stepped into": {layers: []unpack.Layer{layer(archive(file("./a/b/c", "c")))}, wantPath: "/a", want: "b/\nb/c: c"},
		"an empty archive":                   {layers: []unpack.Layer{packed("dist", archive(directory("dist")))}, wantPath: "/dist"},
		"files":                              {layers: []unpack.Layer{titled("index.html", []byte("one")), titled("js/app.js.gz", []byte("\x1f\x8bno gzip")), titled("empty", nil)}, wantPath: "/", want: "empty: \nindex.html: one\njs/\njs/app.js.gz: \x1f\x8bno gzip"},
		"a compressed file stays as it is":   {layers: []unpack.Layer{titled("app.js.gz", zipped([]byte("js")))}, wantPath: "/", want: "app.js.gz: " + string(zipped([]byte("js")))},
		"archives among files are files":     {layers: []unpack.Layer{titled("x", []byte("x")), titled("dist.tar", archive())}, wantPath: "/", want: "dist.tar: " + string(archive()[:60]) + "\nx: x"},
		"files of one directory":             {layers: []unpack.Layer{titled("dist/index.html", []byte("one")), titled("dist/a.js", []byte("js"))}, wantPath: "/dist", want: "a.js: js\nindex.html: one"},
		"a directory and a file":             {layers: []unpack.Layer{packed("dist", dist), titled("readme", []byte("x"))}, wantPath: "/", want: "dist/\ndist/a/\ndist/a/b: two\ndist/index.html: one\ndist/l -> a\nreadme: x"},
		"a path":                             {layers: []unpack.Layer{packed("dist", dist)}, path: "/dist/a", wantPath: "/dist/a", want: "b: two"},
		"the path of the root":               {layers: []unpack.Layer{packed("dist", dist)}, path: "/", wantPath: "/", want: "dist/\ndist/a/\ndist/a/b: two\ndist/index.html: one\ndist/l -> a"},

		"a file without a title":      {layers: []unpack.Layer{layer([]byte("x"))}, wantRefusal: "layer 1 is a file without a name: push it with its name, or as a tar archive"},
		"a file to be unpacked":       {layers: []unpack.Layer{packed("x", []byte("x"))}, wantRefusal: `layer 1 ("x") is to be unpacked, but is no tar archive`},
		"NULs to be unpacked":         {layers: []unpack.Layer{packed("", end)}, wantRefusal: `layer 1 is to be unpacked, but is no tar archive`},
		"a title that is absolute":    {layers: []unpack.Layer{titled("/etc/passwd", []byte("x"))}, wantRefusal: `layer 1: entry "/etc/passwd" is no relative path of a file`},
		"a title that leads out":      {layers: []unpack.Layer{titled("x", nil), titled("a/../../b", []byte("x"))}, wantRefusal: `layer 2: entry "a/../../b" has ".." in its name`},
		"a title that is a directory": {layers: []unpack.Layer{titled("a/", []byte("x"))}, wantRefusal: `layer 1: entry "a/" is no relative path of a file`},
		"a title of a dot":            {layers: []unpack.Layer{titled(".", []byte("x"))}, wantRefusal: `layer 1: entry "." is in place of the image's root`},
		"a file and a directory":      {layers: []unpack.Layer{titled("a", []byte("x")), titled("a/b", []byte("x"))}, wantPath: "/a", want: "b: x"},
		"a path that is not there":    {layers: []unpack.Layer{packed("dist", dist)}, path: "build", wantRefusal: `the image has no directory "/build" (PREVIEWS_PATH): there is no /build; an index page is in "/dist"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			directory, result, err := unpacked(t, test.layers, unpack.Options{Artifact: true, Path: test.path})
			if test.wantRefusal != "" {
				isRefused(t, err, test.wantRefusal)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := tree(t, directory); got != test.want {
				t.Errorf("the site is\n%q\nwant\n%q", got, test.want)
			}
			if result.Path != test.wantPath {
				t.Errorf("the path is %q, want %q", result.Path, test.wantPath)
			}
		})
	}
}
