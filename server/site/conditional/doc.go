// Package conditional decides what RFC 9110 has a request's preconditions (section 13) and its Range
// (section 14) do to the answer. Its functions take values and return values: no clock, no file.
//
// Where http.server has an answer of its own, for If-Modified-Since alone, it is kept.
package conditional
