package listing

import (
	"io"
	"io/fs"
	"strings"
	"unicode/utf8"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/tree"
)

// Icon is an icon for the head of a page. Browsers ask for /favicon.ico when a page has none, and that is an error in
// the log.
const Icon = `<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E` +
	`%3Cpath d='M2 3h5l2 2h5v8H2z' fill='%23678'/%3E%3C/svg%3E">` + "\n"

// Plain is the page that http.server makes.
type Plain struct {
	Directory *Directory
	// Title is the path that the page shows, in the bytes of file names.
	Title string
	// Head is HTML that comes last in the page's head.
	Head string
}

const (
	plainHead = `<!DOCTYPE HTML>
<html lang="en">
<head>
<meta charset="utf-8">
<style type="text/css">
:root {
color-scheme: light dark;
}
</style>
<title>`
	plainTail = "</ul>\n<hr>\n</body>\n</html>\n"
)

// Size returns about how many bytes the page has; few names that need escapes make it larger.
func (p *Plain) Size() int {
	size := 512 + 2*len(p.Title) + len(p.Head)
	for _, e := range p.Directory.Entries {
		size += 2*len(e.Name) + len("<li><a href=\"/\">/</a></li>\n")
	}
	return size + size/8
}

// Write writes the page in pieces.
func (p *Plain) Write(to io.Writer) error {
	w := newPen(to)
	defer w.free()
	title := "Directory listing for " + message.EscapeHTML(p.Title)
	w.text = append(w.text, plainHead+title+"</title>\n"+p.Head+"</head>\n<body>\n<h1>"+title+"</h1>\n<hr>\n<ul>\n"...)
	for i := range p.Directory.Entries {
		w.text = appendItem(w.text, &p.Directory.Entries[i])
		if err := w.pause(); err != nil {
			return err
		}
	}
	w.text = append(w.text, plainTail...)
	return w.flush()
}

// appendItem appends the line of one name. A link to a directory is shown with @ and links with /.
func appendItem(page []byte, e *tree.Entry) []byte {
	isDir := e.Mode.IsDir()
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

const hex = "0123456789ABCDEF"

// appendQuoted appends a name percent-encoded: urllib.parse.quote with errors='surrogatepass', in which a
// byte that is not UTF-8 is the three bytes of its surrogate.
func appendQuoted(dst []byte, name string) []byte {
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
