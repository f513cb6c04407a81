package message

import (
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestGateBoundsWhoIsInside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(3)
		var inside, most atomic.Int64
		for range 20 {
			go func() {
				g.Enter()
				defer g.Leave()
				most.Store(max(most.Load(), inside.Add(1)))
				time.Sleep(time.Second)
				inside.Add(-1)
			}()
		}
		began := time.Now()
		synctest.Wait()
		if n := inside.Load(); n != 3 {
			t.Errorf("%d are inside, want 3", n)
		}
		time.Sleep(10 * time.Second)
		if n := most.Load(); n != 3 || inside.Load() != 0 {
			t.Errorf("%d were inside at once after %v, want 3, and %d still are", n, time.Since(began), inside.Load())
		}
	})
}

// Law: a request waits for GatePatience and no longer, and not at all where there is room.
func TestARequestGivesUpWhereNobodyLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, began := NewGate(1), time.Now()
		if !g.EnterInTime() || time.Since(began) != 0 {
			t.Error("there is room")
		}
		if g.EnterInTime() || time.Since(began) != GatePatience {
			t.Errorf("entered, or gave up after %v", time.Since(began))
		}
		go func() {
			time.Sleep(GatePatience / 2)
			g.Leave()
		}()
		if !g.EnterInTime() || time.Since(began) != GatePatience*3/2 {
			t.Errorf("not entered after %v", time.Since(began))
		}
	})
}

func TestNilGateBoundsNothing(t *testing.T) {
	var g Gate
	for range 3 {
		g.Enter()
	}
	if !g.EnterInTime() {
		t.Error("it gave up")
	}
	g.Leave()
}

// TestFileSectionPassesTheGate: it waits for room before it reads, and leaves.
func TestFileSectionPassesTheGate(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	s := &FileSection{File: f, Length: 7, Disk: NewGate(1)}
	defer s.Close()
	s.Disk.Enter()
	var out strings.Builder
	done := make(chan error)
	go func() {
		_, err := s.WriteTo(&out)
		done <- err
	}()
	select {
	case err := <-done:
		t.Fatalf("it has not waited: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	s.Disk.Leave()
	if err := <-done; err != nil || out.String() != "content" || len(s.Disk) != 0 {
		t.Errorf("got %q, %v; %d are inside", &out, err, len(s.Disk))
	}
}
