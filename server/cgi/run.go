package cgi

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/previewd/previewd/server/message"
)

// Why a script was killed.
var (
	errTimeout = errors.New("the script took too long")
	errGone    = errors.New("the client is gone")
	errContent = errors.New("the request's content ended early")
	errSlow    = errors.New("the request's content did not come, or too slowly")
	errSlack   = errors.New("the client took the answer too slowly")

	errUnfinished = errors.New("the answer was not finished")
)

// run is one script that runs for a request.
type run struct {
	handler *Handler
	request *message.Request
	noted   *message.Request
	script  *script
	process *process
	stdout  *output
	clock   *clock
	began   time.Time

	stopFeed context.CancelFunc
	fed      chan struct{} // closed when nobody uses the request's Content or Watcher any more
	logged   chan struct{} // closed when standard error has been read to its end
	release  []func() bool // what must not call stop any more

	mu      sync.Mutex
	stopped error   // why it was killed
	failure Failure // the first that was found
}

// run runs a script for a request up to its head, and answers with it. It takes over a slot.
func (h *Handler) run(ctx context.Context, r *message.Request, x exchange, s *script, c command) message.Response {
	p := &run{handler: h, request: r, noted: x.noted, script: s, began: time.Now(),
		fed: make(chan struct{}), logged: make(chan struct{})}
	h.runs.Add(1)
	c.started, c.ended, c.orphans = h.Started, p.leaveSlot, h.orphans
	var err error
	if p.process, err = start(c); err != nil {
		h.runs.Done()
		<-h.slots
		h.memory.Release(cost)
		return h.notStarted(x, s, err)
	}
	p.stdout = &output{file: p.process.stdout, exited: p.process.exited}
	p.clock = newClock(h.Timeout, func() { p.stop(TimedOut, errTimeout) })
	p.release = append(p.release,
		context.AfterFunc(ctx, func() { p.stop(reason(ctx)) }),
		context.AfterFunc(h.ended, func() { p.stop(Stopped, message.ErrStopping) }))
	feed, stopFeed := context.WithCancel(context.Background())
	p.stopFeed = stopFeed
	go p.feed(feed)
	go p.logErrors()

	p.clock.awaitScript(true)
	head, rest, err := readHead(p.stdout)
	p.clock.awaitScript(false)
	switch {
	case err != nil:
		return p.refuse(err)
	case head.isLocal():
		return p.redirect(ctx, x, head.location)
	}
	resp := head.response()
	resp.Body = &body{run: p, rest: rest, length: head.length}
	return resp
}

// reason tells why a request's context has ended.
func reason(ctx context.Context) (Failure, error) {
	if errors.Is(context.Cause(ctx), message.ErrStopping) {
		return Stopped, message.ErrStopping
	}
	return Gone, errGone
}

// leaveSlot makes room for another script when this one has ended: its client may still take the answer.
func (p *run) leaveSlot() {
	if p.handler.Ended != nil {
		p.handler.Ended(time.Since(p.began))
	}
	<-p.handler.slots
}

// refuse answers for a script whose head is not valid, or that was killed before it was there.
func (p *run) refuse(err error) message.Response {
	p.stop(BadHead, fmt.Errorf("invalid answer: %w", err))
	p.close()
	return p.answerFor(p.whyStopped()).Response()
}

// answerFor is what a client is told, if it still can be, of what went wrong.
func (p *run) answerFor(err error) *message.Failure {
	f := &message.Failure{Status: 500, Cause: fmt.Errorf("script %q: %w", p.script.name, err)}
	switch {
	case errors.Is(err, errTimeout):
		f.Status = 504
	case errors.Is(err, errContent):
		f.Status, f.Message = 400, "Request content ended early"
	case errors.Is(err, errSlow):
		f.Status = 408
	case errors.Is(err, message.ErrStopping):
		f.Status = 503
	}
	return f
}

// redirect lets the script end, and answers as its local redirect would be.
func (p *run) redirect(ctx context.Context, x exchange, location string) message.Response {
	p.discard()
	p.close()
	if x.redirects++; x.redirects > maxRedirects {
		p.handler.failed(Looped)
		return (&message.Failure{Status: 500, Cause: fmt.Errorf("script %q: more than %d local redirects, the last to %s",
			p.script.name, maxRedirects, shown(location))}).Response()
	}
	return p.handler.serve(ctx, redirected(p.request, location), x)
}

// stop kills the script. The first reason counts.
func (p *run) stop(f Failure, why error) {
	p.mu.Lock()
	if p.stopped == nil {
		p.stopped = why
	}
	p.fail(f)
	p.mu.Unlock()
	p.process.kill()
}

// giveUp kills the script of a client that is too slow. One that has ended is in nobody's way.
func (p *run) giveUp(why error) {
	select {
	case <-p.process.exited:
	default:
		p.stop(Gone, why)
	}
}

// fail notes a failure, unless there is one already. p.mu is held.
func (p *run) fail(f Failure) {
	if p.failure == "" {
		p.failure = f
	}
}

func (p *run) whyStopped() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stopped
}

// feed hands the request's content to the script, and then watches over the client.
func (p *run) feed(ctx context.Context) {
	defer close(p.fed)
	if p.process.stdin != nil {
		err := p.copyContent(ctx)
		// An error of the pipe means that the script does not want more.
		_ = p.process.stdin.Close()
		switch {
		case err == nil || ctx.Err() != nil:
		case errors.Is(err, os.ErrDeadlineExceeded):
			p.stop(Gone, errSlow)
		case errors.Is(err, io.ErrUnexpectedEOF):
			p.stop(Gone, errContent)
		default:
			p.stop(Gone, errGone)
		}
	}
	if p.request.Watcher != nil && p.request.Watcher.AwaitGone(ctx) {
		p.stop(Gone, errGone)
	}
}

// cost is how many bytes a script takes from the Budget: content on its way to it and its answer, the head of that, a line of
// standard error, and what the kernel holds of each in a pipe (pipe(7)).
const cost = 2*copyBuffer + maxHead + maxErrorLine + 64<<10

// share is the share of the Budget that scripts may take.
const share = 3

// copyBuffer is how much of a request's content, and of a script's answer, is held at a time, in bytes.
const copyBuffer = 32 << 10

// copyContent copies the content to the script's standard input, as far as it reads it. An error is one of
// the content.
func (p *run) copyContent(ctx context.Context) error {
	buf := make([]byte, copyBuffer)
	client := newPatience(contentPatience, func() { p.giveUp(errSlow) })
	for {
		p.clock.awaitClient(true)
		n, err := client.wait(func() (int, error) { return p.request.Content.Read(buf) })
		p.clock.awaitClient(false)
		if n > 0 && !p.give(ctx, buf[:n]) {
			return nil
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// give writes a piece of content to the script, which may take its time, and watches over the client meanwhile.
func (p *run) give(ctx context.Context, piece []byte) (taken bool) {
	defer watchOver(ctx, p.request.Watcher, func() { p.stop(Gone, errGone) })()
	_, err := p.process.stdin.Write(piece)
	return err == nil
}

// watchOver calls gone when the client is, until stop is called. Nothing reads from the client meanwhile. A nil
// watcher sees nothing.
func watchOver(ctx context.Context, w message.Watcher, gone func()) (stop func()) {
	if w == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		if w.AwaitGone(ctx) {
			gone()
		}
	}()
	return func() { cancel(); <-watched }
}

// maxErrorLine bounds a line of standard error in the log, in bytes; the rest of a longer one is left out.
const maxErrorLine = 4096

// logErrors logs standard error line by line.
func (p *run) logErrors() {
	defer close(p.logged)
	lines := bufio.NewReaderSize(&output{file: p.process.stderr, exited: p.process.exited}, maxErrorLine)
	for {
		line, long, err := lines.ReadLine()
		if err != nil {
			return
		}
		text := string(line)
		for long && err == nil {
			_, long, err = lines.ReadLine()
		}
		if p.handler.Log != nil && text != "" {
			p.handler.Log(p.script.name, text)
		}
	}
}

// read reads the script's output; the clock runs while it waits. It reports why the script was killed, if
// it was, at the end.
func (p *run) read(b []byte) (int, error) {
	p.clock.awaitScript(true)
	n, err := p.stdout.Read(b)
	p.clock.awaitScript(false)
	if err != nil {
		if why := p.whyStopped(); why != nil {
			return n, why
		}
	}
	return n, err
}

// discard reads the rest of the script's output for nobody.
func (p *run) discard() {
	buf := make([]byte, copyBuffer)
	for {
		if _, err := p.read(buf); err != nil {
			return
		}
	}
}

// close waits until the script has ended, and gives everything back.
func (p *run) close() {
	p.clock.awaitScript(true)
	<-p.process.exited
	p.clock.awaitScript(false)
	for _, release := range p.release {
		release()
	}
	p.stopFeed()
	if c, ok := p.request.Content.(io.Closer); ok {
		// An error means that the connection is closed, which ends a Read as well.
		_ = c.Close()
	}
	<-p.fed
	<-p.logged
	p.process.close()
	h := p.handler
	p.mu.Lock()
	if code := p.process.exitCode(); code != 0 && (p.stopped == nil || p.failure == BadHead && code > 0) {
		p.noted.Notes = append(p.noted.Notes, "CGI script exit code "+strconv.Itoa(code))
		p.fail(Crashed)
	}
	if p.failure != "" {
		h.failed(p.failure)
	}
	p.mu.Unlock()
	h.memory.Release(cost)
	h.runs.Done()
}

// body is the content of a script's answer.
type body struct {
	run     *run
	rest    []byte // what was read with the head
	length  int64  // of Content-Length; -1 without one
	written bool   // WriteTo was called
	err     error  // of WriteTo
}

// Len returns the Content-Length, or -1.
func (b *body) Len() int64 { return b.length }

// WriteTo copies the script's output as it comes. What exceeds its Content-Length is not sent.
func (b *body) WriteTo(w io.Writer) (n int64, err error) {
	b.written, b.err = true, errUnfinished // which a panic of w leaves
	n, b.err = b.copyTo(w)
	return n, b.err
}

func (b *body) copyTo(w io.Writer) (n int64, err error) {
	piece := b.rest
	buf := make([]byte, copyBuffer)
	client := newPatience(answerPatience, func() { b.run.giveUp(errSlack) })
	for {
		if b.length >= 0 {
			piece = piece[:min(int64(len(piece)), b.length-n)]
		}
		if len(piece) > 0 {
			m, err := client.wait(func() (int, error) { return w.Write(piece) })
			n += int64(m)
			if err != nil {
				return n, err
			}
		}
		m, err := b.run.read(buf)
		piece = buf[:m]
		if m > 0 && err == nil {
			continue
		}
		if !errors.Is(err, io.EOF) {
			return n, b.run.answerFor(err)
		}
		if n < b.length {
			return n, b.run.answerFor(fmt.Errorf("its content ended %d bytes before its Content-Length", b.length-n))
		}
		return n, nil
	}
}

// Close ends the run. A script whose content is not wanted, as for HEAD, may finish; one whose answer could not be
// sent is killed.
func (b *body) Close() error {
	if b.err != nil {
		b.run.stop(Gone, b.err)
	}
	if !b.written {
		b.run.discard()
	}
	b.run.close()
	return nil
}
