//go:build !unix

package tree

// openFlags are none: there is nothing to wait for here.
const openFlags = 0
