package server

import (
	"sync/atomic"
	"time"
)

const (
	// maxResting is how many goroutines wait for another connection at most; what they hold is their stacks,
	// of 8 KiB or so.
	maxResting = 64
	// restTime is how long one waits.
	restTime = time.Second
)

// workers are goroutines that serve connections, one after the other. One that has served a connection has a
// stack as large as that takes; a new one grows its own twice, which is a tenth of what a connection with a
// single request costs outside the kernel.
type workers[T any] struct {
	work    func(T)
	next    chan T // to one that rests
	resting atomic.Int32
}

func newWorkers[T any](work func(T)) *workers[T] { return &workers[T]{work: work, next: make(chan T)} }

// start has a worker take one on: one that rests, or a new one.
func (w *workers[T]) start(one T) {
	select {
	case w.next <- one:
	default:
		go w.run(one)
	}
}

// close ends those that rest, now and later. It comes after the last start.
func (w *workers[T]) close() { close(w.next) }

func (w *workers[T]) run(one T) {
	for more := true; more; one, more = w.rest() {
		w.work(one)
	}
}

// rest waits for another one, restTime at most, and reports false where none comes or enough others rest.
func (w *workers[T]) rest() (next T, more bool) {
	defer w.resting.Add(-1)
	if w.resting.Add(1) > maxResting {
		return next, false
	}
	timer := time.NewTimer(restTime)
	defer timer.Stop()
	select {
	case next, more = <-w.next:
		return next, more
	case <-timer.C:
		return next, false
	}
}
