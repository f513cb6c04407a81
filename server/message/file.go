package message

// File is a file of the site as an answer has found it.
type File struct {
	// Name is below the directory that is served, in bytes, with slashes between its parts; "." is that directory.
	Name string
	// State is what it was like.
	State FileState
}

// FileState is what a look at a name finds. Two are equal if nothing was written in between, but for writes within the
// granularity of the system's clock. The zero value is that of a name that leads to nothing.
type FileState struct {
	// Found says whether there is a file or directory, Dir which of the two.
	Found, Dir bool
	// Inode tells which file it is, 0 where the system does not say.
	Inode uint64
	// Size is in bytes. Modified and Changed are mtime and ctime, in nanoseconds since 1970.
	Size, Modified, Changed int64
}
