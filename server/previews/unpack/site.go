package unpack

import (
	"path"
	"strings"
)

// usual are the directories that images of web servers have their sites in: nginx, httpd, those of distributions. The last
// is that of an image with nothing but a site.
var usual = [...]string{"usr/share/nginx/html", "usr/local/apache2/htdocs", "var/www/html", ""}

// site is where the site is in an image.
type site struct {
	// path is its directory, behind all links: a clean name.
	path  string
	place *place
	// ways are the names that lead to it: its own, and those that do so through symbolic links.
	ways []string
}

// find reads the image until it is known where the site is: once, and once more for each symbolic link on the way to it that
// leads to where nobody looked.
func (i *image) find() (*survey, *site, error) {
	s := newSurvey(i)
	wanted, wrong := cleanName(i.options.Path)
	if wrong != "" {
		return nil, nil, refuse("PREVIEWS_PATH %s", wrong)
	}
	s.tops = i.options.Artifact && i.options.Path == ""
	candidates := usual[:]
	if i.options.Path != "" {
		candidates = []string{wanted}
	} else if i.options.Artifact {
		candidates = []string{""}
	}
	for _, c := range usual {
		s.wantPages(c, i.options.IndexPages)
	}
	for _, c := range candidates {
		s.wantPages(c, i.options.IndexPages)
	}
	for again := true; again; {
		if err := s.read(); err != nil {
			return nil, nil, err
		}
		again = false
		for _, c := range candidates {
			_, isNew, _ := s.resolve(c)
			again = again || isNew
		}
	}
	found, err := i.choose(s, candidates)
	return s, found, err
}

// wantPages adds a directory and its index pages to a survey, and says whether something of it is new.
func (s *survey) wantPages(directory string, pages []string) (isNew bool) {
	isNew = s.want(directory)
	for _, page := range pages {
		isNew = s.want(join(directory, page)) || isNew
	}
	return isNew
}

// hasPage says whether a directory has an index page.
func (s *survey) hasPage(directory string) bool {
	for _, page := range s.image.options.IndexPages {
		if p := s.places[join(directory, page)]; p != nil && (p.merged.kind == file || p.merged.kind == link) {
			return true
		}
	}
	return false
}

// choose is the site, when all that leads to it is known.
func (i *image) choose(s *survey, candidates []string) (*site, error) {
	for _, c := range candidates {
		found, _, err := s.resolve(c)
		switch {
		case err != nil && i.options.Path != "":
			return nil, err
		case err != nil:
			continue
		case i.options.Path != "":
			return found, nil
		case i.options.Artifact:
			return s.stepInto(found), nil
		case s.hasPage(found.path):
			return found, nil
		}
	}
	var names []string
	for _, c := range candidates {
		names = append(names, "/"+c)
	}
	return nil, refuse("none of %s in the image has an index page (%s): set PREVIEWS_PATH to the directory of the site%s",
		strings.Join(names, ", "), strings.Join(i.options.IndexPages, ", "), s.another())
}

// another says which directory has an index page; nothing where none has.
func (s *survey) another() string {
	if s.pageLayer < 0 {
		return ""
	}
	return "; one is in " + quote("/"+s.page)
}

// stepInto is the directory at the top of an artifact, where there is nothing beside it: "oras push REFERENCE dist" makes
// names that begin with "dist/".
func (s *survey) stepInto(root *site) *site {
	var lone *place
	for _, c := range root.place.childrenIn(s.places) {
		if c.merged.kind == absent {
			continue
		}
		if lone != nil {
			return root
		}
		lone = c
	}
	if lone == nil || s.manyTops || lone.merged.kind != directory {
		return root
	}
	return &site{path: lone.name, place: lone, ways: []string{lone.name}}
}

// resolve follows a path in the image to a directory. isNew says that there is a name on the way which no reading has looked
// for: then one more is needed, and there is no site yet.
func (s *survey) resolve(name string) (found *site, isNew bool, err error) {
	at, rest, links := "", split(name), 0
	ways := []string{name}
	for len(rest) > 0 {
		component := rest[0]
		rest = rest[1:]
		if component == ".." {
			at, _ = cutLast(at)
			continue
		}
		next := join(at, component)
		p := s.places[next]
		if p == nil && (strings.Count(next, "/") >= maxDepth || len(next) > maxPath) {
			return nil, false, s.missing(name, at, next, absent)
		}
		if p == nil {
			s.wantOnWay(at, append([]string{component}, rest...))
			return nil, true, nil
		}
		switch p.merged.kind {
		case directory:
			at = next
		case link:
			if links++; links > maxLinks {
				return nil, false, refuse("/%s leads through more than %d symbolic links", name, maxLinks)
			}
			if len(p.merged.target) > maxPath {
				return nil, false, refuse("/%s is a symbolic link with a target of more than 4,095 bytes", next)
			}
			rest = append(split(p.merged.target), rest...)
			if path.IsAbs(p.merged.target) {
				at = ""
			}
			ways = append(ways, way(at, rest))
		case clash:
			return nil, false, refuse("/%s is a file or a symbolic link in the layer that has %s below it", next, quote(p.merged.entry))
		default:
			return nil, false, s.missing(name, at, next, p.merged.kind)
		}
	}
	if s.wantPages(at, s.image.options.IndexPages) {
		return nil, true, nil
	}
	return &site{path: at, place: s.places[at], ways: append(ways, at)}, false, nil
}

// split are the components of a path, without those that say nothing.
func split(name string) (components []string) {
	for c := range strings.SplitSeq(name, "/") {
		if c != "" && c != "." {
			components = append(components, c)
		}
	}
	return components
}

// way is the clean name of components below a directory, in which ".." takes the last one away.
func way(at string, rest []string) string {
	return strings.TrimPrefix(path.Join("/"+at, path.Join(rest...)), "/")
}

// wantOnWay wants all directories that one comes through from a directory, if none is a link.
func (s *survey) wantOnWay(at string, rest []string) {
	for _, component := range rest {
		if component == ".." {
			at, _ = cutLast(at)
			continue
		}
		at = join(at, component)
		if strings.Count(at, "/") >= maxDepth || len(at) > maxPath {
			return
		}
		s.want(at)
	}
	s.wantPages(at, s.image.options.IndexPages)
}

// missing says that a path is not there, how much of it is, and which directories have index pages.
func (s *survey) missing(name, at, next string, k kind) error {
	problem := "there is no /" + next
	if k == file {
		problem = "/" + next + " is a file"
	}
	var pages []string
	for _, c := range usual {
		if d := s.places[c]; d.merged.kind == directory && s.hasPage(c) {
			pages = append(pages, "/"+c)
		}
	}
	has := "no index page is in the image"
	if len(pages) > 0 {
		has = "index pages are in " + strings.Join(pages, " and ")
	} else if s.pageLayer >= 0 {
		has = "an index page is in " + quote("/"+s.page)
	}
	if at != "" {
		problem += ", only /" + at
	}
	return refuse("the image has no directory %s (PREVIEWS_PATH): %s; %s", quote("/"+name), problem, has)
}
