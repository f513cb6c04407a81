// Package content has the bytes of files: read when they are unchanged for a while, kept in memory, coded and digested.
//
// What it returns is a value, a Source: a state of a file, whole, with its tag. It knows no HTTP: of package message
// it takes what bytes are sent as (message.Body) and what bounds the use of the disk (message.Gate).
//
// The bytes of a Source are never older than the last write before they were asked for, and never a mixture of two
// versions that is passed off as whole.
package content
