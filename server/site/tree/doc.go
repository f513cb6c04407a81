// Package tree is the open directory and all below it: it confines names to the directory, looks at files, opens
// and lists them. It is the only part of the site that knows the system.
//
// Names are relative, clean and have slashes between their parts; "." is the directory itself. A name is opened
// once, confined by the kernel, and everything else is asked of the open descriptor.
package tree
