package reload

import (
	"path"
	"slices"
	"strings"
	"time"

	"github.com/previewd/previewd/server/message"
)

const (
	// recent is how long ago a file must have been there, at most, for a request to wait for it.
	recent = 10 * time.Second
	// maxWaiters is how many requests may wait.
	maxWaiters = 1000
)

// waiter is a request that waits for files that were there a moment ago.
type waiter struct {
	names []*name // those that it waits for
	wake  chan struct{}
}

func (w *waiter) awaken() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// end ends the wait. The lock is held.
func (w *waiter) end(rl *Reload) {
	if _, waits := rl.waiters[w]; !waits {
		return
	}
	delete(rl.waiters, w)
	rl.known.waits--
	for _, n := range w.names {
		n.holders--
		rl.known.forget(n)
	}
	w.awaken()
}

// missed are the names that are missing, of those that an answer has depended on, and were there a moment ago, or before
// the build that is on. An error page is not waited for.
func (rl *Reload) missed(files []message.File, now time.Time) []*name {
	rl.mu.Lock()
	defer rl.mu.Unlock()
	var list []*name
	for _, f := range files {
		n := rl.known.names[f.Name]
		if n == nil || f.State.Found || path.Base(f.Name) == "404.html" || slices.Contains(rl.opts.Always, f.Name) {
			continue
		}
		if rl.wasThere(n, now) {
			list = append(list, n)
		}
	}
	return list
}

// wasThere says whether a name was there a moment ago, or before the build that is on.
func (rl *Reload) wasThere(n *name, now time.Time) bool {
	since := now
	if !rl.build.IsZero() && rl.build.Before(now) {
		since = rl.build
	}
	return !n.found.IsZero() && since.Sub(n.found) <= recent
}

// isBuilt says whether a build is over: every document that was there before it is there, and nothing known has changed for a
// while, which is longer where no document has changed. The lock is held.
func (rl *Reload) isBuilt(now time.Time) bool {
	quiet := now.Sub(rl.changed)
	if quiet < rest {
		return false
	}
	gone, changed := rl.documents(now)
	switch {
	case gone:
		return quiet >= givenUp
	case changed:
		return true
	}
	return quiet >= recent
}

// documents says whether a document is gone that was there before the build, and whether one has changed in it.
func (rl *Reload) documents(now time.Time) (gone, changed bool) {
	for _, t := range rl.known.targets {
		if !t.document {
			continue
		}
		for _, s := range []*serving{&t.served, &t.before} {
			for i, n := range s.names {
				if s.versions[i] == 0 || !rl.known.watches(n) {
					continue
				}
				gone = gone || !n.seen.Found && rl.wasThere(n, now)
				changed = changed || n.seen.Found && !n.changed.Before(rl.build)
			}
		}
	}
	return gone, changed
}

// wait has a request wait, whose names were missed. It returns nil where no more may wait.
func (rl *Reload) wait(missed []*name) *waiter {
	now := time.Now()
	rl.mu.Lock()
	defer rl.mu.Unlock()
	if rl.stopped || len(rl.waiters) >= maxWaiters {
		return nil
	}
	if rl.build.IsZero() {
		rl.build, rl.changed = now, now
	}
	w := &waiter{names: missed, wake: make(chan struct{}, 1)}
	for _, n := range w.names {
		n.holders++
	}
	rl.waiters[w] = struct{}{}
	rl.known.waits++
	rl.awaken()
	return w
}

// await waits for what was missed, at most as long as Options say, and asks again. While a build is on, what still
// misses is 503. missing is the answer without it: 404, or the listing of a directory without its index page.
func (a *answering) await(missed []*name, missing message.Response) message.Response {
	rl := a.reload
	w := rl.wait(missed)
	if w == nil {
		return missing
	}
	defer func() {
		rl.mu.Lock()
		defer rl.mu.Unlock()
		w.end(rl)
	}()
	timeout := time.NewTimer(rl.opts.Wait)
	defer timeout.Stop()
	for {
		waits := true
		select {
		case <-w.wake:
		case <-timeout.C:
			waits = false
		case <-a.ctx.Done():
			return missing
		}
		back, over, stopped := rl.state(w, missed)
		if waits && !back && !over && !stopped {
			continue
		}
		missing.Discard()
		missing = a.ask()
		still := rl.missed(a.files, time.Now())
		if len(still) == 0 || over || stopped {
			return missing
		}
		if !waits {
			missing.Discard()
			return rebuilding(still)
		}
	}
}

// state says whether one of the names is back, whether the build is over, and whether nobody waits any more.
func (rl *Reload) state(w *waiter, missed []*name) (back, over, stopped bool) {
	rl.mu.Lock()
	defer rl.mu.Unlock()
	_, waits := rl.waiters[w]
	back = slices.ContainsFunc(missed, func(n *name) bool { return n.seen.Found })
	return back, rl.build.IsZero(), !waits
}

// rebuilding answers for what misses while a build is on. It says after which time a browser is to ask again.
func rebuilding(missed []*name) message.Response {
	var names []string
	for _, n := range missed {
		names = append(names, n.path)
	}
	resp := (&message.Failure{Status: 503, Message: "Rebuilding", Explain: "The site is being rebuilt, and this is missing: " + strings.ToValidUTF8(strings.Join(names, ", "), "?")}).Response()
	resp.Fields = message.Fields{{Name: "Retry-After", Value: "1"}, {Name: "Refresh", Value: "2"}}
	return resp
}
