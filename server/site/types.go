package site

import (
	"strings"

	"github.com/previewd/previewd/server/message"
)

const defaultType = "application/octet-stream"

// guessType returns the media type of a file by its name: guess_type. The Extensions override
// http.server's own rules, and DefaultType stands for all that are in no table: default_content_type.
func (s *Site) guessType(name string) string {
	_, ext := splitext(name)
	if mediaType, found := s.opts.Extensions[message.Lower(ext)]; found {
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
	return s.opts.DefaultType
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
	if mediaType, found := mediaTypes[message.Lower(ext)]; found {
		return mediaType
	}
	return ""
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
