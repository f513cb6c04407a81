package listing

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/previewd/previewd/server/site/tree"
)

var (
	//go:embed page.css
	style string
	//go:embed page.js
	script string
	// Styles are the style sheet and its icons, for other pages that are to look like this one.
	Styles = style + icons()
)

// Policy is the Content-Security-Policy of a rich page: its own style and script by their digests, and what is put into
// pages from this server.
var Policy = "default-src 'none'; style-src 'self' " + Digest(Styles) + "; script-src 'self' " + Digest(script) +
	"; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'"

// Digest is the source of a Content-Security-Policy that allows a style sheet or a script with this text.
func Digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// Rich is the page for people.
type Rich struct {
	Directory *Directory
	// Path is that of the directory, "/" or "/a/b/", in the bytes of file names.
	Path string
	// Up is the way from the page to the top: one ../ for each directory on it. It is longer than Path has it where a
	// path is spelled in an unusual way.
	Up int
	// Readme is the name of the file whose text is shown below the names, empty if there is none.
	Readme, Text string
	// Archives says whether the directory may be had as an archive.
	Archives bool
	// Hint is said of an empty directory.
	Hint string
	// Zone is that of the times.
	Zone *time.Location
}

// chunk is how many rows stand in a part of the table that a browser passes over while it is out of sight.
const chunk = 100

// Size returns about how many bytes the page has; few names that need escapes make it larger.
func (p *Rich) Size() int {
	size := len(Styles) + len(script) + 4<<10 + 8*len(p.Path) + len(p.Text) + len(p.Text)/4
	row := len(rowStart) + 64
	if p.Directory.Details != nil {
		row += 220
	}
	for i, e := range p.Directory.Entries {
		size += row + 2*len(e.Name)
		if p.Directory.Details != nil {
			size += len(p.Directory.Details[i].Target)
		}
	}
	return size
}

const rowStart = `<tr><th scope="row"><a href=""><bdi></bdi></a></th></tr>`

// Write writes the page in pieces.
func (p *Rich) Write(to io.Writer) error {
	w := newPen(to)
	defer w.free()
	w.add(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Directory listing for `, escape(p.Path), "</title>\n", Icon, "<style>", Styles, "</style>\n</head>\n<body>\n")
	p.addHeader(w)
	w.add("<main>\n")
	p.addBar(w)
	if len(p.Directory.Entries) == 0 {
		w.add(`<div class="empty"><p>This folder is empty.</p>`)
		if p.Hint != "" {
			w.add("<p>", escape(p.Hint), "</p>")
		}
		w.add("</div>\n")
	} else if err := p.addTable(w); err != nil {
		return err
	}
	if p.Readme != "" {
		w.add(`<section aria-labelledby="readme"><h2 id="readme"><bdi>`, escape(p.Readme), "</bdi></h2>\n<pre>\n", string(appendHTML(nil, p.Text, true)), "</pre></section>\n")
	}
	w.add("</main>\n")
	if len(p.Directory.Entries) > 0 {
		w.add(`<footer class="hint" hidden><kbd>/</kbd> filters, <kbd>↑</kbd> <kbd>↓</kbd> move, <kbd>Enter</kbd> opens</footer>`+"\n<script>", script, "</script>\n")
	}
	w.add("</body>\n</html>\n")
	return w.flush()
}

// addHeader adds the way to the directory.
func (p *Rich) addHeader(w *pen) {
	parts := strings.Split(strings.Trim(p.Path, "/"), "/")
	own := parts[len(parts)-1]
	w.add("<header>\n")
	if own != "" {
		w.add(`<nav aria-label="Folders above"><ol><li><a href="`, strings.Repeat("../", p.Up), `">Home</a></li>`)
		for i, part := range parts[:len(parts)-1] {
			if p.Up == len(parts) {
				w.add(`<li><a href="`, strings.Repeat("../", len(parts)-1-i), `"><bdi>`, escape(part), "</bdi></a></li>")
			} else {
				w.add("<li><bdi>", escape(part), "</bdi></li>")
			}
		}
		w.add("</ol></nav>\n")
	} else {
		own = "Home"
	}
	w.add("<h1><bdi>", escape(own), "</bdi></h1>\n</header>\n")
}

// addBar adds what there is of all names together, and what may be done with them.
func (p *Rich) addBar(w *pen) {
	if len(p.Directory.Entries) == 0 {
		return
	}
	w.add(`<div class="bar"><p id="count" aria-live="polite">`, p.summary(), "</p>\n",
		`<input type="search" placeholder="Filter" aria-label="Filter by name" autocomplete="off" spellcheck="false" hidden>`+"\n")
	if p.Archives {
		w.add(`<form aria-label="Download this folder"><span aria-hidden="true">Download</span>` +
			`<button name="archive" value="zip" aria-label="Download as .zip">.zip</button>` +
			`<button name="archive" value="tar.gz" aria-label="Download as .tar.gz">.tar.gz</button></form>` + "\n")
	}
	w.add("</div>\n")
}

// summary counts what there is. What is neither a folder nor a file that is served (a pipe, a link to nothing) is another thing.
func (p *Rich) summary() string {
	folders, files, total := 0, 0, int64(0)
	for i, e := range p.Directory.Entries {
		switch {
		case e.Mode.IsDir():
			folders++
		case isFile(e.Mode):
			files++
			if p.Directory.Details != nil {
				total += p.Directory.Details[i].Size
			}
		}
	}
	var parts []string
	for _, c := range []struct {
		n    int
		what string
	}{{folders, "folder"}, {files, "file"}, {len(p.Directory.Entries) - folders - files, "other"}} {
		if c.n > 0 {
			parts = append(parts, counted(c.n, c.what))
		}
	}
	if p.Directory.Details == nil {
		return strings.Join(parts, ", ") + "; with so many, sizes and times are left out"
	}
	if total > 0 {
		parts = append(parts, FormatSize(total))
	}
	return strings.Join(parts, ", ")
}

func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return string(appendGrouped(nil, int64(n))) + " " + what
}

// addTable adds the names, and what else there is to be told of them.
func (p *Rich) addTable(w *pen) error {
	if p.Directory.Details == nil {
		w.add(`<table class="names">` + "\n" + `<thead><tr><th scope="col" data-by="name">Name</th></tr></thead>` + "\n")
	} else {
		w.add("<table>\n" + `<thead><tr><th scope="col" data-by="name">Name</th><th scope="col" data-by="size">Size</th><th scope="col" data-by="time">Modified</th></tr></thead>` + "\n")
	}
	for i := range p.Directory.Entries {
		if i%chunk == 0 {
			if i > 0 {
				w.add("</tbody>\n")
			}
			w.add("<tbody>\n")
		}
		p.addRow(w, i)
		if err := w.pause(); err != nil {
			return err
		}
	}
	w.add("</tbody>\n</table>\n")
	return nil
}

// addRow adds the row of an entry: its link if there is something behind it.
func (p *Rich) addRow(w *pen, i int) {
	e := &p.Directory.Entries[i]
	isLink := e.Mode&fs.ModeSymlink != 0
	class := kindOf(e)
	if isLink {
		class = strings.TrimSpace(class + " l")
	}
	if class == "" {
		w.add(`<tr><th scope="row">`)
	} else {
		w.add(`<tr class="`, class, `"><th scope="row">`)
	}
	slash := ""
	if e.Mode.IsDir() {
		slash = "/"
	}
	served := e.Mode.IsDir() || isFile(e.Mode)
	if served {
		w.add(`<a href="`)
		w.text = appendReference(w.text, e.Name)
		w.add(slash, `"><bdi>`)
		w.text = appendText(w.text, e.Name)
		w.add(slash, "</bdi></a>")
	} else {
		w.add(`<span class="off"><bdi>`)
		w.text = appendText(w.text, e.Name)
		w.add("</bdi></span>")
	}
	if p.Directory.Details == nil {
		if note := noteOf(e, nil); note != "" {
			w.add(` <span class="to">`, note, "</span>")
		}
		w.add("</th></tr>\n")
		return
	}
	d := &p.Directory.Details[i]
	if note := noteOf(e, d); note != "" || d.Target != "" {
		w.add(` <span class="to">`)
		if d.Target != "" {
			w.add("→ <bdi>")
			w.text = appendText(w.text, d.Target)
			w.add("</bdi>")
		}
		if note != "" {
			w.add(" (", note, ")")
		}
		w.add("</span>")
	}
	w.add("</th>")
	p.addSize(w, e, d)
	p.addTime(w, e, d)
	w.add("</tr>\n")
}

func (p *Rich) addSize(w *pen, e *tree.Entry, d *Detail) {
	if !isFile(e.Mode) {
		w.add("<td></td>")
		return
	}
	w.add(`<td><data value="`)
	w.text = strconv.AppendInt(w.text, d.Size, 10)
	if d.Size >= 1000 {
		w.add(`" title="`)
		w.text = appendGrouped(w.text, d.Size)
		w.add(" bytes")
	}
	w.add(`">`, FormatSize(d.Size), "</data></td>")
}

func (p *Rich) addTime(w *pen, e *tree.Entry, d *Detail) {
	if e.Mode&fs.ModeIrregular != 0 {
		w.add("<td></td>")
		return
	}
	t := d.Mtime.Time()
	if year := t.UTC().Year(); year < 1 || year > 9998 {
		w.add("<td></td>")
		return
	}
	local := t.In(p.Zone)
	w.add(`<td><time datetime="`)
	w.text = t.UTC().AppendFormat(w.text, "2006-01-02T15:04:05Z")
	w.add(`" title="`)
	w.text = local.AppendFormat(w.text, "2006-01-02 15:04:05 MST")
	w.add(`">`)
	w.text = local.AppendFormat(w.text, "2006-01-02 15:04")
	w.add("</time></td>")
}

// isFile says whether there is a file that is served behind an entry, which is no directory.
func isFile(mode fs.FileMode) bool {
	return mode&fs.ModeType == 0 || mode&fs.ModeType == fs.ModeSymlink
}

// noteOf says why there is nothing behind an entry, in parentheses.
func noteOf(e *tree.Entry, d *Detail) string {
	switch {
	case e.Mode&fs.ModeSymlink != 0 && e.Mode&fs.ModeIrregular != 0:
		switch {
		case d == nil:
			return "link to nothing that is served"
		case d.Refused:
			return "link, not followed"
		}
		return "leads to no file"
	case e.Mode&fs.ModeNamedPipe != 0:
		return "named pipe"
	case e.Mode&fs.ModeSocket != 0:
		return "socket"
	case e.Mode&fs.ModeDevice != 0:
		return "device"
	case e.Mode&fs.ModeIrregular != 0:
		return "not a file"
	}
	return ""
}

// FormatSize is a number of bytes for people, in powers of 1000.
func FormatSize(n int64) string {
	const units = "kMGTPE"
	if n < 1000 {
		return strconv.FormatInt(n, 10) + " B"
	}
	value, unit := float64(n), -1
	for value >= 999.5 {
		value /= 1000
		unit++
	}
	precision := 1
	if value >= 99.95 {
		precision = 0
	}
	return strconv.FormatFloat(value, 'f', precision, 64) + " " + units[unit:unit+1] + "B"
}

// appendGrouped appends a number with a comma between groups of digits.
func appendGrouped(dst []byte, n int64) []byte {
	digits := strconv.FormatInt(n, 10)
	for i := range len(digits) {
		if i > 0 && (len(digits)-i)%3 == 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, digits[i])
	}
	return dst
}

// kindOf is the class of a row, which chooses its icon; "" is that of a file like others.
func kindOf(e *tree.Entry) string {
	if e.Mode.IsDir() {
		return "d"
	}
	ext := path.Ext(e.Name)
	if len(ext) < 2 || len(ext) > 6 {
		return ""
	}
	switch strings.ToLower(ext[1:]) {
	case "png", "jpg", "jpeg", "gif", "webp", "avif", "svg", "ico", "bmp", "tif", "tiff", "heic":
		return "i"
	case "mp4", "webm", "mkv", "mov", "avi", "m4v", "ogv":
		return "v"
	case "mp3", "flac", "wav", "ogg", "m4a", "opus", "aac":
		return "a"
	case "zip", "gz", "tgz", "xz", "bz2", "zst", "br", "7z", "rar", "tar", "whl", "jar", "deb", "rpm", "iso":
		return "z"
	case "html", "htm", "css", "js", "mjs", "ts", "tsx", "jsx", "json", "xml", "yaml", "yml", "toml", "py", "go", "rs", "c", "h", "cpp", "java", "rb",
		"php", "sh", "sql", "vue", "wasm", "map":
		return "c"
	case "txt", "md", "rst", "log", "csv", "pdf", "doc", "docx", "odt", "tex", "epub":
		return "t"
	}
	return ""
}

// icons are the pictures of the classes, drawn with lines in the colour of text.
func icons() string {
	const page = "<path d='M4 1.8h5l3.2 3.2v9.2H4z'/><path d='M9 1.8V5h3.2'/>"
	var b strings.Builder
	for _, icon := range []struct{ class, drawing string }{
		{"", page},
		{".d", "<path d='M1.8 3.5h4.4l1.6 1.8h6.4v7.7H1.8z'/>"},
		{".i", "<path d='M2 3h12v10H2z'/><circle cx='5.6' cy='6.2' r='1.1'/><path d='m2.5 12 3.6-3.4 2.3 2 2.6-3 3 3.6'/>"},
		{".v", "<path d='M2 3.5h12v9H2z'/><path d='m6.6 5.8 3.6 2.2-3.6 2.2z'/>"},
		{".a", "<path d='M6 12V3.6l6.4-1.3v8.2'/><circle cx='4.4' cy='12' r='1.7'/><circle cx='10.8' cy='10.6' r='1.7'/>"},
		{".z", "<path d='M2.5 5.5h11v8h-11zM1.8 2.8h12.4v2.7H1.8zM6.3 8.3h3.4'/>"},
		{".c", page + "<path d='M7 8 5.6 9.7 7 11.4M9.2 8l1.4 1.7-1.4 1.7'/>"},
		{".t", page + "<path d='M5.9 8h4.4M5.9 10h4.4M5.9 12h2.8'/>"},
	} {
		svg := "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16' fill='none' stroke='#000' stroke-width='1.1' stroke-linejoin='round'>" + icon.drawing + "</svg>"
		b.WriteString("tr" + icon.class + "{--icon:url(\"data:image/svg+xml," + strings.NewReplacer("<", "%3C", ">", "%3E", "#", "%23").Replace(svg) + "\")}\n")
	}
	b.WriteString(".d th::before{background:var(--mark)}\n")
	return b.String()
}

// Escape makes text of the bytes of a name, for HTML.
func Escape(name string) string { return escape(name) }

func escape(name string) string { return string(appendText(nil, name)) }

// appendText appends the bytes of a name as text for HTML. What is not UTF-8 is shown as U+FFFD, and so is what turns the
// direction of writing round, as gnp.exe would look like exe.png behind it. A control character is shown as a picture of it
// (Unicode, Control Pictures).
func appendText(dst []byte, name string) []byte { return appendHTML(dst, name, false) }

// appendHTML is appendText for names and for lines, in which tabs and line ends are what they are.
func appendHTML(dst []byte, name string, lines bool) []byte {
	for i := 0; i < len(name); {
		c := name[i]
		switch {
		case c == '&':
			dst = append(dst, "&amp;"...)
		case c == '<':
			dst = append(dst, "&lt;"...)
		case c == '>':
			dst = append(dst, "&gt;"...)
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRuneInString(name[i:])
			if !lines && turnsDirection(r) {
				r = utf8.RuneError
			}
			dst = utf8.AppendRune(dst, r)
			i += n
			continue
		case lines && (c == '\t' || c == '\n' || c == '\r'):
			dst = append(dst, c)
		case c < ' ':
			dst = utf8.AppendRune(dst, '\u2400'+rune(c))
		case c == 0x7f:
			dst = append(dst, "\u2421"...)
		default:
			dst = append(dst, c)
		}
		i++
	}
	return dst
}

// turnsDirection says whether a character embeds, overrides or isolates a direction of writing (UAX 9, sections 2.1 to 2.5).
func turnsDirection(r rune) bool {
	return '\u202a' <= r && r <= '\u202e' || '\u2066' <= r && r <= '\u2069'
}

// appendReference appends a name as a relative reference: its bytes, of which those that are not unreserved are escaped
// (RFC 3986, section 2.3).
func appendReference(dst []byte, name string) []byte {
	for i := range len(name) {
		if c := name[i]; isUnreserved(c) {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		}
	}
	return dst
}
