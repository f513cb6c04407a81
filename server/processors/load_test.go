package processors

import (
	"math"
	"testing"
	"time"
)

func TestWanted(t *testing.T) {
	for _, c := range []struct {
		name          string
		others, idle  float64
		processors    int
		full, n, want int
	}{
		{"alone and busy", 0, 0, 2, 2, 2, 2},
		{"a client keeps more than half of a processor busy", 0.6, 0.3, 2, 2, 2, 1},
		{"half of one", 0.5, 0, 2, 2, 2, 2},
		{"another processor is idle", 0.6, 0.5, 2, 2, 2, 2},
		{"what was left is used", 0.8, 0.2, 2, 2, 1, 1},
		{"a third of it is not used", 0.4, 0, 2, 2, 1, 1},
		{"two thirds are not used", 0.3, 0, 2, 2, 1, 2},
		{"idle processors are no reason to take back", 0.9, 0.9, 2, 2, 1, 1},
		{"the others have gone", 0, 1, 2, 2, 1, 2},
		{"never less than half", 1.9, 0, 2, 2, 1, 1},
		{"of three not less than two", 3, 0, 3, 3, 3, 2},
		{"of four not less than two", 4, 0, 4, 4, 4, 2},
		{"several at once", 2.9, 0, 8, 8, 8, 5},
		{"several back at once", 0.1, 0, 8, 8, 4, 8},
		{"as many back as are free", 1.9, 0, 8, 8, 4, 6},
		{"a limit below the number of processors", 5.5, 0, 8, 2, 2, 2},
		{"a limit, and others beyond what it leaves", 6.6, 0, 8, 2, 2, 1},
		{"a limit, and others that leave enough again", 6.2, 0, 8, 2, 1, 2},
		{"the limit was lowered", 1, 0, 8, 4, 6, 4},
		{"one processor", 0.9, 0, 1, 1, 1, 1},
		{"/proc/stat has zeros", -2, 0, 2, 2, 2, 2},
	} {
		l := load{others: c.others, idle: c.idle, processors: c.processors}
		if got := wanted(l, c.full, c.n); got != c.want {
			t.Errorf("%s: got %d, want %d", c.name, got, c.want)
		}
	}
}

func TestCrowded(t *testing.T) {
	for _, c := range []struct {
		others           float64
		processors, full int
		want             bool
	}{
		{1.2, 2, 2, false},
		{1.3, 2, 2, true},
		{1.3, 3, 3, true},
		{4.2, 8, 8, false},
		{4.3, 8, 8, true},
		{7.2, 8, 2, false},
		{7.3, 8, 2, true},
	} {
		l := load{others: c.others, processors: c.processors}
		if got := l.crowded(c.full); got != c.want {
			t.Errorf("others use %g of %d, the default is %d: got %t", c.others, c.processors, c.full, got)
		}
	}
}

// FuzzWanted holds the bounds, that a load that stays changes nothing after its first look, and that more use
// by others never gives them less.
func FuzzWanted(f *testing.F) {
	f.Add(0.6, 0.1, uint8(2), uint8(2), uint8(2))
	f.Add(3.5, 0.0, uint8(8), uint8(8), uint8(3))
	f.Add(-2.0, 9.0, uint8(1), uint8(7), uint8(0))
	f.Add(math.NaN(), math.Inf(1), uint8(64), uint8(64), uint8(40))
	f.Fuzz(func(t *testing.T, others, idle float64, processors, full, n uint8) {
		l := load{others: others, idle: idle, processors: int(processors)}
		full = max(full, 1)
		got := wanted(l, int(full), int(n))
		if got > int(full) || 2*got < int(full) {
			t.Errorf("got %d of %d", got, full)
		}
		if again := wanted(l, int(full), got); again != got {
			t.Errorf("got %d, and then %d", got, again)
		}
		l.others++
		if more := wanted(l, int(full), int(n)); more > got {
			t.Errorf("got %d, and %d when others use one more", got, more)
		}
	})
}

func TestMeasure(t *testing.T) {
	before := usage{processors: 2, programs: 1 << 40, interrupts: 1 << 30, idle: 1 << 41}
	for _, c := range []struct {
		name                       string
		own                        float64
		programs, interrupts, idle int64 // ticks in 200 ms, of 40
		apart                      bool
		others, idleWant           float64
	}{
		{"interrupts within a program's time", 1, 32, 4, 4, false, 0.8, 0.2},
		{"interrupts apart", 1, 32, 8, 0, true, 0.75, 0},
		{"alone, interrupts apart", 1.4, 28, 12, 0, true, 0, 0},
		{"nothing is counted", 1, 0, 0, 0, false, -1, 0},
		{"nothing is counted but once", 1, 0, 0, 0, true, 0, 0},
	} {
		after := before
		after.programs += c.programs
		after.interrupts += c.interrupts
		after.idle += c.idle
		after.apart = c.apart
		l := load{own: c.own}
		l.measure(before, after, 200*time.Millisecond)
		if math.Abs(l.others-c.others) > 1e-9 || math.Abs(l.idle-c.idleWant) > 1e-9 || l.processors != 2 {
			t.Errorf("%s: got %+v, want others %g, idle %g", c.name, l, c.others, c.idleWant)
		}
	}
}
