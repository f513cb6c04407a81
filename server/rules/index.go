package rules

import (
	"slices"
	"strings"
)

// index finds the rules that may match a path, without looking at the others: a tree of segments.
type index struct{ root node }

// node holds rules by number, in the order of the file.
type node struct {
	literal map[string]*node
	any     *node // the segment is a placeholder
	// here are rules whose pattern ends here; beyond are those whose next segment has to be compared.
	here, beyond []int
	// byPair are rules that end here and want a pair in the query, name=value.
	byPair map[string][]int
}

// add enters a rule. pair is a pair that it wants in the query, "" for none.
func (x *index) add(rule int, p *pattern, pair string) {
	n := &x.root
	segments := p.segments
	if last := len(segments) - 1; len(segments[last]) == 0 {
		segments = segments[:last]
	}
	for _, segment := range segments {
		switch {
		case len(segment) == 1 && segment[0].capture < 0:
			n = n.child(segment[0].literal)
		case len(segment) == 0:
			n = n.child("")
		case len(segment) == 1 && !segment[0].splat:
			if n.any == nil {
				n.any = &node{}
			}
			n = n.any
		default:
			n.beyond = append(n.beyond, rule)
			return
		}
	}
	if pair == "" {
		n.here = append(n.here, rule)
		return
	}
	if n.byPair == nil {
		n.byPair = map[string][]int{}
	}
	n.byPair[pair] = append(n.byPair[pair], rule)
}

func (n *node) child(literal string) *node {
	if n.literal == nil {
		n.literal = map[string]*node{}
	}
	c := n.literal[literal]
	if c == nil {
		c = &node{}
		n.literal[literal] = c
	}
	return c
}

// find appends the rules that may match a decoded path to list, in the order of the file.
func (x *index) find(list []int, text, query string) []int {
	rest := strings.TrimSuffix(text, "/")
	list = x.root.find(list, rest, query)
	slices.Sort(list)
	return slices.Compact(list) // a query may have a pair many times
}

// find looks for rest, which is empty or begins with a slash.
func (n *node) find(list []int, rest, query string) []int {
	list = append(list, n.beyond...)
	if rest == "" {
		list = append(list, n.here...)
		if n.byPair != nil {
			for pair := range pairs(query) {
				list = append(list, n.byPair[pair]...)
			}
		}
		return list
	}
	end := slashFrom(rest, 1)
	if c := n.literal[rest[1:end]]; c != nil {
		list = c.find(list, rest[end:], query)
	}
	if n.any != nil {
		list = n.any.find(list, rest[end:], query)
	}
	return list
}

// pairs yields the pairs of a query, decoded.
func pairs(query string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for query != "" {
			var pair string
			pair, query, _ = strings.Cut(query, "&")
			if !yield(decode(pair)) {
				return
			}
		}
	}
}
