package rules

import (
	"fmt"
	"strings"
)

// pattern is the left side of a rule: a path with placeholders, each of which is one part of a segment, and at most one
// splat, which is any text. A host before it is a pattern too.
type pattern struct {
	// text is the pattern as it is printed.
	text string
	// host is nil for any host.
	host *pattern
	// segments are the parts between slashes; splat is the one that has the splat in it, -1 for none.
	segments [][]piece
	splat    int
	// names are those of placeholders; the splat's is "splat".
	names []string
}

// piece is a part of a segment: literal text, or what is captured.
type piece struct {
	literal string
	// capture counts in pattern.names from 0; it is -1 for a literal.
	capture int
	splat   bool
}

const splatName = "splat"

// span is what a name has captured: text[from:to].
type span struct{ from, to int }

// parsePattern reads a path that begins with a slash, or a whole URL. more says what becomes of a second *: literal,
// or an error.
func parsePattern(text string, secondIsLiteral bool) (*pattern, error) {
	p := &pattern{text: text, splat: -1}
	if host, rest, isURL := cutOrigin(text); isURL {
		p.host = &pattern{text: host, splat: -1}
		if err := p.host.parse(strings.Split(strings.ToLower(host), "."), false); err != nil {
			return nil, err
		}
		text = rest
	}
	if err := p.parse(strings.Split(text[1:], "/"), secondIsLiteral); err != nil {
		return nil, err
	}
	if p.host != nil {
		for _, name := range p.host.names {
			if contains(p.names, name) {
				return nil, fmt.Errorf("%q stands twice in it", ":"+name)
			}
		}
	}
	return p, nil
}

// cutOrigin splits a URL into its host, without a port, and the rest, which begins with a slash.
func cutOrigin(text string) (host, rest string, isURL bool) {
	if !isHTTP(text) {
		return "", text, false
	}
	_, authority, _ := strings.Cut(text, "://")
	authority, rest, _ = strings.Cut(authority, "/")
	host = authority[strings.LastIndexByte(authority, '@')+1:]
	return withoutPort(host), "/" + rest, true
}

// isHTTP says whether a word is a URL. Both recorded parsers want its scheme in small letters.
func isHTTP(word string) bool {
	return strings.HasPrefix(word, "https://") || strings.HasPrefix(word, "http://")
}

func withoutPort(host string) string {
	colon := strings.LastIndexByte(host, ':')
	if colon < 0 || strings.Trim(host[colon+1:], "0123456789") != "" || strings.HasSuffix(host, "]") {
		return host
	}
	return host[:colon]
}

// parse reads the segments. Names are letters, digits and underscores, a letter first.
func (p *pattern) parse(segments []string, secondIsLiteral bool) error {
	for i, segment := range segments {
		var pieces []piece
		begin := 0
		literal := func(end int) {
			if end > begin {
				pieces = append(pieces, piece{literal: decode(segment[begin:end]), capture: -1})
			}
		}
		for at := 0; at < len(segment); {
			name, splat := "", segment[at] == '*' && (p.splat < 0 || !secondIsLiteral)
			if segment[at] == ':' {
				name = nameAt(segment[at+1:])
			}
			if name == "" && !splat {
				at++
				continue
			}
			literal(at)
			at += 1 + len(name)
			begin = at
			if splat {
				if p.splat >= 0 {
					return fmt.Errorf("it has more than one *")
				}
				name, p.splat = splatName, i
			}
			if contains(p.names, name) {
				return fmt.Errorf("%q stands twice in it", ":"+name)
			}
			pieces = append(pieces, piece{capture: len(p.names), splat: splat})
			p.names = append(p.names, name)
		}
		literal(len(segment))
		p.segments = append(p.segments, pieces)
	}
	return nil
}

// nameAt returns the name of a placeholder at the beginning of text, "" for none.
func nameAt(text string) string {
	n := 0
	for n < len(text) {
		c := text[n]
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (n == 0 || c != '_' && (c < '0' || c > '9')) {
			break
		}
		n++
	}
	return text[:n]
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// tellsPages says whether the pattern may match /page.html and not /page.
func (p *pattern) tellsPages() bool {
	segment := p.segments[len(p.segments)-1]
	if len(segment) == 0 {
		return false
	}
	last := segment[len(segment)-1]
	if last.capture >= 0 {
		return len(segment) > 1
	}
	return strings.HasSuffix(last.literal, ".html") || len(segment) > 1 && strings.HasSuffix(".html", last.literal)
}

// match compares a path and returns what the names have captured. Where several captures are possible, an earlier one
// is as long as can be, as in a regular expression; but it takes time in proportion to the path only.
func (p *pattern) match(text string) ([]span, bool) {
	spans := make([]span, len(p.names))
	return spans, matchSegments(p.segments, p.splat, text, spans)
}

// matchLoosely compares as Netlify does, where a slash at the end does not count and /x/* is /x too.
func (p *pattern) matchLoosely(text string) ([]span, bool) {
	if len(text) > 1 {
		text = strings.TrimSuffix(text, "/")
	}
	segments := p.segments
	if last := len(segments) - 1; last > 0 && len(segments[last]) == 0 {
		segments = segments[:last]
	}
	spans := make([]span, len(p.names))
	if matchSegments(segments, p.splat, text, spans) {
		return spans, true
	}
	if p.splat < 0 || len(segments[p.splat]) != 1 {
		return nil, false
	}
	without := append(append([][]piece(nil), segments[:p.splat]...), segments[p.splat+1:]...)
	clear(spans)
	if len(without) == 0 {
		return spans, text == "/"
	}
	return spans, matchSegments(without, -1, text, spans)
}

// matchSegments compares all of a path, which begins with a slash, and fills in spans.
func matchSegments(segments [][]piece, splat int, text string, spans []span) bool {
	at, last := 1, len(segments)-1
	head := segments
	if splat >= 0 {
		head = segments[:splat]
	}
	for i, segment := range head {
		end := slashFrom(text, at)
		if !matchWhole(segment, text, at, end, spans) {
			return false
		}
		if i == last {
			return end == len(text)
		}
		if end == len(text) {
			return false
		}
		at = end + 1
	}
	// The splat's segment is left, and those behind it, which are compared from the end.
	end := len(text)
	for i := last; i > splat; i-- {
		begin := strings.LastIndexByte(text[:end], '/') + 1
		if begin <= at || !matchWhole(segments[i], text, begin, end, spans) {
			return false
		}
		end = begin - 1
	}
	return matchSplat(segments[splat], text, at, end, spans)
}

func slashFrom(text string, at int) int {
	if i := strings.IndexByte(text[at:], '/'); i >= 0 {
		return at + i
	}
	return len(text)
}

// matchSplat compares the segment with the splat with text[from:to], in which there may be slashes.
func matchSplat(segment []piece, text string, from, to int, spans []span) bool {
	at := 0
	for !segment[at].splat {
		at++
	}
	before, after := segment[:at], segment[at+1:]
	end, ok := matchEnd(after, text, from, to, spans)
	if !ok {
		return false
	}
	begin := from
	if n := len(before); n > 0 {
		// What stands before the splat is as long as can be within its segment.
		begin = min(slashFrom(text, from), end)
		if l := before[n-1]; n == 1 && l.capture < 0 {
			begin = from + len(l.literal)
		} else if l.capture < 0 {
			i := strings.LastIndex(text[from:begin], l.literal)
			if i < 0 {
				return false
			}
			begin = from + i + len(l.literal)
		}
		if begin > end || !matchWhole(before, text, from, begin, spans) {
			return false
		}
	}
	spans[segment[at].capture] = span{begin, end}
	return true
}

// matchWhole compares pieces without a splat with all of text[from:to], in which there is no slash.
func matchWhole(pieces []piece, text string, from, to int, spans []span) bool {
	if len(pieces) == 0 {
		return from == to
	}
	if first := pieces[0]; first.capture < 0 {
		if !strings.HasPrefix(text[from:to], first.literal) {
			return false
		}
		from += len(first.literal)
		if pieces = pieces[1:]; len(pieces) == 0 {
			return from == to
		}
	}
	begin, ok := matchEnd(pieces[1:], text, from, to, spans)
	if !ok || begin <= from {
		return false
	}
	spans[pieces[0].capture] = span{from, begin}
	return true
}

// matchEnd compares pieces without a splat with the end of text[from:to], each piece as far to the end as can be. It
// returns where they begin.
func matchEnd(pieces []piece, text string, from, to int, spans []span) (begin int, ok bool) {
	open := -1 // the capture whose begin is not known yet
	for i := len(pieces) - 1; i >= 0; i-- {
		p := pieces[i]
		switch {
		case p.capture >= 0:
			if open >= 0 {
				if to, ok = takeOne(open, text, from, to, spans); !ok {
					return 0, false
				}
			}
			open = p.capture
		case open < 0:
			if !strings.HasSuffix(text[from:to], p.literal) {
				return 0, false
			}
			to -= len(p.literal)
		default:
			at := -1
			if to > from {
				at = strings.LastIndex(text[from:to-1], p.literal)
			}
			if at < 0 {
				return 0, false
			}
			end := from + at + len(p.literal)
			if strings.IndexByte(text[end:to], '/') >= 0 {
				return 0, false
			}
			spans[open] = span{end, to}
			to, open = from+at, -1
		}
	}
	if open >= 0 {
		return takeOne(open, text, from, to, spans)
	}
	return to, true
}

// takeOne captures the last byte of text[from:to].
func takeOne(capture int, text string, from, to int, spans []span) (begin int, ok bool) {
	if to <= from || text[to-1] == '/' {
		return 0, false
	}
	spans[capture] = span{to - 1, to}
	return to - 1, true
}

// matchHost compares a host, in which case and port do not count. Dots separate as slashes do in a path.
func (p *pattern) matchHost(host string) (captures []capture, ok bool) {
	if p.host == nil {
		return nil, true
	}
	host = strings.ToLower(withoutPort(host))
	spans, ok := p.host.match("/" + strings.ReplaceAll(strings.ReplaceAll(host, "/", "\x00"), ".", "/"))
	if !ok {
		return nil, false
	}
	for i, s := range spans {
		captures = append(captures, capture{name: p.host.names[i], raw: host[s.from-1 : s.to-1]})
	}
	return captures, true
}

// capture is what a name stands for in one request, as it came.
type capture struct{ name, raw string }

// captures names what a pattern has captured of a path.
func (p *pattern) captures(list []capture, asked path, spans []span) []capture {
	for i, s := range spans {
		list = append(list, capture{p.names[i], asked.cut(s.from, s.to)})
	}
	return list
}
