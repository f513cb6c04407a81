package message

// Gate bounds how many goroutines are inside at a time. A nil Gate bounds nothing.
//
// It is for system calls that may wait for a disk: each of them takes a thread, the kernel gives a container
// no more of these than its limit of tasks (pids.max), and a Go program that is refused one dies.
type Gate chan struct{}

// NewGate returns a Gate for n goroutines at a time.
func NewGate(n int) Gate { return make(Gate, n) }

// Enter waits until there is room. Leave follows once.
func (g Gate) Enter() {
	if g != nil {
		g <- struct{}{}
	}
}

// Leave makes room for another.
func (g Gate) Leave() {
	if g != nil {
		<-g
	}
}
