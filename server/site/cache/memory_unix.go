//go:build unix

package cache

import (
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// maxMappings bounds the mappings. The kernel allows a process 65,530 (vm.max_map_count), and a Go program that
// is refused one for its own heap dies.
const maxMappings = 16 << 10

var mappings atomic.Int64

// allocate returns memory for n bytes. What cannot be mapped comes from the Go heap.
func allocate(n int) memory {
	if n < page {
		return memory{bytes: make([]byte, n)}
	}
	if mappings.Add(1) <= maxMappings {
		data, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
		if err == nil {
			return memory{data, true}
		}
	}
	mappings.Add(-1)
	return memory{bytes: make([]byte, n)}
}

// free gives mapped memory back. Nobody may look at it any more.
func (m memory) free() {
	if !m.mapped {
		return
	}
	if err := unix.Munmap(m.bytes); err != nil {
		panic("cache: " + err.Error()) // not what Mmap returned
	}
	mappings.Add(-1)
}
