package cgi

import (
	"testing"
	"testing/synctest"
	"time"
)

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
