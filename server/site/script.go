package site

import (
	"errors"
	"io/fs"
	"path/filepath"
)

// Translate returns the absolute path in the file system of what a path of the site names: translate_path. The path
// is text, and decoded here even if it was decoded before, as CGIHTTPRequestHandler has it. ok is false for
// what no file can be called.
func (s *Site) Translate(path string) (name string, ok bool) {
	name, slash, ok := translateText(path)
	if !ok {
		return "", false
	}
	// An absolute path, as the directory of http.server is by default: Abs fails only without a working
	// directory, and then a relative path leads nowhere either.
	directory, err := filepath.Abs(s.opts.Directory)
	if err != nil {
		return "", false
	}
	name = filepath.Join(directory, filepath.FromSlash(name))
	if slash && name[len(name)-1] != filepath.Separator {
		name += string(filepath.Separator)
	}
	return name, true
}

// Stat looks at what a path of the site names, as Translate reads it, for a handler that does something else
// with a file than send it. Links and hidden names are refused as for any request, so that a file that Stat
// does not find is fs.ErrNotExist or an error for the operator, worth one log line.
func (s *Site) Stat(path string) (fs.FileMode, error) {
	name, slash, ok := translateText(path)
	if !ok {
		return 0, fs.ErrNotExist
	}
	t, err := s.acquire()
	if err != nil {
		return 0, err
	}
	defer t.release()
	if s.opts.Hidden == HiddenDeny && isHidden(name) {
		return 0, hiddenName(name)
	}
	st, err := t.stat(name)
	switch {
	case err == nil && slash && !st.mode.IsDir():
		return 0, fs.ErrNotExist
	case err == nil:
		return st.mode, nil
	case isRefused(err):
		return 0, s.refusedLink(t, name, err)
	case errors.Is(err, fs.ErrPermission):
		return 0, s.unreadable(t, name, err)
	case isTemporary(err):
		return 0, err
	}
	return 0, fs.ErrNotExist
}
