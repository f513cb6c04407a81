package site

import (
	"io/fs"
	"path/filepath"

	"github.com/previewd/previewd/server/site/tree"
)

// Translate returns the absolute path in the file system of what a path of the site names: translate_path. The path
// is text, and decoded here even if it was decoded before, as CGIHTTPRequestHandler has it. ok is false for
// what no file can be called.
func (s *Site) Translate(path string) (name string, ok bool) {
	of, ok := translateText(path)
	if !ok {
		return "", false
	}
	name, err := s.directory.Path(of.name)
	if err != nil {
		return "", false
	}
	if of.slash && name[len(name)-1] != filepath.Separator {
		name += string(filepath.Separator)
	}
	return name, true
}

// Stat returns the type of the file at a path of the site, which is read as by Translate, for handlers that do not send
// the file, such as CGI. Links and hidden names are refused as for any request, so that a file that Stat
// does not find is fs.ErrNotExist or an error for the operator, worth one log line.
func (s *Site) Stat(path string) (fs.FileMode, error) {
	of, ok := translateText(path)
	if !ok {
		return 0, fs.ErrNotExist
	}
	t, err := s.directory.Acquire()
	if err != nil {
		return 0, err
	}
	defer t.Release()
	st, err := t.Stat(of.name)
	switch {
	case err == nil && of.slash && !st.Mode.IsDir():
		return 0, fs.ErrNotExist
	case err == nil:
		return st.Mode, nil
	case tree.IsTemporary(err):
		return 0, err
	}
	if cause := t.Explain(of.name, err); cause != nil {
		return 0, cause
	}
	return 0, fs.ErrNotExist
}
