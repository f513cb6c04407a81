package processors

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// machine is a machine whose programs use its processors steadily.
type machine struct {
	mu sync.Mutex // held where the governor asks, and in the steps of a test

	processors  int
	own, others float64 // processors
	failure     error   // of read
	waits       float64 // a second of own time

	since       time.Time
	used, total float64 // processor seconds until since
	waited      float64 // until since
	looks       int     // calls of used
	reads       int

	full, n int
	custom  bool    // GOMAXPROCS is not the default
	sharer  *Sharer // while it is played
	told    []int
}

// pass lets the time pass at which the machine is looked at.
func (m *machine) pass() {
	elapsed := time.Since(m.since).Seconds()
	m.used += m.own * elapsed
	m.waited += m.own * elapsed * m.waits
	m.total += (m.own + m.others) * elapsed
	m.since = time.Now()
}

func (m *machine) governor() *governor {
	m.since = time.Now()
	m.n = m.full
	return &governor{
		used: func() use {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.looks++
			m.pass()
			return use{time.Duration(m.used * float64(time.Second)), int64(m.waited)}
		},
		read: func() (usage, error) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.reads++
			return usage{processors: m.processors, programs: int64(m.total * 100)}, m.failure
		},
		procs: func(n int) (before int) {
			m.mu.Lock()
			defer m.mu.Unlock()
			before = m.n
			if n > 0 {
				m.n, m.custom = n, true
			}
			return before
		},
		setDefault: func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.n, m.custom = m.full, false
		},
		changed: func(n int) { m.told = append(m.told, n) },
	}
}

// working says whether requests come.
func (m *machine) working() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.own > 0
}

// wait lets the time pass in a step.
func (m *machine) wait(d time.Duration) {
	m.mu.Unlock()
	time.Sleep(d)
	synctest.Wait()
	m.mu.Lock()
}

// play runs the steps, each after some looks, and then ends the governor, which leaves the default.
func (m *machine) play(t *testing.T, steps ...func()) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		g, s := m.governor(), New()
		m.sharer = s
		go func() {
			g.run(ctx, s)
			close(ended)
		}()
		for _, step := range steps {
			for range 50 { // requests in a second
				time.Sleep(20 * time.Millisecond)
				synctest.Wait()
				if m.working() {
					s.Started()
				}
			}
			m.mu.Lock()
			m.pass()
			step()
			m.mu.Unlock()
		}
		cancel()
		<-ended
		if m.n != m.full || m.custom {
			t.Errorf("in the end %d of %d, custom %t", m.n, m.full, m.custom)
		}
	})
}

// expect checks what is set.
func (m *machine) expect(t *testing.T, n int) {
	t.Helper()
	if m.n != n || m.custom != (n < m.full) {
		t.Errorf("got %d, custom %t, want %d", m.n, m.custom, n)
	}
}

func TestAClientIsLeftAProcessorWhileItUsesIt(t *testing.T) {
	m := machine{processors: 2, full: 2, own: 0.01, others: 1}
	m.play(t,
		func() { m.expect(t, 2); m.own = 1.1; m.others = 0.7 },
		func() { m.expect(t, 1); m.own = 0.2 },
		func() { m.expect(t, 1); m.own = 0.05 },
		func() { m.expect(t, 2); m.own = 0.2 },
		func() { m.expect(t, 2); m.own = 1.2 },
		func() { m.expect(t, 1); m.others = 0 },
		func() { m.expect(t, 2); m.others = 0.7 },
		func() { m.expect(t, 1); m.failure = errors.New("gone") },
		func() { m.expect(t, 2); m.failure = nil },
		func() { m.expect(t, 1) },
	)
	if want := []int{1, 2, 1, 2, 1, 2, 1}; !slices.Equal(m.told, want) {
		t.Errorf("told %v, want %v", m.told, want)
	}
}

func TestACrowdIsLeftNothing(t *testing.T) {
	m := machine{processors: 2, full: 2, own: 0.9, others: 1.1}
	m.play(t,
		func() { m.expect(t, 1); m.own = 0.7; m.others = 1.3 },
		func() { m.expect(t, 2); m.own = 0.9; m.others = 1.1 },
		func() { m.expect(t, 2); m.wait(anew) },
		func() { m.expect(t, 1) },
	)
}

func TestAServerThatHardlyWaitsIsSaturated(t *testing.T) {
	m := machine{processors: 2, full: 2, own: 1, waits: 100, failure: errors.ErrUnsupported}
	expect := func(want bool) {
		t.Helper()
		if got := m.sharer.Saturated(); got != want {
			t.Errorf("%g waits a second with %g processors: got %t", m.waits, m.own, got)
		}
	}
	m.play(t,
		func() { expect(true); m.waits = 2000 },
		func() { expect(true); m.waits = 5000 },
		func() { expect(false); m.waits = 2000 },
		func() { expect(false); m.waits = 300 },
		func() { expect(true); m.waits = 0 },
		func() { expect(false); m.waits = 300 },
		func() { expect(true); m.own = 0.01 },
		func() { expect(false); m.own = 2; m.failure = nil },
		func() { expect(true) },
	)
}

func TestAnIdleServerSleeps(t *testing.T) {
	m := machine{processors: 2, full: 2, own: 1.1, others: 0.7}
	m.play(t,
		func() { m.expect(t, 1); m.own = 0 },
		func() { m.expect(t, 2); m.looks, m.reads = 0, 0 },
		func() {
			if m.looks > 0 || m.reads > 0 {
				t.Errorf("%d looks and %d readings while no request came", m.looks, m.reads)
			}
			m.own = 0.2
		},
		func() {
			if m.looks == 0 || m.looks > 50/waking || m.reads > m.looks {
				t.Errorf("%d looks and %d readings in a second with a little work", m.looks, m.reads)
			}
		},
	)
}

func TestTheDefaultIsFollowed(t *testing.T) {
	m := machine{processors: 4, full: 4, own: 2.8, others: 0.9}
	set := func(full int) { // as the runtime does
		m.full = full
		if !m.custom {
			m.n = full
		}
	}
	m.play(t,
		func() { m.expect(t, 3); set(2) },
		func() { m.wait(anew) },
		func() { m.expect(t, 2); set(4) },
		func() { m.expect(t, 3); m.others = 0 },
		func() { m.expect(t, 4); set(1) },
		func() { m.others = 3.2 },
		func() { m.expect(t, 1) },
	)
}
