package tags

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/previewd/previewd/server/previews/registry"
)

const (
	// maxAsking is how many tags are asked for at the same time, and questionTimeout how long an answer may take.
	maxAsking       = 8
	questionTimeout = 30 * time.Second
	// maxPause is how long a tag that could not be asked for, or brought, is left alone at most; each failure doubles the
	// pause.
	maxPause = 5 * time.Minute
	// saveEvery is how often what the tags are is written down, at most.
	saveEvery = time.Second
)

// Run asks the registry what has changed until ctx ends. Then all that was begun has ended.
func (t *Tags) Run(ctx context.Context) {
	defer func() {
		t.mu.Lock()
		t.end() // with the lock, so that nothing is begun after it
		t.mu.Unlock()
		t.running.Wait()
	}()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var saved time.Time
	for {
		select {
		case <-ctx.Done():
			t.save()
			return
		case <-timer.C:
		case <-t.wake:
		}
		now := time.Now()
		next := t.round(now)
		if now.Sub(saved) >= saveEvery {
			t.save()
			saved = now
		}
		timer.Reset(max(time.Until(next), time.Millisecond))
	}
}

// round begins what is due, and says when something is due again.
func (t *Tags) round(now time.Time) (next time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	next = t.list.begun.Add(listEvery)
	if t.list.tries.failed > 0 {
		next = t.list.tries.due
	}
	if !now.Before(next) && t.mayAsk(now) && t.list.reading == nil {
		t.readList(now)
		next = now.Add(listEvery)
	}
	soon := func(at time.Time) {
		if at.After(now) && at.Before(next) {
			next = at
		}
	}
	if t.unsaved {
		soon(now.Add(saveEvery))
	}
	soon(t.paused)
	for g := range t.used {
		if g.before != nil && !now.Before(g.until) {
			t.letGo(g.before)
			g.before = nil
		}
		if now.Sub(g.visited) >= inUse {
			if !t.opts.InUse(g.name) {
				delete(t.used, g)
				t.release(g)
				continue
			}
			g.visited = now
		}
		if !now.Before(g.questions.due) {
			t.ask(g, now)
		}
		t.bring(g)
		soon(g.questions.due)
		soon(g.pulls.due)
		soon(g.until)
		soon(g.visited.Add(inUse))
	}
	soon(t.describeSome(now))
	if !next.After(now) {
		next = now.Add(listAtMost) // the registry wants to be left alone
	}
	return next
}

// ask begins to ask for the digest of a tag, and returns what is closed when that is answered; nil where the registry is not
// to be asked now. The lock is held.
func (t *Tags) ask(g *tag, now time.Time) <-chan struct{} {
	switch {
	case g.asking != nil:
		return g.asking
	case !t.mayAsk(now), g.questions.wait(now):
		return nil
	}
	done := make(chan struct{})
	g.asking = done
	t.running.Go(func() {
		digest, err := t.head(g.name)
		t.mu.Lock()
		defer t.mu.Unlock()
		defer close(done)
		defer t.awaken()
		g.asking = nil
		now := time.Now()
		t.answered(err)
		switch {
		case t.tags[g.name] != g, errors.Is(err, errPaused), t.ctx.Err() != nil: // it is gone meanwhile, or was not asked for
		case errors.Is(err, registry.ErrNotFound):
			t.drop(g)
		case err != nil:
			g.questions.fail(err, now, t.opts.Check, maxPause)
		default:
			t.moved(g, digest, now)
		}
	})
	return done
}

// mayAsk says whether the registry may be asked: it does not want to be left alone, and the server goes on. The lock is held.
func (t *Tags) mayAsk(now time.Time) bool { return t.ctx.Err() == nil && !now.Before(t.paused) }

// errPaused is why something was not asked for when it was its turn.
var errPaused = errors.New("the registry wants to be left alone")

// turn returns errPaused where that is so. The lock is not held.
func (t *Tags) turn() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mayAsk(time.Now()) {
		return nil
	}
	return errPaused
}

// head asks for the digest of a tag when it is its turn.
func (t *Tags) head(name string) (digest string, err error) {
	select {
	case t.asking <- struct{}{}:
		defer func() { <-t.asking }()
	case <-t.ctx.Done():
		return "", t.ctx.Err()
	}
	if err := t.turn(); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(t.ctx, questionTimeout)
	defer cancel()
	return t.opts.Registry.Head(ctx, name)
}

// moved takes over what digest a tag has. The lock is held.
func (t *Tags) moved(g *tag, digest string, now time.Time) {
	g.checked, g.questions = now, attempts{due: now.Add(spread(t.opts.Check))}
	if g.digest != digest {
		if g.digest != "" {
			g.first = now
		}
		g.digest, g.pulls = digest, attempts{}
		g.change()
		t.unsaved = true
	}
	if _, used := t.used[g]; used {
		t.bring(g)
	}
}

// spread is about as long as d, so that what began together does not stay so.
func spread(d time.Duration) time.Duration { return d - d/20 + rand.N(d/10+1) }

// answered counts an answer of the registry, or that there was none. The lock is held.
func (t *Tags) answered(err error) {
	now := time.Now()
	pause, limited := registry.RetryAfter(err)
	result := "ok"
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, errPaused): // the server ends, or nothing was asked
		return
	case limited:
		result = "limited"
		t.paused = now.Add(pause)
	case errors.Is(err, registry.ErrNotFound):
		result = "not_found"
	case err != nil && !isRefused(err): // what is refused is the registry's image, not its answer
		result = "failed"
	}
	t.opts.Count.RegistryAsked(result)
	if result == "failed" || result == "limited" {
		if t.problem == nil {
			t.opts.Warn(fmt.Sprintf("asking the registry has failed, what is here is shown: %v", err), "")
		}
		t.problem = err
		return
	}
	if t.problem != nil {
		t.opts.Info("the registry answers again", "")
	}
	t.problem, t.reached = nil, now
	t.opts.Count.Reached(now)
}

// unreached is Err. The lock is held.
func (t *Tags) unreached() error {
	switch {
	case t.problem == nil:
		return nil
	case t.reached.IsZero():
		return fmt.Errorf("the registry has not been reached since the start: %w", t.problem)
	}
	return fmt.Errorf("the registry was last reached at %s: %w", t.reached.UTC().Format(time.RFC3339), t.problem)
}

// save writes down which tag had which digest, for a start at which the registry does not answer. What fails is tried again,
// and warned of once.
func (t *Tags) save() {
	t.mu.Lock()
	if !t.unsaved {
		t.mu.Unlock()
		return
	}
	t.unsaved = false
	digests := map[string]string{}
	for name, g := range t.tags {
		switch {
		case g.shown != nil:
			digests[t.opts.Repository+":"+name] = g.shown.Digest
		case g.digest != "":
			digests[t.opts.Repository+":"+name] = g.digest
		}
	}
	t.mu.Unlock()
	err := t.opts.Store.Remember(digests)
	t.mu.Lock()
	again := t.failing
	t.failing = err != nil
	t.unsaved = t.unsaved || t.failing
	t.mu.Unlock()
	if err != nil && !again {
		t.opts.Warn("writing down which tag is which build: "+err.Error(), "")
	}
}
