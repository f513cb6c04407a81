//go:build unix

package tree

import "syscall"

// openFlags keep the opening of a FIFO from waiting for a writer, and of a terminal from taking it over.
const openFlags = syscall.O_NONBLOCK | syscall.O_NOCTTY
