package mediatype

import (
	"strings"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/coding"
)

const (
	defaultType = "application/octet-stream"
	plainText   = "text/plain"
)

// Rules are what settings say of media types.
type Rules struct {
	// Given has media types by suffix with its dot, by whole name, and by "" for names without a suffix: all keys in lower
	// case. Such a type is sent as it is.
	Given map[string]string
	// Default is the media type of files whose name tells nothing; "" is application/octet-stream.
	Default string
}

func (r *Rules) orDefault() string {
	if r.Default == "" {
		return defaultType
	}
	return r.Default
}

// Name is what a file's name tells.
type Name struct {
	// Type is the media type, of what comes out where the file has a Coding. If the file's bytes are to decide, it is the
	// type of a text: see Asks.
	Type string
	// Coding is the content coding that the file's own bytes have by its name: app.js.br.
	Coding coding.Coding
	// Container is the media type of a file with a Coding for a client that does not accept that.
	Container string

	given bool
	ask   question
}

// question is what only a file's bytes can answer.
type question uint8

const (
	nothing question = iota
	isText           // whether a file without a suffix is text
	isVideo          // whether a suffix of two meanings is an MPEG transport stream
)

// Asks says whether the file's first bytes decide its type, beside the charset.
func (n *Name) Asks() bool { return n.ask != nothing }

// Of returns what a name tells.
func (r *Rules) Of(name string) Name {
	name = name[strings.LastIndexByte(name, '/')+1:]
	base, ext := splitext(name)
	ext = message.Lower(ext)
	if r.Given != nil {
		mediaType, found := r.Given[message.Lower(name)]
		if !found {
			mediaType, found = r.Given[ext]
		}
		if found {
			return Name{Type: mediaType, given: true}
		}
	}
	switch ext {
	case ".br":
		return r.coded(base, coding.Br, "application/x-brotli")
	case ".gz":
		if isAskedForByName(base) {
			return r.coded(base, coding.Gzip, "application/gzip")
		}
	case ".svgz":
		return Name{Type: "image/svg+xml", Coding: coding.Gzip, Container: "application/gzip"}
	case ".ts", ".mts":
		return Name{Type: plainText, ask: isVideo}
	}
	if !isSuffix(base, ext) {
		if r.Default != "" && r.Default != defaultType {
			return Name{Type: r.Default, given: true}
		}
		return Name{Type: plainText, ask: isText}
	}
	if mediaType, found := types[ext]; found {
		return Name{Type: mediaType}
	}
	return Name{Type: r.orDefault(), given: true}
}

// coded returns what the name of a coded file tells, without the suffix of its coding.
func (r *Rules) coded(base string, c coding.Coding, container string) Name {
	n := r.Of(base)
	if n.Coding != coding.Identity { // coded twice; one coding is taken off
		n = Name{Type: n.Container}
	}
	n.Coding, n.Container = c, container
	return n
}

// isAskedForByName says whether pages ask for the gzip file of that name and expect what is in it, as those of game
// engines do. Any other is for a program that unpacks it itself: data.csv.gz.
func isAskedForByName(base string) bool {
	base = message.Lower(base)
	switch _, ext := splitext(base); ext {
	case ".js", ".mjs", ".css", ".wasm", ".data":
		return true
	}
	return strings.HasSuffix(base, ".symbols.json")
}

// isSuffix says whether the end of a name after its last dot tells a type. It does not in .env.local, Dockerfile.dev
// and go.mod, which are as good as without.
func isSuffix(base, ext string) bool {
	if ext == "" {
		return false
	}
	base = message.Lower(base)
	if base == "go" {
		return ext != ".mod" && ext != ".sum" && ext != ".work"
	}
	if _, known := types[ext]; known {
		return true
	}
	switch base {
	case "dockerfile", "containerfile", "makefile", "jenkinsfile", "license", "licence", "copying", "readme", "changelog":
		return false
	}
	return base[0] != '.'
}
