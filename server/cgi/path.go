package cgi

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"github.com/previewd/previewd/server/message"
)

// collapsePath decodes a target and takes its empty and dotted parts away: _url_collapse_path. The query
// stays behind the last part. ok is false where there are more ".." than parts, of which CPython dies.
func collapsePath(target string) (collapsed string, ok bool) {
	path, query, _ := strings.Cut(message.Latin1(target), "?")
	parts := strings.Split(message.Unquote(path), "/")
	tail := parts[len(parts)-1]
	var head []string
	for _, part := range parts[:len(parts)-1] {
		switch part {
		case "", ".":
		case "..":
			if len(head) == 0 {
				return "", false
			}
			head = head[:len(head)-1]
		default:
			head = append(head, part)
		}
	}
	switch tail {
	case "..":
		if len(head) == 0 {
			return "", false
		}
		head, tail = head[:len(head)-1], ""
	case ".":
		tail = ""
	}
	if query != "" {
		tail += "?" + query
	}
	return "/" + strings.Join(head, "/") + "/" + tail, true
}

// split tells whether a collapsed path lies below one of the directories, and where: is_cgi.
func split(collapsed string, directories []string) (dir, rest string, found bool) {
	for i := nextSlash(collapsed, 1); i > 0; i = nextSlash(collapsed, i+1) {
		for _, d := range directories {
			if collapsed[:i] == d {
				return d, collapsed[i+1:], true
			}
		}
	}
	return "", "", false
}

// nextSlash returns the index of the first slash from the index on, -1 if there is none.
func nextSlash(s string, from int) int {
	if i := strings.IndexByte(s[from:], '/'); i >= 0 {
		return from + i
	}
	return -1
}

// Find returns the path, decoded, of a target that is a script's: its name, and what follows it. found is false for all
// other targets, and for scripts that there are not.
func (h *Handler) Find(target string) (path string, found bool) {
	collapsed, ok := collapsePath(target)
	if !ok {
		return "", false
	}
	dir, rest, found := split(collapsed, h.Directories)
	if !found {
		return "", false
	}
	if _, failure := h.find(dir, rest); failure != nil && failure.Status == 404 {
		return "", false
	}
	return "/" + strings.TrimLeft(collapsed, "/"), true
}

// script is what a target says of a script. Texts are UTF-8.
type script struct {
	name  string // SCRIPT_NAME
	base  string // the last part of name, argv[0]
	file  string // its path in the file system
	info  string // what follows the name in the path; it is decoded once more
	query string
}

// maxDepth bounds how many directories are descended into for one request.
const maxDepth = 255

// find looks for the script: the first half of run_cgi. Existing directories are descended into, the next
// part is the script. The path has been decoded already, and each look-up decodes it once more.
func (h *Handler) find(dir, rest string) (s script, failure *message.Failure) {
	top := dir
	dir = strings.TrimSuffix(dir, "/") // of "/", so that no SCRIPT_NAME begins with the two slashes of CPython's
	path := dir + "/" + rest
	for depth := 0; depth < maxDepth; depth++ {
		i := nextSlash(path, len(dir)+1)
		if i < 0 {
			break
		}
		if mode, err := h.Files.Stat(path[:i]); err != nil || !mode.IsDir() {
			break
		}
		dir, rest = path[:i], path[i+1:]
	}
	rest, s.query, _ = strings.Cut(rest, "?")
	s.base = rest
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		s.base, s.info = rest[:i], rest[i:]
	}
	s.name = dir + "/" + s.base
	repr := "(" + message.Repr(s.name) + ")"

	mode, err := h.stat(top, &s)
	switch {
	case isTemporary(err):
		return s, &message.Failure{Status: 503, Cause: err}
	case errors.Is(err, fs.ErrNotExist):
		return s, &message.Failure{Status: 404, Message: "No such CGI script " + repr}
	case err != nil:
		return s, &message.Failure{Status: 404, Message: "No such CGI script " + repr, Cause: err}
	case !mode.IsRegular():
		return s, &message.Failure{Status: 403, Message: "CGI script is not a plain file " + repr}
	case !isExecutable(s.file):
		return s, &message.Failure{Status: 403, Message: "CGI script is not executable " + repr}
	}
	return s, nil
}

// stat looks at the script and sets its file. The second decoding can lead out of the directory that made
// the path a script's (/cgi-bin/%252e%252e/x): http.server runs what it finds there, here it is not found.
func (h *Handler) stat(top string, s *script) (fs.FileMode, error) {
	var ok bool
	if s.file, ok = h.Files.Translate(s.name); !ok {
		return 0, fs.ErrNotExist
	}
	if !h.holds(top, s.file) {
		return 0, fmt.Errorf("%q lies outside %q", s.file, top)
	}
	return h.Files.Stat(s.name)
}

// holds says whether a file would be a script of a directory of scripts, or is that directory, named with a
// slash at its end.
func (h *Handler) holds(directory, file string) bool {
	path, ok := h.Files.Translate(directory)
	if !ok {
		return false
	}
	rest, below := strings.CutPrefix(file, strings.TrimSuffix(path, "/")+"/")
	return below && (directory != "/" || !strings.Contains(rest, "/"))
}

// hidesScript says whether a target that is no script's names one all the same as the site reads it, which
// cuts at a "#" where collapsePath does not: /cgi-bin/x#/../.. would show its source.
func (h *Handler) hidesScript(target string) bool {
	file, ok := h.Files.Translate(message.Latin1(target))
	if !ok {
		return false
	}
	return slices.ContainsFunc(h.Directories, func(directory string) bool { return h.holds(directory, file) })
}

// isTemporary says whether it is the system that fell short, not the name.
func isTemporary(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOMEM)
}
