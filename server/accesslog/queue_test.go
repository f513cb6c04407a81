package accesslog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipe is a pipe whose reader can hang, be slow or be gone.
type pipe struct {
	mu    sync.Mutex
	text  bytes.Buffer
	times []time.Time   // of each write
	gate  chan struct{} // a write waits until it is closed; nil is open
	delay time.Duration
	err   error
	short int // how many bytes a write takes before err
}

func (p *pipe) Write(b []byte) (int, error) {
	p.mu.Lock()
	gate := p.gate
	p.mu.Unlock()
	if gate != nil {
		<-gate
	}
	time.Sleep(p.delay)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.times = append(p.times, time.Now())
	if p.err != nil {
		p.text.Write(b[:p.short])
		return p.short, p.err
	}
	return p.text.Write(b)
}

func (p *pipe) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// write hands the queue a record, and fails the test if that takes longer or shorter than want.
func write(t *testing.T, q *Queue, record string, want time.Duration) {
	t.Helper()
	start := time.Now()
	if n, err := q.Write([]byte(record)); n != len(record) || err != nil {
		t.Errorf("Write = %d, %v", n, err)
	}
	if got := time.Since(start); got != want {
		t.Errorf("Write took %v, want %v", got, want)
	}
}

// kib is a record of 1 KiB.
var kib = strings.Repeat("x", 1023) + "\n"

// fill writes records of 1 KiB until the queue is full. The first is taken by the writer at once, and
// counts as waiting until it is written.
func fill(t *testing.T, q *Queue) {
	t.Helper()
	for range queueSize / len(kib) {
		write(t, q, kib, 0)
	}
}

func TestRecordsComeOutWholeAndInOrder(t *testing.T) {
	synctest.Test(t, recordsComeOutWholeAndInOrder) // in which no machine is too slow to write them
}

func recordsComeOutWholeAndInOrder(t *testing.T) {
	var out pipe
	q := NewQueue(&out, JSON, time.Now)
	const writers, records = 16, 2000
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := range records {
				fmt.Fprintf(q, "%d %d %s\n", w, i, strings.Repeat("-", i%200))
			}
		})
	}
	group.Wait()
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	var next [writers]int
	for line := range strings.Lines(out.String()) {
		var w, i int
		if _, err := fmt.Sscanf(line, "%d %d", &w, &i); err != nil || !strings.HasSuffix(line, strings.Repeat("-", i%200)+"\n") {
			t.Fatalf("torn record %q, %v", line, err)
		}
		if i != next[w] {
			t.Fatalf("writer %d: record %d where %d was due", w, i, next[w])
		}
		next[w]++
	}
	for w, n := range next {
		if n != records {
			t.Errorf("writer %d: %d records, want %d", w, n, records)
		}
	}
}

func TestTheFirstRecordIsWrittenAtOnceAndNoneLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out pipe
		q := NewQueue(&out, JSON, time.Now)
		start := time.Now()
		for range 50 {
			write(t, q, "a\n", 0)
			time.Sleep(time.Millisecond)
		}
		time.Sleep(100 * time.Millisecond)
		if got := out.String(); got != strings.Repeat("a\n", 50) {
			t.Errorf("100 ms later only %q was written", got)
		}
		if out.times[0] != start || len(out.times) != 6 {
			t.Errorf("%d writes from %v on, want one at once and one each %v", len(out.times), out.times[0].Sub(start), pause)
		}
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestAPieceIsWrittenWithoutWaitingForMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out pipe
		q := NewQueue(&out, JSON, time.Now)
		write(t, q, "first\n", 0)
		synctest.Wait()
		for range pieceSize / len(kib) {
			write(t, q, kib, 0)
		}
		synctest.Wait()
		if got, want := len(out.String()), pieceSize+len("first\n"); got != want {
			t.Errorf("%d bytes written, want %d", got, want)
		}
		_ = q.Close()
	})
}

func TestAStuckPipeCostsOneSecondOnceAndIsReportedWhenItMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := pipe{gate: make(chan struct{})}
		q := NewQueue(&out, Text, func() time.Time { return night })
		fill(t, q)
		write(t, q, "lost 1\n", roomTimeout)
		write(t, q, "lost 2\n", 0) // nothing has moved since: nobody waits for it again
		if got := q.Dropped(); got != 2 {
			t.Errorf("Dropped = %d, want 2", got)
		}
		close(out.gate)
		synctest.Wait()
		write(t, q, "later\n", 0)
		if err := q.Close(); err != nil {
			t.Error(err)
		}
		want := strings.Repeat(kib, queueSize/len(kib)) +
			"[21/Nov/2026 00:53:00] warn: 2 log records were dropped: the log was not read fast enough\nlater\n"
		if got := out.String(); got != want {
			t.Errorf("got %d bytes that end in %q, want %d", len(got), got[max(0, len(got)-200):], len(want))
		}
	})
}

func TestASlowPipeLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := pipe{delay: 300 * time.Millisecond} // for each piece of 64 KiB
		q := NewQueue(&out, JSON, time.Now)
		for range 2 * queueSize / len(kib) {
			_, _ = q.Write([]byte(kib))
		}
		if err := q.Sync(); err == nil {
			t.Error("Sync: 4 MiB were written within two seconds")
		}
		time.Sleep(time.Minute)
		if got := len(out.String()); got != 2*queueSize || q.Dropped() != 0 {
			t.Errorf("%d of %d bytes written, %d records dropped", got, 2*queueSize, q.Dropped())
		}
		_ = q.Close()
	})
}

func TestManyWaitForTheSameRoomAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := pipe{gate: make(chan struct{})}
		q := NewQueue(&out, JSON, time.Now)
		fill(t, q)
		var group sync.WaitGroup
		for range 100 {
			group.Go(func() { write(t, q, kib, 500*time.Millisecond) })
		}
		time.Sleep(500 * time.Millisecond)
		close(out.gate)
		group.Wait()
		if err := q.Close(); err != nil || q.Dropped() != 0 {
			t.Errorf("Close: %v; %d records dropped", err, q.Dropped())
		}
		if got, want := len(out.String()), queueSize+100*len(kib); got != want {
			t.Errorf("%d bytes written, want %d", got, want)
		}
	})
}

func TestCloseIsBoundedWhenThePipeIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := pipe{gate: make(chan struct{})}
		q := NewQueue(&out, JSON, time.Now)
		write(t, q, "a\n", 0)
		start := time.Now()
		err := q.Close()
		if got := time.Since(start); err == nil || got != flushTimeout {
			t.Errorf("Close = %v after %v, want an error after %v", err, got, flushTimeout)
		}
		write(t, q, "too late\n", 0)
		if got := q.Dropped(); got != 1 {
			t.Errorf("Dropped = %d, want 1", got)
		}
		close(out.gate)
	})
}

func TestCloseWakesThoseWhoWaitForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := pipe{gate: make(chan struct{})}
		q := NewQueue(&out, JSON, time.Now)
		fill(t, q)
		go write(t, q, "a\n", 300*time.Millisecond)
		time.Sleep(300 * time.Millisecond)
		_ = q.Close()
		if got := q.Dropped(); got != 1 {
			t.Errorf("Dropped = %d, want 1", got)
		}
		close(out.gate)
	})
}

func TestSyncWritesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out pipe
		q := NewQueue(&out, JSON, time.Now)
		if err := q.Sync(); err != nil {
			t.Error(err)
		}
		for _, record := range []string{"a\n", "b\n"} {
			write(t, q, record, 0)
			start := time.Now()
			if err := q.Sync(); err != nil || time.Since(start) != 0 || !strings.HasSuffix(out.String(), record) {
				t.Errorf("Sync = %v after %v, written %q", err, time.Since(start), out.String())
			}
		}
		_ = q.Close()
	})
}

func TestRecordsThatTheDiskRefusesAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := pipe{err: errors.New("no space left on device"), short: 2}
		q := NewQueue(&out, Text, func() time.Time { return night })
		write(t, q, "a\nbc\nde\n", 0) // the disk takes the first of three lines
		if err := q.Sync(); err != nil {
			t.Error(err)
		}
		if got := q.Dropped(); got != 2 {
			t.Errorf("Dropped = %d, want 2", got)
		}
		out.err = nil
		write(t, q, "f\n", 0)
		if err := q.Close(); err != nil {
			t.Error(err)
		}
		want := "a\nf\n[21/Nov/2026 00:53:00] warn: 2 log records were dropped: the log was not read fast enough\n"
		if got := out.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestARecordLargerThanTheQueueIsDroppedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(io.Discard, JSON, time.Now)
		write(t, q, strings.Repeat("x", queueSize)+"\n", 0)
		if got := q.Dropped(); got != 1 {
			t.Errorf("Dropped = %d, want 1", got)
		}
		_ = q.Close()
	})
}

func TestPiecesEndAtALineEnd(t *testing.T) {
	long := strings.Repeat("y", 2*pieceSize) + "\n"
	for _, c := range []struct{ batch, want string }{
		{"a\nb\n", "a\nb\n"},
		{strings.Repeat(kib, 100), strings.Repeat(kib, 64)},
		{kib + long, kib},
		{long + kib, long},
	} {
		if got := wholeLines([]byte(c.batch)); string(got) != c.want {
			t.Errorf("a piece of %d bytes, want %d", len(got), len(c.want))
		}
	}
}

func TestABurstGivesItsMemoryBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(io.Discard, JSON, time.Now)
		for range 2 * queueSize / len(kib) {
			_, _ = q.Write([]byte(kib))
		}
		time.Sleep(2 * pause)
		synctest.Wait() // the writer sleeps
		if got := cap(q.pending); got > keptSize {
			t.Errorf("%d bytes are kept, want at most %d", got, keptSize)
		}
		_ = q.Close()
	})
}

// BenchmarkQueueWrite is the cost of one record to whoever serves, with a writer that is busy: the mutex
// and the copy. The pipe is the null device.
func BenchmarkQueueWrite(b *testing.B) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = null.Close() }()
	q := NewQueue(null, JSON, time.Now)
	record := []byte(strings.Repeat("x", 350) + "\n")
	b.ReportAllocs()
	for b.Loop() {
		_, _ = q.Write(record)
	}
	if err := q.Close(); err != nil {
		b.Error(err)
	}
	b.ReportMetric(float64(q.Dropped()), "dropped")
}

// BenchmarkQueueWriteParallel has a writer of records on each processor.
func BenchmarkQueueWriteParallel(b *testing.B) {
	q := NewQueue(io.Discard, JSON, time.Now)
	record := []byte(strings.Repeat("x", 350) + "\n")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_, _ = q.Write(record)
		}
	})
	_ = q.Close()
}
