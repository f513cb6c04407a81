// Package faultfs is a file system for tests, whose files fail or hang when they are told to: a FUSE server of a few
// requests (fuse(4), and linux/fuse.h for their forms). It is there on Linux, for root.
package faultfs
