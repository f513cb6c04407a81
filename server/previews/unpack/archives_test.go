package unpack_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/previewd/previewd/server/previews/unpack"
)

// modified is the time of all that the archives here hold.
var modified = time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)

// Entries of an archive.

func file(name, content string) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(content)), Mode: 0o644, ModTime: modified,
		PAXRecords: map[string]string{"PREVIEWD.content": content}}
}

func directory(name string) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755, ModTime: modified}
}

func symlink(name, target string) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, ModTime: modified}
}

func hardLink(name, target string) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: target, ModTime: modified}
}

func special(kind byte, name string) *tar.Header {
	return &tar.Header{Typeflag: kind, Name: name, ModTime: modified}
}

// archive is a tar archive. What tar's writer refuses is written by block.
func archive(entries ...*tar.Header) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		content := e.PAXRecords["PREVIEWD.content"]
		h := *e
		h.PAXRecords = nil
		if err := w.WriteHeader(&h); err != nil {
			panic(err)
		}
		io.WriteString(w, content)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// block is the header of an entry as bytes: of a name, a type and a size in its own digits.
func block(name string, kind byte, size, link string) []byte {
	b := make([]byte, 512)
	copy(b, name)
	copy(b[100:], "0000644\x000000000\x000000000\x00")
	copy(b[124:], size)
	copy(b[136:], "00000000000\x00        ")
	b[156] = kind
	copy(b[157:], link)
	copy(b[257:], "ustar\x0000")
	sum := 0
	for _, c := range b {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	return b
}

// end is the end mark of an archive.
var end = make([]byte, 1024)

func zipped(archive []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(archive)
	w.Close()
	return b.Bytes()
}

func zstded(archive []byte, options ...zstd.EOption) []byte {
	w, err := zstd.NewWriter(nil, options...)
	if err != nil {
		panic(err)
	}
	return w.EncodeAll(archive, nil)
}

// layer is a layer of bytes, as a registry has them, without a digest of what is in them.
func layer(b []byte) unpack.Layer {
	return unpack.Layer{Size: int64(len(b)), Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }}
}

// image is layers of archives, with their digests, uncompressed.
func image(archives ...[]byte) (layers []unpack.Layer) {
	for _, a := range archives {
		l := layer(a)
		l.DiffID = fmt.Sprintf("sha256:%x", sha256.Sum256(a))
		layers = append(layers, l)
	}
	return layers
}

// pages are the index pages that a server has.
var pages = []string{"index.html", "index.htm"}

// unpacked unpacks layers to a new directory.
func unpacked(t testing.TB, layers []unpack.Layer, o unpack.Options) (directory string, result unpack.Result, err error) {
	t.Helper()
	into := siteIn(t, t.TempDir())
	defer into.Close()
	if o.IndexPages == nil {
		o.IndexPages = pages
	}
	result, err = unpack.Unpack(t.Context(), into, layers, o)
	return into.Name(), result, err
}

// siteIn makes the directory that a site is to be unpacked to, in another one, and opens it.
func siteIn(t testing.TB, parent string) *os.Root {
	t.Helper()
	directory := filepath.Join(parent, "site")
	if err := os.Mkdir(directory, 0o755); err != nil {
		t.Fatal(err)
	}
	into, err := os.OpenRoot(directory)
	if err != nil {
		t.Fatal(err)
	}
	return into
}

// tree is what is in a directory, a line each: "a/", "a/b: content" or "a/c -> target".
func tree(t testing.TB, directory string) string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(directory, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == directory {
			return err
		}
		name, _ := filepath.Rel(directory, path)
		name = filepath.ToSlash(name)
		switch {
		case d.IsDir():
			lines = append(lines, name+"/")
		case d.Type() == fs.ModeSymlink:
			target, err := os.Readlink(path)
			lines = append(lines, name+" -> "+target)
			return err
		case d.Type().IsRegular():
			content, err := os.ReadFile(path)
			lines = append(lines, fmt.Sprintf("%s: %.60s", name, content))
			return err
		default:
			lines = append(lines, fmt.Sprintf("%s is %v", name, d.Type()))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

// isAlone fails the test if there is anything beside a directory.
func isAlone(t testing.TB, directory string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(directory))
	if err != nil || len(entries) != 1 {
		t.Errorf("beside the site: %v, %v", entries, err)
	}
}
