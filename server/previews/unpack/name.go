package unpack

import (
	"path/filepath"
	"strings"
)

// cleanName is the name of an entry, or of what a hard link leads to: relative to the image's root, without "." and empty
// components. The root itself is "". What is wrong with a name is said for a reason that begins with it.
func cleanName(raw string) (name, wrong string) {
	if len(raw) > maxPath {
		return "", "has a name of more than 4,095 bytes"
	}
	if strings.IndexByte(raw, 0) >= 0 {
		return "", "has a NUL in its name"
	}
	depth, clean := 0, true
	for rest := raw; rest != ""; {
		var component string
		var found bool
		component, rest, found = strings.Cut(rest, "/")
		clean = clean && component != "" && component != "." && !(found && rest == "")
		switch {
		case component == "" || component == ".":
			continue
		case component == "..":
			return "", `has ".." in its name`
		case len(component) > maxComponent:
			return "", "has a component of more than 255 bytes in its name"
		}
		depth++
	}
	if depth > maxDepth {
		return "", "lies more than 128 directories deep"
	}
	if clean {
		return raw, ""
	}
	components := strings.FieldsFunc(raw, func(r rune) bool { return r == '/' })
	kept := components[:0]
	for _, c := range components {
		if c != "." {
			kept = append(kept, c)
		}
	}
	return strings.Join(kept, "/"), ""
}

// localName is a component as this system spells it. There is none for some names where the separator is not the slash.
func localName(component string) (string, bool) {
	if filepath.Separator == '/' {
		return component, true // any bytes, also those that are not UTF-8
	}
	local, err := filepath.Localize(component)
	return local, err == nil
}

// cutLast is a name in two: the directory it is in, and its last component.
func cutLast(name string) (directory, base string) {
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		return "", name
	}
	return name[:i], name[i+1:]
}

// join is a name below a directory, either of which may be the root.
func join(directory, name string) string {
	if directory == "" || name == "" {
		return directory + name
	}
	return directory + "/" + name
}

// below is the rest of a name that lies below a directory.
func below(name, directory string) (rest string, ok bool) {
	if directory == "" {
		return name, name != ""
	}
	rest, ok = strings.CutPrefix(name, directory)
	if !ok || len(rest) < 2 || rest[0] != '/' {
		return "", false
	}
	return rest[1:], true
}

// mark is what the name of an entry says of lower layers.
type mark uint8

const (
	noMark   mark = iota // the entry is a file, a directory, a link
	whiteout             // what it names is not there
	opaque               // nothing in its directory is there
	metadata             // of AUFS, which Docker once had; nobody else's
)

// Names that are no files: .wh.NAME, and those of AUFS.
const (
	whiteoutPrefix = ".wh."
	metadataPrefix = ".wh..wh."
	opaqueName     = ".wh..wh..opq"
)

// markOf says what a name marks: the name that a white-out removes, or the directory that is opaque.
func markOf(name string) (m mark, of, wrong string) {
	if !strings.Contains(name, whiteoutPrefix) {
		return noMark, name, ""
	}
	directory, base := cutLast(name)
	if strings.HasPrefix(directory, metadataPrefix) || strings.Contains(directory, "/"+metadataPrefix) {
		return metadata, "", ""
	}
	removed, isMark := strings.CutPrefix(base, whiteoutPrefix)
	switch {
	case !isMark:
		return noMark, name, ""
	case base == opaqueName:
		return opaque, directory, ""
	case strings.HasPrefix(base, metadataPrefix):
		return metadata, "", ""
	case removed == "" || removed == "." || removed == "..":
		return whiteout, "", "is the white-out of no name"
	}
	return whiteout, join(directory, removed), ""
}
