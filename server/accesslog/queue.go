package accesslog

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// queueSize is how many bytes of records may wait for the pipe.
	queueSize = 4 << 20
	// pieceSize is how much is written at once: as much as a Linux pipe holds. Room appears with each piece,
	// so a slow reader keeps the queue moving.
	pieceSize = 64 << 10
	// pause is how long records are gathered after a write before the next one; a piece's worth ends it. The
	// first record after a quiet time is written at once, and none is ever held back for 100 ms.
	pause = 10 * time.Millisecond
	// roomTimeout is how long Write waits for room in a full queue.
	roomTimeout = time.Second
	// flushTimeout bounds Sync and Close.
	flushTimeout = 2 * time.Second
	// keptSize is the largest buffer kept while nothing is logged; a larger one was for a burst.
	keptSize = 256 << 10
)

// Queue is the asynchronous writer beneath a log: an io.Writer and zapcore.WriteSyncer for whole records.
// Records are written in the order of their Write calls, never interleaved and never split; one that
// finds no room is dropped whole and counted.
type Queue struct {
	out      io.Writer
	report   func(dropped uint64) []byte
	wake     chan struct{} // ends the writer's sleep or pause; holds one token
	closing  chan struct{} // closed by Close: no more pauses
	finished chan struct{} // closed when the writer has ended
	dropped  atomic.Uint64

	mu      sync.Mutex
	pending []byte        // records that the writer has not taken yet
	queued  uint64        // bytes taken in since the start
	done    uint64        // bytes written or lost since the start
	moved   chan struct{} // closed at the next change of done; nil while nobody waits for it
	// unreported counts the drops that no line in the log has told of.
	unreported uint64
	// stuck is set when a record waited in vain while nothing at all was written, until something is. No
	// other record waits meanwhile: a reader of the log that hangs must not slow down the serving.
	stuck bool
	// slow is set when flush waited in vain while nothing at all was written, until something is: the next
	// does not wait.
	slow bool
	// asleep is set when the writer waits for a record without a timer.
	asleep bool
	closed bool
}

// NewQueue returns a Queue that writes to out, and starts its writer; Close ends it. The line that tells
// of dropped records is in the given format; now is its clock.
func NewQueue(out io.Writer, format Format, now func() time.Time) *Queue {
	q := &Queue{
		out:      out,
		report:   dropReport(format, now),
		wake:     make(chan struct{}, 1),
		closing:  make(chan struct{}),
		finished: make(chan struct{}),
	}
	go q.writeRecords()
	return q
}

// Dropped counts the records that never reached the pipe, for previewd_log_records_dropped_total.
func (q *Queue) Dropped() uint64 { return q.dropped.Load() }

// Write takes a copy of a record, which ends in a line feed. When the queue is full it waits up to a
// second for room, then drops the record. It reports no error: whoever logs can do nothing about it.
func (q *Queue) Write(record []byte) (int, error) {
	q.mu.Lock()
	if !q.fits(len(record)) && !q.waitForRoom(len(record)) {
		q.drop(1)
		q.mu.Unlock()
		return len(record), nil
	}
	before := len(q.pending)
	q.pending = append(q.pending, record...)
	q.queued += uint64(len(record))
	// A writer that is busy or pauses looks again by itself, so only these records cost a wake-up.
	due := q.asleep || before < pieceSize && len(q.pending) >= pieceSize
	q.asleep = false
	q.mu.Unlock()
	if due {
		q.wakeWriter()
	}
	return len(record), nil
}

// Sync waits until all records taken in before are written, at most two seconds.
func (q *Queue) Sync() error { return q.flush(flushTimeout) }

// flush waits until all records taken in before are written, at most limit. It does not wait for a reader
// that hangs.
func (q *Queue) flush(limit time.Duration) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	target := q.queued
	if q.stuck || q.slow || q.done >= target {
		return nil
	}
	before := q.done
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	q.asleep = false
	q.wakeWriter()
	for q.done < target {
		if !q.waitForMove(timeout.C) && q.done < target {
			q.slow = q.done == before
			return fmt.Errorf("writing the log: %d bytes not taken within %v", target-q.done, limit)
		}
	}
	return nil
}

// Close writes what is left and ends the writer, within two seconds: the reader of the log may hang.
// Records written afterwards are dropped. The writer beneath is not closed.
func (q *Queue) Close() error {
	q.mu.Lock()
	if !q.closed {
		q.closed = true
		close(q.closing)
	}
	q.notifyMoved()
	q.mu.Unlock()
	timeout := time.NewTimer(flushTimeout)
	defer timeout.Stop()
	select {
	case <-q.finished:
		return nil
	case <-timeout.C:
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return fmt.Errorf("closing the log: %d bytes not taken within %v", q.queued-q.done, flushTimeout)
}

// fits says whether n more bytes may wait. q.mu is held, as in all that follow but for the writer's own.
func (q *Queue) fits(n int) bool {
	return !q.closed && q.queued-q.done+uint64(n) <= queueSize
}

// waitForRoom waits until n bytes fit, and says whether they do.
func (q *Queue) waitForRoom(n int) bool {
	if q.closed || q.stuck || n > queueSize {
		return false
	}
	timeout := time.NewTimer(roomTimeout)
	defer timeout.Stop()
	before := q.done
	for !q.closed && !q.fits(n) {
		if !q.waitForMove(timeout.C) {
			q.stuck = q.done == before
			break
		}
	}
	return q.fits(n)
}

// waitForMove releases q.mu until done changes or the queue is closed, and says whether that was before
// the timeout.
func (q *Queue) waitForMove(timeout <-chan time.Time) bool {
	if q.moved == nil {
		q.moved = make(chan struct{})
	}
	moved := q.moved
	q.mu.Unlock()
	defer q.mu.Lock()
	select {
	case <-moved:
		return true
	case <-timeout:
		return false
	}
}

func (q *Queue) notifyMoved() {
	if q.moved != nil {
		close(q.moved)
		q.moved = nil
	}
}

func (q *Queue) drop(records uint64) {
	q.dropped.Add(records)
	q.unreported += records
}

func (q *Queue) wakeWriter() {
	select {
	case q.wake <- struct{}{}:
	default: // it has a token already and will look
	}
}

// writeRecords is the writer: it ends when the queue is closed and empty.
func (q *Queue) writeRecords() {
	defer close(q.finished)
	timer := time.NewTimer(pause)
	defer timer.Stop()
	batch := q.take(nil)
	for len(batch) > 0 {
		q.write(batch)
		timer.Reset(pause)
		select {
		case <-q.wake:
		case <-q.closing:
		case <-timer.C:
		}
		batch = q.take(batch)
	}
}

// take sleeps until there are records and returns them; none when the queue is closed. The buffer of the
// last batch collects the next records.
func (q *Queue) take(last []byte) []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.pending) == 0 && !q.closed {
		last, q.pending = shrink(last), shrink(q.pending)
		q.asleep = true
		q.mu.Unlock()
		select {
		case <-q.wake:
		case <-q.closing:
		}
		q.mu.Lock()
	}
	q.asleep = false
	batch := q.pending
	q.pending = last[:0]
	return batch
}

// shrink drops a buffer that grew in a burst.
func shrink(buf []byte) []byte {
	if cap(buf) > keptSize {
		return nil
	}
	return buf
}

// write writes a batch piece by piece.
func (q *Queue) write(batch []byte) {
	for len(batch) > 0 {
		piece := wholeLines(batch)
		n, err := q.out.Write(piece)
		q.settle(piece, n, err)
		batch = batch[len(piece):]
	}
}

// wholeLines returns the lines at the beginning of batch that make up a piece, at least one.
func wholeLines(batch []byte) []byte {
	if len(batch) <= pieceSize {
		return batch
	}
	if i := bytes.LastIndexByte(batch[:pieceSize], '\n'); i >= 0 {
		return batch[:i+1]
	}
	if i := bytes.IndexByte(batch, '\n'); i >= 0 {
		return batch[:i+1]
	}
	return batch
}

// settle makes the room of a piece free, of which n bytes were written, and reports the records dropped.
// The report stands where they would have: behind all that were in the queue before them.
func (q *Queue) settle(piece []byte, n int, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.done += uint64(len(piece))
	q.notifyMoved()
	if err != nil { // a full disk, or nobody at the other end: the next piece tries again
		q.drop(uint64(bytes.Count(piece[n:], []byte{'\n'})))
		return
	}
	q.stuck, q.slow = false, false
	if q.unreported > 0 {
		line := q.report(q.unreported)
		q.unreported = 0
		q.pending = append(q.pending, line...)
		q.queued += uint64(len(line))
	}
}
