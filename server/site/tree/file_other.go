//go:build !linux

package tree

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
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
func (f File) entries() ([]Entry, error) {
	if f.opened == nil {
		return nil, fs.ErrPermission
	}
	read, err := f.opened.ReadDir(-1)
	found := make([]Entry, 0, len(read))
	for _, e := range read {
		found = append(found, Entry{e.Name(), e.Type()})
	}
	return found, err
}
