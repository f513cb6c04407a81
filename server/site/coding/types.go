package coding

import "strings"

// Compressible says whether content of a media type is worth compressing on the fly: text, and the binary
// forms of programs, fonts and pictures that have no compression of their own. Parameters do not count.
func Compressible(mediaType string) bool { return kindOf(mediaType) == plain }

// Compressed says whether content of a media type is compressed by its own format, so that no coding makes
// it smaller and no precompressed file is looked for.
func Compressed(mediaType string) bool { return kindOf(mediaType) == packed }

// CompressedName says whether a file is compressed whatever its media type is: http.server takes the outer
// suffix off, so that page.html.br is text/html, and drawing.svgz is image/svg+xml.
func CompressedName(name string) bool {
	const longest = len(".tbz2")
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 || len(name)-dot > longest {
		return false
	}
	switch strings.ToLower(name[dot:]) {
	case ".br", ".gz", ".z", ".bz2", ".xz", ".zst", ".svgz", ".tgz", ".taz", ".tz", ".tbz2", ".txz":
		return true
	}
	return false
}

// kind is what a media type says about how content is written down.
type kind uint8

const (
	unknown kind = iota // neither: precompressed files count, nothing is compressed on the fly
	plain
	packed
)

// kinds has the media types that are not what their family is.
var kinds = map[string]kind{
	"application/ecmascript":                  plain,
	"application/graphql":                     plain,
	"application/javascript":                  plain,
	"application/json":                        plain,
	"application/n-quads":                     plain,
	"application/n-triples":                   plain,
	"application/postscript":                  plain,
	"application/rtf":                         plain,
	"application/sql":                         plain,
	"application/texinfo":                     plain,
	"application/toml":                        plain,
	"application/trig":                        plain,
	"application/vnd.apple.mpegurl":           plain,
	"application/vnd.ms-fontobject":           plain,
	"application/wasm":                        plain,
	"application/x-csh":                       plain,
	"application/x-httpd-php":                 plain,
	"application/x-javascript":                plain,
	"application/x-latex":                     plain,
	"application/x-ndjson":                    plain,
	"application/x-perl":                      plain,
	"application/x-sh":                        plain,
	"application/x-tcl":                       plain,
	"application/x-tex":                       plain,
	"application/x-troff":                     plain,
	"application/x-yaml":                      plain,
	"application/xml":                         plain,
	"application/xml-dtd":                     plain,
	"application/yaml":                        plain,
	"font/collection":                         plain,
	"font/otf":                                plain,
	"font/sfnt":                               plain,
	"font/ttf":                                plain,
	"image/bmp":                               plain,
	"image/svg+xml":                           plain,
	"image/vnd.microsoft.icon":                plain,
	"image/x-icon":                            plain,
	"image/x-ms-bmp":                          plain,
	"image/x-xbitmap":                         plain,
	"image/x-xpixmap":                         plain,
	"message/rfc822":                          plain,
	"model/obj":                               plain,
	"model/stl":                               plain,
	"application/epub+zip":                    packed,
	"application/font-woff":                   packed,
	"application/gzip":                        packed,
	"application/java-archive":                packed,
	"application/ogg":                         packed,
	"application/pdf":                         packed, // its streams are deflated
	"application/vnd.android.package-archive": packed,
	"application/vnd.rar":                     packed,
	"application/x-7z-compressed":             packed,
	"application/x-brotli":                    packed,
	"application/x-bzip2":                     packed,
	"application/x-compress":                  packed,
	"application/x-debian-package":            packed,
	"application/x-gzip":                      packed,
	"application/x-rar-compressed":            packed,
	"application/x-rpm":                       packed,
	"application/x-xz":                        packed,
	"application/zip":                         packed,
	"application/zstd":                        packed,
	"font/woff":                               packed,
	"font/woff2":                              packed,
	"audio/basic":                             unknown,
	"audio/midi":                              unknown,
	"audio/wav":                               unknown,
	"audio/x-aiff":                            unknown,
	"audio/x-wav":                             unknown,
	"image/emf":                               unknown,
	"image/fits":                              unknown,
	"image/tiff":                              unknown,
	"image/wmf":                               unknown,
	"image/x-cmu-raster":                      unknown,
	"image/x-portable-anymap":                 unknown,
	"image/x-portable-bitmap":                 unknown,
	"image/x-portable-graymap":                unknown,
	"image/x-portable-pixmap":                 unknown,
	"image/x-rgb":                             unknown,
	"image/x-xwindowdump":                     unknown,
}

// kindOf looks a media type up, its own entry first, then its suffix (RFC 6839), then its family.
func kindOf(mediaType string) kind {
	mediaType, _, _ = strings.Cut(mediaType, ";")
	mediaType = strings.ToLower(trim(mediaType)) // copies only what has capitals
	if k, found := kinds[mediaType]; found {
		return k
	}
	switch _, suffix, _ := strings.Cut(mediaType, "+"); suffix {
	case "json", "xml", "yaml", "json-seq":
		return plain
	case "zip", "gzip", "zstd":
		return packed
	}
	family, subtype, _ := strings.Cut(mediaType, "/")
	switch {
	case family == "text":
		return plain
	case family == "image" || family == "audio" || family == "video":
		return packed
	case strings.HasPrefix(subtype, "vnd.openxmlformats-officedocument.") ||
		strings.HasPrefix(subtype, "vnd.oasis.opendocument."):
		return packed
	}
	return unknown
}
