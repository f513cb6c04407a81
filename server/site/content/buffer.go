package content

import (
	"io"
	"math/bits"
	"sync"

	"github.com/previewd/previewd/server/budget"
)

// maxInFlight is the default of Options.MaxInFlight in bytes.
const maxInFlight = 16 << 20

// minBuffer is the size in bytes of the smallest buffer; the others are its doubles.
const minBuffer = 4 << 10

// memory lends the buffers for content. The zero value with its Budget set is ready for use.
type memory struct {
	*budget.Budget
	free [24]sync.Pool // of *buffer, by the logarithm of size / minBuffer
}

// buffer holds a content in memory: a message.Body. It goes back to its memory when it is closed.
type buffer struct {
	memory *memory
	class  int
	buf    []byte // as long as its capacity
	data   []byte // the part of buf that is the content
}

// lend returns a buffer for size bytes, nil if there is no room for it.
func (m *memory) lend(size int64) *buffer {
	class := 0
	if size > minBuffer {
		class = bits.Len64(uint64(size-1) / minBuffer)
	}
	if class >= len(m.free) || !m.TryAcquire(minBuffer<<class) {
		return nil
	}
	if c, ok := m.free[class].Get().(*buffer); ok {
		return c
	}
	return &buffer{memory: m, class: class, buf: make([]byte, minBuffer<<class)}
}

// Len returns the length in bytes.
func (c *buffer) Len() int64 { return int64(len(c.data)) }

// InMemory returns the content, see message.InMemory. It may be used until Close.
func (c *buffer) InMemory() []byte { return c.data }

// WriteTo writes the content in one call.
func (c *buffer) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(c.data)
	return int64(n), err
}

// Close gives the buffer back.
func (c *buffer) Close() error {
	m := c.memory
	c.data = nil
	m.free[c.class].Put(c)
	m.Release(minBuffer << c.class)
	return nil
}
