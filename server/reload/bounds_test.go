package reload

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/previewd/previewd/server/budget"
	"github.com/previewd/previewd/server/message"
)

// post has a page say what it shows.
func (rn *running) post(content string) message.Response {
	return rn.handler(rn.t.Context(), &message.Request{Method: "POST", Target: eventsPath, Content: strings.NewReader(content), ContentLength: int64(len(content))})
}

// TestWhatPagesSayIsBounded: whatever a page says, what is held of it has bounds.
func TestWhatPagesSayIsBounded(t *testing.T) {
	repeated := func(n int, item func(i int) string) string {
		var list []string
		for i := range n {
			list = append(list, item(i))
		}
		return strings.Join(list, ",")
	}
	for name, content := range map[string]string{
		"paths":          repeated(50000, func(i int) string { return fmt.Sprintf(`"/%d":{"a":"1"}`, i) }),
		"names":          `"/":{` + repeated(50000, func(i int) string { return fmt.Sprintf(`"%d":"1"`, i) }) + `}`,
		"names of paths": repeated(5000, func(i int) string { return fmt.Sprintf(`"/%d":{"%d":"1","x%d":"1","y%d":"1"}`, i, i, i, i) }),
		"long paths":     repeated(15, func(i int) string { return fmt.Sprintf(`"/%s%d":{"a":"1"}`, strings.Repeat("a", 60000), i) }),
		"long names":     repeated(250, func(i int) string { return fmt.Sprintf(`"/%d":{"%s%d":"1"}`, i, strings.Repeat("a", 4000), i) }),
		"unknown paths":  repeated(50000, func(i int) string { return fmt.Sprintf(`"/%d":null`, i) }),
		"one path":       repeated(50000, func(int) string { return `"/":{"a":"1"}` }),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rn := run(t, newFiles(), 0)
				for range 5 {
					resp := rn.post(`{"page":"/","shows":{` + content + `}}`)
					if resp.Status != 200 && resp.Status != 503 {
						t.Fatalf("%d %v", resp.Status, resp.Err)
					}
					defer resp.Discard()
				}
				rn.mu.Lock()
				defer rn.mu.Unlock()
				k := &rn.known
				if held, limit := rn.room.Use(); held > limit || k.size > maxSize || len(k.targets) > maxNames || len(k.names) > 2*maxNames {
					t.Errorf("%d bytes held, %d bytes known, %d paths, %d names", held, k.size, len(k.targets), len(k.names))
				}
				served := 0
				for _, target := range k.targets {
					served = max(served, len(target.served.names), len(target.before.names))
				}
				if served > maxFiles {
					t.Errorf("%d names of a path", served)
				}
				size := 0
				for path := range k.targets {
					size += len(path)
				}
				for path := range k.names {
					size += len(path)
				}
				if size != k.size {
					t.Errorf("%d bytes are counted, there are %d", k.size, size)
				}
				if used, _ := rn.reading.Use(); used != 0 {
					t.Errorf("%d bytes are held for what was read", used)
				}
			})
		})
	}
}

// TestLongPathsAreNotNoted: nothing is noted of a path that is longer than that of any file, and long ones drive out others.
func TestLongPathsAreNotNoted(t *testing.T) {
	rn := run(t, newFiles(), 0)
	rn.get("/"+strings.Repeat("a", 2*maxPath), nil)
	if _, _, names, _ := rn.holds(); names != 0 {
		t.Errorf("%d names are known", names)
	}
	for i := range 2000 {
		rn.get(fmt.Sprintf("/%d%s", i, strings.Repeat("a", 4000)), nil)
	}
	_, _, names, _ := rn.holds()
	if _, _, _, dropped := rn.counted(); names < 100 || dropped+names != 2000 || rn.known.size > maxSize {
		t.Errorf("%d names are known with %d bytes, %d dropped", names, rn.known.size, dropped)
	}
}

// TestNoRoom: without memory for what a page shows it is told to come later, and nothing of it is held.
func TestNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rl := New(Options{Site: newFiles(), Pages: true, Profile: message.Profile{}.WithDefaults(), Count: &counts{}, Budget: budget.New(256 << 10), Streams: 2})
		rn := &running{rl, t, newFiles(), &counts{}, rl.Handler(newFiles().serve), nil}
		large := map[string]shows{}
		for i := range 300 {
			large[fmt.Sprintf("/%d", i)] = shows{fmt.Sprint(i): "1"}
		}
		text, err := json.Marshal(map[string]any{"page": "/", "shows": large})
		if err != nil {
			t.Fatal(err)
		}
		first := rn.post(string(text))
		if first.Status != 200 {
			t.Errorf("a large page: %d %v", first.Status, first.Err)
		}
		if resp := rn.post(string(text)); resp.Status != 503 || resp.Fields.Get("Retry-After") == "" {
			t.Errorf("another large page: %d", resp.Status)
		}
		small := rn.post(`{"page":"/","shows":{}}`)
		if small.Status != 200 {
			t.Errorf("a small page: %d", small.Status)
		}
		if resp := rn.post(`{"page":"/","shows":{}}`); resp.Status != 503 {
			t.Errorf("a page more than there may be: %d", resp.Status)
		}
		first.Discard()
		small.Discard()
		if pages, held, _, _ := rn.holds(); pages != 0 || held != 0 {
			t.Errorf("%d pages and %d bytes are left", pages, held)
		}
	})
}

// TestManyWait: requests that wait hold only what they wait for, and pages are looked at as long as one does.
func TestManyWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFiles()
		f.write("app.js", "1")
		rn := run(t, f, 5*time.Second)
		const pages = 500
		for i := range pages {
			f.write(fmt.Sprintf("%d.html", i), "page")
			rn.get(fmt.Sprintf("/%d.html", i), navigation)
		}
		rn.get("/app.js", nil)
		f.remove("app.js")
		for range maxWaiters + 10 {
			go rn.get("/app.js", nil)
		}
		synctest.Wait()
		rn.mu.Lock()
		if n := len(rn.waiters); n != maxWaiters {
			t.Errorf("%d requests wait, want %d", n, maxWaiters)
		}
		for w := range rn.waiters {
			if len(w.names) != 1 {
				t.Fatalf("a request holds %d names", len(w.names))
			}
		}
		rn.mu.Unlock()
		before := f.looked()
		time.Sleep(100 * time.Millisecond)
		if n := f.looked() - before; n < pages {
			t.Errorf("%d looks while requests wait", n)
		}
		time.Sleep(time.Minute)
		before = f.looked()
		time.Sleep(time.Minute)
		if n := f.looked() - before; n != 0 {
			t.Errorf("%d looks while nobody waits", n)
		}
	})
}

// TestSlowSender: a page that does not send what it says keeps no room from others for long.
func TestSlowSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rn := run(t, newFiles(), 0)
		began := time.Now()
		resp := rn.handler(t.Context(), &message.Request{Method: "POST", Target: eventsPath, Content: &slow{closed: make(chan struct{})}, ContentLength: maxRequest})
		if took := time.Since(began); resp.Status != 400 || took != readTimeout {
			t.Errorf("%d after %v", resp.Status, took)
		}
		if used, _ := rn.reading.Use(); used != 0 {
			t.Errorf("%d bytes are held", used)
		}
	})
}

// slow is content that never comes.
type slow struct{ closed chan struct{} }

func (s *slow) Read([]byte) (int, error) {
	<-s.closed
	return 0, context.DeadlineExceeded
}

func (s *slow) Close() error {
	close(s.closed)
	return nil
}

// TestPanicLeavesNoLock: a site that panics while a page begins to listen does not keep others from listening.
func TestPanicLeavesNoLock(t *testing.T) {
	rl := New(Options{Site: newFiles(), Pages: true, Profile: message.Profile{}.WithDefaults(), Count: &counts{}})
	handler := rl.Handler(func(context.Context, *message.Request) message.Response { panic("the site") })
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		handler(t.Context(), &message.Request{Method: "POST", Target: eventsPath, Content: strings.NewReader(`{"page":"/","shows":{"/":null}}`)})
	}()
	resp := handler(t.Context(), &message.Request{Method: "GET", Target: eventsPath})
	if resp.Status != 200 {
		t.Errorf("%d", resp.Status)
	}
	resp.Discard()
}

// FuzzListening: whatever a page sends, what is read of it has bounds; what a page says of itself is read as it is.
func FuzzListening(f *testing.F) {
	for _, text := range []string{
		`{"id":"b","ends":"a","page":"/","age":300.5,"shows":{"/":{"index.html":"1x2y"},"/style.css":null}}`,
		`{"ends":"a"}`, `{"shows":{}}`, `{"shows":null}`, `{"age":1e300,"shows":{"/":{"..":"1","a":"-"}}}`, `[]`, `{"x":{"y":[1]}}`, `{"shows":{"/":1}}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := readListening(strings.NewReader(text))
		if err != nil {
			return
		}
		if n := len(l.shows); n > maxSaid || len(l.id) > maxID || l.age < 0 || l.age > maxAge {
			t.Errorf("%d paths, id %q, age %v", n, l.id, l.age)
		}
		for _, part := range l.shows {
			if len(part.files) > maxFiles || len(part.path) > maxPath {
				t.Errorf("path %q has %d files", part.path, len(part.files))
			}
		}
	})
}

// TestMergedEvents: a page that does not read is told in the end of all that has changed, once, and nothing piles up.
func TestMergedEvents(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 3))
			f := newFiles()
			rn := run(t, f, 0)
			for i := range 10 {
				f.write(fmt.Sprintf("%d.css", i), "1")
				rn.get(fmt.Sprintf("/%d.css", i), nil)
			}
			resp := rn.handler(t.Context(), &message.Request{Method: "GET", Target: eventsPath})
			defer resp.Discard()
			changed := map[string]bool{}
			for range 30 {
				i := random.IntN(10)
				f.write(fmt.Sprintf("%d.css", i), "2")
				changed[fmt.Sprintf("/%d.css", i)] = true
				time.Sleep(time.Duration(random.IntN(200)) * time.Millisecond)
			}
			time.Sleep(5 * time.Second)
			p := resp.Body.(*stream).page
			rn.mu.Lock()
			defer rn.mu.Unlock()
			if len(p.told) != 1 || len(p.told[0].targets) != len(changed) || len(p.told[0].shows) != len(changed) {
				t.Errorf("seed %d: %d events, want one of %d paths: %v", seed, len(p.told), len(changed), p.told)
			}
			for _, target := range p.told[0].targets {
				name := strings.TrimPrefix(target, "/")
				if !changed[target] || p.told[0].shows[target][name] != versionOf(f.states[name]).String() {
					t.Errorf("seed %d: told of %q: %v", seed, target, p.told[0].shows[target])
				}
			}
		})
	}
}
