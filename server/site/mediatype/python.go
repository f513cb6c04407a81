package mediatype

import (
	"strings"

	"github.com/previewd/previewd/server/message"
)

// Python returns the media type of a file by its name, as http.server does: guess_type. What settings say overrides
// its own rules, and Default stands for names that tell nothing: default_content_type.
func (r *Rules) Python(name string) string {
	_, ext := splitext(name)
	if mediaType, found := r.Given[message.Lower(ext)]; found {
		return mediaType
	}
	if ext == ".Z" {
		return defaultType
	}
	if mediaType, found := extensionsMap[message.Lower(ext)]; found {
		return mediaType
	}
	if mediaType := guessFileType(name); mediaType != "" {
		return mediaType
	}
	return r.orDefault()
}

// extensionsMap is extensions_map but for .Z, the one that is not also found in lower case.
var extensionsMap = map[string]string{
	".gz": "application/gzip", ".bz2": "application/x-bzip2", ".xz": "application/x-xz",
}

// guessFileType is mimetypes.guess_file_type with the table of this binary: suffixes that stand for two
// are written out, one of a content coding is peeled off, and the suffix before it decides. "" is none.
func guessFileType(name string) string {
	base, ext := splitext(name)
	for {
		long, found := suffixMap[message.Lower(ext)]
		if !found {
			break
		}
		base, ext = splitext(base + long)
	}
	switch ext { // encodings_map, case-sensitive
	case ".gz", ".Z", ".bz2", ".xz", ".br":
		_, ext = splitext(base)
	}
	return pythonTypes[message.Lower(ext)]
}

// suffixMap is mimetypes.suffix_map.
var suffixMap = map[string]string{
	".svgz": ".svg.gz", ".tgz": ".tar.gz", ".taz": ".tar.gz", ".tz": ".tar.gz",
	".tbz2": ".tar.bz2", ".txz": ".tar.xz",
}

// splitext splits a path before the last dot of its last part; leading dots do not count:
// posixpath.splitext.
func splitext(name string) (base, ext string) {
	dot := strings.LastIndexByte(name, '.')
	start := strings.LastIndexByte(name, '/') + 1
	for start < dot && name[start] == '.' {
		start++
	}
	if dot <= start {
		return name, ""
	}
	return name[:dot], name[dot:]
}
