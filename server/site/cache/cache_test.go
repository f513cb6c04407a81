package cache

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
)

// one is the owner of all keys, initial the first letter of a key.
func one(string) any         { return nil }
func initial(key string) any { return key[0] }

func content(n int, seed byte) []byte { return bytes.Repeat([]byte{seed}, n) }

// keep puts content and ends the use of it.
func keep(t *testing.T, c *Cache[string, int], key string, n int) {
	t.Helper()
	e := c.Put(key, n, content(n, key[0]), 0)
	if e == nil {
		t.Fatalf("no room for %s of %d bytes: %+v", key, n, c.Counts())
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

func has(c *Cache[string, int], key string) bool {
	e := c.Get(key)
	if e == nil {
		return false
	}
	_ = e.Close()
	return true
}

func TestPutAndGet(t *testing.T) {
	c := New[string, int](1<<20, one)
	for _, n := range []int{0, 1, page - 1, page, page + 1, 10 * page} {
		keep(t, c, "a", n)
		e := c.Get("a")
		if e == nil || e.Value != n || e.Len() != int64(n) || !bytes.Equal(e.InMemory(), content(n, 'a')) {
			t.Fatalf("%d bytes: got %+v", n, e)
		}
		var b bytes.Buffer
		if m, err := e.WriteTo(&b); m != int64(n) || err != nil || b.Len() != n {
			t.Errorf("%d bytes: WriteTo wrote %d, %v", n, m, err)
		}
		_ = e.Close()
	}
	if got := c.Counts(); got.Entries != 1 || got.Bytes != sizeOf(10*page)+overhead {
		t.Errorf("the last of one key stays: %+v", got)
	}
	c.Clear()
	if got := c.Counts(); got.Entries != 0 || got.Bytes != 0 {
		t.Errorf("after Clear: %+v", got)
	}
}

func TestWhatWasNotUsedLongestGoesFirst(t *testing.T) {
	c := New[string, int](3*(100+overhead), one)
	for _, key := range []string{"a", "b", "c"} {
		keep(t, c, key, 100)
	}
	has(c, "a")
	keep(t, c, "d", 100)
	for key, want := range map[string]bool{"a": true, "b": false, "c": true, "d": true} {
		if got := has(c, key); got != want {
			t.Errorf("%s: got %v, want %v", key, got, want)
		}
	}
	if got := c.Counts().Evictions; got != 1 {
		t.Errorf("got %d evictions, want 1", got)
	}
}

// TestWhoHasMostMakesRoom: whoever asks for more than there is room for takes it from itself, once it has as much as others.
func TestWhoHasMostMakesRoom(t *testing.T) {
	c := New[string, int](10*(100+overhead), initial)
	few, many := []string{"a1", "a2", "a3"}, 0
	for _, key := range few {
		keep(t, c, key, 100)
	}
	for ; many < 100; many++ {
		keep(t, c, fmt.Sprint("b", many), 100)
	}
	for _, key := range few {
		if !has(c, key) {
			t.Errorf("%s has made room for another owner that has more", key)
		}
	}
	for i := range 100 { // who comes later gets as much
		keep(t, c, fmt.Sprint("c", i), 100)
	}
	got := map[any]int{}
	for _, owner := range "abc" {
		for i := range 100 {
			if has(c, fmt.Sprintf("%c%d", owner, i)) {
				got[owner]++
			}
		}
	}
	if got['a'] != 3 || got['b'] < 3 || got['c'] < 3 || got['a']+got['b']+got['c'] != 10 {
		t.Errorf("got %v entries of a, b and c, want 3 of a, and no less of b and c", got)
	}
	c.Forget(byte('b'))
	if has(c, "b99") || !has(c, "a1") || !has(c, "c99") || c.Counts().Entries != 10-got['b'] {
		t.Errorf("after b is forgotten: %+v", c.Counts())
	}
}

// TestEntriesInUseAreCounted holds the bound also for what is out of the table.
func TestEntriesInUseAreCounted(t *testing.T) {
	size := 2 * (sizeOf(page) + overhead)
	c := New[string, int](size, one)
	one, two := c.Put("a", 0, content(page, 'a'), 0), c.Put("b", 0, content(page, 'b'), 0)
	if e := c.Put("c", 0, content(page, 'c'), 0); e != nil {
		t.Fatal("there is room beyond the size")
	}
	if !bytes.Equal(one.InMemory(), content(page, 'a')) || !bytes.Equal(two.InMemory(), content(page, 'b')) {
		t.Error("content in use has changed")
	}
	c.Drop(one)
	if e := c.Put("c", 0, content(page, 'c'), 0); e != nil {
		t.Fatal("what is out of the table and in use is not counted")
	}
	if got := c.Counts(); got.Bytes != size || got.Entries != 1 {
		t.Errorf("got %+v", got)
	}
	_, _ = one.Close(), two.Close()
	if got := c.Counts(); got.Bytes != size/2 {
		t.Errorf("got %+v", got)
	}
	keep(t, c, "c", page)
}

// TestNothingIsLetGoInVain: what finds no room, as it is too large or others are in use, costs no other its place.
func TestNothingIsLetGoInVain(t *testing.T) {
	cost := sizeOf(page) + overhead
	c := New[string, int](3*cost, one)
	keep(t, c, "a", page)
	keep(t, c, "b", page)
	for _, e := range []struct {
		name         string
		size, beside int
	}{
		{"content that is too large", 4 * page, 0},
		{"a value that is too large", page, int(2*cost) + 1},
	} {
		if c.Put("large", 0, content(e.size, 'l'), e.beside) != nil {
			t.Errorf("%s: found room", e.name)
		}
	}
	used := c.Get("a")
	if c.Put("large", 0, content(page, 'l'), int(cost)+1) != nil {
		t.Error("found room that is in use")
	}
	if !has(c, "a") || !has(c, "b") || c.Counts().Evictions != 0 {
		t.Errorf("got %+v", c.Counts())
	}
	e := c.Put("large", 0, content(page, 'l'), int(cost))
	if e == nil || !has(c, "a") || has(c, "b") || c.Counts().Evictions != 1 || c.Counts().Bytes != 3*cost {
		t.Errorf("what is not in use makes no room: %+v", c.Counts())
	}
	_, _ = used.Close(), e.Close()
}

func TestDropForgetsOnlyThatEntry(t *testing.T) {
	c := New[string, int](1<<20, one)
	old := c.Put("a", 1, content(10, 'a'), 0)
	keep(t, c, "a", 20)
	c.Drop(old)
	if !has(c, "a") {
		t.Error("a newer entry was dropped")
	}
	e := c.Get("a")
	c.Drop(e)
	_, _ = e.Close(), old.Close()
	if has(c, "a") || c.Counts().Bytes != 0 {
		t.Errorf("got %+v", c.Counts())
	}
}

func TestNilKeepsNothing(t *testing.T) {
	c := New[string, int](0, one)
	c.Hit()
	c.Miss()
	c.Clear()
	if c.Put("a", 0, nil, 0) != nil || c.Get("a") != nil || c.Counts() != (Counts{}) {
		t.Error("a nil cache keeps something")
	}
}

// TestLoad lets many goroutines use a cache that is too small for them.
func TestLoad(t *testing.T) {
	const size = 64 << 10
	c := New[string, int](size, one)
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(worker)))
			for range 5000 {
				key := fmt.Sprintf("%c", 'a'+r.IntN(20))
				e := c.Get(key)
				if e == nil {
					if e = c.Put(key, 0, content(r.IntN(3*page), key[0]), 0); e == nil {
						continue
					}
				}
				if b := e.InMemory(); len(b) > 0 && (b[0] != key[0] || b[len(b)-1] != key[0]) {
					t.Errorf("%s: got another's content %q", key, b[:1])
				}
				if _, err := e.WriteTo(io.Discard); err != nil {
					t.Error(err)
				}
				if got := c.Counts().Bytes; got > size {
					t.Errorf("%d bytes, allowed are %d", got, size)
				}
				if r.IntN(10) == 0 {
					c.Drop(e)
				}
				_ = e.Close()
			}
		})
	}
	all.Wait()
	c.Clear()
	if got := c.Counts(); got.Bytes != 0 || got.Entries != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestGetAllocatesNothing(t *testing.T) {
	c := New[string, int](1<<20, one)
	keep(t, c, "a", 100)
	if n := testing.AllocsPerRun(100, func() { has(c, "a") }); n != 0 {
		t.Errorf("got %v allocations", n)
	}
}
