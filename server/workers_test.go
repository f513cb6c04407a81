package server

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Law: everything that is started is worked on at once, whoever rests; and those who rest go away.
func TestWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var begun, ended sync.WaitGroup
		release := make(chan struct{})
		w := newWorkers(func(int) {
			begun.Done()
			<-release
			ended.Done()
		})
		defer w.close()
		for _, atOnce := range []int{1, maxResting, 2 * maxResting, 3} {
			begun.Add(atOnce)
			ended.Add(atOnce)
			for i := range atOnce {
				w.start(i)
			}
			begun.Wait() // all at once: nothing is released before
			for range atOnce {
				release <- struct{}{}
			}
			ended.Wait()
			synctest.Wait()
			if n := int(w.resting.Load()); n < min(atOnce, maxResting) || n > maxResting {
				t.Errorf("%d goroutines rest after %d at once, want at most %d", n, atOnce, maxResting)
			}
		}
		time.Sleep(2 * restTime) // of the test's clock
		synctest.Wait()
		if n := w.resting.Load(); n != 0 {
			t.Errorf("%d goroutines still rest", n)
		}
	})
}
