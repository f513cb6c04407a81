package store

import (
	"cmp"
	"container/list"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// layout is what the layout file has. What a directory with another has, but of this program, is thrown away.
const (
	layoutPrefix = "previewd previews "
	layout       = layoutPrefix + "1\n"
)

// errTooLong says that a file is longer than any that the store writes.
var errTooLong = errors.New("it is too long")

// errLocked says that another process has the lock.
var errLocked = errors.New("another process uses it")

// Open opens the directory, which it makes if need be, for this process alone. What is half done in it is thrown away. The
// limit is in bytes of disk blocks. Errors say what helps; the caller names the directory.
func Open(directory string, limit int64) (*Store, error) {
	s, err := open(directory, limit)
	if err != nil {
		return nil, explain(directory, err)
	}
	return s, nil
}

func open(directory string, limit int64) (_ *Store, err error) {
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(directory)
	if err != nil {
		return nil, err
	}
	s := &Store{root: root, limit: limit, here: map[string]*entry{}, order: list.New(), making: map[string]*making{}}
	s.emptied = sync.NewCond(&s.mu)
	defer func() {
		if err != nil {
			_ = root.Close()
			if s.lock != nil {
				_ = s.lock.Close()
			}
		}
	}()
	if _, err := s.layout(); err != nil { // before anything is written to a directory that is not ours
		return nil, err
	}
	if s.lock, err = root.OpenFile(lockFile, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, err
	}
	if err := lockExclusively(s.lock); err != nil {
		return nil, err
	}
	if err := s.begin(); err != nil {
		return nil, err
	}
	return s, nil
}

// begin makes the layout, and finds what is here.
func (s *Store) begin() error {
	old, err := s.layout()
	if err != nil {
		return err
	}
	if old != layout {
		if err := s.renew(); err != nil {
			return err
		}
	}
	// That staging can be removed and made shows that the directory can be written.
	if err := s.root.RemoveAll(stagingDirectory); err != nil {
		return err
	}
	for _, name := range []string{stagingDirectory, blobsDirectory, buildsDirectory} {
		if err := s.root.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	if err := s.find(); err != nil {
		return err
	}
	s.measure()
	// The limit may have been larger. What is too much is removed, as far as it can be.
	c := claim{store: s}
	if err := c.grow(context.Background(), 0); err != nil && !errors.Is(err, ErrNoRoom) {
		return err
	}
	return nil
}

// layout returns what the layout file has, "" for a directory that is empty but for what Open made and did not finish. All other
// directories are refused.
func (s *Store) layout() (string, error) {
	names, err := readNames(s.root, ".")
	if err != nil {
		return "", err
	}
	text, err := s.readFile(layoutFile, int64(len(layout))+64)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errTooLong) {
		return "", err
	}
	if err == nil && strings.HasPrefix(string(text), layoutPrefix) {
		return string(text), nil
	}
	for _, name := range names {
		// ext4 has lost+found at the top of a volume.
		if name != lockFile && name != "lost+found" && (name != layoutFile || len(text) > 0) {
			return "", &foreignError{name}
		}
	}
	return "", nil
}

// foreignError says that the directory has files that are not ours.
type foreignError struct{ name string }

func (e *foreignError) Error() string {
	return fmt.Sprintf("it has %.100q, which is not of previewd", e.name)
}

// renew empties the directory and says that it is ours.
func (s *Store) renew() error {
	names, err := readNames(s.root, ".")
	if err != nil {
		return err
	}
	for _, name := range names {
		if name == lockFile || name == "lost+found" || name == layoutFile {
			continue
		}
		if err := s.root.RemoveAll(name); err != nil {
			return err
		}
	}
	if err := s.root.Remove(layoutFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := s.writeFile(layoutFile, []byte(layout)); err != nil {
		return err
	}
	return syncDirectory(s.root, ".")
}

// found is an entry with its last use.
type found struct {
	*entry
	used time.Time
}

// find adds what is whole, and removes what is not.
func (s *Store) find() error {
	var all []found
	for _, directory := range []string{blobsDirectory, buildsDirectory} {
		names, err := readNames(s.root, directory)
		if err != nil {
			return err
		}
		for _, name := range names {
			f, err := s.whole(directory, name)
			if err == nil {
				all = append(all, f)
				continue
			}
			if err := s.root.RemoveAll(directory + "/" + name); err != nil {
				return err
			}
		}
	}
	slices.SortStableFunc(all, func(a, b found) int { return cmp.Or(a.used.Compare(b.used), cmp.Compare(a.name, b.name)) })
	for _, f := range all {
		s.put(f.entry)
	}
	return nil
}

// whole returns what has a name in a directory, or an error if it is none of ours, or not whole.
func (s *Store) whole(directory, name string) (found, error) {
	digest := digest(directory, name)
	if digest == "" {
		return found{}, fmt.Errorf("%q is no name of the store", name)
	}
	name = directory + "/" + name
	if directory == buildsDirectory {
		meta, used, err := s.marked(name, digest)
		return found{&entry{name: name, meta: meta, disk: meta.Disk, touched: used}, used}, err
	}
	info, err := s.root.Lstat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file", name)
	}
	if err != nil {
		return found{}, err
	}
	return found{&entry{name: name, size: info.Size(), disk: onDisk(info), touched: info.ModTime()}, info.ModTime()}, nil
}

// readNames returns the names in a directory.
func readNames(root *os.Root, name string) ([]string, error) {
	directory, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = directory.Close() }()
	return directory.Readdirnames(-1)
}

// readFile reads a file of at most most bytes.
func (s *Store) readFile(name string, most int64) ([]byte, error) {
	file, err := s.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, most+1))
	if err == nil && int64(len(text)) > most {
		err = fmt.Errorf("%s: %w", name, errTooLong)
	}
	return text, err
}

// explain says what helps.
func explain(directory string, err error) error {
	if absolute, err := filepath.Abs(directory); err == nil {
		directory = absolute
	}
	remedy := "set PREVIEWS_STORE to a directory that can be written"
	var foreign *foreignError
	switch {
	case errors.Is(err, errLocked):
		remedy = "each process needs a PREVIEWS_STORE of its own"
	case errors.As(err, &foreign):
		remedy = "set PREVIEWS_STORE to an empty directory, or to one that does not exist"
	case readOnly(err):
		remedy = fmt.Sprintf("give the container -v previews:%s or --tmpfs %s, or set PREVIEWS_STORE to a directory that can be written", directory, directory)
	case errors.Is(err, fs.ErrPermission):
		remedy = fmt.Sprintf("let %s write there, or set PREVIEWS_STORE to another directory", user())
	}
	return fmt.Errorf("%w: %s", err, remedy)
}
