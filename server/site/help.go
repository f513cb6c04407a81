package site

import (
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/similar"
	"github.com/previewd/previewd/server/site/tree"
)

const (
	// maxNames is how many names a directory may have to be searched for similar ones.
	maxNames = 1000
	// maxNamesMemory is how many bytes of memory they may take.
	maxNamesMemory = 256 << 10
	// maxSimilar is how many similar names are shown, and maxTried how many are looked at for that.
	maxSimilar, maxTried = 3, 8
	// maxDepth is how many directories are looked at on the way to the nearest one.
	maxDepth = 32
)

// help is what the page of a 404 says to a person: the nearest directory that exists, and what is there that has a name like
// the one asked for. Nothing is said where listings are off, and nothing to what no person will read.
func (s *Site) help(r *message.Request, t *tree.Tree, at reading) *message.Help {
	if s.opts.Listing == ListingOff || s.opts.Exact || !isRead(r.Fields) || at.name == "" {
		return nil
	}
	asked, ok := newAsked(r, at.name)
	if !ok {
		return nil
	}
	depth := 0
	for dir := "."; depth < len(asked.names)-1 && depth < maxDepth; depth++ {
		dir = path.Join(dir, asked.names[depth])
		if st, err := t.Stat(dir); err != nil || !st.Mode.IsDir() {
			break
		}
	}
	return &message.Help{Nearest: asked.link(depth, "", true), Similar: s.similar(t, asked, depth)}
}

// isRead says whether a person may see the answer. Of browsers only what fills a window is.
func isRead(fields message.Fields) bool {
	if _, sent := fields.Lookup("Sec-Fetch-Mode"); sent {
		return message.IsNavigation(fields)
	}
	return acceptsHTML(fields)
}

// asked is the path that a client has asked for.
type asked struct {
	names []string // decoded, as they are in the file system
	parts []string // as they stand in the client's URL, below what names leaves out of it; "" at the end is a slash
	above string   // what of the client's path is before that: BASE_PATH, and what a proxy takes away
}

// newAsked takes a target apart. It is not ok where the client's path is not that of the file: where rules have made it
// another, or it has words that mean nothing (., .., //).
func newAsked(r *message.Request, name string) (a asked, ok bool) {
	target := message.TargetPath(r.Target)
	if line := strings.Fields(r.Line); len(line) > 1 {
		whole := message.TargetPath(line[1])
		if _, rest, absolute := message.CutAbsolute(whole); absolute {
			whole = rest
		}
		if !strings.HasSuffix(whole, target) {
			return a, false
		}
	}
	a.above = r.Prefix
	a.names, a.parts = strings.Split(name, "/"), strings.Split(strings.TrimPrefix(target, "/"), "/")
	count := len(a.parts)
	if a.parts[count-1] == "" {
		count--
	}
	return a, count == len(a.names) && strings.HasPrefix(target, "/")
}

// link leads from the client's path to a name below the first directories of it; "" is the directory itself. The URL is
// relative, as what a proxy takes away is not always known.
func (a asked) link(depth int, name string, dir bool) message.Link {
	up := strings.Repeat("../", len(a.parts)-1-depth)
	if up == "" {
		up = "./"
	}
	text := message.Unquote(message.Latin1(a.above)) + "/"
	for _, part := range append(slices.Clone(a.names[:depth]), name) {
		if part != "" {
			text += part + "/"
		}
	}
	if name == "" {
		return message.Link{URL: up, Text: strings.ToValidUTF8(text, "\uFFFD")}
	}
	escaped := (&url.URL{Path: name}).EscapedPath()
	if !dir {
		text = strings.TrimSuffix(text, "/")
	} else {
		escaped += "/"
	}
	return message.Link{URL: up + escaped, Text: strings.ToValidUTF8(text, "\uFFFD")}
}

// isOther says whether a name below the first directories of the path is not what was asked for: a file is, if that had a
// slash at its end.
func (a asked) isOther(depth int, name string, dir bool) bool {
	return name != path.Join(a.names[depth:]...) || !dir && a.parts[len(a.parts)-1] == ""
}

// similar looks for what has a name like that at a depth of the path, and for the rest of the path below it. One request at
// a time does so: further ones do without.
func (s *Site) similar(t *tree.Tree, asked asked, depth int) (links []message.Link) {
	if !s.searching.TryLock() {
		return nil
	}
	defer s.searching.Unlock()
	dir := path.Join(asked.names[:depth]...)
	if dir == "" {
		dir = "."
	}
	room := int64(maxNamesMemory)
	list, _, err := t.ReadDir(dir, func(bytes int64) bool { room -= bytes; return room >= 0 })
	if err != nil || len(list) > maxNames {
		return nil
	}
	names := make([]string, len(list))
	for i, e := range list {
		names[i] = e.Name
	}
	found := similar.Names(asked.names[depth], names)
	for _, name := range found[:min(len(found), maxTried)] {
		rest := path.Join(append([]string{name}, asked.names[depth+1:]...)...)
		for _, candidate := range slices.Compact([]string{rest, name}) {
			st, err := t.Stat(path.Join(dir, candidate))
			if err != nil || !st.Mode.IsDir() && !st.Mode.IsRegular() || !asked.isOther(depth, candidate, st.Mode.IsDir()) {
				continue
			}
			links = append(links, asked.link(depth, candidate, st.Mode.IsDir()))
			break
		}
		if len(links) == maxSimilar {
			break
		}
	}
	return links
}
