//go:build !linux

package tree

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
)

// File is an open file.
type File struct{ opened *os.File }

var noFile File

// Close closes the file.
func (f File) Close() {
	if f.opened != nil {
		f.opened.Close()
	}
}

// OSFile hands the file over to an os.File.
func (f File) OSFile() *os.File { return f.opened }

func takeFile(from *os.File) (File, error) { return File{from}, nil }

// Status returns the status of the file.
func (f File) Status() (Status, error) {
	info, err := f.opened.Stat()
	if err != nil {
		return Status{}, err
	}
	return statusOf(info), nil
}

// statusOf has no identity and no Ctime: a change that keeps size and mtime is missed here.
func statusOf(info fs.FileInfo) Status {
	mtime := Instant{info.ModTime().Unix(), int64(info.ModTime().Nanosecond())}
	return Status{Mode: info.Mode(), Size: info.Size(), Mtime: mtime, Ctime: mtime}
}

// describe tells the operator who may do what.
func (st Status) describe() string { return fmt.Sprintf("mode %v", st.Mode) }

// IsBeingWritten cannot be told here.
func (f File) IsBeingWritten() bool { return false }

// ReadAt reads from an offset on until buf is full or the file ends.
func (f File) ReadAt(buf []byte, offset int64) (int, error) {
	n, err := f.opened.ReadAt(buf, offset)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

// entries reads the names in a directory with their types.
func (f File) entries(room Room) ([]Entry, error) {
	if f.opened == nil {
		return nil, fs.ErrPermission
	}
	var found []Entry
	for {
		read, err := f.opened.ReadDir(1 << 10)
		size := int64(0)
		for _, e := range read {
			found = append(found, Entry{e.Name(), e.Type()})
			size += int64(len(e.Name())) + entrySize
		}
		switch {
		case errors.Is(err, io.EOF) || err == nil && len(read) == 0:
			return found, nil
		case err != nil:
			return nil, err
		case !room(size):
			return nil, ErrNoRoom
		}
	}
}

// entrySize is how many bytes an Entry takes beside its name: a string header and a mode.
const entrySize = 24

// look is Dir.Look.
func (f File) look(d *Dir, name string) (Status, error) {
	return d.tree.confined.look(path.Join(d.name, name), false)
}

// target is Dir.Target, which is not known here.
func (f File) target(*Dir, string) (string, error) { return "", errors.ErrUnsupported }
