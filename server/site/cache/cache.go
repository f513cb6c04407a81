// Package cache keeps content in memory within a bound that holds exactly.
//
// It knows nothing of files: what an entry stands for, and whether it is up to date, is its user's business.
package cache

import (
	"container/list"
	"io"
	"sync"
	"sync/atomic"
)

// overhead is counted in bytes for each entry on top of its content: for its key, its value and the lists
// and tables that it stands in.
const overhead = 1 << 10

// Cache holds content by key, up to a total size. When it is full, the owner that has most loses the entries that were not
// requested for the longest time. So owners of which all want more than there is room for come to have the same, and one
// that wants less keeps it. Its methods may be called by any number of goroutines at once. A nil Cache keeps nothing.
type Cache[K comparable, V any] struct {
	size  int64
	owner func(K) any

	mu      sync.Mutex
	entries map[K]*list.Element // of *Entry[K, V]
	shares  map[any]*share      // by owner
	bytes   int64               // of all entries, those that are out of the table and still in use too
	idle    int64               // of these, what nobody but the table uses

	hits, misses, evictions atomic.Uint64
}

// share is what an owner has in the table.
type share struct {
	recent list.List // of *Entry[K, V], the most recently used first
	idle   int64     // bytes of those that nobody but the table uses
}

// New returns a Cache for size bytes, contents and overhead together; nil, which keeps nothing, for none. owner says
// whose a key is.
func New[K comparable, V any](size int64, owner func(K) any) *Cache[K, V] {
	if size <= 0 {
		return nil
	}
	return &Cache[K, V]{size: size, owner: owner, entries: make(map[K]*list.Element), shares: make(map[any]*share)}
}

// Entry is content that is kept, and a message.Body: it stays as it is until the last of its users has
// closed it.
type Entry[K comparable, V any] struct {
	// Value is the user's own. It does not change.
	Value V

	cache *Cache[K, V]
	key   K
	share *share
	data  memory
	cost  int64
	users int  // the table counts as one; guarded by cache.mu
	kept  bool // in the table; guarded by cache.mu
}

// Get returns the entry of a key, nil if there is none. The caller closes it. It counts nothing, as only the
// caller can tell whether the entry is up to date: see Hit and Miss.
func (c *Cache[K, V]) Get(key K) *Entry[K, V] {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	element, found := c.entries[key]
	if !found {
		return nil
	}
	e := element.Value.(*Entry[K, V])
	e.share.recent.MoveToFront(element)
	if e.users == 1 {
		c.rest(e, -e.cost)
	}
	e.users++
	return e
}

// Hit counts a request that was answered from the cache, Miss one that might have been.
func (c *Cache[K, V]) Hit() {
	if c != nil {
		c.hits.Add(1)
	}
}

// Miss counts a request that was not answered from the cache though content like this is kept.
func (c *Cache[K, V]) Miss() {
	if c != nil {
		c.misses.Add(1)
	}
}

// Put keeps a copy of data in place of what the key had, and returns the entry, which the caller closes. beside
// is what key and value take beyond overhead, in bytes. It returns nil if there is no room, because it is too
// large or other entries are in use.
func (c *Cache[K, V]) Put(key K, value V, data []byte, beside int) *Entry[K, V] {
	if c == nil {
		return nil
	}
	cost := sizeOf(len(data)) + int64(beside) + overhead
	e := &Entry[K, V]{Value: value, cache: c, key: key, cost: cost, users: 2, kept: true}
	if !c.reserve(e.cost, key) {
		return nil
	}
	e.data = allocate(len(data))
	copy(e.data.bytes, data)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(key) // another may have put one meanwhile
	owner := c.owner(key)
	if e.share = c.shares[owner]; e.share == nil {
		e.share = &share{}
		c.shares[owner] = e.share
	}
	c.entries[key] = e.share.recent.PushFront(e)
	return e
}

// reserve takes n bytes, for which it lets go what the key has and then what whoever has most did not use longest. It lets
// nothing go in vain: what is in use makes no room before it is closed.
func (c *Cache[K, V]) reserve(n int64, key K) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(key)
	if n > c.size-c.bytes+c.idle {
		return false
	}
	for n > c.size-c.bytes {
		var most *share
		for _, s := range c.shares {
			if most == nil || s.idle > most.idle {
				most = s
			}
		}
		element := most.recent.Back()
		for element.Value.(*Entry[K, V]).users > 1 {
			element = element.Prev()
		}
		c.remove(element.Value.(*Entry[K, V]).key)
		c.evictions.Add(1)
	}
	c.bytes += n
	return true
}

// rest notes that nobody but the table uses an entry, or, with less than no bytes, that somebody does. It is called with mu
// held.
func (c *Cache[K, V]) rest(e *Entry[K, V], bytes int64) {
	c.idle += bytes
	e.share.idle += bytes
}

// Drop removes an outdated entry, unless its key already has a newer one.
func (c *Cache[K, V]) Drop(e *Entry[K, V]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if element, found := c.entries[e.key]; found && element.Value == any(e) {
		c.remove(e.key)
	}
}

// Clear forgets all entries.
func (c *Cache[K, V]) Clear() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for key := range c.entries {
		c.remove(key)
	}
}

// Forget forgets all entries of an owner.
func (c *Cache[K, V]) Forget(owner any) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for s := c.shares[owner]; s != nil && s.recent.Len() > 0; {
		c.remove(s.recent.Back().Value.(*Entry[K, V]).key)
	}
}

// remove takes a key out of the table. It is called with mu held.
func (c *Cache[K, V]) remove(key K) {
	element, found := c.entries[key]
	if !found {
		return
	}
	delete(c.entries, key)
	e := element.Value.(*Entry[K, V])
	e.share.recent.Remove(element)
	if e.users == 1 {
		c.rest(e, -e.cost)
	}
	if e.share.recent.Len() == 0 {
		delete(c.shares, c.owner(key))
	}
	e.kept = false
	c.release(e)
}

// release ends one use of e. It is called with mu held.
func (c *Cache[K, V]) release(e *Entry[K, V]) {
	e.users--
	switch {
	case e.users == 1 && e.kept:
		c.rest(e, e.cost)
	case e.users == 0:
		c.bytes -= e.cost
		e.data.free()
		e.data = memory{}
	}
}

// Counts are what a Cache has done and holds.
type Counts struct {
	Hits, Misses, Evictions uint64
	Entries                 int
	// Bytes are held now, of Size at most.
	Bytes, Size int64
}

// Counts returns the counts, zero for a nil Cache.
func (c *Cache[K, V]) Counts() Counts {
	if c == nil {
		return Counts{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return Counts{c.hits.Load(), c.misses.Load(), c.evictions.Load(), len(c.entries), c.bytes, c.size}
}

// Len returns the length in bytes.
func (e *Entry[K, V]) Len() int64 { return int64(len(e.data.bytes)) }

// InMemory returns the content, see message.InMemory. It may be used until Close.
func (e *Entry[K, V]) InMemory() []byte { return e.data.bytes }

// WriteTo writes the content in one call.
func (e *Entry[K, V]) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(e.data.bytes)
	return int64(n), err
}

// Close ends one use of the entry.
func (e *Entry[K, V]) Close() error {
	e.cache.mu.Lock()
	defer e.cache.mu.Unlock()
	e.cache.release(e)
	return nil
}
