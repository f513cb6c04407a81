package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/previewd/previewd/server"
)

// repeatTime is how long a signal may come again and count as the same one: some supervisors signal a
// process and then its group.
const repeatTime = 250 * time.Millisecond

// untilSignal returns a context that ends with the first SIGINT or SIGTERM. A second one ends the program
// at once, also as process 1, whose signals have no default action. A log that nobody reads any more
// (SIGPIPE) is no reason to end.
func untilSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	// To ignore it would make scripts ignore it too: so it is noticed, and nobody looks.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		defer signal.Stop(signals)
		select {
		case s := <-signals:
			if s == os.Interrupt {
				cancel(server.ErrInterrupted)
			}
			cancel(nil)
		case <-ctx.Done():
		}
		for repeated := time.After(repeatTime); repeated != nil; {
			select {
			case <-signals:
			case <-repeated:
				repeated = nil
			}
		}
		if s, ok := (<-signals).(syscall.Signal); ok {
			os.Exit(128 + int(s))
		}
		os.Exit(exitFailure)
	}()
	return ctx, func() { cancel(nil) }
}

// hangups returns a channel that receives for each SIGHUP until ctx ends, which is when the program does: a drain is
// not ended by one. The terminal sends it too when its window is closed: then stop is called, unless the program was
// started to stay (nohup).
func hangups(ctx context.Context, stop func()) <-chan struct{} {
	stays := signal.Ignored(syscall.SIGHUP) || !hasTerminal()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	received := make(chan struct{})
	go func() {
		defer signal.Stop(signals)
		for {
			select {
			case <-signals:
			case <-ctx.Done():
				return
			}
			if !stays && !hasTerminal() {
				stop()
			}
			select {
			case received <- struct{}{}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return received
}

// hasTerminal says whether the process has a controlling terminal.
func hasTerminal() bool {
	f, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	_ = f.Close()
	return true
}
