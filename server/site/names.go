package site

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/content"
	"github.com/previewd/previewd/server/site/tree"
)

// What a name stands for beyond http.server: /guide is the file guide; guide/ if it has an index page; guide.html; guide/
// without one; and then, after the rules of the site, the fallback and 404.html.

// cleanPage returns the page of a clean URL: guide.html for guide.
func (s *Site) cleanPage(t *tree.Tree, target string, at reading) (page string, st tree.Status, found bool) {
	if !s.opts.CleanURLs || s.opts.Exact {
		return "", st, false
	}
	for _, of := range append([]reading{at}, inBytes(target)...) {
		if of.name == "." || of.name == "" {
			continue
		}
		page = of.name + ".html"
		if st, found = lookFile(t, page); found {
			return page, st, true
		}
	}
	return "", st, false
}

func lookFile(t *tree.Tree, name string) (tree.Status, bool) {
	st, err := t.Look(name, true)
	return st, err == nil && st.Mode.IsRegular()
}

// hasIndex says whether a directory has an index page. One that may not be followed counts, see sendIndex.
func (s *Site) hasIndex(t *tree.Tree, name string) bool {
	for _, page := range s.opts.IndexPages {
		st, err := t.Look(path.Join(name, page), true)
		if err == nil && st.Mode.IsRegular() || err != nil && (tree.IsRefused(err) || tree.IsTemporary(err)) {
			return true
		}
	}
	return false
}

// Find returns the path of the file that answers a target, decoded: /docs/index.html for /docs/ and for /docs. A directory
// without an index page has none. Rules ask it.
func (s *Site) Find(target string) (file string, found bool) {
	disk := s.opts.Content.Disk
	if !disk.EnterInTime() {
		return "", false // the request that follows is told
	}
	defer disk.Leave()
	at, ok := translatePath(target)
	if ok && !at.slash && s.content.IsKept(s.directory, at.name) {
		return "/" + at.name, true
	}
	t, err := s.directory.Acquire()
	if err != nil {
		return "", false
	}
	defer t.Release()
	if !ok {
		at, err = reading{}, errNoName
	}
	at, st, err := s.look(t, target, at, err)
	if err == nil && st.Mode.IsRegular() && !at.slash {
		return "/" + at.name, true
	}
	if err == nil && st.Mode.IsDir() {
		for _, page := range s.opts.IndexPages {
			if _, found := lookFile(t, path.Join(at.name, page)); found {
				return "/" + path.Join(at.name, page), true
			}
		}
	}
	page, _, found := s.cleanPage(t, target, at)
	return "/" + page, found
}

// settled is how long ago a file must have been written for its status to tell that it has not changed since.
const settled = 2 * time.Second

// Look reads a reserved file, up to limit bytes. version is another one whenever the content may be, and empty where there is
// no such file; the content is not read where the version is the one that was seen.
func (s *Site) Look(name, seen string, limit int64) (data []byte, version string, err error) {
	disk := s.opts.Content.Disk
	disk.Enter()
	defer disk.Leave()
	t, err := s.directory.Acquire()
	if err != nil {
		return nil, "", err
	}
	defer t.Release()
	f, st, err := t.OpenReserved(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	now := s.now()
	atRest := now.Sub(st.Ctime.Time()) >= settled && now.Sub(st.Mtime.Time()) >= settled
	if atRest {
		version = fmt.Sprintf("%d.%d %d %v %v", st.Dev, st.Ino, st.Size, st.Mtime, st.Ctime)
		if version == seen {
			return nil, version, nil
		}
	}
	data = make([]byte, min(st.Size, limit))
	n, err := f.ReadAt(data, 0)
	if err != nil {
		return nil, "", fmt.Errorf("reading %s: %w", name, err)
	}
	data = data[:n]
	if !atRest {
		version = fmt.Sprintf("%x", sha256.Sum256(data))
	}
	return data, version, nil
}

// defaultFallback at the top of a site is its fallback where none is set.
const defaultFallback = "200.html"

// fallback returns the page that answers a navigation to nothing.
func (s *Site) fallback(t *tree.Tree) (name string, st tree.Status, found bool) {
	name = defaultFallback
	if s.opts.Fallback != "" {
		at, ok := translatePath(s.opts.Fallback)
		if !ok {
			return "", st, false
		}
		name = at.name
	}
	st, found = lookFile(t, name)
	return name, st, found
}

func (s *Site) hasFallback(t *tree.Tree) bool {
	_, _, found := s.fallback(t)
	return found
}

// instead answers for what is not found: with the fallback, with the error page of the site, or as it was refused.
func (s *Site) instead(ctx context.Context, r *message.Request, t *tree.Tree, at reading, refused message.Response) message.Response {
	fallback, st, found := s.fallback(t)
	// What is there and not shown has no fallback, nor has a name with a suffix: never HTML where a script was asked for.
	if f := refused.Failure(); found && f != nil && f.Cause == nil && (at.slash || !strings.Contains(path.Base(at.name), ".")) && message.IsNavigation(r.Fields) {
		if resp := s.sendFile(ctx, r, t, fallback, st); resp.Failure() == nil {
			return varied(resp, "/"+fallback)
		}
	}
	if resp, ok := s.errorPage(ctx, r, t, at.name, refused); ok {
		refused = resp
	} else if f := refused.Failure(); f != nil {
		f.Help = s.help(r, t, at)
	}
	if found {
		refused = varied(refused, refused.Via)
	}
	return refused
}

// varied says what a fallback depends on.
func varied(resp message.Response, via string) message.Response {
	const on = "Sec-Fetch-Mode, Accept"
	fields := make(message.Fields, 0, len(resp.Fields)+1)
	vary := on
	for _, f := range resp.Fields {
		if f.Name == "Vary" {
			vary = f.Value + ", " + on
			continue
		}
		fields = append(fields, f)
	}
	resp.Fields = append(fields, message.Field{Name: "Vary", Value: vary})
	resp.Via = via
	return resp
}

// errorPage answers with the nearest 404.html up the tree.
func (s *Site) errorPage(ctx context.Context, r *message.Request, t *tree.Tree, name string, refused message.Response) (resp message.Response, ok bool) {
	if !s.opts.ErrorPages || !acceptsHTML(r.Fields) {
		return resp, false
	}
	page, st, found := nearest(t, name, "404.html")
	if !found {
		return resp, false
	}
	src, err := s.content.Get(ctx, t, page, st, content.Accepts{})
	if err != nil { // never the cause of another error
		return resp, false
	}
	use(r, page, src.Status)
	resp = refused
	resp.Fields = s.unvalidated("Content-type", src.Description.(*representation).fields.Get("Content-type"))
	resp.Body, resp.Via = src.Body, "/"+page
	if f := refused.Failure(); f != nil && f.Cause == nil { // the connection stays, and there is nothing to tell
		resp.Err, resp.Close = nil, false
	}
	return resp, true
}

// nearest returns the file of that name in the deepest directory on the way to a name that has one.
func nearest(t *tree.Tree, name, file string) (found string, st tree.Status, ok bool) {
	for dir, rest := ".", name; ; {
		if status, is := lookFile(t, path.Join(dir, file)); is {
			found, st, ok = path.Join(dir, file), status, true
		}
		if rest == "" || rest == "." {
			return found, st, ok
		}
		var part string
		part, rest, _ = strings.Cut(rest, "/")
		dir = path.Join(dir, part)
		if status, err := t.Look(dir, true); err != nil || !status.Mode.IsDir() {
			return found, st, ok
		}
	}
}

// acceptsHTML says whether HTML may be sent (RFC 9110, section 12.5.1).
func acceptsHTML(fields message.Fields) bool {
	if _, sent := fields.Lookup("Accept"); !sent {
		return true
	}
	return message.IsNavigation(fields) || message.Accepts(fields, "text/html", "text/*", "*/*")
}
