// Package listing makes the page of a directory: list_directory of 3.14.
package listing

import (
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/tree"
)

// Page is the page of a directory, and what it depends on. It is true as long as its directory is as it was, since
// names and types cannot change without that, and its Links are.
type Page struct {
	HTML []byte
	// Status is that of the directory before its names were read.
	Status tree.Status
	Links  Links
}

// Links are the symbolic links in a listing: their names, and whether they led to a directory.
type Links []link

type link struct {
	name  string
	isDir bool
}

// Size is how many bytes of memory the links take.
func (l Links) Size() int {
	size := cap(l) * int(unsafe.Sizeof(link{}))
	for _, link := range l {
		size += len(link.name)
	}
	return size
}

// LeadAsBefore says whether each link in the directory still leads to a directory if it did.
func (l Links) LeadAsBefore(t *tree.Tree, directory string) bool {
	for _, link := range l {
		if leadsToDirectory(t, directory, link.name) != link.isDir {
			return false
		}
	}
	return true
}

// Icon is an icon for the head of a page. Browsers ask for /favicon.ico when a page has none, and that is an error in
// the log.
const Icon = `<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E` +
	`%3Cpath d='M2 3h5l2 2h5v8H2z' fill='%23678'/%3E%3C/svg%3E">` + "\n"

// Read makes the page of a directory. title is the path that it shows, in the bytes of file names; head is HTML that
// comes last in the page's head. An error is one of t.ReadDir.
func Read(t *tree.Tree, name, title, head string) (Page, error) {
	list, st, err := t.ReadDir(name)
	if err != nil {
		return Page{}, err
	}
	page := Page{Status: st}
	isDir := func(e tree.Entry) bool {
		if e.Mode&fs.ModeSymlink == 0 {
			return e.Mode.IsDir()
		}
		dir := leadsToDirectory(t, name, e.Name)
		page.Links = append(page.Links, link{strings.Clone(e.Name), dir}) // e.Name holds the names beside it
		return dir
	}
	page.HTML = render(title, head, sortEntries(list), isDir)
	return page, nil
}

// leadsToDirectory says whether a link in a directory leads to one, as far as links are followed.
func leadsToDirectory(t *tree.Tree, directory, name string) bool {
	st, err := t.Stat(path.Join(directory, name))
	return err == nil && st.Mode.IsDir()
}

// render makes the page. Names are bytes as the file system has them; display is the path in the
// title.
func render(display, head string, list []tree.Entry, isDir func(tree.Entry) bool) []byte {
	title := "Directory listing for " + message.EscapeHTML(display)
	size := 512 + 2*len(title) + len(head)
	for _, e := range list {
		size += 2*len(e.Name) + len("<li><a href=\"/\">/</a></li>\n")
	}
	page := make([]byte, 0, size+size/8)
	page = append(page, `<!DOCTYPE HTML>
<html lang="en">
<head>
<meta charset="utf-8">
<style type="text/css">
:root {
color-scheme: light dark;
}
</style>
<title>`+title+`</title>
`+head+`</head>
<body>
<h1>`+title+`</h1>
<hr>
<ul>
`...)
	for _, e := range list {
		page = appendItem(page, e, isDir(e))
	}
	return append(page, "</ul>\n<hr>\n</body>\n</html>\n"...)
}

// appendItem appends the line of one name. A link to a directory is shown with @ and links with /.
func appendItem(page []byte, e tree.Entry, isDir bool) []byte {
	page = append(page, `<li><a href="`...)
	page = appendQuoted(page, e.Name)
	if isDir {
		page = append(page, '/')
	}
	page = append(page, `">`...)
	page = appendEscaped(page, e.Name)
	switch {
	case e.Mode&fs.ModeSymlink != 0:
		page = append(page, '@')
	case isDir:
		page = append(page, '/')
	}
	return append(page, "</a></li>\n"...)
}

// appendEscaped is html.escape(name, quote=False).
func appendEscaped(page []byte, name string) []byte {
	if !strings.ContainsAny(name, "&<>") {
		return append(page, name...)
	}
	return append(page, message.EscapeHTML(name)...)
}

// appendQuoted appends a name percent-encoded: urllib.parse.quote with errors='surrogatepass', in which a
// byte that is not UTF-8 is the three bytes of its surrogate.
func appendQuoted(dst []byte, name string) []byte {
	const hex = "0123456789ABCDEF"
	for i := 0; i < len(name); i++ {
		c := name[i]
		switch {
		case isUnreserved(c) || c == '/':
			dst = append(dst, c)
			continue
		case c >= utf8.RuneSelf:
			if _, n := utf8.DecodeRuneInString(name[i:]); n > 1 {
				for ; n > 1; n-- {
					dst = append(dst, '%', hex[name[i]>>4], hex[name[i]&15])
					i++
				}
				c = name[i]
				break
			}
			dst = append(dst, "%ED%B"...)
			dst = append(dst, hex[c>>6], '%')
			c = c&0x3F | 0x80
			dst = append(dst, hex[c>>4], hex[c&15])
			continue
		}
		dst = append(dst, '%', hex[c>>4], hex[c&15])
	}
	return dst
}

// isUnreserved says whether quote leaves a character as it is (RFC 3986, section 2.3).
func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '_' || c == '.' || c == '-' || c == '~'
}

// sortEntries sorts by the name in lower case, in the order of code points: list.sort(key=str.lower).
// Names that differ only in case keep the order of the file system.
func sortEntries(list []tree.Entry) []tree.Entry {
	type keyed struct {
		key   string
		place int
	}
	keys := make([]keyed, len(list))
	for i, e := range list {
		keys[i] = keyed{sortKey(e.Name), i}
	}
	slices.SortFunc(keys, func(a, b keyed) int {
		if order := strings.Compare(a.key, b.key); order != 0 {
			return order
		}
		return a.place - b.place
	})
	sorted := make([]tree.Entry, len(list))
	for i, k := range keys {
		sorted[i] = list[k.place]
	}
	return sorted
}

// sortKey is the lower-cased name in a form whose byte order is that of code points: UTF-8 has it, and a
// byte that is not UTF-8 is written as its surrogate, ED B2 80 to ED B3 BF.
func sortKey(name string) string {
	key := message.Lower(name)
	if utf8.ValidString(key) {
		return key
	}
	return fsdecode(key)
}

// fsdecode turns the bytes of a file name into text: os.fsdecode, UTF-8 with errors='surrogateescape'.
func fsdecode(name string) string {
	text := make([]byte, 0, len(name)+8)
	for i := 0; i < len(name); {
		r, n := utf8.DecodeRuneInString(name[i:])
		if r == utf8.RuneError && n == 1 {
			text = append(text, 0xED, 0xB0|name[i]>>6, name[i]&0x3F|0x80)
		} else {
			text = append(text, name[i:i+n]...)
		}
		i += n
	}
	return string(text)
}
