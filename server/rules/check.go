package rules

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
)

// Check writes what the rules files of a site say, each rule as it is understood, and what is wrong with them. ok is false
// where something is an error, or a file cannot be read. origins are those that rules may fetch from.
func Check(site fs.FS, w io.Writer, origins ...string) (ok bool) {
	ok = true
	files := 0
	for _, name := range []string{RedirectsFile, HeadersFile} {
		content, err := fs.ReadFile(site, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		files++
		if err != nil {
			fmt.Fprintf(w, "%s: error: it cannot be read: %v\n", name, err)
			ok = false
			continue
		}
		ok = writeFile(w, name, content, origins) && ok
	}
	if files == 0 {
		fmt.Fprintf(w, "there is neither %s nor %s\n", RedirectsFile, HeadersFile)
	}
	return ok
}

// said is a rule as text, by line.
type said struct {
	line int
	text string
}

// writeFile writes the rules of one file and its problems, in the order of the lines.
func writeFile(w io.Writer, name string, content []byte, origins []string) (ok bool) {
	var list []said
	var problems []Problem
	if name == RedirectsFile {
		var rs *Redirects
		rs, problems = ParseRedirects(content, origins...)
		for i := range rs.rules {
			if r := &rs.rules[i]; r.never == "" {
				list = append(list, said{r.Line, fmt.Sprintf("%s:%d: %s", name, r.Line, r)})
			}
		}
	} else {
		var h *Headers
		h, problems = ParseHeaders(content)
		for i := range h.blocks {
			if b := &h.blocks[i]; !b.never {
				list = append(list, said{b.Line, fmt.Sprintf("%s:%d: %s", name, b.Line, b)})
			}
		}
	}
	rules := len(list)
	ok = true
	for _, p := range problems {
		list = append(list, said{p.Line, p.String()})
		ok = ok && !p.Error
	}
	slices.SortStableFunc(list, func(a, b said) int { return cmp.Compare(a.line, b.line) })
	for _, s := range list {
		fmt.Fprintf(w, "%s\n", strings.ToValidUTF8(s.text, "\uFFFD"))
	}
	fmt.Fprintf(w, "%s: rules: %d, problems: %d\n", name, rules, len(problems))
	return ok
}
