package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

// filesOfASize is how many files there are of each size. The first never rests long, the last rests for
// seconds at a time, so that a server that keeps files in memory keeps this one.
const filesOfASize = 4

// headerSize is the length of what a file says of itself: magic, number of the file, version, length in
// bytes, and the checksum of all that follows, each little-endian.
const headerSize = 4 + 4 + 8 + 8 + 4

const magic = "torn"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// file is a file that changes, with its only writer.
type file struct {
	name   string
	path   string
	number uint32
	size   int
	// pause is how long the file rests between two changes, on average.
	pause time.Duration
	// settled is the newest version that was complete when its writer went on.
	settled atomic.Uint64
	version uint64
	content []byte
	err     error
}

// makeFiles writes the first version of each file: those of the sizes in order, the large one last.
func makeFiles(dir string, opt options) ([]*file, error) {
	var files []*file
	add := func(size int, pause time.Duration) {
		n := len(files)
		name := fmt.Sprintf("%d-%d.bin", size, n)
		files = append(files, &file{name: name, path: filepath.Join(dir, name), number: uint32(n), size: size, pause: pause})
	}
	for _, size := range sizes {
		for _, pause := range [filesOfASize]time.Duration{time.Millisecond, 20 * time.Millisecond, 200 * time.Millisecond, 3 * time.Second} {
			add(size.bytes, pause)
		}
	}
	if opt.large > 0 {
		add(opt.large, 100*time.Millisecond)
	}
	for _, f := range files {
		if err := f.create(); err != nil {
			return nil, err
		}
		f.settled.Store(f.version)
	}
	return files, nil
}

func changes(files []*file) (n uint64) {
	for _, f := range files {
		n += f.version - 1
	}
	return n
}

// cacheable is how long a file has been at rest when the server keeps it in memory.
const cacheable = 2 * time.Second

// keepChanging makes new versions until ctx ends. Half of the pauses are short, so that changes come both in
// bursts and to a file that has come to rest; of disguised changes half come to a file that is in the cache.
func (f *file) keepChanging(ctx context.Context, opt options) {
	kinds := []func() error{f.replace, f.rewrite, f.rewrite, f.recreate}
	switch {
	case opt.disguise:
		kinds = []func() error{f.disguise}
	case opt.truncate:
		kinds = append(kinds, f.truncate)
	}
	for {
		pause := time.Duration(rand.Int64N(int64(2 * f.pause)))
		switch {
		case rand.IntN(2) == 0:
			pause /= 20
		case opt.disguise:
			pause += cacheable + cacheable/5
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		if f.err = kinds[rand.IntN(len(kinds))](); f.err != nil {
			return
		}
		f.settled.Store(f.version)
	}
}

// next makes the content of a new version, of the given size.
func (f *file) next(size int) []byte {
	f.version++
	if cap(f.content) < size {
		f.content = make([]byte, size+4096)
	}
	b := f.content[:size]
	fill(b, f.number, f.version)
	copy(b, magic)
	binary.LittleEndian.PutUint32(b[4:], f.number)
	binary.LittleEndian.PutUint64(b[8:], f.version)
	binary.LittleEndian.PutUint64(b[16:], uint64(size))
	binary.LittleEndian.PutUint32(b[24:], crc32.Checksum(b[headerSize:], castagnoli))
	return b
}

// fill writes what follows the header: words that no other version has in their places.
func fill(b []byte, number uint32, version uint64) {
	word := version*0x9e3779b97f4a7c15 ^ uint64(number)<<32
	at := headerSize
	for ; at+8 <= len(b); at += 8 {
		word = word*6364136223846793005 + 1442695040888963407
		binary.LittleEndian.PutUint64(b[at:], word)
	}
	for ; at < len(b); at++ {
		b[at] = byte(version)
	}
}

// length returns a length near the file's size, so that most versions differ in length.
func (f *file) length() int { return f.size + rand.IntN(f.size/50+1) }

func (f *file) create() error { return os.WriteFile(f.path, f.next(f.length()), 0o644) }

// replace puts a new file in the old one's place by rename.
func (f *file) replace() error {
	aside := f.path + ".new"
	if err := os.WriteFile(aside, f.next(f.length()), 0o644); err != nil {
		return err
	}
	return os.Rename(aside, f.path)
}

// rewrite writes a new version of the same length over the old one, in one call.
func (f *file) rewrite() error {
	out, err := os.OpenFile(f.path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	info, err := out.Stat()
	if err == nil {
		_, err = out.WriteAt(f.next(int(info.Size())), 0)
	}
	return errors.Join(err, out.Close())
}

// disguise is rewrite, and then gives the file the mtime that it had.
func (f *file) disguise() error {
	before, err := os.Stat(f.path)
	if err != nil {
		return err
	}
	if err := f.rewrite(); err != nil {
		return err
	}
	return os.Chtimes(f.path, before.ModTime(), before.ModTime())
}

// recreate removes the file, and after a while puts a new one there.
func (f *file) recreate() error {
	if err := os.Remove(f.path); err != nil {
		return err
	}
	time.Sleep(time.Duration(rand.Int64N(int64(2 * time.Millisecond))))
	return f.replace()
}

// truncate cuts the file to nothing and writes a new version.
func (f *file) truncate() error { return os.WriteFile(f.path, f.next(f.length()), 0o644) }

// check returns the version that content says it is, and an error if it is not that, whole.
func check(content []byte, number uint32) (uint64, error) {
	if len(content) < headerSize || string(content[:len(magic)]) != magic {
		return 0, fmt.Errorf("%d bytes that do not begin as a file does", len(content))
	}
	if got := binary.LittleEndian.Uint32(content[4:]); got != number {
		return 0, fmt.Errorf("file %d in place of %d", got, number)
	}
	version := binary.LittleEndian.Uint64(content[8:])
	if want := binary.LittleEndian.Uint64(content[16:]); uint64(len(content)) != want {
		return 0, fmt.Errorf("version %d with %d bytes, want %d", version, len(content), want)
	}
	if crc32.Checksum(content[headerSize:], castagnoli) != binary.LittleEndian.Uint32(content[24:]) {
		first, last := foreign(content, number, version)
		return 0, fmt.Errorf("version %d mixed with another: bytes %d to %d of %d are not its own", version, first, last, len(content))
	}
	return version, nil
}

// foreign returns the first and the last offset at which content is not what the version wrote.
func foreign(content []byte, number uint32, version uint64) (first, last int) {
	own := make([]byte, len(content))
	fill(own, number, version)
	first = headerSize
	for first < len(own) && own[first] == content[first] {
		first++
	}
	for last = len(own) - 1; last > first && own[last] == content[last]; last-- {
	}
	return first, last
}
