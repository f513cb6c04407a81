package reload

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/previewd/previewd/server/message"
)

// files is a site in memory. The content of a page names what the page loads, a word each.
type files struct {
	mu     sync.Mutex
	inode  uint64
	states map[string]message.FileState
	text   map[string]string
	looks  int // at a name
	asked  map[string]int
}

func newFiles() *files {
	return &files{states: map[string]message.FileState{}, text: map[string]string{}, asked: map[string]int{}}
}

// write makes a file, or writes another content into the one that is there.
func (f *files) write(name, text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	st := f.states[name]
	if !st.Found {
		f.inode++
		st = message.FileState{Found: true, Inode: f.inode}
	}
	st.Size, st.Modified, st.Changed = int64(len(text)), time.Now().UnixNano(), time.Now().UnixNano()
	f.states[name], f.text[name] = st, text
}

func (f *files) remove(names ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, name := range names {
		delete(f.states, name)
		delete(f.text, name)
	}
}

func (f *files) rename(from, to string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.states[to], f.text[to] = f.states[from], f.text[from]
	delete(f.states, from)
	delete(f.text, from)
}

// looked is how many looks there were at a name, askedFor how often a path was asked for.
func (f *files) looked() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.looks
}

func (f *files) askedFor(path string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked[path]
}

func (f *files) content(name string) (string, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.text[name], f.states[name].Found
}

func (f *files) See(names []string, seen func(i int, state message.FileState)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looks += len(names)
	for i, name := range names {
		seen(i, f.states[name])
	}
}

// serve answers as a site does.
func (f *files) serve(_ context.Context, r *message.Request) message.Response {
	f.mu.Lock()
	defer f.mu.Unlock()
	path := pathOf(r.Target)
	f.asked[path]++
	name := strings.TrimPrefix(path, "/")
	if name == "" {
		name = "index.html"
	}
	st := f.states[name]
	if r.Uses != nil {
		r.Uses(message.File{Name: name, State: st})
	}
	if !st.Found {
		return message.Fail(404, "File not found")
	}
	kind := "text/css"
	if strings.HasSuffix(name, ".html") {
		kind = "text/html; charset=utf-8"
	}
	return message.Response{Status: 200, Body: message.Bytes(f.text[name]), Fields: message.Fields{
		{Name: "Content-type", Value: kind}, {Name: "ETag", Value: `"` + versionOf(st).String() + `"`}, {Name: "Cache-Control", Value: "no-cache"}}}
}

// counts are Counters.
type counts struct {
	mu                              sync.Mutex
	streams, changes, sent, dropped int
}

func (c *counts) add(n *int, by int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*n += by
}
func (c *counts) StreamOpened()        { c.add(&c.streams, 1) }
func (c *counts) StreamClosed()        { c.add(&c.streams, -1) }
func (c *counts) Changed()             { c.add(&c.changes, 1) }
func (c *counts) ReloadSent()          { c.add(&c.sent, 1) }
func (c *counts) Looked(time.Duration) {}
func (c *counts) Dropped(n int)        { c.add(&c.dropped, n) }

// running is a Reload around a site in memory.
type running struct {
	*Reload
	t       *testing.T
	files   *files
	counts  *counts
	handler message.Handler
	stop    func()
}

// run runs a Reload until the test ends, or stop is called.
func run(t *testing.T, f *files, wait time.Duration) *running {
	c := &counts{}
	rl := New(Options{Site: f, Pages: true, Wait: wait, Profile: message.Profile{}.WithDefaults(), Count: c})
	rl.spent = func(do func()) time.Duration { do(); return 0 } // so that looks are 50 ms apart on every machine
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		rl.Run(ctx)
	}()
	stop := func() { cancel(); <-ended }
	t.Cleanup(stop)
	return &running{rl, t, f, c, rl.Handler(f.serve), stop}
}

// counted is what was counted until now.
func (rn *running) counted() (streams, changes, sent, dropped int) {
	c := rn.counts
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.streams, c.changes, c.sent, c.dropped
}

// holds is how many pages listen, bytes they hold, names are known and requests wait.
func (rn *running) holds() (pages, held, names, waiters int) {
	rn.mu.Lock()
	defer rn.mu.Unlock()
	bytes, _ := rn.room.Use()
	return len(rn.pages), int(bytes), len(rn.known.names), len(rn.waiters)
}

var navigation = message.Fields{{Name: "Sec-Fetch-Dest", Value: "document"}, {Name: "Sec-Fetch-Mode", Value: "navigate"}, {Name: "Accept", Value: "text/html"}}

func (rn *running) get(target string, fields message.Fields) (message.Response, string) {
	resp := rn.handler(rn.t.Context(), &message.Request{Method: "GET", Target: target, Fields: fields, Content: message.NoContent{}})
	resp = rn.opts.Profile.Complete(resp)
	var b bytes.Buffer
	if resp.Body != nil {
		if _, err := resp.Body.WriteTo(&b); err != nil {
			rn.t.Error(err)
		}
		if err := resp.Body.Close(); err != nil {
			rn.t.Error(err)
		}
	}
	return resp, b.String()
}

// heard is an event as a client reads it.
type heard struct{ kind, data string }

// listen begins to listen, by POST with what a page shows, or by GET if that is nil. The channel is closed when the stream
// ends; leave ends it.
func (rn *running) listen(page string, shown map[string]shows, age time.Duration) (events <-chan heard, leave func()) {
	ctx, cancel := context.WithCancel(rn.t.Context())
	r := &message.Request{Method: "GET", Target: eventsPath, Content: message.NoContent{}}
	if shown != nil {
		body, err := json.Marshal(map[string]any{"page": page, "shows": shown, "age": age.Milliseconds()})
		if err != nil {
			rn.t.Fatal(err)
		}
		r.Method, r.Content = "POST", bytes.NewReader(body)
	}
	resp := rn.handler(ctx, r)
	if resp.Status != 200 {
		rn.t.Fatalf("the stream: %d %v", resp.Status, resp.Err)
	}
	read, write := io.Pipe()
	list := make(chan heard, 1000)
	go func() {
		_, err := resp.Body.WriteTo(write)
		_ = write.CloseWithError(err)
		_ = resp.Body.Close()
	}()
	go func() {
		defer close(list)
		var e heard
		for s := bufio.NewScanner(read); s.Scan(); {
			if kind, ok := strings.CutPrefix(s.Text(), "event: "); ok {
				e.kind = kind
			}
			if data, ok := strings.CutPrefix(s.Text(), "data: "); ok {
				e.data = data
				list <- e
			}
		}
	}()
	return list, func() { cancel(); _ = read.Close() }
}

// client is what reload.js is to a browser: a page that loads what it names, and loads itself again when it is told to.
type client struct {
	rn       *running
	path     string
	text     string            // of the page
	uses     map[string]string // what it has loaded, by path; "" for what was missing
	shown    map[string]shows  // what it says of it
	events   <-chan heard
	leave    func()
	reloads  int
	building bool
}

// open opens a page.
func (rn *running) open(path string) *client {
	c := &client{rn: rn, path: path}
	c.load()
	return c
}

func (c *client) load() {
	began := time.Now()
	resp, text := c.rn.get(c.path, navigation)
	page, tag, tagged := strings.Cut(text, "\n<script async")
	if !tagged {
		c.rn.t.Fatalf("%s: no tag: %q", c.path, text)
	}
	_, data, _ := strings.Cut(tag, "data-shows='")
	data, _, _ = strings.Cut(data, "'")
	c.text, c.uses, c.shown, c.building = page, map[string]string{}, map[string]shows{}, false
	if err := json.Unmarshal([]byte(data), &c.shown); err != nil {
		c.rn.t.Fatal(err)
	}
	if resp.Status == 200 {
		for _, path := range strings.Fields(page) {
			if !strings.HasPrefix(path, "/") {
				continue
			}
			time.Sleep(time.Millisecond)
			part, text := c.rn.get(path, nil)
			if part.Status != 200 {
				text = ""
			}
			c.uses[path] = text
			c.shown[path] = nil
		}
	}
	c.listen(time.Since(began))
}

func (c *client) listen(age time.Duration) { c.events, c.leave = c.rn.listen(c.path, c.shown, age) }

// live does what reload.js does, until the time is over.
func (c *client) live(d time.Duration) {
	end := time.After(d)
	for {
		select {
		case e, open := <-c.events:
			if !open {
				c.leave()
				c.listen(time.Hour)
				continue
			}
			switch e.kind {
			case stateEvent:
				said := map[string]shows{}
				if err := json.Unmarshal([]byte(e.data), &said); err != nil {
					c.rn.t.Error(err)
				}
				maps.Copy(c.shown, said)
			case buildEvent:
				c.building = true
			case restoredEvent:
				c.building = false
			case reloadEvent:
				c.reloads++
				c.leave()
				c.load()
			}
		case <-end:
			return
		}
	}
}

// current says whether the page shows what there is.
func (c *client) current() bool {
	name := strings.TrimPrefix(c.path, "/")
	if name == "" {
		name = "index.html"
	}
	if text, found := c.rn.files.content(name); found != (c.text == text) {
		return false
	}
	for path, text := range c.uses {
		if now, _ := c.rn.files.content(strings.TrimPrefix(path, "/")); now != text {
			return false
		}
	}
	return true
}
