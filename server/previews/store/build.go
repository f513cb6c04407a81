package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"
)

// Meta is what is known of a build, also after a restart.
type Meta struct {
	Path  string    // of the site within the image
	Made  string    // by which settings it was made, for Discard
	Files int       // how many it has
	Bytes int64     // of the content of all files
	Disk  int64     // bytes of disk blocks, with all directories; Add measures them
	Added time.Time // when it came into the store; Add sets it if it is zero
	// Created, Labels and Size are what is told of the image that it was made of: when that was made, zero where that is not
	// known, its labels and annotations, and the bytes of its layers. They are at most some 10,000 bytes.
	Created time.Time
	Labels  map[string]string `json:",omitempty"`
	Size    int64
}

// maxMarker bounds a marker, in bytes: a build of 127 layers, the most that images have, has some 10,000.
const maxMarker = 64 << 10

// marker is what the marker of a build has.
type marker struct {
	Digest string
	Meta
}

// Build is a build that is here and stays until it is released.
type Build struct {
	Digest    string
	Directory string // of the site, in the directory of the store, with slashes
	Meta      Meta

	release func()
}

// Release ends the use of the build. The time of it counts as its last use. To release it again does nothing.
func (b *Build) Release() { b.release() }

func (s *Store) newBuild(digest string, e *entry) *Build {
	return &Build{Digest: digest, Directory: e.name + "/" + siteDirectory, Meta: e.meta, release: sync.OnceFunc(func() { s.release(e) })}
}

// Use returns a build that is here. The caller releases it.
func (s *Store) Use(digest string) (*Build, bool) {
	name, err := fileName(buildsDirectory, digest)
	if err != nil {
		return nil, false
	}
	e, found := s.hold(name)
	if !found {
		return nil, false
	}
	return s.newBuild(digest, e), true
}

// Look returns what is known of a build that is here. It does not count as a use.
func (s *Store) Look(digest string) (Meta, bool) {
	name, err := fileName(buildsDirectory, digest)
	if err != nil {
		return Meta{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.here[name]
	if e == nil {
		return Meta{}, false
	}
	return e.meta, true
}

// Add returns the build of a digest; the caller releases it. If it is not here, write makes it: into is the directory of the
// site, which is empty, and grow is called before a file or a directory is written, with its size in bytes. An error of grow ends
// write; it may wrap ErrNoRoom. Of several callers with one digest, one writes, and all get its build or its error.
func (s *Store) Add(ctx context.Context, digest string, write func(into *os.Root, grow func(bytes int64) error) (Meta, error)) (*Build, error) {
	name, err := fileName(buildsDirectory, digest)
	if err != nil {
		return nil, err
	}
	e, err := s.obtain(ctx, name, &watcher{}, func(m *making) (*entry, error) {
		meta, err := s.build(ctx, digest, m, write)
		if err != nil {
			return nil, err
		}
		return &entry{name: name, meta: meta, disk: meta.Disk, touched: time.Now()}, nil
	})
	if err != nil {
		return nil, err
	}
	return s.newBuild(digest, e), nil
}

// ownBlocks are those that a blob or a build takes beside its content: its two directories and its marker, and one more of a
// directory of the store, which may grow by its name.
const ownBlocks = 4 * block

// perName is what a name takes in a directory, in bytes: with 255 bytes, the most, and half of each block in use.
const perName = 2 * (255 + 8)

// build makes a build in staging: the site, then the marker.
func (s *Store) build(ctx context.Context, digest string, m *making, write func(*os.Root, func(int64) error) (Meta, error)) (Meta, error) {
	if err := m.claim.grow(ctx, ownBlocks); err != nil {
		return Meta{}, err
	}
	site := m.staged + "/" + siteDirectory
	for _, directory := range []string{m.staged, site} {
		if err := s.root.Mkdir(directory, 0o700); err != nil {
			return Meta{}, err
		}
	}
	into, err := s.root.OpenRoot(site)
	if err != nil {
		return Meta{}, err
	}
	defer func() { _ = into.Close() }()
	meta, err := write(into, func(bytes int64) error { return m.claim.grow(ctx, roundUp(max(bytes, 0))+perName) })
	if err != nil {
		return Meta{}, err
	}
	disk, err := flush(ctx, into)
	if err != nil {
		return Meta{}, err
	}
	meta.Disk = disk + 2*block
	if more := meta.Disk + block - m.claim.bytes; more > 0 {
		if err := m.claim.grow(ctx, more); err != nil {
			return Meta{}, err
		}
	}
	if meta.Added.IsZero() {
		meta.Added = time.Now().UTC().Truncate(time.Second)
	}
	return meta, s.mark(m.staged, marker{digest, meta})
}

// mark writes the marker of a build in staging, and waits until that and the directory are on the disk.
func (s *Store) mark(staged string, content marker) error {
	text, err := json.Marshal(content)
	if err != nil {
		return err
	}
	if len(text) > maxMarker {
		return fmt.Errorf("what is to be kept of the build has %s, at most %s are allowed", size(int64(len(text))), size(maxMarker))
	}
	if err := s.writeFile(staged+"/"+markerFile, text); err != nil {
		return err
	}
	return syncDirectory(s.root, staged)
}

// marked returns what the marker of a build says, and when the build was used last.
func (s *Store) marked(name, digest string) (Meta, time.Time, error) {
	at := name + "/" + markerFile
	info, err := s.root.Stat(at)
	if err != nil {
		return Meta{}, time.Time{}, err
	}
	text, err := s.readFile(at, maxMarker)
	if err != nil {
		return Meta{}, time.Time{}, err
	}
	var content marker
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&content); err != nil {
		return Meta{}, time.Time{}, err
	}
	if content.Digest != digest || content.Disk < 0 {
		return Meta{}, time.Time{}, fmt.Errorf("%s is not that of %s", at, digest)
	}
	if info, err := s.root.Lstat(name + "/" + siteDirectory); err != nil || !info.IsDir() {
		return Meta{}, time.Time{}, fmt.Errorf("%s has no site", name)
	}
	return content.Meta, info.ModTime(), nil
}
