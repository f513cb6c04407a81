package unpack_test

import (
	"bytes"
	"crypto/sha512"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/previewd/previewd/server/previews/unpack"
)

// forms are the forms that an archive can have in a registry.
var forms = map[string]func([]byte) []byte{
	"tar":  bytes.Clone,
	"gzip": zipped,
	"zstd": func(b []byte) []byte { return zstded(b) },
	"gzip in members": func(b []byte) []byte {
		return concat(zipped(b[:700]), zipped(nil), zipped(b[700:]))
	},
	"zstd in frames": func(b []byte) []byte {
		skipped := concat([]byte{0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0}, []byte("xyz"))
		return concat(skipped, zstded(b[:700]), skipped, zstded(b[700:]), skipped)
	},
	"gzip with a name": func(b []byte) []byte {
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		w.Name, w.Comment, w.Extra = "layer.tar", "a comment", []byte("extra")
		w.Write(b)
		w.Close()
		return z.Bytes()
	},
	"zstd without sums": func(b []byte) []byte { return zstded(b, zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true)) },
	"zstd at its best":  func(b []byte) []byte { return zstded(b, zstd.WithEncoderLevel(zstd.SpeedBestCompression)) },
}

// TestCut: an archive that was cut anywhere is refused, in each form, with the digest of the whole and without; or nothing was
// lost with what was cut.
func TestCut(t *testing.T) {
	whole := archive(file("a/b", "some text"), symlink("l", "a/b"), file("index.html", "one"))
	for name, form := range forms {
		for _, hasDigest := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, digest %t", name, hasDigest), func(t *testing.T) {
				packed := form(whole)
				directory := t.TempDir()
				into, err := os.OpenRoot(directory)
				if err != nil {
					t.Fatal(err)
				}
				defer into.Close()
				cut := func(n int) (string, error) {
					l := layer(packed[:n])
					if hasDigest {
						l.DiffID = image(whole)[0].DiffID
					}
					_, err := unpack.Unpack(t.Context(), into, []unpack.Layer{l}, unpack.Options{Path: "/"})
					if err != nil {
						return "", err
					}
					return tree(t, directory), errors.Join(into.RemoveAll("a"), into.RemoveAll("l"), into.RemoveAll("index.html"))
				}
				want, err := cut(len(packed))
				if err != nil {
					t.Fatal(err)
				}
				for n := range packed {
					got, err := cut(n)
					if err == nil && got != want {
						t.Fatalf("cut to %d of %d bytes it is a site:\n%s", n, len(packed), got)
					}
					if err == nil && hasDigest && name == "tar" {
						t.Fatalf("cut to %d of %d bytes it has the digest of the whole", n, len(packed))
					}
					if err != nil && !errors.As(err, new(*unpack.RefusedError)) {
						t.Fatalf("cut to %d of %d bytes: %v", n, len(packed), err)
					}
				}
				if left := tree(t, directory); left != "" {
					t.Errorf("what was refused was written:\n%s", left)
				}
			})
		}
	}
}

// TestDigest: the digest of all uncompressed bytes is that of the image, also of those behind the end mark; with it the mark may
// be missing.
func TestDigest(t *testing.T) {
	whole := archive(file("index.html", "one"))
	tail := append(bytes.Clone(whole), "a tail"...)
	unmarked := whole[:len(whole)-1024]
	with := func(packed []byte, digest string) []unpack.Layer {
		l := layer(packed)
		l.DiffID = digest
		return []unpack.Layer{l}
	}
	of := func(b []byte) string { return image(b)[0].DiffID }
	tests := map[string]struct {
		layers []unpack.Layer
		want   string
	}{
		"right":                       {layers: with(zipped(whole), of(whole))},
		"right, by sha512":            {layers: with(whole, fmt.Sprintf("sha512:%x", sha512.Sum512(whole)))},
		"right, with a tail":          {layers: with(zstded(tail), of(tail))},
		"right, without the mark":     {layers: with(zipped(unmarked), of(unmarked))},
		"right, one block of it":      {layers: with(zipped(whole[:len(whole)-512]), of(whole[:len(whole)-512]))},
		"of something else":           {layers: with(whole, "sha256:"+strings.Repeat("0", 64)), want: fmt.Sprintf("layer 1 has the digest %s when uncompressed, not %s as the image says", of(whole)[7:], strings.Repeat("0", 64))},
		"without the tail":            {layers: with(tail, of(whole)), want: fmt.Sprintf("layer 1 has the digest %s when uncompressed, not %s as the image says", of(tail)[7:], of(whole)[7:])},
		"of the compressed bytes":     {layers: with(zipped(whole), of(zipped(whole))), want: fmt.Sprintf("layer 1 has the digest %s when uncompressed, not %s as the image says", of(whole)[7:], of(zipped(whole))[7:])},
		"md5":                         {layers: with(whole, "md5:d41d8cd98f00b204e9800998ecf8427e"), want: `layer 1 has the diff_id "md5:d41d8cd98f00b204e9800998ecf8427e": that is no sha256 and no sha512`},
		"short":                       {layers: with(whole, "sha256:00"), want: `layer 1 has the diff_id "sha256:00": that is no sha256 and no sha512`},
		"unknown, with a tail":        {layers: with(zipped(tail), "")},
		"unknown, without the mark":   {layers: with(zipped(unmarked), ""), want: "layer 1 is no whole archive: it ends without an end mark"},
		"unknown, one block of it":    {layers: with(whole[:len(whole)-512], ""), want: "layer 1 is no whole archive: it ends without an end mark"},
		"unknown, nothing":            {layers: with(nil, ""), want: "layer 1 is no whole archive: it ends without an end mark"},
		"unknown, cut in the padding": {layers: with(whole[:600], ""), want: "layer 1 is no whole archive: it ends without an end mark"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			directory, _, err := unpacked(t, test.layers, unpack.Options{})
			if test.want != "" {
				isRefused(t, err, test.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := tree(t, directory); got != "index.html: one" {
				t.Errorf("the site is %s", got)
			}
		})
	}
}

// TestBombs: 10 GB of zeros and a million entries end early. Both formats can be put together, so that little is compressed
// here.
func TestBombs(t *testing.T) {
	const size = 10 << 30
	head := block("usr/x", '0', base256(size), "")
	zeros := make([]byte, 16<<20)
	byGzip := concat(zipped(head), bytes.Repeat(zipped(zeros), size/len(zeros)))
	byZstd := concat(zstded(head), bytes.Repeat(zstded(zeros), size/len(zeros)))
	entries := zipped(bytes.Repeat(block("usr/x", '5', none, ""), 10_000))
	tests := map[string]struct {
		layer  []byte
		limits unpack.Limits
		want   string
	}{
		"gzip":            {layer: byGzip, limits: unpack.Limits{Bytes: 128 << 20}, want: "the image has more than 134217728 bytes, uncompressed"},
		"gzip, the ratio": {layer: concat(zipped(head), zipped(zeros)), limits: unpack.Limits{FreeOfRatio: 1 << 20}, want: ratio(concat(zipped(head), zipped(zeros)))},
		"zstd":            {layer: byZstd, limits: unpack.Limits{Bytes: 128 << 20}, want: "the image has more than 134217728 bytes, uncompressed"},
		"zstd, the ratio": {layer: concat(zstded(head), zstded(zeros)), limits: unpack.Limits{FreeOfRatio: 1 << 20}, want: ratio(concat(zstded(head), zstded(zeros)))},
		"entries":         {layer: bytes.Repeat(entries, 100), limits: unpack.Limits{Entries: 20_000}, want: "the image has more than 20000 entries"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			directory, _, err := unpacked(t, []unpack.Layer{layer(test.layer)}, unpack.Options{Limits: test.limits})
			isRefused(t, err, test.want)
			if got := tree(t, directory); got != "" {
				t.Errorf("there is %s", got)
			}
		})
	}
}

func ratio(layer []byte) string {
	return fmt.Sprintf("layer 1 has more than 250 times as many bytes, uncompressed, as the %d that it is compressed to", len(layer))
}
