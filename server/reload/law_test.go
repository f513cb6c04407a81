package reload

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// TestTheLastStateIsShown is the law: whatever is written, renamed and deleted, and whenever, a page shows the last state when
// all has come to rest.
func TestTheLastStateIsShown(t *testing.T) {
	for seed := range uint64(100) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			f := newFiles()
			page := func() string {
				text := fmt.Sprintf("page%d", random.IntN(1000))
				for _, part := range []string{"/a.css", "/b.css", "/c.js"} {
					if random.IntN(3) > 0 {
						text += " " + part
					}
				}
				return text
			}
			f.write("index.html", page())
			f.write("a.css", "a")
			f.write("b.css", "b")
			rn := run(t, f, 0)
			c := rn.open("/")
			for range 1 + random.IntN(30) {
				switch name := []string{"index.html", "a.css", "b.css", "c.js"}[random.IntN(4)]; random.IntN(5) {
				case 0:
					f.remove(name)
				case 1:
					f.write("new", fmt.Sprintf("renamed%d", random.IntN(1000)))
					if name == "index.html" {
						f.write("new", page())
					}
					f.rename("new", name)
				default:
					text := fmt.Sprintf("written%d", random.IntN(1000))
					if name == "index.html" {
						text = page()
					}
					f.write(name, text)
				}
				c.live([]time.Duration{0, time.Millisecond, 30 * time.Millisecond, 90 * time.Millisecond, time.Second}[random.IntN(5)])
			}
			c.live(givenUp + 5*time.Second)
			if !c.current() {
				t.Errorf("seed %d: the page shows %q %q, there is %v", seed, c.text, c.uses, f.text)
			}
			if c.building {
				t.Errorf("seed %d: the page still says that it is being rebuilt", seed)
			}
			c.leave()
		})
	}
}

// TestOneReloadABuild: a build that empties its output and renames its chunks is one reload, at its end, however long it
// takes and in which order it writes.
func TestOneReloadABuild(t *testing.T) {
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 2))
			f := newFiles()
			f.write("index.html", "old /app-1.js /style-1.css")
			f.write("app-1.js", "1")
			f.write("style-1.css", "1")
			rn := run(t, f, 0)
			c := rn.open("/")
			c.live(time.Duration(random.IntN(1000)) * time.Millisecond)
			for _, name := range []string{"style-1.css", "index.html", "app-1.js"} {
				f.remove(name)
				c.live(time.Duration(random.IntN(40)) * time.Millisecond)
			}
			c.live(time.Second)
			if !c.building || c.reloads != 0 {
				t.Errorf("seed %d: building %v, %d reloads while everything is gone", seed, c.building, c.reloads)
			}
			c.live(time.Duration(random.IntN(20000)) * time.Millisecond)
			writes := []func(){
				func() { f.write("app-2.js", "2") },
				func() { f.write("style-2.css", "2") },
				func() { f.write("index.html", "new"); f.write("index.html", "new /app-2.js /style-2.css") },
			}
			random.Shuffle(len(writes), func(i, j int) { writes[i], writes[j] = writes[j], writes[i] })
			for _, write := range writes {
				write()
				c.live(time.Duration(random.IntN(100)) * time.Millisecond)
			}
			c.live(time.Second)
			if c.reloads != 1 || !c.current() || c.uses["/app-2.js"] != "2" {
				t.Errorf("seed %d: %d reloads, the page shows %q %q", seed, c.reloads, c.text, c.uses)
			}
			c.leave()
		})
	}
}

// TestSeveralChangesAreOneReload: what changes while the first change comes to rest is told with it.
func TestSeveralChangesAreOneReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFiles()
		f.write("index.html", "page /a.css /b.css")
		f.write("a.css", "1")
		f.write("b.css", "1")
		c := run(t, f, 0).open("/")
		c.live(time.Second)
		f.write("a.css", "2")
		c.live(20 * time.Millisecond)
		f.write("b.css", "2")
		c.live(time.Second)
		if c.reloads != 1 || !c.current() {
			t.Errorf("%d reloads, the page shows %q", c.reloads, c.uses)
		}
		// A file that never rests does not keep another from being shown.
		for i := range 100 {
			f.write("a.css", fmt.Sprint(i))
			if i == 0 {
				f.write("b.css", "3")
			}
			c.live(30 * time.Millisecond)
		}
		if c.uses["/b.css"] != "3" || c.reloads > 5 {
			t.Errorf("%d reloads, the page shows %q", c.reloads, c.uses)
		}
		c.leave()
	})
}

// TestWhatChangedMeanwhile: a page that listens again says what it shows, also to a server that has started since, and is
// told only of what has changed.
func TestWhatChangedMeanwhile(t *testing.T) {
	for _, restart := range []bool{false, true} {
		for _, change := range []string{"", "a.css", "other.css", "index.html"} {
			synctest.Test(t, func(t *testing.T) {
				f := newFiles()
				f.write("index.html", "page /a.css /missing.js")
				f.write("a.css", "1")
				f.write("other.css", "1")
				rn := run(t, f, 0)
				c := rn.open("/")
				rn.open("/other.css.html") // another tab, of something that is missing
				c.live(time.Second)
				c.leave()
				if change != "" {
					f.write(change, "2")
				}
				// Others load the new state meanwhile.
				rn.get("/a.css", nil)
				rn.get("/", navigation)
				time.Sleep(time.Hour)
				if restart {
					rn.stop()
					rn = run(t, f, 0)
					c.rn = rn
				}
				c.listen(time.Hour)
				c.live(time.Second)
				want := 0
				if change == "a.css" || change == "index.html" {
					want = 1
				}
				if c.reloads != want || !c.current() {
					t.Errorf("restart %v, %q changed: %d reloads, want %d", restart, change, c.reloads, want)
				}
				c.leave()
			})
		}
	}
}

// TestLooksTakeLittle: however much a look costs, looks take a hundredth of a processor at the most, also while everything changes.
func TestLooksTakeLittle(t *testing.T) {
	for _, cost := range []time.Duration{0, 10 * time.Microsecond, 400 * time.Microsecond, time.Millisecond, 20 * time.Millisecond, 300 * time.Millisecond} {
		for _, changes := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				f := newFiles()
				f.write("index.html", "page /a.css")
				f.write("a.css", "1")
				rn := run(t, f, 0)
				var took time.Duration
				looks := 0
				rn.spent = func(do func()) time.Duration {
					do()
					time.Sleep(cost)
					took += cost
					looks++
					return cost
				}
				c := rn.open("/")
				began := time.Now()
				for time.Since(began) < time.Minute {
					if changes {
						f.write("a.css", fmt.Sprint(time.Since(began)))
					}
					c.live(10 * time.Millisecond)
				}
				c.leave()
				rn.stop()
				if limit := time.Since(began)/100 + 2*cost; took > limit || looks == 0 {
					t.Errorf("cost %v, changes %v: %d looks took %v in a minute, want at most %v", cost, changes, looks, took, limit)
				}
				if !changes && cost < 450*time.Microsecond && looks < 1100 {
					t.Errorf("cost %v: %d looks in a minute", cost, looks)
				}
			})
		}
	}
}

// TestNobodyListens: then nothing is looked at, and no clock runs.
func TestNobodyListens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFiles()
		f.write("index.html", "page")
		c := run(t, f, 0).open("/")
		c.live(time.Second)
		before := f.looked()
		c.live(time.Second)
		if n := f.looked() - before; n < 19 || n > 21 {
			t.Errorf("%d looks in a second, want 20", n)
		}
		c.leave()
		time.Sleep(time.Second)
		before = f.looked()
		time.Sleep(time.Hour)
		if n := f.looked() - before; n != 0 {
			t.Errorf("%d looks while nobody listens", n)
		}
	})
}
