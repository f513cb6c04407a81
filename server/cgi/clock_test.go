package cgi

import (
	"testing"
	"testing/synctest"
	"time"
)

// Law: a client is waited for as long as it keeps the pace, and for a while behind it.
func TestPatienceEndsWithAClientBehindThePace(t *testing.T) {
	type step struct {
		takes time.Duration
		bytes int
	}
	again := func(n int, steps ...step) (all []step) {
		for range n {
			all = append(all, steps...)
		}
		return all
	}
	for name, c := range map[string]struct {
		steps []step
		want  time.Duration // from the beginning; 0: it never ends
	}{
		"fast":             {again(1000, step{time.Millisecond, 32 << 10}), 0},
		"at_the_pace":      {again(1000, step{time.Second, minRate}), 0},
		"a_third_of_it":    {again(1000, step{3 * time.Second, minRate}), 44 * time.Second},
		"a_byte_a_time":    {again(1000, step{20 * time.Second, 1}), 30 * time.Second},
		"a_pause":          {again(5, step{29 * time.Second, 64 << 10}), 0},
		"nothing_is_saved": {append(again(100, step{0, 32 << 10}), step{time.Hour, 0}), 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				var ended time.Duration
				p := newPatience(30*time.Second, func() { ended = time.Since(began) })
				for _, s := range c.steps {
					n, err := p.wait(func() (int, error) { time.Sleep(s.takes); return s.bytes, nil })
					if n != s.bytes || err != nil {
						t.Errorf("wait = %d, %v", n, err)
					}
					if synctest.Wait(); ended != 0 {
						break
					}
				}
				if ended.Round(time.Second/10) != c.want {
					t.Errorf("ended after %v, want %v", ended, c.want)
				}
			})
		})
	}
}

// Law: the clock ends after the time for which the script, and nobody else, was waited for.
func TestClockStandsStillWhileTheClientIsWaitedFor(t *testing.T) {
	for name, c := range map[string]struct {
		play func(c *clock)
		want time.Duration // from the beginning; 0: it never ends
	}{
		"script": {func(c *clock) { c.awaitScript(true) }, 10 * time.Second},
		"never":  {func(c *clock) {}, 0},
		"in_parts": {func(c *clock) {
			for range 3 {
				c.awaitScript(true)
				time.Sleep(3 * time.Second)
				c.awaitScript(false)
				time.Sleep(time.Hour)
			}
			c.awaitScript(true)
		}, 3*time.Hour + 10*time.Second},
		"slow_upload": {func(c *clock) {
			c.awaitScript(true)
			time.Sleep(9 * time.Second)
			c.awaitClient(true)
			time.Sleep(time.Hour)
			c.awaitClient(false)
		}, time.Hour + 10*time.Second},
		"stopped_at_the_last_moment": {func(c *clock) {
			c.awaitScript(true)
			time.Sleep(10*time.Second - 1)
			c.awaitScript(false)
			c.awaitClient(true)
			c.awaitScript(true)
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				var ended time.Duration
				clock := newClock(10*time.Second, func() { ended = time.Since(began) })
				c.play(clock)
				time.Sleep(24 * time.Hour)
				synctest.Wait()
				if ended != c.want {
					t.Errorf("ended after %v, want %v", ended, c.want)
				}
			})
		})
	}
}
