//go:build unix

package cache

import "testing"

func TestMappingsAreBounded(t *testing.T) {
	defer mappings.Store(mappings.Swap(maxMappings))
	m := allocate(page)
	if len(m.bytes) != page || m.mapped {
		t.Errorf("got %d bytes, mapped %v", len(m.bytes), m.mapped)
	}
	m.free()
}
