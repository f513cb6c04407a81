//go:build !linux

package site

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// file is an open file.
type file struct{ opened *os.File }

var noFile file

func (f file) close() {
	if f.opened != nil {
		f.opened.Close()
	}
}

func (f file) osFile() *os.File { return f.opened }

func takeFile(from *os.File) (file, error) { return file{from}, nil }

func (f file) status() (status, error) {
	info, err := f.opened.Stat()
	if err != nil {
		return status{}, err
	}
	return statusOf(info), nil
}

// statusOf has no identity and no ctime: a change that keeps size and mtime is missed here.
func statusOf(info fs.FileInfo) status {
	mtime := instant{info.ModTime().Unix(), int64(info.ModTime().Nanosecond())}
	return status{mode: info.Mode(), size: info.Size(), mtime: mtime, ctime: mtime}
}

// describe tells the operator who may do what.
func (st status) describe() string { return fmt.Sprintf("mode %v", st.mode) }

// isBeingWritten cannot be told here.
func (f file) isBeingWritten() bool { return false }

// readAt reads from an offset on until buf is full or the file ends.
func (f file) readAt(buf []byte, offset int64) (int, error) {
	n, err := f.opened.ReadAt(buf, offset)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

// entries reads the names in a directory with their types.
func (f file) entries() ([]entry, error) {
	if f.opened == nil {
		return nil, fs.ErrPermission
	}
	read, err := f.opened.ReadDir(-1)
	found := make([]entry, 0, len(read))
	for _, e := range read {
		found = append(found, entry{e.Name(), e.Type()})
	}
	return found, err
}
