package message_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/previewd/previewd/server/message"
)

// Law: an Instant is above 0, keeps the order of times, and gives the time back, whatever a test's clock says.
func TestInstant(t *testing.T) {
	law := func(t *testing.T) {
		now := time.Now()
		for _, off := range []time.Duration{-24 * time.Hour, -time.Nanosecond, 0, time.Nanosecond, 24 * time.Hour} {
			instant := message.Instant(now.Add(off))
			if instant <= 0 || instant-message.Instant(now) != int64(off) || message.TimeOf(instant).Sub(now) != off {
				t.Errorf("%v from now is %d, which is %v", off, instant, message.TimeOf(instant).Sub(now))
			}
		}
	}
	law(t)
	synctest.Test(t, law)
}
