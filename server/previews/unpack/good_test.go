package unpack_test

import (
	"strings"
	"testing"

	"github.com/previewd/previewd/server/previews/unpack"
)

// TestMergedView: the site is what lies below its directory when each layer is laid over those below it.
func TestMergedView(t *testing.T) {
	const html = "usr/share/nginx/html/"
	tests := map[string]struct {
		layers  [][]byte
		options unpack.Options
		path    string
		want    string
	}{
		"a site and nothing else": {
			layers: [][]byte{archive(directory("./"), file("./index.html", "one"), directory("./a/"), file("./a/b", "two"))},
			path:   "/", want: "a/\na/b: two\nindex.html: one",
		},
		"directories without an entry": {
			layers: [][]byte{archive(file("index.html", "one"), file("a/b/c/d", "two"))},
			path:   "/", want: "a/\na/b/\na/b/c/\na/b/c/d: two\nindex.html: one",
		},
		"absolute names, dots and empty components": {
			layers: [][]byte{archive(file("/index.html", "one"), file("//a/./b//c", "two"), directory("/./d/./"))},
			path:   "/", want: "a/\na/b/\na/b/c: two\nd/\nindex.html: one",
		},
		"the base's index page replaced": {
			layers: [][]byte{
				archive(file("bin/sh", "sh"), file(html+"index.html", "Welcome to nginx!"), file(html+"50x.html", "50x")),
				archive(directory("usr/"), directory("usr/share/"), file(html+"index.html", "mine"), file(html+"app.js", "js")),
			},
			path: "/usr/share/nginx/html", want: "50x.html: 50x\napp.js: js\nindex.html: mine",
		},
		"the first usual directory with an index page": {
			layers: [][]byte{archive(file(html+"readme", "none"), file("usr/local/apache2/htdocs/index.htm", "two"), file("var/www/html/index.html", "three"), file("index.html", "four"))},
			path:   "/usr/local/apache2/htdocs", want: "index.htm: two",
		},
		"what is outside is nobody's business": {
			layers: [][]byte{archive(special('3', "dev/null"), special('6', "run/fifo"), symlink("bin", "/usr/bin"), file("bin/below-a-link", ""), symlink("out", "../../etc"), hardLink("x", "nowhere"), special('V', "volume"), file(html+"index.html", "one"))},
			path:   "/usr/share/nginx/html", want: "index.html: one",
		},
		"a path of one's own": {
			layers:  [][]byte{archive(file("index.html", "one"), file("app/dist/a.js", "js"))},
			options: unpack.Options{Path: "/app/dist"},
			path:    "/app/dist", want: "a.js: js",
		},
		"a path without its first slash, with one at its end": {
			layers:  [][]byte{archive(file("app/dist/a.js", "js"))},
			options: unpack.Options{Path: "app/dist/"},
			path:    "/app/dist", want: "a.js: js",
		},
		"a white-out": {
			layers: [][]byte{archive(file("index.html", "one"), file("a", "a"), file("d/b", "b")), archive(file(".wh.a", ""), file(".wh.d", ""))},
			path:   "/", want: "index.html: one",
		},
		"a white-out means lower layers, before and after the entry": {
			layers: [][]byte{
				archive(file("index.html", "one"), file("a/old", "old"), file("b/old", "old")),
				archive(file(".wh.a", ""), file("a/new", "new"), file("b/new", "new"), file(".wh.b", "")),
			},
			path: "/", want: "a/\na/new: new\nb/\nb/new: new\nindex.html: one",
		},
		"opaque means lower layers, before and after the entry": {
			layers: [][]byte{
				archive(file("index.html", "one"), file("a/old", "old"), file("b/c/old", "old")),
				archive(file("a/.wh..wh..opq", ""), file("a/new", "new"), file("b/c/new", "new"), file("b/.wh..wh..opq", "")),
			},
			path: "/", want: "a/\na/new: new\nb/\nb/c/\nb/c/new: new\nindex.html: one",
		},
		"opaque at the root of the image": {
			layers: [][]byte{archive(file("index.html", "one"), file("a", "a")), archive(file("index.html", "two"), file(".wh..wh..opq", ""))},
			path:   "/", want: "index.html: two",
		},
		"the site whited out and made anew": {
			layers: [][]byte{
				archive(file(html+"index.html", "old"), file(html+"old", "old")),
				archive(file(html+"index.html", "new"), file("usr/share/nginx/.wh.html", "")),
			},
			path: "/usr/share/nginx/html", want: "index.html: new",
		},
		"the site whited out, and made anew in the next layer": {
			layers: [][]byte{
				archive(file(html+"index.html", "old"), file(html+"old", "old")),
				archive(file("usr/share/.wh.nginx", "")),
				archive(file(html+"index.html", "new")),
			},
			path: "/usr/share/nginx/html", want: "index.html: new",
		},
		"opaque above the site": {
			layers: [][]byte{
				archive(file(html+"index.html", "old"), file(html+"old", "old")),
				archive(file("usr/share/.wh..wh..opq", ""), file(html+"index.html", "new")),
			},
			path: "/usr/share/nginx/html", want: "index.html: new",
		},
		"a directory above the site replaced by a file, and made anew": {
			layers: [][]byte{
				archive(file(html+"index.html", "old"), file(html+"old", "old")),
				archive(file("usr/share/nginx", "file")),
				archive(file(html+"index.html", "new")),
			},
			path: "/usr/share/nginx/html", want: "index.html: new",
		},
		"a site whited out is none": {
			layers: [][]byte{archive(file(html+"index.html", "old"), file("var/www/html/index.html", "www")), archive(file("usr/share/nginx/.wh.html", ""))},
			path:   "/var/www/html", want: "index.html: www",
		},
		"an index page whited out is none": {
			layers: [][]byte{archive(file(html+"index.html", "old"), file("var/www/html/index.html", "www")), archive(file(html+".wh.index.html", ""))},
			path:   "/var/www/html", want: "index.html: www",
		},
		"AUFS's own names": {
			layers: [][]byte{archive(file("index.html", "one"), directory(".wh..wh.plnk/"), file(".wh..wh.plnk/x", "x"), file("a/.wh..wh.aufs", "y"), directory(".wh..wh.orph"))},
			path:   "/", want: "index.html: one",
		},
		"opaque as a directory": {
			layers: [][]byte{archive(file("index.html", "one"), file("a/b", "b")), archive(directory("a/.wh..wh..opq/"))},
			path:   "/", want: "a/\nindex.html: one",
		},
		"white-outs of what is not there": {
			layers: [][]byte{archive(file("index.html", "one"), file(".wh.x", ""), file("a/b/.wh.c", "")), archive(file("index.html/.wh.x", ""), file("index.html", "two"), file("q/.wh..wh..opq", ""))},
			path:   "/", want: "a/\na/b/\nindex.html: two\nq/",
		},
		"a white-out does not follow a link": {
			layers: [][]byte{archive(file("index.html", "one"), file("a/x", "x"), symlink("l", "a")), archive(file("l/.wh.x", ""))},
			path:   "/", want: "a/\na/x: x\nindex.html: one\nl/",
		},
		"a directory replaced by a file, a file by a directory, a link by a directory": {
			layers: [][]byte{
				archive(file("index.html", "one"), file("d/x/y", "y"), file("f", "f"), symlink("l", "d"), symlink("m", "d")),
				archive(file("d", "file"), directory("f"), directory("l"), file("l/z", "z"), file("m/z", "z")),
			},
			path: "/", want: "d: file\nf/\nindex.html: one\nl/\nl/z: z\nm/\nm/z: z",
		},
		"a directory is kept by its entry in a later layer": {
			layers: [][]byte{archive(file("index.html", "one"), file("d/x", "x")), archive(directory("d"), file("d/y", "y"))},
			path:   "/", want: "d/\nd/x: x\nd/y: y\nindex.html: one",
		},
		"the last entry of a name counts": {
			layers: [][]byte{archive(file("index.html", "one"), file("index.html", "two"), file("a/b", "b"), file("a", "a"), symlink("s", "a"), file("s", "s"), file("t", "t"), directory("t"), file("t/u", "u"))},
			path:   "/", want: "a: a\nindex.html: two\ns: s\nt/\nt/u: u",
		},
		"long names": {
			layers: [][]byte{archive(file("index.html", "one"), file(strings.Repeat("a", 200)+"/"+strings.Repeat("b", 255), "long"))},
			path:   "/", want: strings.Repeat("a", 200) + "/\n" + strings.Repeat("a", 200) + "/" + strings.Repeat("b", 255) + ": long\nindex.html: one",
		},
		"names that are not UTF-8": {
			layers: [][]byte{concat(block("index.html", '0', "00000000000\x00", ""), block("\xe9t\xe9", '0', "00000000000\x00", ""), end)},
			path:   "/", want: "index.html: \n\xe9t\xe9: ",
		},
		"a file with a slash at its end, and one as old archives have directories": {
			layers: [][]byte{concat(block("index.html/", '0', "00000000000\x00", ""), block("d/", 0, "00000000000\x00", ""), end)},
			path:   "/", want: "d/\nindex.html: ",
		},
		"symbolic links": {
			layers: [][]byte{archive(file(html+"index.html", "one"), symlink(html+"a", "index.html"), symlink(html+"d/b", "/usr/share/nginx/html/index.html"),
				symlink(html+"d/c", "../../html/index.html"), symlink(html+"d/e", "../index.html"), symlink(html+"gone", "x/y"), symlink(html+"loop", "loop"),
				symlink(html+"root", "/usr/share/nginx/html"), symlink(html+"d/root", "/usr/share/nginx/html/"), symlink(html+"up", "/usr/../usr/share/nginx/./html/d"))},
			path: "/usr/share/nginx/html",
			want: "a -> index.html\nd/\nd/b -> ../index.html\nd/c -> ../index.html\nd/e -> ../index.html\nd/root -> ..\ngone -> x/y\nindex.html: one\nloop -> loop\nroot -> .\nup -> d",
		},
		"above the image's root is the root": {
			layers: [][]byte{archive(file("index.html", "one"), symlink("a", "../index.html"), symlink("b/c", "../../../b"), symlink("d", ".."))},
			path:   "/", want: "a -> index.html\nb/\nb/c -> .\nd -> .\nindex.html: one",
		},
		"links that would leave the site through others": {
			layers: [][]byte{archive(file("index.html", "one"), symlink("s", "."), symlink("out", "s/s/../../etc/passwd"), symlink("d/up", "../s/d/../.."), symlink("d/x", "./y/../z/"))},
			path:   "/", want: "d/\nd/up -> ..\nd/x -> z\nindex.html: one\nout -> etc/passwd\ns -> .",
		},
		"the index page is a link": {
			layers: [][]byte{archive(file(html+"main.html", "one"), symlink(html+"index.html", "main.html"))},
			path:   "/usr/share/nginx/html", want: "index.html -> main.html\nmain.html: one",
		},
		"hard links": {
			layers: [][]byte{archive(file("index.html", "one"), hardLink("a/b", "index.html"), hardLink("/c", "./a/b"), file("index.html", "two"))},
			path:   "/", want: "a/\na/b: one\nc: one\nindex.html: two",
		},
		"the site is a link": {
			layers: [][]byte{archive(file("srv/www/index.html", "one"), symlink("usr/share/nginx/html", "/srv/www"), symlink("srv/www/l", "/usr/share/nginx/html/x"))},
			path:   "/srv/www", want: "index.html: one\nl -> x",
		},
		"the site lies below a link, which a later layer makes": {
			layers: [][]byte{
				archive(file("app/v1/dist/index.html", "one"), file("app/v2/dist/index.html", "two"), file("app/current/dist/index.html", "dir")),
				archive(symlink("app/current", "v2")),
			},
			options: unpack.Options{Path: "/app/current/dist"},
			path:    "/app/v2/dist", want: "index.html: two",
		},
		"links to links, up and down, beyond the root": {
			layers:  [][]byte{archive(symlink("a/b", "../../../c/./d"), symlink("c/d", "e/../f"), directory("c/e"), symlink("c/f", "/g"), file("g/h", "h"))},
			options: unpack.Options{Path: "/a/b"},
			path:    "/g", want: "h: h",
		},
		"a link replaced by a directory": {
			layers: [][]byte{archive(file("srv/index.html", "srv"), symlink("var/www", "/srv")), archive(file("var/www/html/index.html", "www"))},
			path:   "/var/www/html", want: "index.html: www",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			directory, result, err := unpacked(t, image(test.layers...), test.options)
			if err != nil {
				t.Fatal(err)
			}
			if got := tree(t, directory); got != test.want {
				t.Errorf("the site is\n%s\nwant\n%s", got, test.want)
			}
			if result.Path != test.path {
				t.Errorf("the path is %q, want %q", result.Path, test.path)
			}
		})
	}
}

func concat(parts ...[]byte) (all []byte) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}
