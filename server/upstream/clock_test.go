package upstream

import (
	"testing"
	"testing/synctest"
	"time"
)

// Law: the time is over when the server has been silent for the limit, to the moment, and the client's time is not its own.
func TestTheClockOfAServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var over time.Duration
		looks := 0
		c := clock{limit: time.Minute, over: func() { over = time.Since(began) }, later: func() { looks++ }}
		c.begin(began, time.Second)
		time.Sleep(50 * time.Second)
		c.heard()
		time.Sleep(50 * time.Second)
		c.awaitClient(true)
		time.Sleep(10 * time.Minute)
		c.awaitClient(true) // the other direction
		time.Sleep(10 * time.Minute)
		c.awaitClient(false)
		time.Sleep(10 * time.Minute)
		c.awaitClient(false)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if want := 50*time.Second*2 + 30*time.Minute + time.Minute; over != want || looks == 0 {
			t.Errorf("over after %v, want %v; %d looks", over, want, looks)
		}

		stopped := clock{limit: 50 * time.Millisecond, over: func() { t.Error("over after it was stopped") }, later: func() {}}
		stopped.begin(time.Now(), time.Second)
		stopped.stop()
		time.Sleep(time.Hour)
		synctest.Wait()
	})
}
