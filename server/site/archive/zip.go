package archive

import (
	"archive/zip"
	"compress/flate"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/previewd/previewd/server/site/tree"
)

// zipWriter writes a ZIP archive.
type zipWriter struct {
	w      *zip.Writer
	packed func(string) bool
	// level is that of the entry that is begun; fast and stored are its encoders.
	isPacked     bool
	fast, stored *flate.Writer
}

func beginZip(w io.Writer, packed func(string) bool) writer {
	z := &zipWriter{w: zip.NewWriter(w), packed: packed}
	z.w.RegisterCompressor(zip.Deflate, z.encoder)
	return z
}

// encoder returns the one encoder of each kind once more. What is packed already goes into blocks as it is.
func (z *zipWriter) encoder(w io.Writer) (io.WriteCloser, error) {
	used, level := &z.fast, flate.BestSpeed
	if z.isPacked {
		used, level = &z.stored, flate.NoCompression
	}
	if *used != nil {
		(*used).Reset(w)
		return *used, nil
	}
	var err error
	*used, err = flate.NewWriter(w, level)
	return *used, err
}

// head is that of an entry.
func (z *zipWriter) head(name string, mode fs.FileMode, st tree.Status) *zip.FileHeader {
	head := &zip.FileHeader{Name: nameInZip(name), Modified: inZip(st.Mtime.Time())}
	head.SetMode(mode)
	return head
}

// nameInZip is a name that all programs read as the same one. Windows takes a backslash for a slash, unzip leaves control
// characters out, and what is not UTF-8 is in a code page of the reader's choice: such bytes are escaped as they are in a URL. No
// other entry has that name, or hardly.
func nameInZip(name string) string {
	var b strings.Builder
	for i, r := range name {
		c := name[i]
		if isRaw := r == utf8.RuneError && !strings.HasPrefix(name[i:], "\ufffd"); isRaw || c < ' ' || c == 0x7f || c == '\\' {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// inZip is a time within those that a ZIP archive can have: from 1980 on, and up to 2^32-1 seconds after 1970.
func inZip(t time.Time) time.Time {
	first, last := time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC), time.Unix(1<<32-1, 0).UTC()
	switch t = t.UTC(); {
	case t.Before(first):
		return first
	case t.After(last):
		return last
	}
	return t
}

func (z *zipWriter) directory(name string, st tree.Status) error {
	_, err := z.w.CreateHeader(z.head(name+"/", fs.ModeDir|st.Mode.Perm(), st))
	return err
}

func (z *zipWriter) link(name, target string, st tree.Status) error {
	w, err := z.w.CreateHeader(z.head(name, fs.ModeSymlink|0o777, st))
	if err == nil {
		_, err = io.WriteString(w, target)
	}
	return err
}

func (z *zipWriter) file(name string, _ int64, st tree.Status) (io.Writer, error) {
	head := z.head(name, st.Mode.Perm(), st)
	head.Method = zip.Deflate
	z.isPacked = z.packed(name)
	return z.w.CreateHeader(head)
}

func (z *zipWriter) Close() error { return z.w.Close() }
