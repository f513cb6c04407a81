package site

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/previewd/previewd/server/message"
)

// link is a symbolic link in a listing, and whether it led to a directory.
type link struct {
	name  string
	isDir bool
}

// sizeOf is how many bytes of memory links take.
func sizeOf(links []link) int {
	size := cap(links) * int(unsafe.Sizeof(link{}))
	for _, l := range links {
		size += len(l.name)
	}
	return size
}

// listDirectory answers with a page of the names in a directory: list_directory of 3.14. st is its status,
// as look has it.
//
// A page is kept as long as its directory is as it was: names and types cannot change without it. Where a
// link leads can, so each is looked at again. Only the page with the directory's own path is kept: of others, as
// of /./a/, there is no end.
func (s *Site) listDirectory(r *message.Request, t tree, name string, st status) message.Response {
	display, ok := fsencode(unquote(message.Latin1(targetPath(r.Target))))
	if !ok {
		return notFound(nil) // a lone surrogate, where CPython dies
	}
	own := display == ownPath(name)
	if own {
		if src, found := s.keptListing(t, name, st); found {
			return message.Response{Status: 200, Fields: src.fields, Body: src.body}
		}
	}
	read := s.now()
	page, st, links, err := s.readListing(t, name, display)
	if err != nil {
		return s.refuseListing(t, name, err)
	}
	fields := s.unvalidated("Content-type", "text/html; charset=utf-8")
	src := source{&resource{st: st, fields: fields, links: links}, message.Bytes(page)}
	if own {
		src = s.keep(key{name: name, listing: true}, src, read)
	}
	return message.Response{Status: 200, Fields: src.fields, Body: src.body}
}

// ownPath is the path of a directory to which redirects and listings lead.
func ownPath(name string) string {
	if name == "." {
		return "/"
	}
	return "/" + name + "/"
}

// keptListing returns the page of a directory that is kept, if it is still true.
func (s *Site) keptListing(t tree, name string, st status) (source, bool) {
	src, found := s.find(key{name: name, listing: true}, st)
	if found && s.leadAsBefore(t, name, src.links) {
		s.cache.Hit()
		return src, true
	}
	s.cache.Miss()
	if found {
		src.close()
	}
	return source{}, false
}

// refuseListing answers for a directory that cannot be opened or read.
func (s *Site) refuseListing(t tree, name string, err error) message.Response {
	if isRefused(err) || isTemporary(err) || errors.Is(err, fs.ErrNotExist) {
		return s.refuse(t, name, err)
	}
	cause := s.unreadable(t, name, err)
	return (&message.Failure{Status: 404, Message: "No permission to list directory", Cause: cause}).Response()
}

// readListing makes the page of a directory, and tells the status of the directory and the links that go
// with it.
func (s *Site) readListing(t tree, name, display string) (page []byte, st status, links []link, err error) {
	f, st, err := t.open(name)
	if err != nil {
		return nil, st, nil, err
	}
	defer f.close()
	list, err := f.entries()
	if err != nil {
		return nil, st, nil, err
	}
	if s.opts.Hidden == HiddenDeny {
		list = slices.DeleteFunc(list, func(e entry) bool { return isHidden(e.name) })
	}
	isDir := func(e entry) bool {
		if e.mode&fs.ModeSymlink == 0 {
			return e.mode.IsDir()
		}
		dir := s.leadsToDirectory(t, name, e.name)
		links = append(links, link{strings.Clone(e.name), dir}) // e.name holds the names beside it
		return dir
	}
	return listingPage(display, sortEntries(list), isDir), st, links, nil
}

// leadsToDirectory says whether a link in a directory leads to one, as far as links are followed.
func (s *Site) leadsToDirectory(t tree, directory, name string) bool {
	if s.opts.Symlinks == SymlinksDeny {
		return false
	}
	st, err := t.stat(path.Join(directory, name))
	return err == nil && st.mode.IsDir()
}

func (s *Site) leadAsBefore(t tree, directory string, links []link) bool {
	for _, l := range links {
		if s.leadsToDirectory(t, directory, l.name) != l.isDir {
			return false
		}
	}
	return true
}

// listingPage makes the page. Names are bytes as the file system has them; display is the path in the
// title.
func listingPage(display string, list []entry, isDir func(entry) bool) []byte {
	title := "Directory listing for " + message.EscapeHTML(display)
	size := 512 + 2*len(title)
	for _, e := range list {
		size += 2*len(e.name) + len("<li><a href=\"/\">/</a></li>\n")
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
</head>
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
func appendItem(page []byte, e entry, isDir bool) []byte {
	page = append(page, `<li><a href="`...)
	page = appendQuoted(page, e.name)
	if isDir {
		page = append(page, '/')
	}
	page = append(page, `">`...)
	page = appendEscaped(page, e.name)
	switch {
	case e.mode&fs.ModeSymlink != 0:
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
func sortEntries(list []entry) []entry {
	type keyed struct {
		key   string
		place int
	}
	keys := make([]keyed, len(list))
	for i, e := range list {
		keys[i] = keyed{sortKey(e.name), i}
	}
	slices.SortFunc(keys, func(a, b keyed) int {
		if order := strings.Compare(a.key, b.key); order != 0 {
			return order
		}
		return a.place - b.place
	})
	sorted := make([]entry, len(list))
	for i, k := range keys {
		sorted[i] = list[k.place]
	}
	return sorted
}

// sortKey is the lower-cased name in a form whose byte order is that of code points: UTF-8 has it, and a
// byte that is not UTF-8 is written as its surrogate, ED B2 80 to ED B3 BF.
func sortKey(name string) string {
	key := pyLower(name)
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
