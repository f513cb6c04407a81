package message

import "time"

// Gate limits how many goroutines are inside at the same time. A nil Gate has no limit.
//
// It is for system calls that may wait for a disk: each of them takes a thread, the kernel gives a container
// no more of these than its limit of tasks (pids.max), and a Go program that is refused one dies.
type Gate chan struct{}

// NewGate returns a Gate for n goroutines.
func NewGate(n int) Gate { return make(Gate, n) }

// Enter waits until there is room. Each Enter is followed by one Leave.
func (g Gate) Enter() {
	if g != nil {
		g <- struct{}{}
	}
}

// GatePatience is how long a request waits where nobody leaves a Gate, as on a mount that hangs: longer than any disk that
// answers takes, and less than the 30 s after which proxies give up.
const GatePatience = 10 * time.Second

// EnterInTime is Enter for a request: it gives up after GatePatience, and says whether there was room.
func (g Gate) EnterInTime() bool {
	if g == nil {
		return true
	}
	select {
	case g <- struct{}{}:
		return true
	default:
	}
	timer := time.NewTimer(GatePatience)
	defer timer.Stop()
	select {
	case g <- struct{}{}:
		return true
	case <-timer.C:
		return false
	}
}

// Leave makes room for another goroutine.
func (g Gate) Leave() {
	if g != nil {
		<-g
	}
}
