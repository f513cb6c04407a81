package listing

import (
	"io"
	"io/fs"
	"strconv"
	"unicode/utf8"
)

// JSON is a directory for programs: the form of nginx (autoindex_format json), with "link" for symbolic links. Without details
// it has no sizes and times, and where links lead is not told.
type JSON struct{ Directory *Directory }

// Size returns about how many bytes the text has; few names that need escapes make it larger.
func (p *JSON) Size() int {
	size := 64
	row := len(`{ "name":"", "type":"directory", "link":"" },`) + 1
	if p.Directory.Details != nil {
		row += len(`, "mtime":"Sun, 06 Nov 1994 08:49:37 GMT", "size":`) + 20
	}
	for i, e := range p.Directory.Entries {
		size += row + len(e.Name) + len(e.Name)/8
		if p.Directory.Details != nil {
			size += len(p.Directory.Details[i].Target)
		}
	}
	return size
}

// Write writes the text in pieces.
func (p *JSON) Write(to io.Writer) error {
	w := newPen(to)
	defer w.free()
	w.add("[")
	for i := range p.Directory.Entries {
		if i > 0 {
			w.add(",")
		}
		p.addEntry(w, i)
		if err := w.pause(); err != nil {
			return err
		}
	}
	w.add("\n]\n")
	return w.flush()
}

func (p *JSON) addEntry(w *pen, i int) {
	e := &p.Directory.Entries[i]
	w.add("\n{ \"name\":")
	w.text = appendString(w.text, e.Name)
	kind := "other"
	switch {
	case e.Mode.IsDir():
		kind = "directory"
	case isFile(e.Mode):
		kind = "file"
	}
	w.add(`, "type":"`, kind, `"`)
	if p.Directory.Details != nil {
		d := &p.Directory.Details[i]
		if date := d.Mtime.Time().UTC(); date.Year() > 0 && date.Year() <= 9999 {
			w.add(`, "mtime":"`)
			w.text = date.AppendFormat(w.text, "Mon, 02 Jan 2006 15:04:05 GMT")
			w.add(`"`)
		}
		if kind == "file" {
			w.add(`, "size":`)
			w.text = strconv.AppendInt(w.text, d.Size, 10)
		}
	}
	if e.Mode&fs.ModeSymlink != 0 {
		target := ""
		if p.Directory.Details != nil {
			target = p.Directory.Details[i].Target
		}
		w.add(`, "link":`)
		w.text = appendString(w.text, target)
	}
	if !utf8.ValidString(e.Name) {
		w.add(`, "href":"`)
		w.text = appendReference(w.text, e.Name)
		w.add(`"`)
	}
	w.add(" }")
}

// appendString appends a string of JSON (RFC 8259, section 7). What is not UTF-8 is U+FFFD.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ' || c == 0x7f:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRuneInString(s[i:])
			dst = utf8.AppendRune(dst, r)
			i += n
			continue
		default:
			dst = append(dst, c)
		}
		i++
	}
	return append(dst, '"')
}
