package tags

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/previewd/previewd/server/previews/registry"
	"github.com/previewd/previewd/server/previews/registrytest"
	"github.com/previewd/previewd/server/previews/store"
)

// userAgent tells the requests of tags from those of whoever pushes.
const userAgent = "test"

// check is how often tests have a tag asked for.
const check = 5 * time.Millisecond

// counts counts nothing.
type counts struct{}

func (counts) RegistryAsked(string)                {}
func (counts) Reached(time.Time)                   {}
func (counts) Pulled(string, int64, time.Duration) {}

// start returns the tags of a registry, which run until the test ends, and the directory of their store.
func start(t *testing.T, r *registrytest.Registry, with ...func(*Options)) (*Tags, string) {
	t.Helper()
	dir := t.TempDir()
	builds, err := store.Open(dir, 2<<20)
	if err != nil {
		t.Fatal(err)
	}
	tags, end := startIn(t, r, builds, with...)
	t.Cleanup(func() {
		end()
		if err := builds.Close(); err != nil {
			t.Error(err)
		}
	})
	return tags, dir
}

// startIn is start with a store that the caller closes after end.
func startIn(t *testing.T, r *registrytest.Registry, builds *store.Store, with ...func(*Options)) (tags *Tags, end func()) {
	t.Helper()
	client, err := registry.New(registry.Options{Repository: r.Repository, Insecure: true, UserAgent: userAgent})
	if err != nil {
		t.Fatal(err)
	}
	opts := Options{Repository: r.Repository, Registry: client, Store: builds, IndexPages: []string{"index.html"}, Check: check,
		Left: func(string) {}, Info: func(string, string) {}, Warn: func(string, string) {}, Count: counts{}}
	for _, change := range with {
		change(&opts)
	}
	tags = New(opts)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { tags.Run(ctx) })
	return tags, func() {
		stop()
		running.Wait()
	}
}

// eventually tries until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 6000 {
		if holds() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("never: %s", what)
}

// TestWhateverHappens is a model of a repository whose tags move, go and come back, several of them to the same builds, with a
// registry that fails in all ways, a store that has little room, and tags that go out of use. The laws: a build that a visitor
// has entered is one that its tag has led to, whole, and stays until the visitor has left, though others of it come and go. In
// the end, each tag shows what it leads to, and who has shown builds holds no others.
func TestWhateverHappens(t *testing.T) {
	const (
		tagCount, imageCount, moves = 5, 8, 60
		visitors                    = 6
	)
	r := registrytest.Start(t)
	var mu sync.Mutex // guards what the model knows
	ledTo := map[string]map[string]bool{}
	last := map[string]string{}       // digest by tag, "" where the tag was deleted
	contents := map[string]string{}   // of the index page, by digest
	inside := map[string]int{}        // visitors, by directory
	push := func(tag string, n int) { // known before it is pushed, so that a visitor never sees what the model does not know
		image := registrytest.Image(t, map[string]string{"index.html": fmt.Sprint("image ", n), "large": strings.Repeat("x", 20_000*n)})
		digest, err := image.Digest()
		if err != nil {
			t.Error(err)
			return
		}
		mu.Lock()
		if ledTo[tag] == nil {
			ledTo[tag] = map[string]bool{}
		}
		ledTo[tag][digest.String()], last[tag], contents[digest.String()] = true, digest.String(), fmt.Sprint("image ", n)
		mu.Unlock()
		r.PushImage(tag, image)
	}
	left := func(directory string) {
		mu.Lock()
		defer mu.Unlock()
		if inside[directory] != 0 {
			t.Errorf("%s is left with %d visitors in it", directory, inside[directory])
		}
	}
	tags, dir := start(t, r, func(o *Options) { o.Left = left })
	name := func() string { return fmt.Sprint("pr-", rand.N(tagCount)) }
	visit := func(ctx context.Context) {
		tag := name()
		s := tags.Wait(ctx, tag)
		defer s.Leave()
		for _, b := range []*Build{s.Build, s.Before} {
			if b == nil {
				continue
			}
			mu.Lock()
			inside[b.Directory]++
			known, want := ledTo[tag][b.Digest], contents[b.Digest]
			mu.Unlock()
			for range 3 {
				got, err := os.ReadFile(filepath.Join(dir, b.Directory, "index.html"))
				if err != nil || string(got) != want || !known {
					t.Errorf("%s: got %q, %v, want %q, which it %t leads to", tag, got, err, want, known)
				}
			}
			mu.Lock()
			inside[b.Directory]--
			mu.Unlock()
		}
		if s.Build != nil && s.Build == s.Before {
			t.Errorf("%s: the build before is the same one", tag)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	var visiting sync.WaitGroup
	for range visitors {
		visiting.Go(func() {
			for ctx.Err() == nil {
				visit(ctx)
				time.Sleep(rand.N(2 * time.Millisecond)) // so that all else has its turn too
			}
		})
	}
	visiting.Go(func() {
		for ctx.Err() == nil {
			tags.Rows()
			_, _ = tags.Names(ctx)
			if rand.N(10) == 0 {
				_ = tags.Find(ctx, "nothing")
			}
			tags.Counts()
			goOutOfUse(tags, name())
			time.Sleep(time.Millisecond)
		}
	})
	for n := range tagCount {
		push(fmt.Sprint("pr-", n), n)
	}
	for range moves {
		switch tag := name(); rand.N(8) {
		case 0:
			mu.Lock()
			there := last[tag] != ""
			last[tag] = ""
			mu.Unlock()
			if there {
				r.Delete(tag)
			}
		case 1:
			fails := faults[rand.N(len(faults))]
			r.Fault(func(w http.ResponseWriter, req *http.Request) bool {
				return req.UserAgent() == userAgent && fails(w, req)
			})
		case 2, 3:
			r.Fault(nil)
		default:
			push(tag, rand.N(imageCount))
		}
		time.Sleep(rand.N(3 * time.Millisecond))
	}
	r.Fault(nil)
	for tag, digest := range last {
		eventually(t, tag+" shows "+digest, func() bool {
			s := tags.Enter(ctx, tag)
			defer s.Leave()
			if s.Build == nil {
				_ = tags.Find(ctx, "nothing")
			}
			return digest == "" && s.State == Gone || s.Build != nil && s.Build.Digest == digest
		})
	}
	stop()
	visiting.Wait()
	isHeldOnce(t, tags)
}

// faults are ways in which a registry fails.
var faults = []func(http.ResponseWriter, *http.Request) bool{
	func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(500); return true },
	func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) },
	func(w http.ResponseWriter, _ *http.Request) bool { _, _ = w.Write([]byte("<garbage>")); return true },
	func(w http.ResponseWriter, r *http.Request) bool { // blobs that end too early
		if !strings.Contains(r.URL.Path, "/blobs/") {
			return false
		}
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte("short"))
		panic(http.ErrAbortHandler)
	},
	func(w http.ResponseWriter, r *http.Request) bool { // one in ten is too many
		if rand.N(10) > 0 {
			return false
		}
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	},
}

// goOutOfUse has the time pass after which a tag is not in use, and the build before the one it shows goes.
func goOutOfUse(t *Tags, name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if g := t.tags[name]; g != nil {
		g.visited, g.until = time.Time{}, time.Time{}
		t.awaken()
	}
}

// isHeldOnce says that tags hold the builds that they show, and nobody anything else.
func isHeldOnce(t *testing.T, tags *Tags) {
	t.Helper()
	tags.mu.Lock()
	defer tags.mu.Unlock()
	want := map[*Build]int64{}
	for _, g := range tags.tags {
		for _, b := range []*Build{g.shown, g.before} {
			if b != nil {
				want[b]++
			}
		}
	}
	for digest, b := range tags.builds {
		if got := b.holders.Load(); got != want[b] || got == 0 {
			t.Errorf("%s is held %d times, and shown by %d tags", digest, got, want[b])
		}
		delete(want, b)
	}
	if len(want) > 0 {
		t.Errorf("%d builds are shown that are not known to be held", len(want))
	}
}

// TestTheRegistryIsAskedAsSeldomAsSaid: whatever clients ask for, the list is read at most once a second, and where that does not
// have all, at most five tags are asked for in it. What is there is found all the same.
func TestTheRegistryIsAskedAsSeldomAsSaid(t *testing.T) {
	for name, listed := range map[string]int{"all are listed": 3, "more than are listed": registry.MaxTags + 1} {
		t.Run(name, func(t *testing.T) {
			r := registrytest.Start(t)
			r.Push("zz-last", map[string]string{"index.html": ""})
			var all []string
			for n := range listed {
				all = append(all, fmt.Sprint("t-", n))
			}
			var lists, heads atomic.Int64
			r.Fault(func(w http.ResponseWriter, req *http.Request) bool {
				switch {
				case strings.HasSuffix(req.URL.Path, "/tags/list"):
					lists.Add(1)
					_ = json.NewEncoder(w).Encode(map[string]any{"name": "team/app", "tags": all})
					return true
				case strings.Contains(req.URL.Path, "/manifests/") && req.Method == http.MethodHead:
					heads.Add(1)
				}
				return false
			})
			begun := time.Now()
			tags, _ := start(t, r)
			eventually(t, "the list is read", func() bool { names, _ := tags.Names(t.Context()); return len(names) > 0 })
			var asking sync.WaitGroup
			for range 32 {
				asking.Go(func() {
					for range 3 {
						_ = tags.Find(t.Context(), fmt.Sprint("unknown-", rand.Uint64()))
					}
				})
			}
			asking.Wait()
			if listed > registry.MaxTags {
				eventually(t, "a tag beyond the list is found", func() bool {
					return tags.Find(t.Context(), "zz-last") == nil && tags.Peek("zz-last").State != Gone
				})
			}
			took := time.Since(begun)
			if most := int64(took/listAtMost) + 1; lists.Load() > most {
				t.Errorf("the list was read %d times in %v, want at most %d", lists.Load(), took, most)
			}
			if most := int64(took/findEvery) + 1; heads.Load() > most {
				t.Errorf("%d tags were asked for in %v, want at most %d", heads.Load(), took, most)
			}
		})
	}
}

// TestATagIsFoundOnItsFirstVisit: what was pushed before somebody looks for it is found, however short ago the list was read.
func TestATagIsFoundOnItsFirstVisit(t *testing.T) {
	r := registrytest.Start(t)
	tags, _ := start(t, r)
	var looking sync.WaitGroup
	for n := range 3 {
		tag := fmt.Sprint("pr-", n)
		r.Push(tag, map[string]string{"index.html": tag})
		for range 4 {
			looking.Go(func() {
				if err := tags.Find(t.Context(), tag); err != nil {
					t.Errorf("%s: %v", tag, err)
				}
				s := tags.Peek(tag)
				defer s.Leave()
				if s.State == Gone {
					t.Errorf("%s is said not to be there", tag)
				}
			})
		}
	}
	looking.Wait()
}

// TestWhatCannotBeWrittenDownIsTriedAgain: as on a disk that was full.
func TestWhatCannotBeWrittenDownIsTriedAgain(t *testing.T) {
	r := registrytest.Start(t)
	r.Push("pr-1", map[string]string{"index.html": "1"})
	warnings := make(chan string, 100)
	tags, dir := start(t, r, func(o *Options) {
		o.Warn = func(text, _ string) {
			if strings.HasPrefix(text, "writing down which tag is which build: ") {
				warnings <- text
			}
		}
	})
	inTheWay := filepath.Join(dir, "tags.json")
	if err := os.MkdirAll(filepath.Join(inTheWay, "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := tags.Find(t.Context(), "pr-1"); err != nil {
		t.Fatal(err)
	}
	expectBuild(t, tags, "pr-1")
	<-warnings
	if err := os.RemoveAll(inTheWay); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the tags are written down", func() bool {
		text, err := os.ReadFile(inTheWay)
		return err == nil && strings.Contains(string(text), "pr-1")
	})
	if len(warnings) > 0 {
		t.Errorf("warned again: %q", <-warnings)
	}
}

// TestPausesGrow: each failure doubles the time until the next try, up to the most; what works ends that.
func TestPausesGrow(t *testing.T) {
	now := time.Now()
	var a attempts
	about := func(want time.Duration) {
		t.Helper()
		if got := a.due.Sub(now); got < want-want/20 || got > want+want/20 {
			t.Errorf("after %d failures: got %v, want about %v", a.failed, got, want)
		}
	}
	for n := range 20 {
		a.fail(errors.New("failed"), now, 5*time.Second, maxPause)
		about(min(5*time.Second<<n, maxPause))
		if !a.wait(now) || a.wait(a.due) {
			t.Errorf("after %d failures: it does not wait until it is due", a.failed)
		}
	}
	if a = (attempts{}); a.wait(now) {
		t.Error("it waits though nothing has failed")
	}
}

// TestTheRegistrySaysWhenToComeBack: a 429 to any kind of question ends all kinds, until the time that it says.
func TestTheRegistrySaysWhenToComeBack(t *testing.T) {
	for kind, is := range map[string]func(*http.Request) bool{
		"list":     func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/tags/list") },
		"digest":   func(r *http.Request) bool { return r.Method == "HEAD" && strings.Contains(r.URL.Path, "/manifests/") },
		"manifest": func(r *http.Request) bool { return r.Method == "GET" && strings.Contains(r.URL.Path, "/manifests/") },
		"layer":    func(r *http.Request) bool { return r.Method == "GET" && strings.Contains(r.URL.Path, "/blobs/") },
	} {
		t.Run(kind, func(t *testing.T) {
			r := registrytest.Start(t)
			for n := range 3 {
				r.Push(fmt.Sprint("pr-", n), map[string]string{"index.html": fmt.Sprint(n)})
			}
			tags, _ := start(t, r)
			eventually(t, "the list is read", func() bool { names, _ := tags.Names(t.Context()); return len(names) == 3 })
			expectBuild(t, tags, "pr-0")
			r.Fault(func(w http.ResponseWriter, req *http.Request) bool {
				if is(req) {
					w.Header().Set("Retry-After", "1800")
					w.WriteHeader(http.StatusTooManyRequests)
				}
				return is(req)
			})
			isPaused := func() bool {
				tags.mu.Lock()
				defer tags.mu.Unlock()
				return time.Until(tags.paused) > 20*time.Minute
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel() // nothing is waited for
			eventually(t, "it is seen", func() bool {
				if kind == "list" {
					_ = tags.Find(t.Context(), "unknown")
				}
				tags.Enter(ctx, "pr-1").Leave()
				return isPaused()
			})
			asksNothing := func() bool {
				tags.mu.Lock()
				defer tags.mu.Unlock()
				asks := len(tags.pulls) > 0 || tags.list.reading != nil || tags.list.finding != nil || tags.describe.busy > 0
				for _, g := range tags.tags {
					asks = asks || g.asking != nil
				}
				return !asks
			}
			eventually(t, "what was under way ends", asksNothing)
			asked := r.Asked()
			for range 20 {
				expectBuild(t, tags, "pr-0")
				tags.Enter(ctx, "pr-1").Leave()
				s := tags.Enter(ctx, "pr-2")
				if s.State != Failed || !strings.Contains(s.Reason, "429") && !strings.Contains(s.Reason, "left alone") {
					t.Errorf("pr-2: got %s, %q", s.State, s.Reason)
				}
				s.Leave()
				if tags.Find(ctx, "unknown") == nil {
					t.Error("an unknown name is said not to be there")
				}
				tags.Rows()
				tags.round(time.Now())
				tags.round(time.Now().Add(10 * time.Minute))
				if !asksNothing() {
					t.Fatal("something is being asked for")
				}
			}
			if now := r.Asked(); now != asked {
				t.Errorf("%d requests after 429", now-asked)
			}
		})
	}
}

// expectBuild waits until a tag shows a build.
func expectBuild(t *testing.T, tags *Tags, name string) {
	t.Helper()
	s := tags.Wait(t.Context(), name)
	defer s.Leave()
	if s.Build == nil {
		t.Errorf("%s: got %s, %q", name, s.State, s.Reason)
	}
}

// TestManyFirstVisits: visitors of more tags than are asked for at the same time all get theirs.
func TestManyFirstVisits(t *testing.T) {
	r := registrytest.Start(t)
	const many = maxAsking + 4
	for n := range many {
		r.Push(fmt.Sprint("pr-", n), map[string]string{"index.html": fmt.Sprint(n)})
	}
	tags, _ := start(t, r)
	eventually(t, "the list is read", func() bool { names, _ := tags.Names(t.Context()); return len(names) == many })
	var visiting sync.WaitGroup
	for n := range many {
		visiting.Go(func() { expectBuild(t, tags, fmt.Sprint("pr-", n)) })
	}
	visiting.Wait()
}

// TestARegistryThatHangs holds up nothing that is here, nor the end. After a start too, what is here is shown.
func TestARegistryThatHangs(t *testing.T) {
	r := registrytest.Start(t)
	digest := r.Push("pr-1", map[string]string{"index.html": "one"})
	r.Push("pr-2", map[string]string{"index.html": "two"})
	builds, err := store.Open(t.TempDir(), 2<<20)
	if err != nil {
		t.Fatal(err)
	}
	hangs := make(chan struct{})
	hang := func(http.ResponseWriter, *http.Request) bool { <-hangs; return true }
	tags, end := startIn(t, r, builds)
	eventually(t, "it is here", func() bool {
		s := tags.Wait(t.Context(), "pr-1")
		defer s.Leave()
		return s.Build != nil
	})
	r.Fault(hang)
	s := tags.Enter(t.Context(), "pr-2")
	if s.State != Fetching {
		t.Errorf("a tag that is not here: got %s, want that it is being fetched", s.State)
	}
	if s = tags.Enter(t.Context(), "pr-1"); s.Build == nil || s.Build.Digest != digest {
		t.Errorf("a tag that is here: got %s, %q", s.State, s.Reason)
	}
	end() // with the registry asked for several things
	if s := tags.Enter(t.Context(), "pr-2"); s.State != Failed || !strings.Contains(s.Reason, "about to end") {
		t.Errorf("after the end: got %s, %q", s.State, s.Reason)
	}
	s.Leave()
	tags, end = startIn(t, r, builds)
	if s := tags.Enter(t.Context(), "pr-1"); s.Build == nil || s.Build.Digest != digest {
		t.Errorf("after a start: got %s, %q", s.State, s.Reason)
	}
	impatient, cancel := context.WithTimeout(t.Context(), check)
	defer cancel()
	if err := tags.Find(impatient, "unknown"); err == nil {
		t.Error("an unknown name is said not to be there")
	}
	end()
	close(hangs)
	if err := builds.Close(); err != nil {
		t.Error(err)
	}
}

// TestBuildsThatAreShared by tags are held as long as one of them shows it, and come back when a tag moves back.
func TestBuildsThatAreShared(t *testing.T) {
	r := registrytest.Start(t)
	a := registrytest.Image(t, map[string]string{"index.html": "a"})
	b := registrytest.Image(t, map[string]string{"index.html": "b"})
	var mu sync.Mutex
	var left []string
	tags, _ := start(t, r, func(o *Options) {
		o.Left = func(directory string) {
			mu.Lock()
			defer mu.Unlock()
			left = append(left, directory)
		}
	})
	digests := map[string]string{"a": r.PushImage("pr-1", a), "b": r.PushImage("pr-2", b)}
	r.PushImage("pr-2", a)
	if err := tags.Find(t.Context(), "pr-2"); err != nil || tags.Version() == 0 {
		t.Fatal(err)
	}
	shows := func(tag, want string) {
		t.Helper()
		eventually(t, tag+" shows "+want, func() bool {
			s := tags.Wait(t.Context(), tag)
			defer s.Leave()
			return s.Build != nil && s.Build.Digest == digests[want]
		})
	}
	shows("pr-1", "a")
	shows("pr-2", "a")
	for range 3 { // A, B, A, ...: of one tag only, by pushing it again
		r.PushImage("pr-1", b)
		shows("pr-1", "b")
		r.PushImage("pr-1", a)
		shows("pr-1", "a")
	}
	r.Delete("pr-2")
	eventually(t, "it is gone", func() bool {
		s := tags.Peek("pr-2")
		defer s.Leave()
		return s.State == Gone
	})
	shows("pr-1", "a")
	mu.Lock()
	defer mu.Unlock()
	if len(left) != 0 {
		t.Errorf("%q are left, which pr-1 shows or has shown before", left)
	}
	isHeldOnce(t, tags)
}

// TestALayerThatTheDiskHasChanged does not refuse the image: it is fetched anew.
func TestALayerThatTheDiskHasChanged(t *testing.T) {
	r := registrytest.Start(t)
	digest := r.PushImage("pr-1", registrytest.Image(t, map[string]string{"index.html": "a"}))
	dir := t.TempDir()
	shows := func() {
		builds, err := store.Open(dir, 2<<20)
		if err != nil {
			t.Fatal(err)
		}
		tags, end := startIn(t, r, builds)
		eventually(t, "the build is shown", func() bool {
			s := tags.Wait(t.Context(), "pr-1")
			defer s.Leave()
			return s.Build != nil && s.Build.Digest == digest
		})
		end()
		if err := builds.Close(); err != nil {
			t.Error(err)
		}
	}
	shows()
	blobs, err := filepath.Glob(filepath.Join(dir, "blobs", "*"))
	if err != nil || len(blobs) == 0 {
		t.Fatal(blobs, err)
	}
	for _, name := range blobs {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		content[len(content)/2] ^= 0xff
		if err = os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err = os.RemoveAll(filepath.Join(dir, "builds")); err != nil {
		t.Fatal(err)
	}
	shows()
}
