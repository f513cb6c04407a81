package processors

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func set(cpus ...int) (s unix.CPUSet) {
	for _, cpu := range cpus {
		s.Set(cpu)
	}
	return s
}

const (
	sum  = "cpu  4 8 12 16 20 24 28 32 0 0\n"
	cpu0 = "cpu0 1 2 3 40 50 0 70 800 0 0\n"
	cpu1 = "cpu1 10 20 30 400 500 0 700 8000 0 0\n"
	cpu3 = "cpu3 100 200 300 4000 5000 6000 7000 80000 0 0\n"
)

var (
	intr  = "intr 99" + strings.Repeat(" 0", 1<<16) + "\n"
	both  = usage{processors: 2, programs: 66, interrupts: 770, idle: 990}
	first = usage{processors: 1, programs: 6, interrupts: 70, idle: 90}
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name, stat string
		cpus       unix.CPUSet
		want       usage // the zero value where one is missing
	}{
		{"all", sum + cpu0 + cpu1 + intr, set(0, 1), both},
		{"one of two", sum + cpu0 + cpu1 + intr, set(0), first},
		{"no sum", cpu0 + cpu1, set(0, 1), both},
		{"1 and 2 are offline", sum + cpu0 + cpu3 + intr, set(0, 3),
			usage{processors: 2, programs: 606, interrupts: 13070, idle: 9090, apart: true}},
		{"interrupts apart, on another processor", sum + cpu0 + cpu3 + intr, set(0), first},
		{"what follows is no text", sum + cpu0 + cpu1 + "\x00\xff", set(0, 1), both},
		{"seven numbers", "cpu0 1 2 3 40 50 0 70\n", set(0), first},
		{"six numbers", "cpu0 1 2 3 40 50 0\n", set(0), usage{}},
		{"zeros", "cpu  0 0 0 0 0 0 0\ncpu0 0 0 0 0 0 0 0 0 0 0\n", set(0), usage{processors: 1}},
		{"one is missing", sum + cpu0 + intr, set(0, 1), usage{}},
		{"one is behind other lines", sum + cpu0 + intr + cpu1, set(0, 1), usage{}},
		{"one twice", sum + cpu0 + cpu0 + intr, set(0, 1), usage{}},
		{"truncated in a number", sum + cpu0 + cpu1[:20], set(0, 1), usage{}},
		{"truncated before the line end", sum + cpu0 + cpu1[:len(cpu1)-1], set(0, 1), usage{}},
		{"truncated behind what is needed", sum + cpu0 + cpu1 + intr[:9], set(0, 1), both},
		{"a negative number", "cpu0 1 -2 3 40 50 0 70 0\n", set(0), usage{}},
		{"a number that is too large", "cpu0 18446744073709551615 2 3 40 50 0 70 0\n", set(0), usage{}},
		{"two blanks", "cpu0  1 2 3 40 50 0 70 0\n", set(0), usage{}},
		{"a name", "cpux 1 2 3\ncpu-1 1\ncpu99999999999999999999 1\ncpu 1\n" + cpu0, set(0), first},
		{"no lines", "", set(0), usage{}},
		{"no processors", sum + cpu0, set(), usage{}},
	} {
		got, found := parse([]byte(c.stat), c.cpus)
		if got != c.want || found != (c.want != usage{}) {
			t.Errorf("%s: got %+v, %t, want %+v", c.name, got, found, c.want)
		}
	}
}

// FuzzParse holds that a text is understood whenever its beginning is, and then the same way.
func FuzzParse(f *testing.F) {
	f.Add([]byte(sum+cpu0+cpu1+"intr 1 2\n"), 40)
	f.Add([]byte("cpu1 1 2 3 4 5 6 7\ncpu0 9 9 9 9 9 9 9 9"), 0)
	f.Fuzz(func(t *testing.T, stat []byte, end int) {
		cpus := set(0, 1)
		whole, found := parse(stat, cpus)
		if found && (whole.programs < 0 || whole.interrupts < 0 || whole.idle < 0) {
			t.Errorf("%q: got %+v", stat, whole)
		}
		if end < 0 || end > len(stat) {
			return
		}
		if part, ok := parse(stat[:end], cpus); ok && (!found || part != whole) {
			t.Errorf("%q: got %+v from %d bytes, and from all %+v, %t", stat, part, end, whole, found)
		}
	})
}

// testMeter reads a file of the test's in place of /proc/stat.
func testMeter(t *testing.T, stat string) *meter {
	t.Helper()
	name := filepath.Join(t.TempDir(), "stat")
	if err := os.WriteFile(name, []byte(stat), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := newMeter()
	if err != nil {
		t.Fatal(err)
	}
	m.stat.Close()
	if m.stat, err = os.Open(name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.close)
	return m
}

func TestRead(t *testing.T) {
	var all strings.Builder
	all.WriteString(sum)
	for cpu := range 1 << 10 {
		fmt.Fprintf(&all, "cpu%d 1 1 1 1 1 0 1 0 0 0\n", cpu)
	}
	for _, c := range []struct {
		name, stat string
		want       error
	}{
		{"every processor, more than fits at first", all.String() + intr, nil},
		{"it is empty", "", errStat},
		{"no processors, and too long", sum + strings.Repeat("cpu\n", maxStat), errStat},
	} {
		m := testMeter(t, c.stat)
		u, err := m.read()
		want := usage{}
		if n := m.cpus.Count(); c.want == nil {
			want = usage{processors: n, programs: 3 * int64(n), interrupts: int64(n), idle: 2 * int64(n)}
		}
		if !errors.Is(err, c.want) || u != want {
			t.Errorf("%s: got %+v, %v, want %+v, %v", c.name, u, err, want, c.want)
		}
	}
}

func TestReadFailsOnceWhenTheProcessIsMoved(t *testing.T) {
	m, err := newMeter()
	if err != nil {
		t.Fatal(err)
	}
	defer m.close()
	m.cpus = set() // it has been on none
	if _, err := m.read(); !errors.Is(err, errMoved) {
		t.Errorf("got %v, want %v", err, errMoved)
	}
	if _, err := m.read(); errors.Is(err, errMoved) {
		t.Errorf("got %v again", err)
	}
}

func TestReadAllocatesNothing(t *testing.T) {
	m := testMeter(t, readStat(t))
	if _, err := m.read(); err != nil {
		t.Skipf("/proc/stat here: %v", err)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = m.read(); _ = used() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestUsed(t *testing.T) {
	before := used()
	for range 20 {
		time.Sleep(time.Millisecond)
	}
	for end := time.Now().Add(50 * time.Millisecond); time.Now().Before(end); {
	}
	after := used()
	if after.waits == 0 {
		t.Skip("this kernel does not count waits")
	}
	if after.waits-before.waits < 5 || after.time-before.time <= 0 {
		t.Errorf("got %+v before and %+v after 20 waits and some work", before, after)
	}
}

func readStat(t *testing.T) string {
	t.Helper()
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		t.Skip(err)
	}
	return string(stat)
}

// spins is the variable that makes the test binary a program that keeps a processor busy until its standard
// input ends.
const spins = "PROCESSORS_TEST_SPINS"

func TestMain(m *testing.M) {
	if os.Getenv(spins) != "" {
		go spin(context.Background())
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// spin keeps a processor busy until ctx ends.
func spin(ctx context.Context) {
	for ctx.Err() == nil {
	}
}

// TestRun competes with another program, and then does nothing.
func TestRun(t *testing.T) {
	m, err := newMeter()
	if err != nil {
		t.Skip(err)
	}
	defer m.close()
	full := runtime.GOMAXPROCS(0)
	u, err := m.read()
	if err != nil || u.programs == 0 || full == 1 || full != u.processors {
		t.Skipf("GOMAXPROCS %d, processors %+v, %v", full, u, err)
	}
	program := exec.Command(os.Args[0])
	program.Env = append(os.Environ(), spins+"=1")
	stdin, err := program.StdinPipe()
	if err == nil {
		err = program.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		stdin.Close()
		_ = program.Wait()
	}()
	ctx, cancel := context.WithCancel(context.Background())
	told := make(chan int, 1000)
	var running sync.WaitGroup
	sharer := New()
	running.Go(func() { sharer.Run(ctx, false, func(n int) { told <- n }) })
	busy, rest := context.WithCancel(ctx)
	running.Go(func() {
		for busy.Err() == nil {
			sharer.Started()
		}
	})
	for range full {
		running.Go(func() { spin(busy) })
	}
	// What it decides hangs on what else the machine does, but not within which bounds.
	time.Sleep(5 * interval)
	rest()
	cancel()
	running.Wait()
	close(told)
	for n := range told {
		t.Logf("%d of %d", n, full)
		if n > full || n < least(full) {
			t.Errorf("got %d of %d", n, full)
		}
	}
	if n := runtime.GOMAXPROCS(0); n != full {
		t.Errorf("in the end %d of %d", n, full)
	}
}

func TestWhatIsFixedIsNotSet(t *testing.T) {
	for _, fixed := range []bool{false, true} {
		g, end := newGovernor(fixed)
		defer end()
		_, err := g.read()
		if errors.Is(err, errors.ErrUnsupported) != fixed {
			t.Errorf("fixed %t: what others use: %v", fixed, err)
		}
	}
	m := machine{processors: 2, full: 2, own: 1.1, others: 0.7, failure: errors.ErrUnsupported}
	m.play(t, func() { m.expect(t, 2) })
	if m.told != nil {
		t.Errorf("set to %v", m.told)
	}
}

func BenchmarkLook(b *testing.B) {
	m, err := newMeter()
	if err != nil {
		b.Fatal(err)
	}
	defer m.close()
	b.Run("idle", func(b *testing.B) {
		for b.Loop() {
			_ = used()
		}
	})
	b.Run("busy", func(b *testing.B) {
		for b.Loop() {
			_ = used()
			_, _ = m.read()
		}
	})
}
