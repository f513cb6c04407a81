//go:build !unix

package site

// openFlags are none: there is nothing to wait for here.
const openFlags = 0
