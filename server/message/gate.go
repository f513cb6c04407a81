package message

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

// Leave makes room for another goroutine.
func (g Gate) Leave() {
	if g != nil {
		<-g
	}
}
