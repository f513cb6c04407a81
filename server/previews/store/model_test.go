package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

// model is what a store has to be after any operations: which entries are here, in the order of their last use, and how often
// each is held.
type model struct {
	order   []string // names, the one that was unused longest first
	holders map[string]int

	removed, refused int // how often the limit was reached
}

func (m *model) use(name string) {
	m.order = append(slices.DeleteFunc(m.order, func(n string) bool { return n == name }), name)
}

// TestAnyOperations holds the laws of the store after any of its operations:
//
//   - it never takes more than the limit, also in the middle of an operation, and it knows how much it takes;
//   - what is held stays, whole;
//   - something is removed only to make room, and then what was unused longest;
//   - ErrNoRoom is for what does not fit beside what is held;
//   - what fails leaves nothing;
//   - a restart changes nothing.
func TestAnyOperations(t *testing.T) {
	t.Run("disk", func(t *testing.T) { anyOperations(t, rand.New(rand.NewPCG(0, 20)), t.TempDir(), 60) })
	memory, err := os.MkdirTemp("/dev/shm", "previewd-store-") // many more operations take no longer there
	if err != nil {
		t.Skip("no file system in memory:", err)
	}
	defer func() { check(t, os.RemoveAll(memory)) }()
	removed, refused := 0, 0
	for seed := range uint64(4) {
		directory := filepath.Join(memory, fmt.Sprint(seed))
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			m := anyOperations(t, rand.New(rand.NewPCG(seed, 21)), directory, 200)
			removed, refused = removed+m.removed, refused+m.refused
		})
	}
	if removed < 50 || refused < 5 {
		t.Errorf("%d entries were removed, and %d refused: the limit was hardly tried", removed, refused)
	}
}

func anyOperations(t *testing.T, random *rand.Rand, directory string, steps int) *model {
	const limit = 384 << 10
	s, err := Open(directory, limit)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { check(t, s.Close()) }()
	m := &model{holders: map[string]int{}}
	type held struct {
		name    string
		release func()
	}
	var holds []held
	sizes := func(word int) (list []int64) { // the same for a word each time
		random := rand.New(rand.NewPCG(uint64(word), 0))
		for range random.IntN(9) {
			list = append(list, random.Int64N(3*block))
		}
		return list
	}
	for step := range steps {
		before := m.state(s)
		var err error
		var need int64 // room that the operation asks for at least
		switch word := random.IntN(30); random.IntN(10) {
		case 0, 1, 2:
			name, failure := "builds/"+nameOf(fmt.Sprint(word)), error(nil)
			if random.IntN(6) == 0 {
				failure = errors.New("the layer is broken")
			}
			if _, here := before.disk[name]; !here {
				need = ownBlocks
			}
			var b *Build
			b, err = s.Add(t.Context(), digestOf(fmt.Sprint(word)), func(into *os.Root, grow func(int64) error) (Meta, error) {
				return Meta{}, errors.Join(failure, func() error {
					_, err := site(sizes(word)...)(into, func(bytes int64) error {
						need += roundUp(bytes) + perName
						err := grow(bytes)
						if real := taken(t, directory); real > limit {
							t.Errorf("step %d: %d bytes are on the disk in the middle of it", step, real)
						}
						return err
					})
					return err
				}())
			})
			if failure != nil && errors.Is(err, failure) {
				err = nil
			}
			if b != nil {
				holds = append(holds, held{name, b.Release})
				m.hold(name)
			}
		case 3, 4, 5:
			content := fmt.Sprintf("%0*d", 1+word*700, word)
			name := "blobs/" + nameOf(content)
			need = roundUp(int64(len(content))) + ownBlocks
			var b *Blob
			if b, err = s.Blob(t.Context(), digestOf(content), int64(len(content)), bytesOf(content), nil); err == nil {
				holds = append(holds, held{name, b.Release})
				m.hold(name)
			}
		case 6:
			if b, here := s.Use(digestOf(fmt.Sprint(word))); here {
				name := "builds/" + nameOf(fmt.Sprint(word))
				holds = append(holds, held{name, b.Release})
				m.hold(name)
			}
		default:
			if len(holds) == 0 {
				continue
			}
			i := random.IntN(len(holds))
			h := holds[i]
			holds = slices.Delete(holds, i, i+1)
			h.release()
			m.holders[h.name]--
			m.use(h.name)
		}
		if err != nil && !errors.Is(err, ErrNoRoom) {
			t.Fatalf("step %d: %v", step, err)
		}
		m.compare(t, step, s, directory, before, need, err)
		if t.Failed() {
			return m
		}
		if random.IntN(40) == 0 {
			for _, h := range holds {
				h.release()
				m.use(h.name)
			}
			holds, m.holders = nil, map[string]int{}
			bytes, _, builds := s.Counts()
			check(t, s.Close())
			if s, err = Open(directory, limit); err != nil {
				t.Fatal(err)
			}
			if again, _, n := s.Counts(); again != bytes || n != builds {
				t.Errorf("step %d: %d bytes and %d builds after a restart, before %d and %d", step, again, n, bytes, builds)
			}
			if got := m.state(s).order; !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(m.order))) {
				t.Errorf("step %d: after a restart %q, before %q", step, got, m.order)
			}
			m.order = m.state(s).order // that of a minute is not kept
		}
	}
	for _, h := range holds {
		h.release()
	}
	return m
}

func (m *model) hold(name string) {
	m.holders[name]++
	if !slices.Contains(m.order, name) {
		m.use(name)
	}
}

// state is what the store says of itself.
type state struct {
	order []string
	disk  map[string]int64
	taken int64
}

func (m *model) state(s *Store) state {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := state{disk: map[string]int64{}, taken: s.blocks.taken()}
	for at := s.order.Front(); at != nil; at = at.Next() {
		e := at.Value.(*entry)
		now.order = append(now.order, e.name)
		now.disk[e.name] = e.disk
	}
	return now
}

// compare holds the laws after an operation that asked for so much room and returned err.
func (m *model) compare(t *testing.T, step int, s *Store, directory string, before state, need int64, err error) {
	t.Helper()
	now := m.state(s)
	var gone []string
	m.order = slices.DeleteFunc(m.order, func(name string) bool {
		if _, here := now.disk[name]; here {
			return false
		}
		gone = append(gone, name)
		return true
	})
	if !slices.Equal(now.order, m.order) {
		t.Errorf("step %d: here is %q, want %q", step, now.order, m.order)
	}
	m.removed += len(gone)
	if err != nil {
		m.refused++
	}
	kept := before.taken
	for i, name := range before.order {
		if m.holders[name] == 0 || slices.Contains(gone, name) {
			kept -= before.disk[name]
		}
		if slices.Contains(gone, name) {
			if m.holders[name] > 0 {
				t.Errorf("step %d: %s was removed, and is held", step, name)
			}
			for _, older := range before.order[:i] {
				if _, here := now.disk[older]; here && m.holders[older] == 0 {
					t.Errorf("step %d: %s was removed before %s, which was unused for longer", step, name, older)
				}
			}
		}
	}
	if fits := before.taken+need <= s.limit; fits && (len(gone) > 0 || err != nil) {
		t.Errorf("step %d: %d bytes were taken, %d more were asked for, and %q removed, %v", step, before.taken, need, gone, err)
	}
	if err != nil && kept+need <= s.limit {
		t.Errorf("step %d: what is held takes %d bytes, %d were asked for, got %v", step, kept, need, err)
	}
	here := append(prefixed("blobs/", names(t, directory+"/blobs")), prefixed("builds/", names(t, directory+"/builds"))...)
	if want := slices.Sorted(slices.Values(m.order)); !slices.Equal(here, want) || len(names(t, directory+"/staging")) > 0 {
		t.Errorf("step %d: on the disk are %q, want %q, and in staging %q", step, here, want, names(t, directory+"/staging"))
	}
	if real := taken(t, directory); now.taken < real || now.taken > real+2*block*int64(s.builds) || real > s.limit {
		t.Errorf("step %d: %d bytes are counted, %d are on the disk, at most %d may be", step, now.taken, real, s.limit)
	}
}

func prefixed(prefix string, list []string) []string {
	for i := range list {
		list[i] = prefix + list[i]
	}
	return list
}

// TestManyAtOnce: the laws that can be seen from outside, with many callers.
func TestManyAtOnce(t *testing.T) {
	const limit = 512 << 10
	directory := t.TempDir()
	s := mustOpen(t, directory, limit)
	var group sync.WaitGroup
	for worker := range uint64(8) {
		group.Go(func() {
			random := rand.New(rand.NewPCG(worker, 7))
			for range 60 {
				word := fmt.Sprint(random.IntN(12))
				if random.IntN(3) == 0 {
					content := fmt.Sprintf("%05000s", word)
					b, err := s.Blob(t.Context(), digestOf(content), int64(len(content)), bytesOf(content), nil)
					if err != nil {
						t.Error(err)
						return
					}
					from, err := b.Open()
					check(t, err)
					check(t, from.Close())
					b.Release()
					continue
				}
				b, err := s.Add(t.Context(), digestOf(word), site(5000, 1, 9000))
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := os.Stat(filepath.Join(directory, b.Directory, "d2", "index.html")); err != nil {
					t.Errorf("held, and %v", err)
				}
				if bytes, _, _ := s.Counts(); bytes > limit {
					t.Errorf("%d bytes are taken", bytes)
				}
				b.Release()
			}
		})
	}
	group.Wait()
	bytes, _, builds := s.Counts()
	if real := taken(t, directory); bytes < real || bytes > real+2*block*int64(builds) || real > limit || s.blocks.claimed != 0 || s.blocks.leaving != 0 {
		t.Errorf("%d bytes are counted, %d are on the disk, %+v", bytes, real, s.blocks)
	}
}
