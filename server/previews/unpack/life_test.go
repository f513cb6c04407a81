package unpack_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/previewd/previewd/server/previews/unpack"
)

// TestResult counts what is there in the end, and asks for room before it is taken.
func TestResult(t *testing.T) {
	layers := image(
		archive(file("usr/share/nginx/html/index.html", strings.Repeat("1", 5000)), file("usr/share/nginx/html/a/b", "bb"), file("usr/share/nginx/html/a/c", ""), file("usr/bin/x", "outside")),
		archive(file("usr/share/nginx/html/.wh.a", ""), file("usr/share/nginx/html/index.html", "one"), symlink("usr/share/nginx/html/d/l", "../index.html"), hardLink("usr/share/nginx/html/h", "usr/share/nginx/html/index.html"), directory("usr/share/nginx/html/e")),
	)
	var grown []int64
	_, result, err := unpacked(t, layers, unpack.Options{Grow: func(n int64) error { grown = append(grown, n); return nil }})
	want := unpack.Result{Path: "/usr/share/nginx/html", Files: 3, Bytes: 6, Disk: 5 * 4096}
	if err != nil || result != want {
		t.Errorf("the result is %+v, %v, want %+v", result, err, want)
	}
	sum := int64(0)
	for _, n := range grown {
		sum += n
	}
	// index.html of the first layer has two blocks; a, a/b; index.html, d, d/l, h and e. Files without content have none.
	if sum != 9*4096 {
		t.Errorf("asked for %d bytes of room: %v", sum, grown)
	}
}

// TestModes: files can be read by all and written by the owner, directories entered; nothing runs as somebody else.
func TestModes(t *testing.T) {
	locked := directory("locked")
	locked.Mode = 0
	suid := file("locked/suid", "x")
	suid.Mode, suid.Uid, suid.Gid = 0o6777, 1234, 1234
	suid.PAXRecords["SCHILY.xattr.user.x"] = "y"
	dir, _, err := unpacked(t, image(archive(file("index.html", ""), locked, suid)), unpack.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{"locked": fs.ModeDir | 0o755, "locked/suid": 0o644, "index.html": 0o644} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode() != want {
			t.Errorf("%s has %v, %v, want %v", name, info.Mode(), err, want)
		}
	}
}

// TestTimes: files and directories have the times of the archive, whatever is written to a directory afterwards. A time up to
// 1980, and none, is the beginning of 1970: for that the site sends no Last-Modified.
func TestTimes(t *testing.T) {
	entries := map[string]struct{ archived, want time.Time }{
		"index.html": {modified, modified},
		"d/":         {modified.Add(time.Hour), modified.Add(time.Hour)},
		"d/e/":       {modified.Add(2 * time.Hour), modified.Add(2 * time.Hour)},
		"d/e/f":      {modified.Add(3 * time.Hour), modified.Add(3 * time.Hour)},
		"zero":       {time.Unix(0, 0), time.Unix(0, 0)},
		"one":        {time.Unix(1, 0), time.Unix(0, 0)},
		"zip":        {time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC), time.Unix(0, 0)},
		"zip-zone":   {time.Date(1980, 1, 1, 11, 0, 0, 0, time.UTC), time.Unix(0, 0)},
		"zip-none":   {time.Date(1979, 11, 30, 0, 0, 0, 0, time.UTC), time.Unix(0, 0)},
		"npm":        {time.Date(1985, 10, 26, 8, 15, 0, 0, time.UTC), time.Date(1985, 10, 26, 8, 15, 0, 0, time.UTC)},
		"future":     {time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)},
		"far":        {time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), time.Unix(0, 0)},
		"before":     {time.Date(1901, 1, 1, 0, 0, 0, 0, time.UTC), time.Unix(0, 0)},
		"d/implied/": {time.Time{}, time.Unix(0, 0)},
	}
	var layers [][]byte
	for _, name := range []string{"d/", "d/e/", "d/e/f", "index.html", "zero", "one", "zip", "zip-zone", "zip-none", "npm", "future", "far", "before"} {
		e := file(name, "x")
		if strings.HasSuffix(name, "/") {
			e = directory(name)
		}
		e.ModTime = entries[name].archived
		layers = append(layers, archive(e))
	}
	layers = append(layers, archive(file("d/implied/x", ""), file("d/e/.wh.f", ""), file("d/e/g", "")))
	dir, _, err := unpacked(t, image(layers...), unpack.Options{})
	if err != nil {
		t.Fatal(err)
	}
	delete(entries, "d/e/f")
	for name, times := range entries {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if !info.ModTime().Equal(times.want) {
			t.Errorf("%s is of %v, want %v", name, info.ModTime().UTC(), times.want.UTC())
		}
	}
}

// failing is a layer whose reader fails after some bytes.
func failing(b []byte, after int, err error) unpack.Layer {
	l := layer(b)
	l.Open = func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader(string(b[:after])), &broken{err})), nil
	}
	return l
}

type broken struct{ err error }

func (b *broken) Read([]byte) (int, error) { return 0, b.err }

// TestPassing: what fails for another reason than the image is no refusal, and is the error as it came.
func TestPassing(t *testing.T) {
	whole := archive(file("index.html", strings.Repeat("one", 10_000)), file("a", "a"))
	packed := zipped(whole)
	lost := errors.New("the connection is lost")
	full := errors.New("no room")
	notOpened := layer(whole)
	notOpened.Open = func() (io.ReadCloser, error) { return nil, lost }
	longer := layer(packed)
	longer.Size++
	shorter := layer(packed)
	shorter.Size--
	tests := map[string]struct {
		layer unpack.Layer
		grow  func(int64) error
		want  error
		text  string
	}{
		"a layer that cannot be opened":   {layer: notOpened, want: lost, text: "opening layer 1: the connection is lost"},
		"a reader that fails at once":     {layer: failing(packed, 0, lost), want: lost, text: "reading layer 1: the connection is lost"},
		"a reader that fails in the head": {layer: failing(packed, 3, lost), want: lost, text: "reading layer 1: the connection is lost"},
		"a reader that fails in a file":   {layer: failing(whole, 10_000, lost), want: lost, text: "reading layer 1: the connection is lost"},
		"a reader that fails at the end":  {layer: failing(packed, len(packed)-1, lost), want: lost, text: "reading layer 1: the connection is lost"},
		"fewer bytes than were said":      {layer: longer, want: io.ErrUnexpectedEOF, text: "reading layer 1: there are " + strconv.Itoa(len(packed)) + " of its " + strconv.Itoa(len(packed)+1) + " bytes: unexpected EOF"},
		"more bytes than were said":       {layer: shorter, text: "reading layer 1: there are more than its " + strconv.Itoa(len(packed)-1) + " bytes"},
		"no room":                         {layer: layer(whole), grow: func(int64) error { return full }, want: full, text: "no room"},
		"no room for the second file": {layer: layer(whole), grow: func(n int64) error {
			if n == 4096 {
				return full
			}
			return nil
		}, want: full, text: "no room"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for _, artifact := range []bool{false, true} {
				_, _, err := unpacked(t, []unpack.Layer{test.layer}, unpack.Options{Grow: test.grow, Artifact: artifact})
				if err == nil || errors.As(err, new(*unpack.RefusedError)) || err.Error() != test.text || test.want != nil && !errors.Is(err, test.want) {
					t.Errorf("artifact %t: the error is %v, want %s", artifact, err, test.text)
				}
			}
		})
	}
}

// TestEnds: ctx ends it between entries, and within a large file.
func TestEnds(t *testing.T) {
	whole := archive(file("index.html", ""), file("large", strings.Repeat("x", 1<<20)))
	dir := t.TempDir()
	into, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer into.Close()
	for _, after := range []int64{0, 100, 700_000, 2_000_000} {
		ctx, cancel := context.WithCancel(t.Context())
		l := layer(whole)
		left := after
		open := l.Open
		l.Open = func() (io.ReadCloser, error) {
			r, err := open()
			return io.NopCloser(&counting{r, func(n int) {
				if left -= int64(n); left < 0 {
					cancel()
				}
			}}), err
		}
		_, err := unpack.Unpack(ctx, into, []unpack.Layer{l}, unpack.Options{IndexPages: pages})
		if err != context.Canceled {
			t.Errorf("ended after %d bytes: %v", after, err)
		}
		cancel()
	}
}

type counting struct {
	io.Reader
	count func(int)
}

func (c *counting) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.count(n)
	return n, err
}
