package tags

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/previewd/previewd/server/previews/registry"
	"github.com/previewd/previewd/server/previews/store"
)

const (
	// maxAsking is how many tags are asked for at the same time, and questionTimeout how long an answer may take.
	maxAsking       = 8
	questionTimeout = 30 * time.Second
	// maxPause is how long a tag that could not be asked for, or brought, is left alone at most; each failure doubles the
	// pause. Nor is the registry obeyed for longer when it says when to come back.
	maxPause = 5 * time.Minute
	// saveEvery is how often what the tags are is written down, at most.
	saveEvery = time.Second
)

// Run asks the registry what has changed until ctx ends. Then all that was begun has ended.
func (t *Tags) Run(ctx context.Context) {
	defer t.running.Wait()
	defer t.end()
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
	if !now.Before(next) && !now.Before(t.paused) && t.list.reading == nil {
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
			t.leave(g.before)
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
	case now.Before(t.paused), t.asking >= maxAsking, g.questions.wait(now):
		return nil
	}
	done := make(chan struct{})
	g.asking = done
	t.asking++
	t.running.Go(func() {
		digest, err := t.head(g.name)
		t.mu.Lock()
		defer t.mu.Unlock()
		defer close(done)
		defer t.awaken()
		t.asking--
		g.asking = nil
		now := time.Now()
		t.answered(err)
		switch {
		case t.tags[g.name] != g: // it is gone meanwhile
		case errors.Is(err, registry.ErrNotFound):
			t.drop(g)
		case err != nil:
			g.questions.fail(err, now, t.opts.Check)
		default:
			t.moved(g, digest, now)
		}
	})
	return done
}

func (t *Tags) head(name string) (digest string, err error) {
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
	case errors.Is(err, context.Canceled): // the server ends
		return
	case limited:
		result = "limited"
		t.paused = now.Add(min(pause, maxPause))
	case errors.Is(err, registry.ErrNotFound):
		result = "not_found"
	case err != nil:
		result = "failed"
	}
	t.opts.Count.RegistryAsked(result)
	if result == "failed" || result == "limited" {
		if t.problem == nil {
			t.opts.Warn(fmt.Sprintf("the registry cannot be asked; what is here is shown: %v", err), "")
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

// show has a tag show another build. The lock is held.
func (t *Tags) show(g *tag, b *store.Build, now time.Time) {
	if g.shown != nil {
		if g.before != nil {
			t.leave(g.before)
		}
		g.before, g.until = g.shown, now.Add(keepsBefore)
	}
	g.shown, g.pulls = b, attempts{}
	if t.infos[b.Digest] == nil {
		t.infos[b.Digest] = recall(b.Digest, b.Meta)
	}
	t.unsaved = true
}

// release gives up the builds of a tag. The lock is held.
func (t *Tags) release(g *tag) {
	for _, b := range []*store.Build{g.shown, g.before} {
		if b != nil {
			t.leave(b)
		}
	}
	g.shown, g.before = nil, nil
}

func (t *Tags) leave(b *store.Build) {
	t.opts.Left(b.Directory)
	b.Release()
}

// save writes down which tag had which digest, for a start at which the registry does not answer.
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
	if err := t.opts.Store.Remember(digests); err != nil {
		t.opts.Warn("writing down which tag is which build: "+err.Error(), "")
	}
}
