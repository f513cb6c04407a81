package unpack

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
)

// Layer is one layer of an image, or one file or archive of an artifact.
type Layer struct {
	// Open opens the bytes as the registry has them. It may be called several times; each reader is closed.
	Open func() (io.ReadCloser, error)
	// Size is the number of these bytes.
	Size int64
	// DiffID is the digest of the uncompressed archive, sha256 or sha512. It is checked; empty is unknown.
	DiffID string
	// Title is the name of a file of an artifact, a relative path with slashes.
	Title string
	// Unpack says that a layer of an artifact is an archive to be unpacked.
	Unpack bool
}

// Options say what is looked for in an image.
type Options struct {
	// Artifact says that the layers are those of an artifact, not of an image that can be run.
	Artifact bool
	// Path is the site's directory in the image: an absolute path, the first slash may be missing. Empty is: found.
	Path string
	// IndexPages are the names of pages that make a directory the site, in an image without Path.
	IndexPages []string
	// Grow is called before a file, directory or symbolic link takes blocks of the disk. An error ends it. It may be nil.
	Grow func(bytes int64) error
	// Window is the largest window of zstd that is decoded, in bytes of memory: at least 8 MiB, which is what Docker's encoder
	// has. Zero is 32 MiB, which it has at its highest level.
	Window int64
	// Limits narrow the bounds; what is zero is the default.
	Limits Limits
}

// Result is what was written.
type Result struct {
	// Path is the site's directory in the image, behind all symbolic links: an absolute path.
	Path string
	// Files are files and symbolic links. Bytes are those in files; Disk are they in blocks of the disk, with directories.
	Files       int
	Bytes, Disk int64
}

// RefusedError says that an image can never be shown.
type RefusedError struct {
	// Reason is one line: which entry of which layer, and which rule.
	Reason string
}

func (e *RefusedError) Error() string { return e.Reason }

// refuse makes a RefusedError.
func refuse(format string, arguments ...any) error {
	return &RefusedError{Reason: fmt.Sprintf(format, arguments...)}
}

// quote is bytes from an archive as they appear in a reason: quoted, and cut where they are long.
func quote(s string) string {
	const most = 200
	if len(s) <= most {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("%q and %d bytes more", s[:most], len(s)-most)
}

// Unpack writes the site in an image to a directory, which is empty. layers are in their order in the image, the lowest
// first. Files get mode 0644 and directories 0755, less the process's umask; owners and extended attributes are dropped.
// Where it fails, what is half written is left for the caller to remove. The error is a *RefusedError where it will be the
// same each time; all others are those of the disk, of a layer's reader, of Grow and of ctx.
func Unpack(ctx context.Context, into *os.Root, layers []Layer, o Options) (Result, error) {
	i := &image{ctx: ctx, layers: layers, options: o, limits: o.Limits.orDefault()}
	if len(layers) == 0 {
		return Result{}, refuse("the image has no layers")
	}
	if len(layers) > maxLayers {
		return Result{}, refuse("the image has more than %d layers", maxLayers)
	}
	defer i.free()
	if err := i.classify(); err != nil {
		return Result{}, err
	}
	s, site, err := i.find()
	if err != nil {
		return Result{}, err
	}
	return i.write(into, s, site)
}

// image is an image while it is unpacked.
type image struct {
	ctx     context.Context
	layers  []Layer
	plain   []bool // the layers that are files, no archives
	options Options
	limits  Limits
	zstd    *zstd.Decoder // nil where there was none to be decoded
}
