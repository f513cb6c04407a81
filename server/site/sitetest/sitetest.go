// Package sitetest has what the tests of the site's floors share: directories to serve, and CPython to compare with.
package sitetest

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Build makes a directory: a name that ends in a slash is a directory, content "-> x" makes a symbolic
// link to x. Files are old: they have not changed for long.
func Build(t testing.TB, dir string, files map[string]string) string {
	t.Helper()
	old := time.Unix(784111777, 0) // Sun, 06 Nov 1994 08:49:37 GMT
	for name, content := range files {
		full := filepath.Join(dir, name)
		Check(t, os.MkdirAll(filepath.Dir(full), 0o755))
		switch target, isLink := strings.CutPrefix(content, "-> "); {
		case strings.HasSuffix(name, "/"):
			Check(t, os.MkdirAll(full, 0o755))
		case isLink:
			Check(t, os.Symlink(target, full))
		default:
			Check(t, os.WriteFile(full, []byte(content), 0o644))
			Check(t, os.Chtimes(full, old, old))
		}
	}
	return dir
}

// Check ends the test at an error.
func Check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Later is a clock for which the files of a test have not changed for long.
func Later() time.Time { return time.Now().Add(time.Minute) }

// Recently returns a clock for which whatever is written from now on has just changed, on a slow machine too: it goes for a second,
// and then stands.
func Recently() func() time.Time {
	began := time.Now()
	return func() time.Time { return began.Add(min(time.Since(began), time.Second)) }
}

// Every calls change at an interval, until the test ends.
func Every(t testing.TB, interval time.Duration, change func(i int)) {
	stop := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(interval):
				change(i)
			}
		}
	})
	t.Cleanup(func() { close(stop); writer.Wait() })
}

// Descriptors returns how many descriptors are open.
func Descriptors(t testing.TB) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc/self/fd here")
	}
	return len(list)
}

// Text is content of n bytes that compresses well.
func Text(n int) string { return strings.Repeat("All lights in order.\n", n/20+1)[:n] }
