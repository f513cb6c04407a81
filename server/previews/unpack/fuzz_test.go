package unpack_test

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/previewd/previewd/server/previews/unpack"
)

// FuzzUnpack: whatever the layers are, nothing is written beside the directory, there is never more in it than the bounds
// allow and Grow was asked for, what the result says is there, and a second unpacking does the same.
func FuzzUnpack(f *testing.F) {
	add := func(layers ...[]byte) {
		var all []byte
		for _, l := range layers {
			all = binary.BigEndian.AppendUint16(all, uint16(len(l)))
			all = append(all, l...)
		}
		f.Add(all, uint8(0))
		f.Add(all, uint8(1))
	}
	index := file("index.html", "one")
	add(archive(index, symlink("a", "index.html"), hardLink("b", "index.html"), directory("d"), file("d/x", "x")), archive(file(".wh.b", ""), file("d/.wh..wh..opq", ""), file("d/y", "y")))
	add(zipped(archive(index, symlink("a", "/"), file("a/x", "x"))))
	add(zstded(archive(file("usr/share/nginx/html/index.html", "x"), symlink("usr/share/nginx/html/l", "/usr/share/nginx/html"))), archive(file("usr/share/.wh.nginx", ""), file("usr/share/nginx/html/index.html", "y")))
	add(archive(symlink("var/www/html", "/srv"), file("srv/index.html", "x")), archive(symlink("srv/l", "../var")))
	add(concat(sparse("index.html", 9000), pax("path", "a/b", "size", "1"), block("y", '0', none, ""), padded([]byte("x")), longName("c/d"), block("z", '0', none, ""), end))
	add(archive(directory("a"), symlink("a/b", "../c"), directory("c"), file("c/index.html", "x"), hardLink("a/d", "c/index.html")), archive(file("a", "x"), directory("c/.wh.index.html")))
	f.Fuzz(func(t *testing.T, all []byte, how uint8) {
		o := unpack.Options{Artifact: how&1 != 0, Limits: unpack.Limits{Entries: 50, Bytes: 1 << 16, File: 1 << 14, FreeOfRatio: 1 << 15}}
		if how&2 != 0 {
			o.Path = "/a/b"
		}
		layers := readLayers(all, how)
		first, firstErr := unpackedOnce(t, layers, o)
		second, secondErr := unpackedOnce(t, layers, o)
		if fmt.Sprint(firstErr) != fmt.Sprint(secondErr) || firstErr == nil && first != second {
			t.Errorf("unpacked twice:\n%s\n%v\nand\n%s\n%v", first, firstErr, second, secondErr)
		}
		if firstErr != nil && !errors.As(firstErr, new(*unpack.RefusedError)) {
			t.Errorf("the error is no refusal: %v", firstErr)
		}
		if firstErr != nil && (strings.ContainsAny(firstErr.Error(), "\n\x00\x1b") || len(firstErr.Error()) > 1000) {
			t.Errorf("the reason is not one line: %q", firstErr)
		}
	})
}

// readLayers are layers made of the bytes of a fuzzer. With the third bit they are archives of entries that come from a small
// set of names: so they meet.
func readLayers(all []byte, how uint8) (layers []unpack.Layer) {
	for len(all) > 2 && len(layers) < 5 {
		n := min(int(binary.BigEndian.Uint16(all)), len(all)-2)
		b := all[2 : 2+n]
		all = all[2+n:]
		if how&4 != 0 {
			b = archiveOf(b)
		}
		l := layer(b)
		l.Unpack = how&8 != 0
		if how&16 != 0 {
			l.Title = string(b[:min(len(b), 10)])
		}
		layers = append(layers, l)
	}
	return layers
}

// archiveOf makes an entry of each three bytes: its type, its name, its target.
func archiveOf(b []byte) []byte {
	parts := []string{"a", "b", "index.html", ".wh.a", ".wh.b", ".wh..wh..opq", "..", "."}
	name := func(c byte) string {
		n := int(c&3) + 1
		s := ""
		for range n {
			s += "/" + parts[(c>>2)&7]
			c = c>>1 | c<<7
		}
		return s[1:]
	}
	var all bytes.Buffer
	for ; len(b) >= 3; b = b[3:] {
		kind := []byte{tar.TypeReg, tar.TypeReg, tar.TypeDir, tar.TypeSymlink, tar.TypeLink, tar.TypeDir, tar.TypeReg, tar.TypeFifo}[b[0]&7]
		target := name(b[2])
		if b[0]&8 != 0 {
			target = "/" + target
		}
		if kind == tar.TypeReg {
			all.Write(block(name(b[1]), kind, "00000000003\x00", ""))
			all.Write(padded(b[:3]))
			continue
		}
		all.Write(block(name(b[1]), kind, none, target))
	}
	all.Write(end)
	return all.Bytes()
}

// unpackedOnce unpacks to a new directory, judges what is there, and removes it.
func unpackedOnce(t *testing.T, layers []unpack.Layer, o unpack.Options) (string, error) {
	parent, err := os.MkdirTemp(os.Getenv("FUZZ_TMPDIR"), "unpack")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(parent)
	into := siteIn(t, parent)
	defer into.Close()
	directory := into.Name()
	asked := int64(0)
	o.Grow = func(n int64) error { asked += n; return nil }
	o.IndexPages = pages
	result, err := unpack.Unpack(t.Context(), into, layers, o)
	isAlone(t, directory)
	files, names, bytes, disk := 0, 0, int64(0), int64(0)
	var times strings.Builder
	walked := filepath.WalkDir(directory, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == directory {
			return err
		}
		names++
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			disk += 4096
		case d.Type().IsRegular():
			files++
			bytes += info.Size()
			disk += (info.Size() + 4095) / 4096 * 4096
		case d.Type() == fs.ModeSymlink:
			files++
			disk += 4096
			target, err := os.Readlink(path)
			resolved := filepath.Join(filepath.Dir(path), target)
			if err != nil || filepath.IsAbs(target) || resolved != directory && !strings.HasPrefix(resolved, directory+"/") {
				t.Errorf("%s leads to %s, %v", path, target, err)
			}
			components := strings.Split(target, "/")
			components = components[max(slices.IndexFunc(components, func(c string) bool { return c != ".." }), 0):]
			if components[0] != ".." && slices.Contains(components, "..") { // a name may be a link to anywhere in the site
				t.Errorf("%s leads to %s, which goes up from a name", path, target)
			}
			return nil
		default:
			t.Errorf("%s is %v", path, d.Type())
		}
		fmt.Fprintln(&times, strings.TrimPrefix(path, directory), info.Mode(), info.ModTime().UnixNano())
		return nil
	})
	if walked != nil {
		t.Fatal(walked)
	}
	if names > o.Limits.Entries || bytes > o.Limits.Bytes || disk > asked {
		t.Errorf("there are %d names, %d bytes, %d on the disk, asked for %d", names, bytes, disk, asked)
	}
	if err == nil && (result.Files != files || result.Bytes != bytes || result.Disk != disk) {
		t.Errorf("the result is %+v, there are %d files, %d bytes, %d on the disk", result, files, bytes, disk)
	}
	return fmt.Sprintf("%+v\n%s\n%s", result, tree(t, directory), &times), err
}
