package unpack_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/previewd/previewd/server/previews/unpack"
)

// isRefused fails the test unless an error is a refusal with a reason.
func isRefused(t *testing.T, err error, reason string) {
	t.Helper()
	var refused *unpack.RefusedError
	if !errors.As(err, &refused) {
		t.Fatalf("the error is %v, want a refusal: %s", err, reason)
	}
	if refused.Reason != reason {
		t.Errorf("the reason is\n%s\nwant\n%s", refused.Reason, reason)
	}
}

// none is the size of an entry without content.
const none = "00000000000\x00"

// pax is an entry with extended records, as bytes: tar's writer refuses those that are wrong.
func pax(records ...string) []byte {
	var b bytes.Buffer
	for i := 0; i < len(records); i += 2 {
		record := " " + records[i] + "=" + records[i+1] + "\n"
		length := len(record)
		for length != len(record)+len(fmt.Sprint(length)) {
			length = len(record) + len(fmt.Sprint(length))
		}
		fmt.Fprintf(&b, "%d%s", length, record)
	}
	return concat(block("PaxHeaders.0/x", 'x', fmt.Sprintf("%011o\x00", b.Len()), ""), padded(b.Bytes()))
}

// longName is GNU's entry for a long name of the next one.
func longName(name string) []byte {
	return concat(block("././@LongLink", 'L', fmt.Sprintf("%011o\x00", len(name)+1), ""), padded([]byte(name+"\x00")))
}

func padded(b []byte) []byte {
	return append(b, make([]byte, (512-len(b)%512)%512)...)
}

// base256 is a size in binary, as GNU writes large ones.
func base256(size uint64) string {
	b := make([]byte, 12)
	for i := range 8 {
		b[11-i] = byte(size >> (8 * i))
	}
	b[0] |= 0x80
	return string(b)
}

// TestHostile: what an image may not have, and the one line that says so.
func TestHostile(t *testing.T) {
	const html = "usr/share/nginx/html/"
	index := file("index.html", "one")
	in := file(html+"index.html", "one")
	long := strings.Repeat("a", 250) + "/"
	tests := map[string]struct {
		layers  [][]byte
		options unpack.Options
		want    string
	}{
		// Names that lead out, wherever they are.
		"up":                      {layers: [][]byte{archive(index, file("../x", ""))}, want: `layer 1: entry "../x" has ".." in its name`},
		"up alone":                {layers: [][]byte{archive(index, directory(".."))}, want: `layer 1: entry ".." has ".." in its name`},
		"up within":               {layers: [][]byte{archive(index, file("a/../b", ""))}, want: `layer 1: entry "a/../b" has ".." in its name`},
		"up at the end":           {layers: [][]byte{archive(index, file("a/..", ""))}, want: `layer 1: entry "a/.." has ".." in its name`},
		"up from the root":        {layers: [][]byte{archive(index, file("/../x", ""))}, want: `layer 1: entry "/../x" has ".." in its name`},
		"up, outside the site":    {layers: [][]byte{archive(in, file("opt/../../x", ""))}, want: `layer 1: entry "opt/../../x" has ".." in its name`},
		"up, in a white-out":      {layers: [][]byte{archive(index), archive(file("../.wh.x", ""))}, want: `layer 2: entry "../.wh.x" has ".." in its name`},
		"up, in a hard link":      {layers: [][]byte{archive(index, hardLink("x", "../etc/passwd"))}, want: `layer 1: entry "x" is a hard link to "../etc/passwd", which has ".." in its name`},
		"up, a hard link outside": {layers: [][]byte{archive(in, hardLink("opt/x", "opt/../y"))}, want: `layer 1: entry "opt/x" is a hard link to "opt/../y", which has ".." in its name`},
		"up, by PAX":              {layers: [][]byte{concat(pax("path", "../x"), block("y", '0', none, ""), end)}, want: `layer 1: entry "../x" has ".." in its name`},
		"up, by GNU":              {layers: [][]byte{concat(longName("b/../../x"), block("y", '0', none, ""), end)}, want: `layer 1: entry "b/../../x" has ".." in its name`},
		"up, by a prefix":         {layers: [][]byte{concat(prefixed("..", "x"), end)}, want: `layer 1: entry "../x" has ".." in its name`},

		// Names that are none, or too much.
		"an empty name":             {layers: [][]byte{archive(index), concat(block("", '0', none, ""), end)}, want: `layer 2: entry "" is in place of the image's root`},
		"a dot":                     {layers: [][]byte{archive(index, symlink(".", "/etc"))}, want: `layer 1: entry "." is in place of the image's root`},
		"the root as a file":        {layers: [][]byte{archive(index), concat(block("/", '0', none, ""), end)}, want: `layer 2: entry "/" is in place of the image's root`},
		"a NUL in a PAX name":       {layers: [][]byte{concat(pax("path", "a\x00b"), block("y", '0', none, ""), end)}, want: `layer 1 is no whole archive: archive/tar: invalid tar header`},
		"a long component":          {layers: [][]byte{archive(index, file(strings.Repeat("a", 256), ""))}, want: `layer 1: entry ` + cut(strings.Repeat("a", 256)) + ` has a component of more than 255 bytes in its name`},
		"a long name":               {layers: [][]byte{archive(index, directory(strings.Repeat(long, 17)))}, want: `layer 1: entry ` + cut(strings.Repeat(long, 17)) + ` has a name of more than 4,095 bytes`},
		"a name of 1 MB, less some": {layers: [][]byte{concat(pax("path", strings.Repeat("a", 1<<20-100)), block("y", '0', none, ""), end)}, want: `layer 1: entry ` + cut(strings.Repeat("a", 1<<20-100)) + ` has a name of more than 4,095 bytes`},
		"a name of 1 MB":            {layers: [][]byte{concat(pax("path", strings.Repeat("a", 1<<20)), block("y", '0', none, ""), end)}, want: `layer 1 is no whole archive: archive/tar: header field too long`},
		"a name of 1 MB, by GNU":    {layers: [][]byte{concat(longName(strings.Repeat("a", 1<<20)), block("y", '0', none, ""), end)}, want: `layer 1 is no whole archive: archive/tar: header field too long`},
		"129 deep":                  {layers: [][]byte{archive(index, file(strings.Repeat("a/", 128)+"b", ""))}, want: `layer 1: entry ` + cut(strings.Repeat("a/", 128)+"b") + ` lies more than 128 directories deep`},
		"10,000 deep":               {layers: [][]byte{archive(index, directory(strings.Repeat("a/", 10_000)))}, want: `layer 1: entry ` + cut(strings.Repeat("a/", 10_000)) + ` has a name of more than 4,095 bytes`},
		"10,000 deep, one by one":   {layers: [][]byte{deeper(10_000)}, want: `layer 1: entry ` + cut(strings.Repeat("a/", 129)) + ` lies more than 128 directories deep`},
		"a long hard link":          {layers: [][]byte{archive(index, hardLink("a", strings.Repeat(long, 17)))}, want: `layer 1: entry "a" is a hard link to ` + cut(strings.Repeat(long, 17)) + `, which has a name of more than 4,095 bytes`},

		// White-outs.
		"the white-out of nothing":    {layers: [][]byte{archive(index), archive(file("a/.wh.", ""))}, want: `layer 2: entry "a/.wh." is the white-out of no name`},
		"the white-out of .":          {layers: [][]byte{archive(index), archive(file("a/.wh..", ""))}, want: `layer 2: entry "a/.wh.." is the white-out of no name`},
		"the white-out of ..":         {layers: [][]byte{archive(index), archive(file("a/.wh...", ""))}, want: `layer 2: entry "a/.wh..." is the white-out of no name`},
		"the white-out of .. outside": {layers: [][]byte{archive(in), archive(directory("opt/.wh.../"))}, want: `layer 2: entry "opt/.wh.../" is the white-out of no name`},
		"below a white-out":           {layers: [][]byte{archive(index, file(".wh.a/b", ""))}, want: `layer 1: entry ".wh.a/b" lies below a white-out`},
		"a white-out below a file":    {layers: [][]byte{archive(index, file("a", ""), file("a/.wh.b", ""))}, want: `layer 1: entry "a/.wh.b" lies below "a", which is no directory in the same layer`},
		"opaque below a link":         {layers: [][]byte{archive(index, symlink("a", "b"), file("a/.wh..wh..opq", ""))}, want: `layer 1: entry "a/.wh..wh..opq" lies below "a", which is no directory in the same layer`},

		// Links.
		"an absolute link out":               {layers: [][]byte{archive(in, symlink(html+"a", "/etc/passwd"))}, want: `layer 1: entry "usr/share/nginx/html/a" is a symbolic link to "/etc/passwd", outside the site's directory /usr/share/nginx/html`},
		"an absolute link up and out":        {layers: [][]byte{archive(in, symlink(html+"a", "/usr/share/nginx/html/../x"))}, want: `layer 1: entry "usr/share/nginx/html/a" is a symbolic link to "/usr/share/nginx/html/../x", outside the site's directory /usr/share/nginx/html`},
		"a relative link out":                {layers: [][]byte{archive(in, symlink(html+"a/b", "../../x"))}, want: `layer 1: entry "usr/share/nginx/html/a/b" is a symbolic link to "../../x", outside the site's directory /usr/share/nginx/html`},
		"a link to a neighbour of like name": {layers: [][]byte{archive(in, symlink(html+"a", "/usr/share/nginx/html2/x"))}, want: `layer 1: entry "usr/share/nginx/html/a" is a symbolic link to "/usr/share/nginx/html2/x", outside the site's directory /usr/share/nginx/html`},
		"a link to the image's root":         {layers: [][]byte{archive(in, symlink(html+"a", "/"))}, want: `layer 1: entry "usr/share/nginx/html/a" is a symbolic link to "/", outside the site's directory /usr/share/nginx/html`},
		"an index page out of the site":      {layers: [][]byte{archive(symlink(html+"index.html", "/etc/passwd"))}, want: `layer 1: entry "usr/share/nginx/html/index.html" is a symbolic link to "/etc/passwd", outside the site's directory /usr/share/nginx/html`},
		"a link to nothing":                  {layers: [][]byte{concat(block("index.html", '0', none, ""), block("a", '2', none, ""), end)}, want: `layer 1: entry "a" is a symbolic link with a target of 0 bytes: 1 to 4,095 are possible`},
		"a long target":                      {layers: [][]byte{archive(index, symlink("a", strings.Repeat(long, 17)))}, want: `layer 1: entry "a" is a symbolic link with a target of 4267 bytes: 1 to 4,095 are possible`},
		"written through a link":             {layers: [][]byte{archive(index, symlink("a", "b"), directory("b"), file("a/x", "x"))}, want: `layer 1: entry "a/x" lies below "a", which is no directory in the same layer`},
		"written through a link out":         {layers: [][]byte{archive(index, symlink("a", "/"), file("a/x", "x"))}, want: `layer 1: entry "a/x" lies below "a", which is no directory in the same layer`},
		"written through a link, deeper":     {layers: [][]byte{archive(index, directory("a"), symlink("a/l", "."), file("a/l/l/x", "x"))}, want: `layer 1: entry "a/l/l/x" lies below "a/l", which is no directory in the same layer`},
		"written through links made later":   {layers: [][]byte{archive(index, file("a/x", "x"), symlink("a", "b"), file("a/y", "y"))}, want: `layer 1: entry "a/y" lies below "a", which is no directory in the same layer`},
		"below a file":                       {layers: [][]byte{archive(index, file("foo", ""), file("foo/bar", ""))}, want: `layer 1: entry "foo/bar" lies below "foo", which is no directory in the same layer`},
		"below a file with a slash":          {layers: [][]byte{concat(block("index.html", '0', none, ""), block("foo/", '0', none, ""), block("foo/bar", '0', none, ""), end)}, want: `layer 1: entry "foo/bar" lies below "foo", which is no directory in the same layer`},
		"below a hard link":                  {layers: [][]byte{archive(index, hardLink("foo", "index.html"), directory("foo/bar"))}, want: `layer 1: entry "foo/bar" lies below "foo", which is no directory in the same layer`},
		"a hard link out":                    {layers: [][]byte{archive(file("etc/passwd", "x"), in, hardLink(html+"a", "etc/passwd"))}, want: `layer 1: entry "usr/share/nginx/html/a" is a hard link to "etc/passwd", outside the site's directory /usr/share/nginx/html`},
		"an absolute hard link out":          {layers: [][]byte{archive(in, hardLink(html+"a", "/etc/passwd"))}, want: `layer 1: entry "usr/share/nginx/html/a" is a hard link to "/etc/passwd", outside the site's directory /usr/share/nginx/html`},
		"a hard link to the site itself":     {layers: [][]byte{archive(in, hardLink(html+"a", html))}, want: `layer 1: entry "usr/share/nginx/html/a" is a hard link to "usr/share/nginx/html/", outside the site's directory /usr/share/nginx/html`},
		"a hard link to nothing":             {layers: [][]byte{archive(index, hardLink("a", "b"))}, want: `layer 1: entry "a" is a hard link to "b", which is no file there`},
		"a hard link without a name":         {layers: [][]byte{archive(index), concat(block("a", '1', none, ""), end)}, want: `layer 2: entry "a" is a hard link to "", outside the site's directory /`},
		"a hard link to a directory":         {layers: [][]byte{archive(index, directory("b"), hardLink("a", "b"))}, want: `layer 1: entry "a" is a hard link to "b", which is no file there`},
		"a hard link to itself":              {layers: [][]byte{archive(index, hardLink("index.html", "./index.html"))}, want: `layer 1: entry "index.html" is a hard link to itself`},
		"a hard link to a symbolic one":      {layers: [][]byte{archive(index, symlink("b", "index.html"), hardLink("a", "b"))}, want: `layer 1: entry "a" is a hard link to "b", which is no file there`},
		"a hard link through a symbolic one": {layers: [][]byte{archive(index, symlink("b", "."), hardLink("a", "b/index.html"))}, want: `layer 1: entry "a" is a hard link to "b/index.html", which is no file there`},
		"a hard link to what is whited out":  {layers: [][]byte{archive(index, file("b", "b")), archive(file(".wh.b", ""), hardLink("a", "b"))}, want: `layer 2: entry "a" is a hard link to "b", which is no file there`},

		// What is no file.
		"a character device": {layers: [][]byte{archive(index, special(tar.TypeChar, "a"))}, want: `layer 1: entry "a" is a device`},
		"a block device":     {layers: [][]byte{archive(index, special(tar.TypeBlock, "a"))}, want: `layer 1: entry "a" is a device`},
		"a FIFO":             {layers: [][]byte{archive(index, special(tar.TypeFifo, "a"))}, want: `layer 1: entry "a" is a FIFO`},
		"a volume's label":   {layers: [][]byte{concat(block("index.html", '0', none, ""), block("a", 'V', none, ""), end)}, want: `layer 1: entry "a" has the type "V": only files, directories and links are possible`},
		"a socket":           {layers: [][]byte{concat(block("index.html", '0', none, ""), block("a", 's', none, ""), end)}, want: `layer 1: entry "a" has the type "s": only files, directories and links are possible`},
		"an unknown type":    {layers: [][]byte{concat(block("index.html", '0', none, ""), block("a", 0xff, none, ""), end)}, want: `layer 1: entry "a" has the type "\xff": only files, directories and links are possible`},

		// Sizes.
		"more than a file may have": {layers: [][]byte{archive(file("index.html", "123456789"))}, options: unpack.Options{Limits: unpack.Limits{File: 8}}, want: `layer 1: entry "index.html" has 9 bytes: a file may have 8`},
		"more than all may have":    {layers: [][]byte{archive(file("index.html", "1"), file("a", strings.Repeat("1", 1000))), archive(file("b", ""))}, options: unpack.Options{Limits: unpack.Limits{Bytes: 4096}}, want: `the image has more than 4096 bytes, uncompressed`},
		"what is outside counts":    {layers: [][]byte{archive(in, file("opt/a", strings.Repeat("1", 4096)))}, options: unpack.Options{Limits: unpack.Limits{Bytes: 4096}}, want: `the image has more than 4096 bytes, uncompressed`},
		"many entries":              {layers: [][]byte{archive(index, file("a", "")), archive(file("b", ""))}, options: unpack.Options{Limits: unpack.Limits{Entries: 2}}, want: `the image has more than 2 entries`},
		"many entries outside":      {layers: [][]byte{archive(in, file("a", ""), file("b", ""))}, options: unpack.Options{Limits: unpack.Limits{Entries: 2}}, want: `the image has more than 2 entries`},
		"many directories":          {layers: [][]byte{archive(index, file("a/b/c/d", ""))}, options: unpack.Options{Limits: unpack.Limits{Entries: 4}}, want: `the site has more than 4 names, with those that later layers replace`},
		"hard links that copy much": {layers: [][]byte{archive(file("index.html", strings.Repeat("1", 1024)), hardLink("a", "index.html"), hardLink("b", "index.html"), hardLink("c", "index.html"), hardLink("d", "index.html"), hardLink("e", "index.html"))}, options: unpack.Options{Limits: unpack.Limits{Bytes: 6000}}, want: `the site has more than 6000 bytes, with those of hard links and of files that later layers replace`},
		"a sparse file":             {layers: [][]byte{concat(sparse("index.html", 1<<40), end)}, want: `layer 1: entry "index.html" has 1099511627776 bytes: a file may have 2147483648`},
		"sparse files":              {layers: [][]byte{concat(sparse("index.html", 3000), sparse("a", 3000), sparse("b", 3000), end)}, options: unpack.Options{Limits: unpack.Limits{Bytes: 8192}}, want: `the site has more than 8192 bytes, with those of hard links and of files that later layers replace`},
		"a negative size":           {layers: [][]byte{concat(block("index.html", '0', "-0000000001\x00", ""), end)}, want: `layer 1 is no whole archive: archive/tar: invalid tar header`},
		"a negative size in binary": {layers: [][]byte{concat(block("index.html", '0', strings.Repeat("\xff", 12), ""), end)}, want: `layer 1 is no whole archive: archive/tar: invalid tar header`},
		"a negative size by PAX":    {layers: [][]byte{concat(pax("size", "-1"), block("index.html", '0', none, ""), end)}, want: `layer 1 is no whole archive: archive/tar: invalid tar header`},
		"a size beyond 63 bits":     {layers: [][]byte{concat(block("index.html", '0', base256(1<<63), ""), end)}, want: `layer 1 is no whole archive: archive/tar: invalid tar header`},
		"a size of 63 bits":         {layers: [][]byte{concat(block("index.html", '0', base256(1<<63-1), ""), end)}, want: `layer 1 is no whole archive: unexpected EOF`},
		"a size in letters":         {layers: [][]byte{concat(block("index.html", '0', "many\x00", ""), end)}, want: `layer 1 is no whole archive: archive/tar: invalid tar header`},

		// The way to the site.
		"no index page":                         {layers: [][]byte{archive(file("a", ""))}, want: `none of /usr/share/nginx/html, /usr/local/apache2/htdocs, /var/www/html, / in the image has an index page (index.html, index.htm): set PREVIEWS_PATH to the directory of the site`},
		"an index page elsewhere":               {layers: [][]byte{archive(file("usr/share/doc/index.html", ""), file("opt/index.html", "")), archive(file("app/dist/a/index.html", ""), file("app/dist/index.html", ""), file("app/dist/b/index.html", ""), file("app/src", ""))}, want: `none of /usr/share/nginx/html, /usr/local/apache2/htdocs, /var/www/html, / in the image has an index page (index.html, index.htm): set PREVIEWS_PATH to the directory of the site; one is in "/app/dist"`},
		"a wrong path, an index page elsewhere": {layers: [][]byte{archive(file("app/dist/index.html", ""))}, options: unpack.Options{Path: "/app/build"}, want: `the image has no directory "/app/build" (PREVIEWS_PATH): there is no /app/build, only /app; an index page is in "/app/dist"`},
		"an index page that is no file":         {layers: [][]byte{archive(directory("index.html"))}, want: `none of /usr/share/nginx/html, /usr/local/apache2/htdocs, /var/www/html, / in the image has an index page (index.html, index.htm): set PREVIEWS_PATH to the directory of the site`},
		"a path that is not there":              {layers: [][]byte{archive(index, file("app/src/x", ""))}, options: unpack.Options{Path: "/app/dist/web"}, want: `the image has no directory "/app/dist/web" (PREVIEWS_PATH): there is no /app/dist, only /app; index pages are in /`},
		"a path that is a file":                 {layers: [][]byte{archive(in, file("app", ""))}, options: unpack.Options{Path: "/app"}, want: `the image has no directory "/app" (PREVIEWS_PATH): /app is a file; index pages are in /usr/share/nginx/html`},
		"a path with ..":                        {layers: [][]byte{archive(in)}, options: unpack.Options{Path: "/app/../etc"}, want: `PREVIEWS_PATH has ".." in its name`},
		"a path that is a loop":                 {layers: [][]byte{archive(symlink("a", "b"), symlink("b", "a"))}, options: unpack.Options{Path: "/a"}, want: `/a leads through more than 8 symbolic links`},
		"a path that is a loop to itself":       {layers: [][]byte{archive(symlink("a", "/a/a/a"))}, options: unpack.Options{Path: "/a"}, want: `/a leads through more than 8 symbolic links`},
		"a path of nine links":                  {layers: [][]byte{archive(symlink("1", "2"), symlink("2", "3"), symlink("3", "4"), symlink("4", "5"), symlink("5", "6"), symlink("6", "7"), symlink("7", "8"), symlink("8", "9"), symlink("9", "site"), file("site/x", ""))}, options: unpack.Options{Path: "/1"}, want: `/1 leads through more than 8 symbolic links`},
		"a path through a dangling link":        {layers: [][]byte{archive(symlink("a", "/b/c"))}, options: unpack.Options{Path: "/a"}, want: `the image has no directory "/a" (PREVIEWS_PATH): there is no /b; no index page is in the image`},
		"a path that is a link and more":        {layers: [][]byte{archive(symlink("a", "b"), file("a/x", ""), file("b/y", ""))}, options: unpack.Options{Path: "/a"}, want: `/a is a file or a symbolic link in the layer that has "a/x" below it`},
		"a path replaced by a link out":         {layers: [][]byte{archive(file("app/x", "")), archive(symlink("app", "../../../../etc"))}, options: unpack.Options{Path: "/app"}, want: `the image has no directory "/app" (PREVIEWS_PATH): there is no /etc; no index page is in the image`},
		"a path deeper than may be":             {layers: [][]byte{archive(symlink("a", strings.Repeat("b/", 200)))}, options: unpack.Options{Path: "/a"}, want: `the image has no directory "/a" (PREVIEWS_PATH): there is no /b; no index page is in the image`},
		"a site whose directory is a file":      {layers: [][]byte{archive(in), archive(file("usr/share/nginx/html", ""))}, want: `none of /usr/share/nginx/html, /usr/local/apache2/htdocs, /var/www/html, / in the image has an index page (index.html, index.htm): set PREVIEWS_PATH to the directory of the site`},

		// Bytes that are no archive.
		"text":                     {layers: [][]byte{[]byte("no archive, but text")}, want: `layer 1 is no whole archive: unexpected EOF`},
		"much text":                {layers: [][]byte{bytes.Repeat([]byte("no archive, but text"), 100)}, want: `layer 1 is no whole archive: archive/tar: invalid tar header`},
		"a wrong checksum":         {layers: [][]byte{append([]byte("j"), archive(index)[1:]...)}, want: `layer 1 is no whole archive: archive/tar: invalid tar header`},
		"garbage between entries":  {layers: [][]byte{concat(archive(index)[:1024], bytes.Repeat([]byte("x"), 512), end)}, want: `layer 1 is no whole archive: archive/tar: invalid tar header`},
		"one block of NULs within": {layers: [][]byte{concat(end[:512], archive(index))}, want: `layer 1 is no whole archive: archive/tar: invalid tar header`},
		"bzip2":                    {layers: [][]byte{[]byte("BZh91AY&SY")}, want: `layer 1 is compressed by bzip2: gzip, zstd and no compression are possible`},
		"xz":                       {layers: [][]byte{[]byte("\xfd7zXZ\x00\x00\x04")}, want: `layer 1 is compressed by xz: gzip, zstd and no compression are possible`},
		"gzip with a tail":         {layers: [][]byte{concat(zipped(archive(index)), []byte("tail"))}, want: `layer 1 is no whole archive: unexpected EOF`},
		"gzip with a long tail":    {layers: [][]byte{concat(zipped(archive(index)), []byte("a tail that is longer"))}, want: `layer 1 is no whole archive: gzip: invalid header`},
		"gzip with a wrong sum":    {layers: [][]byte{flipped(zipped(archive(index)), -8)}, want: `layer 1 is no whole archive: gzip: invalid checksum`},
		"zstd with a tail":         {layers: [][]byte{concat(zstded(archive(index)), []byte("a tail"))}, want: `layer 1 is no whole archive: invalid input: magic number mismatch`},
		"zstd with a wrong sum":    {layers: [][]byte{flipped(zstded(archive(index)), -1)}, want: `layer 1 is no whole archive: CRC check failed`},
		"a window of 64 MiB":       {layers: [][]byte{streamed(archive(index, file("big", strings.Repeat("1", 1000))), 64<<20)}, want: `layer 1 is compressed by zstd with a window of more than 32 MiB: that takes too much memory`},
		"a window of 16 MiB":       {layers: [][]byte{streamed(archive(index, file("big", strings.Repeat("1", 1000))), 16<<20)}, options: unpack.Options{Window: 1}, want: `layer 1 is compressed by zstd with a window of more than 8 MiB: that takes too much memory`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			directory, _, err := unpacked(t, withoutDigests(image(test.layers...)), test.options)
			isRefused(t, err, test.want)
			isAlone(t, directory)
		})
	}
}

// withoutDigests are layers of which only the bytes tell whether they are whole.
func withoutDigests(layers []unpack.Layer) []unpack.Layer {
	for i := range layers {
		layers[i].DiffID = ""
	}
	return layers
}

// cut is how a reason quotes a long name.
func cut(name string) string {
	if len(name) <= 200 {
		return fmt.Sprintf("%q", name)
	}
	return fmt.Sprintf("%q and %d bytes more", name[:200], len(name)-200)
}

// deeper is an archive of directories, each in the one before.
func deeper(n int) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 1; i <= min(n, 140); i++ {
		w.WriteHeader(directory(strings.Repeat("a/", i)))
	}
	w.Close()
	return b.Bytes()
}

// prefixed is an entry whose name is in two fields.
func prefixed(prefix, name string) []byte {
	b := block(name, '0', none, "")
	copy(b[345:], prefix)
	return summed(b)
}

// summed is a header with the checksum that it should have.
func summed(b []byte) []byte {
	copy(b[148:], "        ")
	sum := 0
	for _, c := range b[:512] {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	return b
}

// sparse is a file of nothing but a hole.
func sparse(name string, size int64) []byte {
	return concat(pax("GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.name", name, "GNU.sparse.realsize", fmt.Sprint(size)),
		block("GNUSparseFile.0/x", '0', fmt.Sprintf("%011o\x00", 512), ""), padded([]byte("0\n")))
}

// flipped is bytes of which one, counted from the end, is another.
func flipped(b []byte, at int) []byte {
	b[len(b)+at] ^= 0xff
	return b
}

// streamed is zstd with a window, as one frame whose size was not known.
func streamed(archive []byte, window int) []byte {
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, zstd.WithWindowSize(window))
	if err != nil {
		panic(err)
	}
	io.Copy(w, bytes.NewReader(archive))
	w.Flush()
	io.WriteString(w, "x")
	w.Close()
	return b.Bytes()
}
