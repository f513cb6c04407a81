package rules

import (
	"slices"
	"strings"
	"unicode"

	"github.com/previewd/previewd/server/message"
)

// Block is a rule of _headers: a pattern, and what it does to the fields of an answer.
type Block struct {
	// Line is where its pattern stands, from 1.
	Line    int
	pattern *pattern
	lines   []fieldLine
	// never is set where the pattern matches nothing.
	never bool
	// alone is what the block says where no other one applies; nil where that depends on the request.
	alone *Fields
}

// fieldLine sets a field, or takes it away.
type fieldLine struct {
	name, value string
	unset       bool
	template    template // nil without placeholders
}

// String is the block as lines that mean the same.
func (b *Block) String() string {
	var text strings.Builder
	text.WriteString(b.pattern.text)
	for _, l := range b.lines {
		if l.unset {
			text.WriteString("\n  ! " + l.name)
		} else {
			text.WriteString("\n  " + l.name + ": " + l.value)
		}
	}
	return text.String()
}

// Headers are the rules of a _headers file.
type Headers struct {
	blocks []Block
	index  index
	// pages is set where a block may apply to /page.html and not to /page.
	pages bool
}

// All returns the blocks in the order of the file. They are not to be changed.
func (h *Headers) All() []Block { return h.blocks }

// unsettable are fields that a rule cannot set: those of the connection, of the framing and of the writer.
var unsettable = map[string]bool{
	"connection": true, "content-length": true, "content-range": true, "date": true, "keep-alive": true, "location": true,
	"proxy-connection": true, "server": true, "te": true, "trailer": true, "transfer-encoding": true, "upgrade": true,
}

// ParseHeaders reads a _headers file. What a line has wrong never hides another line.
func ParseHeaders(content []byte) (*Headers, []Problem) {
	h := &Headers{}
	report := &report{file: HeadersFile}
	first := map[string]int{} // block by pattern
	full := false
	report.lines(content, func(line string) {
		if line[0] == '/' || isHTTP(line) {
			full = len(h.blocks) == MaxRules
			if full {
				report.fail("there are more than %d rules, this one is not obeyed", MaxRules)
				return
			}
			h.blocks = append(h.blocks, parseBlock(line, report))
			return
		}
		l, ok := parseFieldLine(line, report)
		switch {
		case !ok || full:
		case len(h.blocks) == 0:
			report.fail("%q stands before the first path", line)
		default:
			b := &h.blocks[len(h.blocks)-1]
			l.template = b.template(l.value)
			b.lines = append(b.lines, l)
		}
	})
	for i := range h.blocks {
		b := &h.blocks[i]
		if b.never {
			continue
		}
		if earlier, found := first[b.pattern.text]; found {
			h.blocks[earlier].giveWay(b)
		}
		first[b.pattern.text] = i
		h.index.add(i, b.pattern, "")
		h.pages = h.pages || b.pattern.tellsPages()
	}
	for i := range h.blocks {
		b := &h.blocks[i]
		if size := b.size(); size > MaxFields {
			report.line = b.Line
			report.fail("the fields have %d bytes, allowed are %d in an answer: those beyond are left out", size, MaxFields)
		}
		if !b.dependsOnRequest() {
			b.alone = h.lay([]applied{{block: i}})
		}
	}
	return h, report.problems
}

// size is how many bytes its fields have, as they stand.
func (b *Block) size() (size int) {
	for _, l := range b.lines {
		size += len(l.name) + len(l.value)
	}
	return size
}

// dependsOnRequest says whether what is captured stands in a value.
func (b *Block) dependsOnRequest() bool {
	return slices.ContainsFunc(b.lines, func(l fieldLine) bool { return l.template != nil })
}

// parseBlock reads the line of a pattern. One that is wrong still begins a block, whose fields belong to no other.
func parseBlock(line string, report *report) Block {
	never := &pattern{text: line, splat: -1}
	if strings.ContainsFunc(line, isBlank) {
		report.fail("%q must be a path without blanks; fields and comments have lines of their own", line)
		return Block{Line: report.line, pattern: never, never: true}
	}
	if hasControl(line) {
		report.fail("%q has a control character in it", line)
		return Block{Line: report.line, pattern: never, never: true}
	}
	if i := strings.IndexAny(line, "?#"); i >= 0 {
		report.warn("the query of %q is left out", line)
		line = line[:i]
	}
	if badEscape(line) {
		report.warn("%q has a %% that begins no escape, it is taken as it stands; %%25 says so", line)
	}
	p, err := parsePattern(line, false)
	if err != nil {
		report.fail("%q: %v", line, err)
		return Block{Line: report.line, pattern: never, never: true}
	}
	b := Block{Line: report.line, pattern: p}
	if i := strings.IndexFunc(line, func(c rune) bool { return c > 0x7E }); i >= 0 {
		// The recorded answers of both: what is not escaped here is compared with what is escaped in the request.
		report.warn("%q matches nothing: write what is not ASCII in escapes, %q", line, encode(line, inPath+"%"))
		b.never = true
	}
	return b
}

// parseFieldLine reads Name: value, or ! Name.
func parseFieldLine(line string, report *report) (l fieldLine, ok bool) {
	if name, found := strings.CutPrefix(line, "!"); found {
		l = fieldLine{name: strings.TrimFunc(name, isBlank), unset: true}
	} else {
		name, value, found := strings.Cut(line, ":")
		if !found {
			report.fail("%q must be a path or a field, such as /path, Name: value or ! Name", line)
			return l, false
		}
		l = fieldLine{name: strings.TrimFunc(name, isBlank), value: strings.TrimFunc(value, isBlank)}
	}
	lower := strings.ToLower(l.name)
	switch {
	case !isToken(l.name):
		report.fail("%q must be the name of a field: letters, digits and !#$%%&'*+-.^_`|~", l.name)
	case lower == "basic-auth":
		report.warn("Basic-Auth is ignored, and the page is not protected; the setting AUTH asks for a password")
	case unsettable[lower]:
		report.warn("%s belongs to the server, a rule cannot change it", l.name)
	case l.unset:
		return l, true
	case l.value == "":
		report.fail("%s has no value", l.name)
	case strings.ContainsFunc(l.value, func(c rune) bool { return unicode.IsControl(c) && c != '\t' }):
		report.fail("the value of %s has a control character in it", l.name)
	default:
		return l, true
	}
	return l, false
}

func isToken(name string) bool {
	for i := 0; i < len(name); i++ {
		if !message.IsToken(name[i]) {
			return false
		}
	}
	return name != ""
}

// template is a value with the placeholders of the block's pattern in it, nil for one without.
func (b *Block) template(value string) template {
	names := b.pattern.names
	if b.pattern.host != nil {
		names = append(append([]string(nil), names...), b.pattern.host.names...)
	}
	t := parseTemplate(value, names)
	if t.isFixed() {
		return nil
	}
	return t
}

// giveWay drops the fields that a later block with the same pattern names too.
func (b *Block) giveWay(later *Block) {
	kept := b.lines[:0:0]
	for _, l := range b.lines {
		named := false
		for _, other := range later.lines {
			named = named || strings.EqualFold(l.name, other.name)
		}
		if !named {
			kept = append(kept, l)
		}
	}
	b.lines = kept
}

// applied is a block that matches, and what its names stand for.
type applied struct {
	block    int
	captures []capture
}

// For returns what the blocks that match a target say together, nil if none does.
func (h *Headers) For(host, target string) *Fields { return h.combine(h.matching(host, target)) }

// behind appends to list the blocks that are not in it yet.
func behind(list, more []applied) []applied {
	for _, a := range more {
		if !slices.ContainsFunc(list, func(b applied) bool { return a.block == b.block }) {
			list = append(list, a)
		}
	}
	return list
}

// matching returns the blocks that match a target, in the order of the file.
func (h *Headers) matching(host, target string) (list []applied) {
	raw, _ := splitTarget(target)
	asked, ok := parsePath(raw)
	if !ok || len(h.blocks) == 0 {
		return nil
	}
	var few [16]int
	for _, i := range h.index.find(few[:0], asked.text, "") {
		p := h.blocks[i].pattern
		spans, ok := p.match(asked.text)
		if !ok {
			continue
		}
		captures, ok := p.matchHost(host)
		if !ok {
			continue
		}
		list = append(list, applied{i, p.captures(captures, asked, spans)})
	}
	return list
}

// combine returns what blocks say together, nil if nothing.
func (h *Headers) combine(list []applied) *Fields {
	switch {
	case len(list) == 0:
		return nil
	case len(list) == 1 && h.blocks[list[0].block].alone != nil:
		return h.blocks[list[0].block].alone
	}
	return h.lay(list)
}

// lay lays the fields of blocks over each other, as far as there is room for them in an answer.
func (h *Headers) lay(list []applied) *Fields {
	var f Fields
	size := 0
	for _, a := range list {
		b := &h.blocks[a.block]
		for _, l := range b.lines {
			if l.unset {
				f.remove(l.name)
			}
		}
		for _, l := range b.lines {
			if l.unset {
				continue
			}
			value, fits := l.value, true
			if l.template != nil {
				value, fits = l.template.expand(a.captures, func(c capture) string { return encode(c.raw, inPath) })
			}
			if fits && size+len(l.name)+len(value) <= MaxFields {
				size += len(l.name) + len(value)
				f.set(l.name, value)
			}
		}
	}
	if len(f.values) == 0 && len(f.removed) == 0 {
		return nil
	}
	all := slices.Clone(f.values)
	for _, name := range f.removed {
		all = append(all, message.Field{Name: "!", Value: name})
	}
	f.variant = message.VariantOf(all)
	return &f
}
