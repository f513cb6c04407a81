// Package unpack writes the site that is in an image to a directory.
//
// The life of an image:
//
//   - Its layers are read once, whole, and nothing is written (survey.go). This says whether they are archives that can be
//     read to their end and have the digests they must have (archive.go, compression.go), and where in the image the site is
//     (site.go): in PREVIEWS_PATH, or in the first of the usual directories that has an index page. Symbolic links on the way
//     are followed. Of all names only those on the way to one of these directories are kept.
//   - Then the layers that have something of the site are read again, the lowest first, and what lies below the site's
//     directory is written (write.go). Where a layer has white-outs there, they are applied first, from a reading of their own
//     (whiteout.go), for they mean the layers below, wherever in the layer they stand.
//
// A layer is a tree of its own, which is laid over those below it, as overlayfs does: a name in it makes directories of all
// names above it, whatever those were in lower layers. Within a layer the last entry of a name counts. A name that lies below
// a file or a symbolic link of the same layer refuses the image: what it means differs between those who unpack.
//
// Only what lies below the site's directory is judged. The rest of an image has device files, setuid programs and links to
// everywhere, is passed over, and counts against the bounds (limits.go). Names with ".." are refused wherever they are.
//
// All is written by os.Root, through directories that were opened one by one and are no symbolic links. So no name in an
// archive leads out of the directory, and none through a link within it.
//
// The layers of an artifact (artifact.go) are archives, or files whose names are their titles. They are read in the same way.
package unpack
