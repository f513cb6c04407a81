package archive

import (
	"archive/tar"
	"compress/gzip"
	"io"
	"io/fs"
	"time"
	"unicode/utf8"

	"github.com/previewd/previewd/server/site/tree"
)

// tarWriter writes a TAR archive within gzip.
type tarWriter struct {
	w    *tar.Writer
	gzip *gzip.Writer
}

func beginTar(w io.Writer, _ func(string) bool) writer {
	packed, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // never fails: the level is one
	return &tarWriter{tar.NewWriter(packed), packed}
}

// head is that of an entry. A name that is not UTF-8 is in the form of GNU tar, which has the bytes of names: in that of POSIX
// names are UTF-8, and bsdtar complains of others.
func (t *tarWriter) head(kind byte, name string, mode fs.FileMode, st tree.Status) *tar.Header {
	head := &tar.Header{Typeflag: kind, Name: name, Mode: int64(mode.Perm()), ModTime: time.Unix(st.Mtime.Sec, 0)}
	if !utf8.ValidString(name) {
		head.Format = tar.FormatGNU
	}
	return head
}

func (t *tarWriter) directory(name string, st tree.Status) error {
	return t.w.WriteHeader(t.head(tar.TypeDir, name+"/", st.Mode, st))
}

func (t *tarWriter) link(name, target string, st tree.Status) error {
	head := t.head(tar.TypeSymlink, name, 0o777, st)
	if head.Linkname = target; !utf8.ValidString(target) {
		head.Format = tar.FormatGNU
	}
	return t.w.WriteHeader(head)
}

func (t *tarWriter) file(name string, size int64, st tree.Status) (io.Writer, error) {
	head := t.head(tar.TypeReg, name, st.Mode, st)
	head.Size = size
	return t.w, t.w.WriteHeader(head)
}

func (t *tarWriter) Close() error {
	if err := t.w.Close(); err != nil {
		return err
	}
	return t.gzip.Close()
}
