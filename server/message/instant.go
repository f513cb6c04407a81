package message

import "time"

// began is when the program did.
var began = time.Now()

// beginning is the Instant of began.
const beginning = 1 << 60

// Instant is a time as a number above 0 that an atomic can hold: nanoseconds by the monotonic clock, so that nobody waits
// longer or shorter when the clock is set. Nanoseconds since 1970 would not tell.
func Instant(t time.Time) int64 { return beginning + int64(t.Sub(began)) }

// TimeOf is the time of an Instant.
func TimeOf(instant int64) time.Time { return began.Add(time.Duration(instant - beginning)) }
