package reload

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// spent returns how long a processor was busy with do. On a mount that is slow to answer that is less than the time that
// passes.
func spent(do func()) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, known := busy()
	began := time.Now()
	do()
	after, knownToo := busy()
	if !known || !knownToo {
		return time.Since(began)
	}
	return after - before
}

func busy() (d time.Duration, known bool) {
	var t unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t)
	return time.Duration(t.Nano()), err == nil
}
