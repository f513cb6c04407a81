package coding

import "testing"

func TestMediaTypes(t *testing.T) {
	for _, c := range []struct {
		mediaType                string
		compressible, compressed bool
	}{
		{"text/html", true, false},
		{"text/plain; charset=utf-8", true, false},
		{"TEXT/CSS ;charset=utf-8", true, false},
		{"text/javascript", true, false},
		{"application/json", true, false},
		{"application/manifest+json", true, false},
		{"application/xhtml+xml", true, false},
		{"application/wasm", true, false},
		{"image/svg+xml", true, false},
		{"image/vnd.microsoft.icon", true, false},
		{"image/bmp", true, false},
		{"font/ttf", true, false},
		{"font/otf", true, false},
		{"model/gltf+json", true, false},

		{"image/png", false, true},
		{"image/jpeg", false, true},
		{"image/webp", false, true},
		{"video/mp4", false, true},
		{"audio/mpeg", false, true},
		{"font/woff", false, true},
		{"font/woff2", false, true},
		{"application/zip", false, true},
		{"application/gzip", false, true},
		{"application/x-bzip2", false, true},
		{"application/x-xz", false, true},
		{"application/zstd", false, true},
		{"application/pdf", false, true},
		{"application/epub+zip", false, true},
		{"application/vnd.openxmlformats-officedocument.wordprocessingml.document", false, true},
		{"application/vnd.oasis.opendocument.text", false, true},

		{"application/octet-stream", false, false},
		{"application/x-tar", false, false},
		{"application/msword", false, false},
		{"audio/x-wav", false, false},
		{"image/tiff", false, false},
		{"model/gltf-binary", false, false},
		{"", false, false},
	} {
		if Compressible(c.mediaType) != c.compressible || Compressed(c.mediaType) != c.compressed {
			t.Errorf("%q: compressible %v, compressed %v, want %v, %v", c.mediaType,
				Compressible(c.mediaType), Compressed(c.mediaType), c.compressible, c.compressed)
		}
	}
}

func TestCompressedName(t *testing.T) {
	for name, want := range map[string]bool{
		"page.html.br": true, "a.gz": true, "a.Z": true, "drawing.svgz": true, "x.tbz2": true, "dir/x.txt.xz": true,
		"index.html": false, "br": false, "gz": false, "": false, "a.gzip": false, "a.br/b": false, "a.gz.sig": false,
	} {
		if got := CompressedName(name); got != want {
			t.Errorf("CompressedName(%q) = %v, want %v", name, got, want)
		}
	}
}
