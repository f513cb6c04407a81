package budget

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestNothingIsHeldBeyondTheLimit: neither of a part nor of the whole, and what was refused takes nothing.
func TestNothingIsHeldBeyondTheLimit(t *testing.T) {
	whole := New(100)
	large, small := whole.Part(80), whole.Part(30)
	for _, c := range []struct {
		from  *Budget
		n     int64
		taken bool
		used  int64
	}{
		{large, 81, false, 0},
		{large, 80, true, 80},
		{large, 1, false, 80},
		{small, 21, false, 80},
		{small, 20, true, 100},
		{whole, 1, false, 100},
		{small, 0, true, 100},
		{small, 1 << 62, false, 100},
	} {
		if taken := c.from.TryAcquire(c.n); taken != c.taken {
			t.Errorf("%d: taken %v", c.n, taken)
		}
		if used, limit := whole.Use(); used != c.used || limit != 100 {
			t.Errorf("%d: %d of %d are used, want %d", c.n, used, limit, c.used)
		}
	}
	large.Release(80)
	small.Release(20)
	for _, b := range []*Budget{whole, large, small} {
		if used, _ := b.Use(); used != 0 {
			t.Errorf("%d are used in the end", used)
		}
	}
}

// TestOnShort: it is told where the whole has too little, not where a part is used up.
func TestOnShort(t *testing.T) {
	told := 0
	whole := New(100)
	whole.OnShort(func() { told++ })
	part := whole.Part(50)
	for _, c := range []struct {
		from *Budget
		n    int64
		told int
	}{{part, 51, 0}, {part, 50, 0}, {part, 1, 0}, {whole, 50, 0}, {whole, 1, 1}} {
		if c.from.TryAcquire(c.n); told != c.told {
			t.Errorf("%d: told %d times, want %d", c.n, told, c.told)
		}
	}
	part.Release(10)
	whole.Release(50)
	if whole.TryAcquire(61); told != 2 {
		t.Errorf("told %d times, want 2", told)
	}
	var none *Budget
	none.OnShort(nil)
}

func TestANilBudgetHasNoLimit(t *testing.T) {
	var none *Budget
	if !none.TryAcquire(1<<62) || none.Acquire(t.Context(), 1<<62) != nil {
		t.Error("there is a limit")
	}
	none.Release(1 << 62)
	if used, _ := none.Use(); used != 0 {
		t.Errorf("%d are used", used)
	}
	if part := none.Part(10); part.TryAcquire(11) {
		t.Error("a part of it has no limit")
	}
}

// TestAcquireWaits until there is memory, at most Patience, and for no one who has gone.
func TestAcquireWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(10).Part(10)
		b.TryAcquire(10)
		var waiting sync.WaitGroup
		for range 2 {
			waiting.Go(func() {
				if err := b.Acquire(t.Context(), 5); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		b.Release(4)
		b.Release(6)
		waiting.Wait()
		start := time.Now()
		if err := b.Acquire(t.Context(), 1); err != ErrFull || time.Since(start) != Patience {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		gone, leave := context.WithCancel(t.Context())
		leave()
		if err := b.Acquire(gone, 1); !errors.Is(err, context.Canceled) {
			t.Errorf("of a request whose client has gone: %v", err)
		}
		if used, _ := b.Use(); used != 10 {
			t.Errorf("%d are used", used)
		}
	})
}

func TestFullAsksToComeAgain(t *testing.T) {
	if resp := Full(); resp.Status != 503 || resp.Fields.Get("Retry-After") != "1" || !errors.Is(resp.Err, ErrFull) {
		t.Errorf("got %+v", resp)
	}
}
