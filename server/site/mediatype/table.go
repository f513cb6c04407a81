package mediatype

import (
	_ "embed"
	"strings"
)

// table is in the form of /etc/mime.types: a media type and its suffixes in lower case, without the dot. It knows what
// Debian's mime.types, nginx's and the bundlers' preview servers know; where they differ, what http.server says.
//
// Text that nothing in a browser acts on is text/plain, as Chromium or Firefox download what its usual type names:
// application/toml, text/x-python. Data that programs ask for keeps its type, and so does what a program opens: a
// calendar, a certificate.
//
//go:embed types.txt
var table string

// types has the media type of each suffix, in lower case and with its dot.
var types = readTypes(table)

// readTypes reads lines of a media type and its suffixes.
func readTypes(table string) map[string]string {
	types := make(map[string]string)
	for line := range strings.Lines(table) {
		words := strings.Fields(line)
		for _, suffix := range words[1:] {
			types["."+suffix] = words[0]
		}
	}
	return types
}
