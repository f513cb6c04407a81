package site

import (
	"io"
	"math/bits"
	"sync"
)

// maxInFlight is the default of Options.MaxInFlight in bytes.
const maxInFlight = 16 << 20

// minBuffer is the size in bytes of the smallest buffer; the others are its doubles.
const minBuffer = 4 << 10

// memory lends the buffers for content. The zero value with left set is ready for use.
type memory struct {
	mu   sync.Mutex
	left int64         // bytes still to lend
	free [24]sync.Pool // of *content, by the logarithm of size / minBuffer
}

// content is a file's content in memory: a message.Body. It goes back to its memory when it is closed.
type content struct {
	memory *memory
	class  int
	buf    []byte // as long as its capacity
	data   []byte // the part of buf that is the content
}

// lend returns a content with a buffer for size bytes, nil if there is no room for it.
func (m *memory) lend(size int64) *content {
	class := 0
	if size > minBuffer {
		class = bits.Len64(uint64(size-1) / minBuffer)
	}
	if class >= len(m.free) || !m.take(minBuffer<<class) {
		return nil
	}
	if c, ok := m.free[class].Get().(*content); ok {
		return c
	}
	return &content{memory: m, class: class, buf: make([]byte, minBuffer<<class)}
}

func (m *memory) take(n int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n > m.left {
		return false
	}
	m.left -= n
	return true
}

// Len returns the length in bytes.
func (c *content) Len() int64 { return int64(len(c.data)) }

// InMemory returns the content, see message.InMemory. It may be used until Close.
func (c *content) InMemory() []byte { return c.data }

// WriteTo writes the content in one call.
func (c *content) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(c.data)
	return int64(n), err
}

// Close gives the buffer back.
func (c *content) Close() error {
	m := c.memory
	c.data = nil
	m.free[c.class].Put(c)
	m.mu.Lock()
	m.left += minBuffer << c.class
	m.mu.Unlock()
	return nil
}
