package unpack

import "cmp"

// Bounds of an image. They are far beyond what images of sites have, and keep one that is made to harm from taking more than
// minutes of a processor. The room on the disk is bounded by Options.Grow.
const (
	// maxLayers bounds the layers. Docker's overlayfs can have 128.
	maxLayers = 512
	// maxEntries bounds the entries of all layers, and the names that are created. Each costs an inode and some
	// microseconds. An image with Node.js and its packages has some 50,000.
	maxEntries = 200_000
	// maxBytes bounds the bytes of all layers, uncompressed, and those of the site. They are read two or three times, at some
	// 200 MB/s.
	maxBytes = 4 << 30
	// maxFile bounds one file of the site, in bytes: what PREVIEWS_SIZE is by default.
	maxFile = 2 << 30
	// maxRatio bounds how many bytes a compressed one may become, in a layer with more than freeOfRatio bytes. Text becomes 3
	// to 20, and gzip can reach 1,032.
	maxRatio    = 250
	freeOfRatio = 64 << 20
	// maxPath bounds a name, and the target of a link, in bytes: PATH_MAX of Linux with its NUL.
	maxPath = 4095
	// maxComponent bounds each component of a name, in bytes: NAME_MAX.
	maxComponent = 255
	// maxDepth bounds the components of a name: as many directories are open while a tree is removed.
	maxDepth = 128
	// maxLinks bounds the symbolic links on the way to the site's directory. Each may cost one more reading of the image.
	maxLinks = 8
	// maxWindow bounds the window of zstd, in bytes of memory: the most that klauspost/compress makes, by which BuildKit and
	// Buildah compress. minWindow is what RFC 8878 (section 3.1.1.1.2) asks each decoder for.
	maxWindow = 32 << 20
	minWindow = 8 << 20
)

// Limits are the bounds that a test narrows. A zero is the default.
type Limits struct {
	Entries     int
	Bytes, File int64
	FreeOfRatio int64
}

func (l Limits) orDefault() Limits {
	return Limits{cmp.Or(l.Entries, maxEntries), cmp.Or(l.Bytes, maxBytes), cmp.Or(l.File, maxFile), cmp.Or(l.FreeOfRatio, freeOfRatio)}
}
