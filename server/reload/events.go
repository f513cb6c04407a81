package reload

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/previewd/previewd/server/budget"
	"github.com/previewd/previewd/server/message"
)

const (
	// keepAlive is how often a stream says something: proxies end what is silent for longer than 30 to 60 s.
	keepAlive = 15 * time.Second
	// maxRequest is how many bytes a page may send of what it shows, maxReading how many are held of all that do, with
	// what they become. readTimeout is how long that may take.
	maxRequest  = 1 << 20
	maxReading  = 16 << 20
	readTimeout = 10 * time.Second
	// maxAsked is how many paths of one page are asked for, as nothing is known of them.
	maxAsked = 1000
)

// shows are the versions that a page shows of the files that the answer to a path has depended on, by their names. It is not
// for the page to understand.
type shows map[string]string

// events answers with the event stream. A page says with POST what it shows, and is told of that; its stream ends when it
// has been told of a change, so that what stands between cannot hold it back. GET is told of all that is known.
func (rl *Reload) events(ctx context.Context, r *message.Request, next message.Handler) message.Response {
	if site := r.Fields.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return message.Fail(403, "Of another origin")
	}
	fields := message.Fields{
		{Name: "Content-Type", Value: "text/event-stream"},
		{Name: "Cache-Control", Value: "no-store"},
		{Name: "X-Accel-Buffering", Value: "no"}, // nginx passes each event on at once
	}
	p := &page{wake: make(chan struct{}, 1)}
	listens := false
	defer func() {
		if !listens { // it was refused, or the site has panicked
			rl.mu.Lock()
			defer rl.mu.Unlock()
			rl.leave(p)
		}
	}()
	switch r.Method {
	case "HEAD":
		return message.Response{Status: 200, Fields: fields, Body: message.NewStream(func(io.Writer) error { return nil })}
	case "GET":
		p.all = true
	case "POST":
		cost := readingCost(r.ContentLength)
		if rl.reading.Acquire(ctx, cost) != nil {
			return budget.Full()
		}
		defer rl.reading.Release(cost)
		asked, err := readListening(r.Content)
		if err != nil {
			resp := message.Fail(400, "Bad request syntax")
			resp.Failure().Cause = fmt.Errorf("reading what a page shows: %w", err)
			return resp
		}
		rl.end(asked.ends)
		if asked.ends != "" && !asked.listens {
			return message.Response{Status: 204, Fields: fields[1:2]}
		}
		if !rl.hasRoom() { // before more is done for it
			return tooMany()
		}
		p.id = asked.id
		rl.load(p, asked, &answering{reload: rl, next: next, ctx: ctx, request: r})
	default:
		return message.NotAllowed("GET, HEAD, POST")
	}
	if listens = rl.join(p); !listens {
		return tooMany()
	}
	rl.opts.Count.StreamOpened()
	return message.Response{Status: 200, Fields: fields, Body: &stream{reload: rl, ctx: ctx, page: p}}
}

func tooMany() message.Response {
	resp := message.Fail(503, "Too many pages listen")
	resp.Fields = message.Fields{{Name: "Retry-After", Value: "2"}}
	return resp
}

// hasRoom says whether another page may listen.
func (rl *Reload) hasRoom() bool {
	rl.mu.Lock()
	defer rl.mu.Unlock()
	if rl.stopped || len(rl.pages) >= rl.opts.Streams {
		rl.pokeAll(time.Now())
		return false
	}
	return true
}

// end ends a stream of which its page says that it has left it: over HTTP/1.1 the end of a connection shows only when it is written to.
func (rl *Reload) end(id string) {
	if id == "" {
		return
	}
	rl.mu.Lock()
	defer rl.mu.Unlock()
	for p := range rl.pages {
		if p.id == id {
			close(p.wake)
			rl.leave(p)
		}
	}
}

// load finds the names that a page has to be told of, and notes what of it the page does not know.
func (rl *Reload) load(p *page, asked *listening, a *answering) {
	since := time.Now().Add(-asked.age)
	tell := event{kind: stateEvent, shows: map[string]shows{}}
	rl.mu.Lock()
	defer rl.mu.Unlock()
	resolved := 0
	for _, part := range asked.shows {
		isPage := part.path == asked.page
		if len(part.files) > 0 {
			rl.addShown(p, &part, isPage)
			continue
		}
		t := rl.known.targets[part.path]
		if t == nil && resolved < maxAsked {
			resolved++
			rl.unlocked(func() { a.resolve(part.path, isPage) })
			t = rl.known.targets[part.path]
		}
		if t == nil {
			continue
		}
		rl.known.order.MoveToFront(t.element)
		if p.add(rl, t.path, t.shown(since), isPage) {
			tell.shows[t.path] = shows{}
		}
	}
	if len(tell.shows) > 0 {
		p.say(tell.shows)
		p.tell(tell)
	}
}

// addShown adds what a page says that it shows of a path. The lock is held.
func (rl *Reload) addShown(p *page, part *shownPath, isPage bool) {
	var s serving
	for _, f := range part.files {
		if rl.known.names[f.name] == nil && len(rl.known.names) >= 2*maxNames {
			continue // what a page says does not drive out what was asked for
		}
		s.names, s.versions = append(s.names, rl.known.name(f.name)), append(s.versions, f.version)
	}
	if p.add(rl, part.path, &s, isPage) {
		rl.known.shown(part.path, s)
	}
	for _, n := range s.names {
		rl.known.forget(n) // where there was no room
	}
	rl.known.trim()
}

// join begins to look at what a page uses. It returns false where there are too many, or the server stops.
func (rl *Reload) join(p *page) bool {
	rl.mu.Lock()
	defer rl.mu.Unlock()
	if p.all {
		for e := rl.known.order.Front(); e != nil; e = e.Next() {
			t := e.Value.(*target)
			if !p.add(rl, t.path, &t.served, t.document) {
				break
			}
		}
	}
	if rl.stopped || p.full || len(rl.pages) >= rl.opts.Streams || rl.opts.Full() {
		rl.pokeAll(time.Now())
		return false
	}
	rl.pages[p] = struct{}{}
	rl.refresh(p)
	if _, joined := rl.pages[p]; joined && len(p.uses) > 0 {
		var room []sight
		p.weigh(rl, time.Now(), &room)
	}
	rl.awaken()
	return true
}

// refresh looks at the names that nobody but a page uses, as nothing has looked at them. The lock is held, and left while
// it looks.
func (rl *Reload) refresh(p *page) {
	var names []*name
	var paths []string
	for _, u := range p.uses {
		if u.name.holders == 1 {
			names, paths = append(names, u.name), append(paths, u.name.path)
		}
	}
	states := make([]message.FileState, len(names))
	rl.unlocked(func() { rl.opts.Site.See(paths, func(i int, state message.FileState) { states[i] = state }) })
	now := time.Now()
	for i, n := range names {
		if states[i].Found {
			n.found = now
		}
		if n.seen == states[i] {
			continue
		}
		n.seen, n.agreed, n.changed, rl.changed = states[i], false, now, now
	}
}

// pokeEvery is how often streams say something because there is no room for another.
const pokeEvery = 2 * time.Second

// pokeAll has all streams say something: one whose client is gone shows when it is written to. The lock is held.
func (rl *Reload) pokeAll(now time.Time) {
	if now.Sub(rl.poked) < pokeEvery {
		return
	}
	rl.poked = now
	for p := range rl.pages {
		p.poke()
	}
}

// poke has a stream say something. The lock is held.
func (p *page) poke() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// stream is the answer to a page that listens.
type stream struct {
	reload *Reload
	ctx    context.Context
	page   *page
	closed sync.Once
}

// Len is unknown before the end.
func (s *stream) Len() int64 { return -1 }

// Close forgets the page.
func (s *stream) Close() error {
	s.closed.Do(func() {
		s.reload.opts.Count.StreamClosed()
		s.reload.mu.Lock()
		defer s.reload.mu.Unlock()
		s.reload.leave(s.page)
	})
	return nil
}

// WriteTo writes events as they come, until the client is gone, the server stops, or the page was told of a change.
func (s *stream) WriteTo(w io.Writer) (n int64, err error) {
	ticker := time.NewTicker(keepAlive)
	defer ticker.Stop()
	text := []byte(": previewd\nretry: 1000\n\n")
	for open := true; ; {
		m, err := w.Write(text)
		n += int64(m)
		if err != nil || !open {
			return n, err
		}
		select {
		case _, open = <-s.page.wake:
		case <-ticker.C:
		case <-s.ctx.Done():
			return n, nil
		}
		var done bool
		if text, done = s.take(); done {
			open = false
		}
	}
}

// take returns what is to be sent: a comment where that is nothing. done says whether it is the last.
func (s *stream) take() (text []byte, done bool) {
	s.reload.mu.Lock()
	told := s.page.told
	s.page.told = nil
	s.reload.mu.Unlock()
	for _, e := range told {
		if len(e.shows) > 0 && !s.page.all {
			text = appendEvent(text, stateEvent, e.shows)
		}
		if e.kind == stateEvent {
			continue
		}
		slices.Sort(e.targets)
		text = appendEvent(text, e.kind, append([]string{}, e.targets...))
		if e.kind == reloadEvent {
			s.reload.opts.Count.ReloadSent()
			done = !s.page.all
		}
	}
	if text == nil {
		return []byte(":\n\n"), false
	}
	return text, done
}

func appendEvent(text []byte, kind string, data any) []byte {
	encoded, err := json.Marshal(data)
	if err != nil {
		panic(err) // maps and lists of texts always have a form
	}
	text = append(append(append(text, "event: "...), kind...), "\ndata: "...)
	return append(append(text, encoded...), "\n\n"...)
}

// decoded is a path as it is meant, or as it stands where that is not UTF-8: what decodeURIComponent accepts.
func decoded(path string) string {
	if text := message.UnquoteToBytes(path); utf8.ValidString(text) {
		return text
	}
	return path
}

// encoded is a path in ASCII.
func encoded(path string) string { return (&url.URL{Path: path}).EscapedPath() }

// String is a version in letters and digits.
func (v version) String() string { return strconv.FormatUint(uint64(v), 36) }
