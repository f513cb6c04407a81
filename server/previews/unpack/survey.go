package unpack

import (
	"archive/tar"
	"cmp"
	"slices"
	"strings"
)

// kind is what a name in an image is.
type kind uint8

const (
	absent kind = iota
	directory
	file // or a device: nothing with something below it
	link
	clash // a file or a link, and something below it in the same layer
)

// node is a name in a tree.
type node struct {
	kind   kind
	target string // of a link
	entry  string // of a clash: the entry below it
	since  int    // of a directory: the lowest layer that has something in it which is still there
}

// place is a name that the search for the site has to know.
type place struct {
	name     string
	parent   *place
	merged   node
	own      node // in the layer that is read
	isOut    bool // a white-out in that layer
	isOpaque bool
	hides    bool // that layer hides what lower ones have below the name
	// below are the layers that have something below the name, marked those with white-outs there.
	below, marked []bool
}

// survey is what a reading of all layers tells about some names: those in places, which has the directories above each.
type survey struct {
	image  *image
	places map[string]*place
	sorted []*place // parents first; nil after a change
	// tops says that all names at the top of the image are wanted, as far as there are few.
	tops, manyTops bool
	// page is another directory than the usual ones, with an index page, for a refusal that may help: of the topmost layer that
	// has one, the one above all others. Whether a later layer removes it is not looked at.
	page      string
	pageLayer int // -1: none
}

// fewTops bounds the names at the top of an artifact that are kept.
const fewTops = 64

func newSurvey(i *image) *survey {
	s := &survey{image: i, places: map[string]*place{}}
	s.want("")
	return s
}

// want adds a name to those that the next reading looks for, with all directories above it. It says whether it is new.
func (s *survey) want(name string) bool {
	if s.places[name] != nil {
		return false
	}
	p := &place{name: name, below: make([]bool, len(s.image.layers)), marked: make([]bool, len(s.image.layers))}
	if name != "" {
		above, _ := cutLast(name)
		s.want(above)
		p.parent = s.places[above]
	}
	s.places[name], s.sorted = p, nil
	return true
}

// read reads all layers, the lowest first.
func (s *survey) read() error {
	for _, p := range s.places {
		p.merged, p.own, p.isOut, p.isOpaque = node{}, node{}, false, false
		clear(p.below)
		clear(p.marked)
	}
	s.places[""].merged.kind = directory
	s.page, s.pageLayer = "", -1
	pass := &pass{image: s.image}
	for number := range s.image.layers {
		if err := pass.read(number, func(e *entry) error { s.see(e); return nil }); err != nil {
			return err
		}
		s.merge(number)
	}
	return nil
}

// see notes what an entry says of the places.
func (s *survey) see(e *entry) {
	name := e.of
	s.seeTop(name)
	s.seePage(e)
	if e.mark == opaque {
		name = join(name, opaqueName)
	}
	for end := 0; ; {
		p := s.places[name[:end]]
		if p == nil {
			return
		}
		if end == len(name) {
			s.seeWanted(p, e)
			return
		}
		s.seeAbove(p, e)
		if end > 0 {
			end++
		}
		if i := strings.IndexByte(name[end:], '/'); i >= 0 {
			end += i
		} else {
			end = len(name)
		}
	}
}

// seeTop makes a name at the top a place when it is met first: no entry before it told anything of it.
func (s *survey) seeTop(name string) {
	top, _, _ := strings.Cut(name, "/")
	if !s.tops || s.manyTops || top == "" || s.places[top] != nil {
		return
	}
	if len(s.places[""].childrenIn(s.places)) >= fewTops {
		s.manyTops = true
		return
	}
	s.want(top)
}

// seePage notes where there is an index page.
func (s *survey) seePage(e *entry) {
	in, base := cutLast(e.of)
	isPage := e.mark == noMark && e.Typeflag == tar.TypeReg && slices.Contains(s.image.options.IndexPages, base) && !slices.Contains(usual[:], in)
	if isPage && (e.layer > s.pageLayer || strings.Count(in, "/") < strings.Count(s.page, "/")) {
		s.page, s.pageLayer = in, e.layer
	}
}

// seeAbove notes an entry that lies somewhere below a place.
func (s *survey) seeAbove(p *place, e *entry) {
	p.below[e.layer] = true
	if e.mark != noMark && p.name != e.of {
		p.marked[e.layer] = true
	}
	if e.mark == opaque && p.name == e.of {
		p.isOpaque = true
	}
	switch p.own.kind {
	case absent:
		p.own.kind = directory
	case file, link:
		p.own = node{kind: clash, entry: e.Name}
	}
}

// seeWanted notes an entry of a place itself.
func (s *survey) seeWanted(p *place, e *entry) {
	if e.mark == whiteout {
		p.isOut = true
		return
	}
	if p.own.kind == clash {
		return
	}
	wasDirectory := p.own.kind == directory
	switch e.Typeflag {
	case tar.TypeDir:
		p.own = node{kind: directory}
		return
	case tar.TypeSymlink:
		p.own = node{kind: link, target: e.Linkname}
	default:
		p.own = node{kind: file}
	}
	if wasDirectory {
		for _, q := range s.places {
			if _, is := below(q.name, p.name); is {
				q.own = node{}
			}
		}
	}
}

// merge lays a layer that was read over those below it.
func (s *survey) merge(number int) {
	if s.sorted == nil {
		for _, p := range s.places {
			s.sorted = append(s.sorted, p)
		}
		slices.SortFunc(s.sorted, func(a, b *place) int { return cmp.Compare(len(a.name), len(b.name)) })
	}
	for _, p := range s.sorted {
		isGone := p.isOut || p.parent != nil && p.parent.hides
		p.hides = isGone || p.isOpaque || p.own.kind > directory
		if isGone {
			p.merged = node{}
		}
		switch {
		case p.own.kind == directory && p.merged.kind == directory && !p.isOpaque:
		case p.own.kind == directory:
			p.merged = node{kind: directory, since: number}
		case p.own.kind != absent:
			p.merged = p.own
		}
		p.own, p.isOut, p.isOpaque = node{}, false, false
	}
}

// childrenIn are the places directly below this one.
func (p *place) childrenIn(places map[string]*place) (children []*place) {
	for _, c := range places {
		if c.parent == p {
			children = append(children, c)
		}
	}
	return children
}
