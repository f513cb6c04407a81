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
	w.work(one)
	timer := time.NewTimer(restTime)
	defer timer.Stop()
	for w.resting.Add(1) <= maxResting {
		timer.Reset(restTime)
		select {
		case next, open := <-w.next:
			w.resting.Add(-1)
			if !open {
				return
			}
			w.work(next)
		case <-timer.C:
			w.resting.Add(-1)
			return
		}
	}
	w.resting.Add(-1)
}
