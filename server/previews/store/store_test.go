package store

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// digestOf is the digest of a word.
func digestOf(word string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(word))) }

// nameOf is its file name.
func nameOf(word string) string { return strings.Replace(digestOf(word), ":", "-", 1) }

func mustOpen(t testing.TB, directory string, limit int64) *Store {
	t.Helper()
	s, err := Open(directory, limit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { check(t, s.Close()) })
	return s
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// site writes files of these sizes below into: 0, 1, 2 … and the same in a directory of each.
func site(sizes ...int64) func(*os.Root, func(int64) error) (Meta, error) {
	return func(into *os.Root, grow func(int64) error) (Meta, error) {
		meta := Meta{Path: "/"}
		for i, size := range sizes {
			directory := fmt.Sprint("d", i)
			if err := grow(block); err != nil {
				return Meta{}, err
			}
			if err := into.Mkdir(directory, 0o755); err != nil {
				return Meta{}, err
			}
			if err := grow(size); err != nil {
				return Meta{}, err
			}
			if err := into.WriteFile(directory+"/index.html", make([]byte, size), 0o644); err != nil {
				return Meta{}, err
			}
			meta.Files++
			meta.Bytes += size
		}
		return meta, nil
	}
}

func mustAdd(t testing.TB, s *Store, word string, sizes ...int64) *Build {
	t.Helper()
	b, err := s.Add(t.Context(), digestOf(word), site(sizes...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// bytesOf is a fetch of these bytes.
func bytesOf(content string) func(context.Context) (io.ReadCloser, error) {
	return func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil }
}

func mustBlob(t testing.TB, s *Store, content string) *Blob {
	t.Helper()
	b, err := s.Blob(t.Context(), digestOf(content), int64(len(content)), bytesOf(content), nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// taken is what a directory takes on the disk, found out by another way than the store's.
func taken(t testing.TB, directory string) (bytes int64) {
	t.Helper()
	check(t, filepath.WalkDir(directory, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			bytes += onDisk(info)
		}
		return err
	}))
	return bytes
}

// names are all names in a directory, sorted.
func names(t testing.TB, directory string) []string {
	t.Helper()
	entries, err := os.ReadDir(directory)
	check(t, err)
	list := []string{}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func TestABuildIsServedFromItsDirectoryAndKnownAfterARestart(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "previewd", "previews")
	s := mustOpen(t, directory, 16<<20)
	if _, here := s.Use(digestOf("a")); here {
		t.Error("here before it was added")
	}
	b := mustAdd(t, s, "a", 10, 20)
	if want := "builds/" + nameOf("a") + "/site"; b.Directory != want || b.Digest != digestOf("a") {
		t.Errorf("got %q %q, want %q", b.Digest, b.Directory, want)
	}
	if got, err := os.ReadFile(filepath.Join(directory, b.Directory, "d1", "index.html")); err != nil || len(got) != 20 {
		t.Errorf("%v, %d bytes", err, len(got))
	}
	m := b.Meta
	if m.Files != 2 || m.Bytes != 30 || m.Disk < 2*block || m.Path != "/" || time.Since(m.Added) > time.Hour {
		t.Errorf("got %+v", m)
	}
	if look, here := s.Look(digestOf("a")); !here || fmt.Sprint(look) != fmt.Sprint(m) {
		t.Errorf("Look: %v %+v", here, look)
	}
	blob := mustBlob(t, s, "layer")
	bytes, limit, builds := s.Counts()
	if real := taken(t, directory); bytes < real || bytes > real+4*block || limit != 16<<20 || builds != 1 {
		t.Errorf("counts %d %d %d, on disk %d", bytes, limit, builds, real)
	}
	b.Release()
	blob.Release()
	b.Release() // nothing more
	check(t, s.Close())
	if _, here := s.Use(digestOf("a")); here {
		t.Error("here after Close")
	}

	s = mustOpen(t, directory, 16<<20)
	if again, _, n := s.Counts(); again != bytes || n != 1 {
		t.Errorf("after a restart %d bytes of %d builds, before %d", again, n, bytes)
	}
	b, here := s.Use(digestOf("a"))
	if !here || fmt.Sprint(b.Meta) != fmt.Sprint(m) {
		t.Fatalf("after a restart: %v %+v", here, b)
	}
	b.Release()
	blob, err := s.Blob(t.Context(), digestOf("layer"), 5, func(context.Context) (io.ReadCloser, error) { return nil, errors.New("fetched again") }, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer blob.Release()
	from, err := blob.Open()
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(from)
	if string(got) != "layer" || err != nil || from.Close() != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestOnlyDigestsAreNames(t *testing.T) {
	s := mustOpen(t, t.TempDir(), 16<<20)
	for _, digest := range []string{"", "a", "sha256:", "sha256:..", "sha256:../../x", "sha256:" + strings.Repeat("g", 64), "sha256:" + strings.Repeat("A", 64),
		"sha256:" + strings.Repeat("a", 63), "md5:" + strings.Repeat("a", 32), "sha512:" + strings.Repeat("a", 64), "sha256-" + strings.Repeat("a", 64),
		"sha256:" + strings.Repeat("a", 64) + "\n"} {
		if _, err := s.Add(t.Context(), digest, site(1)); err == nil {
			t.Errorf("%q was added", digest)
		}
		if _, err := s.Blob(t.Context(), digest, 1, bytesOf("x"), nil); err == nil {
			t.Errorf("%q was fetched", digest)
		}
		if _, here := s.Use(digest); here {
			t.Errorf("%q is here", digest)
		}
	}
	b, err := s.Add(t.Context(), "sha512:"+strings.Repeat("a", 128), site(1))
	if err != nil {
		t.Fatal(err)
	}
	b.Release()
}

func TestABlobHasTheSizeThatWasAnnounced(t *testing.T) {
	directory := t.TempDir()
	s := mustOpen(t, directory, 16<<20)
	broken := errors.New("not the bytes of this digest")
	for name, c := range map[string]struct {
		size  int64
		fetch io.Reader
		want  string
	}{
		"more bytes":               {4, strings.NewReader("12345"), "does not have the 4 bytes that were announced, but more"},
		"fewer bytes":              {6, strings.NewReader("12345"), "but 5"},
		"none":                     {1, strings.NewReader(""), "but 0"},
		"bad end":                  {5, io.MultiReader(strings.NewReader("12345"), errReader{broken}), broken.Error()},
		"negative":                 {-1, strings.NewReader(""), "a size of -1 bytes"},
		"larger than all there is": {1 << 62, strings.NewReader(""), "no room for the build: it takes at least 4 EiB on disk, and 16 MiB can be made free of the 16 MiB that PREVIEWS_SIZE allows"},
	} {
		before, _, _ := s.Counts()
		_, err := s.Blob(t.Context(), digestOf("12345"), c.size, func(context.Context) (io.ReadCloser, error) { return io.NopCloser(c.fetch), nil }, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
		if after, _, _ := s.Counts(); after != before || len(names(t, directory+"/staging")) > 0 || len(names(t, directory+"/blobs")) > 0 {
			t.Errorf("%s: %d bytes, before %d; left are %q %q", name, after, before, names(t, directory+"/staging"), names(t, directory+"/blobs"))
		}
	}
	mustBlob(t, s, "12345").Release()
	// The size of a manifest that lies does not take the blob from who holds it.
	held := mustBlob(t, s, "12345")
	if _, err := s.Blob(t.Context(), digestOf("12345"), 4, bytesOf("1234"), nil); err == nil || !strings.Contains(err.Error(), "has 5 bytes, not 4") {
		t.Errorf("got %v", err)
	}
	held.Release()
}

// TestADamagedBlobIsFetchedAnew once it was verified and nobody holds it.
func TestADamagedBlobIsFetchedAnew(t *testing.T) {
	directory := t.TempDir()
	s := mustOpen(t, directory, 16<<20)
	b := mustBlob(t, s, "12345")
	check(t, b.Verify())
	for _, damaged := range []string{"12x45", "12"} {
		check(t, os.WriteFile(filepath.Join(directory, blobsDirectory, nameOf("12345")), []byte(damaged), 0o600))
		if err := b.Verify(); err == nil || !strings.Contains(err.Error(), "has changed on the disk") {
			t.Errorf("%q: got %v", damaged, err)
		}
		b.Release()
		b = mustBlob(t, s, "12345")
		check(t, b.Verify())
	}
	b.Release()
}

type errReader struct{ err error }

func (e errReader) Read([]byte) (int, error) { return 0, e.err }

func TestProgressIsToldToAllWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t, t.TempDir(), 16<<20)
		from, to := io.Pipe()
		var mu sync.Mutex
		seen := map[int][]int64{}
		var group sync.WaitGroup
		for i := range 3 {
			group.Go(func() {
				b, err := s.Blob(t.Context(), digestOf("blob"), 6, func(context.Context) (io.ReadCloser, error) { return from, nil },
					func(n int64) { mu.Lock(); defer mu.Unlock(); seen[i] = append(seen[i], n) })
				check(t, err)
				b.Release()
			})
			synctest.Wait()
		}
		for range 2 {
			_, _ = to.Write([]byte("abc"))
			synctest.Wait()
		}
		check(t, to.Close())
		group.Wait()
		mustBlobProgress(t, s, func(n int64) { seen[3] = append(seen[3], n) })
		for i, want := range []string{"[3 6 6]", "[3 6 6]", "[3 6 6]", "[6]"} {
			if got := fmt.Sprint(seen[i]); got != want {
				t.Errorf("caller %d: got %s, want %s", i, got, want)
			}
		}
	})
}

func mustBlobProgress(t *testing.T, s *Store, progress func(int64)) {
	t.Helper()
	b, err := s.Blob(t.Context(), digestOf("blob"), 6, nil, progress)
	check(t, err)
	b.Release()
}

// TestOneMakesForAll: of several callers at once one writes; when that one is called off another goes on; an error is for all.
func TestOneMakesForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t, t.TempDir(), 16<<20)
		writes := make(chan chan error)
		write := func(ctx context.Context) func(*os.Root, func(int64) error) (Meta, error) {
			return func(*os.Root, func(int64) error) (Meta, error) {
				end := make(chan error)
				writes <- end
				select {
				case err := <-end:
					return Meta{}, err
				case <-ctx.Done():
					return Meta{}, ctx.Err()
				}
			}
		}
		type result struct {
			*Build
			error
		}
		start := func(ctx context.Context) <-chan result {
			done := make(chan result, 1)
			go func() {
				b, err := s.Add(ctx, digestOf("a"), write(ctx))
				done <- result{b, err}
			}()
			synctest.Wait()
			return done
		}
		firstCtx, callOff := context.WithCancel(t.Context())
		first := start(firstCtx)
		<-writes
		secondCtx, leave := context.WithCancel(t.Context())
		second, third, fourth := start(secondCtx), start(t.Context()), start(t.Context())
		leave()
		if r := <-second; !errors.Is(r.error, context.Canceled) {
			t.Errorf("the one that left: %v", r.error)
		}
		callOff()
		if r := <-first; !errors.Is(r.error, context.Canceled) {
			t.Errorf("the one that was called off: %v", r.error)
		}
		end := <-writes
		synctest.Wait()
		fifth := start(t.Context())
		failure := errors.New("no such layer")
		end <- failure
		for i, r := range []result{<-third, <-fourth, <-fifth} {
			if !errors.Is(r.error, failure) {
				t.Errorf("%d of those who waited: %v", i, r.error)
			}
		}
		sixth := start(t.Context())
		end = <-writes
		leaverCtx, leave := context.WithCancel(t.Context())
		seventh, eighth := start(t.Context()), start(leaverCtx)
		leave()
		<-eighth
		end <- nil
		a, b := <-sixth, <-seventh
		if a.error != nil || b.error != nil {
			t.Fatal(a.error, b.error)
		}
		for i, want := range []int{2, 1, 0} {
			if e := s.here["builds/"+nameOf("a")]; e.holders != want {
				t.Errorf("%d holders after %d releases, want %d", e.holders, i, want)
			}
			for range 2 { // the second one does nothing
				[]*Build{a.Build, b.Build, a.Build}[i].Release()
			}
		}
	})
}

// TestAPanicLeavesNothing: those who wait get an error, and the next one makes it.
func TestAPanicLeavesNothing(t *testing.T) {
	directory := t.TempDir()
	s := mustOpen(t, directory, 16<<20)
	before, _, _ := s.Counts()
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		_, _ = s.Add(t.Context(), digestOf("a"), func(into *os.Root, grow func(int64) error) (Meta, error) {
			check(t, grow(1<<20))
			check(t, into.WriteFile("a", make([]byte, 1<<20), 0o644))
			panic("a defect")
		})
	}()
	if after, _, _ := s.Counts(); after != before || len(names(t, directory+"/staging")) > 0 {
		t.Errorf("%d bytes, before %d; left is %q", after, before, names(t, directory+"/staging"))
	}
	mustAdd(t, s, "a", 1).Release()
}

// TestABuildTakesLittleMemory: each one that is known takes a few hundred bytes.
func TestABuildTakesLittleMemory(t *testing.T) {
	directory := t.TempDir()
	check(t, mustOpen(t, directory, 1<<30).Close())
	const known = 200
	for i := range known {
		word := fmt.Sprint(i)
		text, err := json.Marshal(marker{digestOf(word), Meta{Path: "/usr/share/nginx/html", Files: 100, Bytes: 1e6, Disk: 1 << 20, Added: time.Now()}})
		check(t, err)
		write(t, directory, map[string]string{"builds/" + nameOf(word) + "/site/": "", "builds/" + nameOf(word) + "/build.json": string(text)})
	}
	heap := func() int {
		for range 3 { // what a sync.Pool has is kept by the first
			runtime.GC()
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	before := heap()
	s := mustOpen(t, directory, 1<<30)
	var held []*Build
	for i := range known / 5 {
		b, here := s.Use(digestOf(fmt.Sprint(i)))
		if !here {
			t.Fatal("not here")
		}
		held = append(held, b)
	}
	each := (heap() - before) / known
	t.Logf("%d bytes each", each)
	if each < 100 || each > 1500 {
		t.Errorf("%d bytes each", each)
	}
	for _, b := range held {
		b.Release()
	}
}
