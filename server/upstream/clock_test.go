package upstream

import (
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/previewd/previewd/server/message"
)

// Law: the time is over when the server has been silent for the limit, to the moment, and the client's time is not its own.
func TestTheClockOfAServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var over time.Duration
		looks := 0
		c := clock{limit: time.Minute, over: func() { over = time.Since(began) }, later: func() { looks++ }}
		c.begin(began, time.Second)
		time.Sleep(50 * time.Second)
		c.heard()
		time.Sleep(50 * time.Second)
		c.awaitClient(true)
		time.Sleep(10 * time.Minute)
		c.awaitClient(true) // the other direction
		time.Sleep(10 * time.Minute)
		c.awaitClient(false)
		time.Sleep(10 * time.Minute)
		c.awaitClient(false)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if want := 50*time.Second*2 + 30*time.Minute + time.Minute; over != want || looks == 0 {
			t.Errorf("over after %v, want %v; %d looks", over, want, looks)
		}

		stopped := clock{limit: 50 * time.Millisecond, over: func() { t.Error("over after it was stopped") }, later: func() {}}
		stopped.begin(time.Now(), time.Second)
		stopped.stop()
		time.Sleep(time.Hour)
		synctest.Wait()
	})
}

// Law: a client that pauses while it sends content takes none of the server's time, however long and often it does.
func TestSlowContentIsNotTheServersTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &exchange{}
		var over atomic.Bool
		x.clock.limit, x.clock.over, x.clock.later = time.Minute, func() { over.Store(true) }, func() {}
		read, write := io.Pipe()
		x.content = &content{exchange: x, from: read, done: make(chan struct{})}
		x.clock.begin(time.Now(), time.Second)
		go func() {
			for range 5 {
				time.Sleep(time.Hour)
				_, _ = write.Write([]byte("piece"))
			}
			_ = write.Close()
		}()
		if all, err := io.ReadAll(x.content); err != nil || len(all) != 5*len("piece") || over.Load() {
			t.Errorf("got %q, %v; over is %v", all, err, over.Load())
		}
		time.Sleep(59 * time.Second)
		if synctest.Wait(); over.Load() {
			t.Error("the server has less than its time for the answer")
		}
		time.Sleep(2 * time.Second)
		if synctest.Wait(); !over.Load() {
			t.Error("the server has more than its time for the answer")
		}
		x.clock.stop()
	})
}

// Law: an interim answer shows that the server is there.
func TestInterimAnswersAreHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &exchange{request: &message.Request{}}
		var over atomic.Bool
		x.clock.limit, x.clock.over, x.clock.later = time.Minute, func() { over.Store(true) }, func() {}
		x.clock.begin(time.Now(), time.Second)
		for range 100 {
			time.Sleep(50 * time.Second)
			if err := x.inform(102, nil); err != nil {
				t.Fatal(err)
			}
		}
		if synctest.Wait(); over.Load() {
			t.Error("the server's time is over though it is heard")
		}
		x.clock.stop()
	})
}
