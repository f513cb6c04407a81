package processors

import "time"

// usage is how long the processors that this process may use have been used since the system's start, in
// ticks; see proc_stat(5).
type usage struct {
	processors int
	programs   int64 // user, nice, system
	interrupts int64 // irq, softirq
	idle       int64 // idle, iowait
	// apart says that the kernel takes interrupts out of the time of the program that they interrupt. Else the
	// time of a program has those that came while it ran.
	apart bool
}

// tick is USER_HZ, which is 100 on all systems that Go runs on.
const tick = time.Second / 100

// use is what this process has used.
type use struct {
	time  time.Duration // of processors
	waits int64         // how often a thread has left its processor for want of work: voluntary context switches
}

// load is what was used between two looks, in processors.
type load struct {
	own        float64 // by this process
	waits      float64 // of this process, in a second
	others     float64 // by other programs
	idle       float64
	processors int // there are, for this process
}

// Below enough a server has nothing to gain by leaving others a processor; below little, by having left it.
const (
	enough = 0.25
	little = 0.1
)

// matters says whether the process uses so much that it is worth looking at others.
func (l load) matters(lowered bool) bool {
	return l.own >= enough || lowered && l.own >= little
}

// Below few waits in a second of its processor time a process is saturated, above many it is not. Where the next request
// is always there they are about 100, those of the runtime's thread that looks every 10 ms; under a load that a client
// on the same machine almost keeps up, 700 and more, and three times as many if the process is taken for saturated: its
// system calls then wake that thread.
const (
	few  = 400
	many = 3000
)

// saturated says whether the process is saturated: between few and many it is what it was before. A kernel that counts
// no waits does not count them.
func (l load) saturated(before bool) bool {
	waits := l.waits / l.own
	return 0 < waits && waits < few || before && few <= waits && waits <= many
}

// measure sets all but own and waits.
//
// Interrupts, of which a network server has many, belong to programs by their share of the time: those of a
// server that is alone are no other program's. Steal is nobody's: who gets fewer processors from the
// hypervisor gets no more by using fewer.
func (l *load) measure(before, after usage, elapsed time.Duration) {
	since := func(before, after int64) float64 { return rate(time.Duration(after-before)*tick, elapsed) }
	programs := since(before.programs, after.programs)
	busy := programs + since(before.interrupts, after.interrupts)
	l.processors = after.processors
	l.idle = since(before.idle, after.idle)
	l.others = busy - l.own
	if after.apart {
		l.others = 0
		if programs > 0 {
			l.others = busy * (programs - l.own) / programs
		}
	}
}

// rate is the number of processors that were used for so long in all.
func rate(used, elapsed time.Duration) float64 { return used.Seconds() / elapsed.Seconds() }

// Others have the processors that are not used here. They are left one more when they use takeAway of a
// processor beyond those, and less than spare of all is idle: while one is idle nobody is in the way. (Under
// the load of a client on the same machine 5 to 20 % are.) It is taken back when they leave giveBack of a
// processor unused, so that is the most that lies idle. Between the two is 0.2, which is more than a tick in 20
// on each of two processors: a steady load is decided once. A client that is left more uses more.
const (
	takeAway = 0.55
	giveBack = 0.65
	spare    = 0.25
)

// crowd is how much others use beyond what they can be left where they are too many.
const crowd = 0.25

// crowded says whether others take more than they can be left. With one thread among many the server would get
// less than its share, and answers fewer requests, by a tenth, at no less cost.
func (l load) crowded(full int) bool { return l.others > float64(l.processors-least(full))+crowd }

// least is the smallest number of processors to use.
func least(full int) int { return (full + 1) / 2 }

// wanted returns how many processors to use, of the full number that is the default, with n used now: all that
// others do not keep busy, and never less than half.
func wanted(l load, full, n int) int {
	fewest := least(full)
	n = min(max(n, fewest), full)
	free := float64(l.processors) - l.others
	for n < full && free > float64(n)+giveBack {
		n++
	}
	for n > fewest && free < float64(n)-takeAway && l.idle < spare*float64(l.processors) {
		n--
	}
	return n
}
