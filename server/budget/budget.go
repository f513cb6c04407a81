// Package budget bounds the memory that a server holds for its clients: one Budget is made from the memory limit, and all
// that a client can make the server hold is taken from it before it is held. So the kernel never has to end the process.
//
// A part of the server that holds memory for an answer, a connection or a page that is being looked at does it so:
//
//   - Its Options have a *Budget. Where it should not use up what others need, it gets a Part.
//   - It takes what one of them holds at the most, in bytes, with TryAcquire, before it holds it, and gives the same number
//     back with Release when the last of it is gone, which is when the Body is closed for an answer. It takes once for each
//     answer or connection, not for each piece.
//   - What it does without: something that holds less (a smaller piece, the file itself in place of its content), else it
//     waits (Acquire), else it answers with Full.
//
// What is not taken from a Budget is bounded in another way: connections by their number, the cache by its size, and small
// requests by the number of connections.
package budget

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/previewd/previewd/server/message"
)

// Patience is how long Acquire waits.
const Patience = time.Second

// ErrFull is the error of Acquire when there was no memory for Patience.
var ErrFull = errors.New("the memory for answers in progress is used up")

// Budget is a number of bytes that may be held at the same time. Its methods may be called by many goroutines. A nil Budget
// has no limit.
type Budget struct {
	parent *Budget // nil for the whole
	limit  int64
	pool   *pool
	used   int64 // guarded by pool.mu
}

// pool is what a Budget and its parts share.
type pool struct {
	mu    sync.Mutex
	freed chan struct{} // closed by the next Release; nil if nobody waits for it
	short func()        // of OnShort
}

// New returns a Budget of so many bytes.
func New(limit int64) *Budget { return &Budget{limit: limit, pool: new(pool)} }

// Part returns a Budget whose bytes are taken from b too, and of which at most limit can be. Of a nil Budget it is New.
func (b *Budget) Part(limit int64) *Budget {
	if b == nil {
		return New(limit)
	}
	return &Budget{parent: b, limit: limit, pool: b.pool}
}

// OnShort has f called whenever the whole has less than is asked of it or of a part. It is called once, before the others use
// the Budget. f does not wait for anything.
func (b *Budget) OnShort(f func()) {
	if b != nil {
		b.pool.short = f
	}
}

// TryAcquire takes n bytes, all or none, and says whether it did.
func (b *Budget) TryAcquire(n int64) bool {
	if b == nil {
		return true
	}
	b.pool.mu.Lock()
	defer b.pool.mu.Unlock()
	return b.take(n)
}

func (b *Budget) take(n int64) bool {
	for c := b; c != nil; c = c.parent {
		if n <= c.limit-c.used {
			continue
		}
		if c.parent == nil && b.pool.short != nil {
			b.pool.short()
		}
		return false
	}
	for c := b; c != nil; c = c.parent {
		c.used += n
	}
	return true
}

// Acquire takes n bytes, and waits for them. It returns ErrFull if there are none for Patience, or the error of ctx.
func (b *Budget) Acquire(ctx context.Context, n int64) error {
	if b.TryAcquire(n) {
		return nil
	}
	patience := time.NewTimer(Patience)
	defer patience.Stop()
	for {
		freed, done := b.await(n)
		if done {
			return nil
		}
		select {
		case <-freed:
		case <-patience.C:
			return ErrFull
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// await takes n bytes, or returns what is closed when it is worth trying again.
func (b *Budget) await(n int64) (freed <-chan struct{}, done bool) {
	b.pool.mu.Lock()
	defer b.pool.mu.Unlock()
	if b.take(n) {
		return nil, true
	}
	if b.pool.freed == nil {
		b.pool.freed = make(chan struct{})
	}
	return b.pool.freed, false
}

// Release gives back n bytes that were taken.
func (b *Budget) Release(n int64) {
	if b == nil {
		return
	}
	b.pool.mu.Lock()
	defer b.pool.mu.Unlock()
	for c := b; c != nil; c = c.parent {
		c.used -= n
	}
	if b.pool.freed != nil {
		close(b.pool.freed)
		b.pool.freed = nil
	}
}

// Use returns how many bytes are held, and how many may be.
func (b *Budget) Use() (used, limit int64) {
	if b == nil {
		return 0, math.MaxInt64
	}
	b.pool.mu.Lock()
	defer b.pool.mu.Unlock()
	return b.used, b.limit
}

// Full is the answer to a request for which there is no memory: 503, to be asked again soon.
func Full() message.Response {
	resp := (&message.Failure{Status: 503, Explain: "The server has no memory left for this answer", Cause: ErrFull}).Response()
	resp.Fields = message.Fields{{Name: "Retry-After", Value: "1"}}
	return resp
}
