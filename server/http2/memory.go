package http2

import (
	"math"
	"runtime/metrics"
	"sync"
	"time"
)

const (
	// Memory is short where so much of the limit, in percent, was left by the last garbage collection, or is taken up
	// with what has come since. The limit is that of the Go runtime (GOMEMLIMIT): it counts streams, heads, request
	// content and all else that a client makes the server hold, whatever holds it.
	mostLive, mostTaken = 75, 90
	// measureTime is for how long a measurement holds.
	measureTime = 10 * time.Millisecond
	// stillTime is how long a connection may stand still while memory is short.
	stillTime = 2 * time.Second
)

// streamCost is what a request holds in bytes, at a guess, before it can be refused: its head, unread content, a stack.
const streamCost = 32 << 10

// streams is how many requests a new connection may have under way: fewStreams where those that are open may fill half
// of the memory with theirs. What has come before it is refused is bounded by nothing else.
func (e *Engine) streams() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	if int64(len(e.conns))*maxStreams*streamCost > e.memory.limit/2 {
		return fewStreams
	}
	return maxStreams
}

// memory tells when the memory that the process may have is nearly used up.
type memory struct {
	limit int64 // in bytes; math.MaxInt64 if there is none

	mu       sync.Mutex
	measured time.Time
	short    bool
}

// isShort says whether memory is short, and whether that was measured just now.
func (m *memory) isShort(now time.Time) (short, measured bool) {
	if m.limit == math.MaxInt64 {
		return false, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if now.Sub(m.measured) >= measureTime {
		m.short, m.measured, measured = m.measure(), now, true
	}
	return m.short, measured
}

func (m *memory) measure() bool {
	samples := []metrics.Sample{{Name: "/memory/classes/heap/stacks:bytes"}, {Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(samples)
	bytes := func(i int) int64 { return int64(samples[i].Value.Uint64()) }
	percent := m.limit / 100
	return bytes(0)+bytes(1) > percent*mostLive || bytes(0)+bytes(2) > percent*mostTaken
}

// isShort says whether memory is short. If it is, a connection that stands still is closed.
func (e *Engine) isShort(now time.Time) bool {
	short, measured := e.memory.isShort(now)
	if short && measured {
		e.endStill(now)
	}
	return short
}

// endStill closes the connection that has stood still longest, if it has for stillTime.
func (e *Engine) endStill(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var stillest *Conn
	since := now.Add(-stillTime)
	for c := range e.conns {
		if t, still := c.Still(); still && t.Before(since) {
			stillest, since = c, t
		}
	}
	if stillest != nil {
		delete(e.conns, stillest)
		stillest.Cut()
	}
}
