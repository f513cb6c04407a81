// Package tags knows which build each tag of a repository shows, and brings builds here from the registry.
//
// tags.go has what a request asks: Enter says what a tag shows now, and begins to bring it where it is not here. list.go reads
// which tags there are, check.go asks the registry whether they have moved, pull.go brings a build, and describe.go what the
// overview tells of those that nobody has asked for.
//
// The registry is asked as little as fits. A tag is in use if it was asked for in the last 10 minutes, or a page of it is open:
// the digest of each of these is asked for again and again (a HEAD), all others when somebody visits. What the registry says is
// kept by digest, as that never means anything else. While it does not answer, all that is here is shown as it is.
//
// A tag that is in use holds its build, and for a while the one before, so that the store does not make room with them.
package tags
