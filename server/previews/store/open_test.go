package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// write makes files below a directory, with all directories on their way; one whose name ends with a slash is a directory.
func write(t *testing.T, directory string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(directory, filepath.FromSlash(name))
		if strings.HasSuffix(name, "/") {
			check(t, os.MkdirAll(path, 0o755))
			continue
		}
		check(t, os.MkdirAll(filepath.Dir(path), 0o755))
		check(t, os.WriteFile(path, []byte(content), 0o644))
	}
}

func markerOf(word string) string {
	text, err := json.Marshal(marker{digestOf(word), Meta{Disk: block, Added: time.Unix(1e9, 0).UTC()}})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// TestWhatIsNotWholeIsThrownAway: whatever a process or a machine that failed has left, a start keeps what is whole, and
// everything can be made again.
func TestWhatIsNotWholeIsThrownAway(t *testing.T) {
	directory := t.TempDir()
	s := mustOpen(t, directory, 16<<20)
	mustAdd(t, s, "good", 100).Release()
	mustBlob(t, s, "good").Release()
	check(t, s.Close())
	build := func(word string) string { return "builds/" + nameOf(word) + "/" }
	long := strings.TrimSuffix(markerOf("long"), "}") + `,"Path":"` + strings.Repeat("x", maxMarker) + `"}`
	write(t, directory, map[string]string{
		"staging/1":                           "half a blob",
		"staging/2/site/index.html":           "half a build",
		"staging/2/build.json":                markerOf("staged"),
		build("no marker") + "site/a":         "a",
		build("empty marker") + "site/a":      "a",
		build("empty marker") + "build.json":  "",
		build("half a marker") + "site/a":     "a",
		build("half a marker") + "build.json": markerOf("half a marker")[:60],
		build("of another") + "site/a":        "a",
		build("of another") + "build.json":    markerOf("good"),
		build("no site") + "build.json":       markerOf("no site"),
		build("a file") + "site":              "a",
		build("a file") + "build.json":        markerOf("a file"),
		build("long") + "site/a":              "a",
		build("long") + "build.json":          long,
		build("directory") + "build.json/":    "",
		"builds/" + nameOf("file"):            "a",
		"builds/something/site/a":             "a",
		"builds/.hidden":                      "a",
		"blobs/" + nameOf("directory") + "/":  "",
		"blobs/" + nameOf("x") + ".part":      "a",
		"blobs/" + nameOf("short"):            "sho",
	})
	check(t, os.MkdirAll(filepath.Join(directory, build("a link")), 0o755))
	check(t, os.Symlink("../"+nameOf("good")+"/site", filepath.Join(directory, build("a link"), "site")))
	check(t, os.WriteFile(filepath.Join(directory, build("a link"), "build.json"), []byte(markerOf("a link")), 0o600))

	s = mustOpen(t, directory, 16<<20)
	if got, want := names(t, directory+"/builds"), []string{nameOf("good")}; !slices.Equal(got, want) {
		t.Errorf("builds: got %q, want %q", got, want)
	}
	want := []string{nameOf("good"), nameOf("short")}
	slices.Sort(want)
	if got := names(t, directory+"/blobs"); !slices.Equal(got, want) {
		t.Errorf("blobs: got %q, want %q", got, want)
	}
	if got := names(t, directory+"/staging"); len(got) > 0 {
		t.Errorf("staging: got %q", got)
	}
	for _, word := range []string{"no marker", "empty marker", "half a marker", "of another", "no site", "a file", "a link", "long", "directory", "file", "staged"} {
		if _, here := s.Look(digestOf(word)); here {
			t.Errorf("%s is here", word)
		}
		mustAdd(t, s, word, 10).Release()
	}
	blob := mustBlob(t, s, "short") // its size is wrong: it is fetched again
	if got, err := os.ReadFile(filepath.Join(directory, "blobs", nameOf("short"))); string(got) != "short" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	blob.Release()
	if real, _, _ := s.Counts(); real < taken(t, directory) {
		t.Errorf("%d bytes are counted, %d are on the disk", real, taken(t, directory))
	}
}

// TestADirectoryOfOthersIsRefused: nothing in it is touched.
func TestADirectoryOfOthersIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		files   map[string]string
		refused string // the name in the message; "" is for a directory that can be used
	}{
		"empty":                      {nil, ""},
		"a new volume":               {map[string]string{"lost+found/": ""}, ""},
		"begun":                      {map[string]string{"lock": ""}, ""},
		"begun a little later":       {map[string]string{"lock": "", "layout": ""}, ""},
		"of another version":         {map[string]string{"lock": "", "layout": "previewd previews 7\n", "builds/x/y": "", "else/where": "", "lost+found/": ""}, ""},
		"a site":                     {map[string]string{"index.html": "hello"}, "index.html"},
		"a site, and a lock":         {map[string]string{"index.html": "hello", "lock": ""}, "index.html"},
		"a layout of something else": {map[string]string{"layout": "two columns\n"}, "layout"},
		"a long layout":              {map[string]string{"layout": strings.Repeat("previewd previews ", 1000)}, "layout"},
		"builds of something else":   {map[string]string{"builds/today/log": "ok"}, "builds"},
	} {
		t.Run(name, func(t *testing.T) {
			directory := t.TempDir()
			write(t, directory, c.files)
			s, err := Open(directory, 16<<20)
			if c.refused == "" {
				if err != nil {
					t.Fatal(err)
				}
				mustAdd(t, s, "a", 1).Release()
				check(t, s.Close())
				got := slices.DeleteFunc(names(t, directory), func(name string) bool { return name == "lost+found" })
				if want := []string{"blobs", "builds", "layout", "lock", "staging"}; !slices.Equal(got, want) {
					t.Errorf("got %q, want %q", got, want)
				}
				return
			}
			if err == nil {
				_ = s.Close()
				t.Fatal("it was used")
			}
			if want := fmt.Sprintf("it has %q", c.refused); !strings.Contains(err.Error(), want) || !strings.HasSuffix(err.Error(), "set PREVIEWS_STORE to an empty directory, or to one that does not exist") {
				t.Errorf("got %q, want %q and the remedy", err, want)
			}
			for name, content := range c.files {
				if got, err := os.ReadFile(filepath.Join(directory, name)); string(got) != content || err != nil {
					t.Errorf("%s: got %q, %v", name, got, err)
				}
			}
			if got := len(names(t, directory)); got != len(c.files) {
				t.Errorf("%d names, want %d", got, len(c.files))
			}
		})
	}
}

func TestAStoreIsOfOneProcess(t *testing.T) {
	directory := t.TempDir()
	s := mustOpen(t, directory, 16<<20)
	_, err := Open(directory, 16<<20)
	if want := "another process uses it: each process needs a PREVIEWS_STORE of its own"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %q", err, want)
	}
	check(t, s.Close())
	check(t, mustOpen(t, directory, 16<<20).Close())
}

func TestAFileIsNoStore(t *testing.T) {
	file := filepath.Join(t.TempDir(), "previews")
	check(t, os.WriteFile(file, nil, 0o600))
	if _, err := Open(file, 16<<20); err == nil || !strings.Contains(err.Error(), "set PREVIEWS_STORE to a directory that can be written") {
		t.Errorf("got %v", err)
	}
}

// TestTheOrderOfLastUseIsKept across restarts, but for what was used within one minute.
func TestTheOrderOfLastUseIsKept(t *testing.T) {
	directory := t.TempDir()
	s := mustOpen(t, directory, 16<<20)
	for _, word := range []string{"a", "b", "c"} {
		mustAdd(t, s, word, 1).Release()
		mustBlob(t, s, word).Release()
	}
	check(t, s.Close())
	for hours, name := range []string{"builds/" + nameOf("b") + "/build.json", "blobs/" + nameOf("c"), "builds/" + nameOf("a") + "/build.json",
		"blobs/" + nameOf("a"), "builds/" + nameOf("c") + "/build.json", "blobs/" + nameOf("b")} {
		used := time.Now().Add(time.Duration(hours-10) * time.Hour)
		check(t, os.Chtimes(filepath.Join(directory, name), used, used))
	}
	want := []string{"builds/" + nameOf("b"), "blobs/" + nameOf("c"), "builds/" + nameOf("a"), "blobs/" + nameOf("a"), "builds/" + nameOf("c"), "blobs/" + nameOf("b")}
	for range 2 {
		s = mustOpen(t, directory, 16<<20)
		if got := (&model{}).state(s).order; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if b, here := s.Use(digestOf("b")); here {
			b.Release()
		}
		check(t, s.Close())
		want = append(slices.DeleteFunc(want, func(name string) bool { return name == "builds/"+nameOf("b") }), "builds/"+nameOf("b"))
	}
}

// TestASmallerLimit: what is too much is removed by the start.
func TestASmallerLimit(t *testing.T) {
	directory := t.TempDir()
	s := mustOpen(t, directory, 16<<20)
	for i := range 8 {
		mustAdd(t, s, fmt.Sprint(i), 20000).Release()
	}
	check(t, s.Close())
	s = mustOpen(t, directory, 150<<10)
	bytes, limit, builds := s.Counts()
	if bytes > limit || builds == 0 || builds == 8 {
		t.Errorf("%d bytes of %d builds, at most %d may be", bytes, builds, limit)
	}
	b := mustAdd(t, s, "new", 20000)
	if _, err := s.Add(t.Context(), digestOf("large"), site(150<<10)); !errors.Is(err, ErrNoRoom) ||
		!strings.Contains(err.Error(), "no room for the build: it takes at least 17") || !strings.HasSuffix(err.Error(), "of the 150 KiB that PREVIEWS_SIZE allows") {
		t.Errorf("got %v", err)
	}
	b.Release()
}

func TestTagsAreRemembered(t *testing.T) {
	directory := t.TempDir()
	s := mustOpen(t, directory, 16<<20)
	if got := s.Remembered(); got != nil {
		t.Errorf("before: %v", got)
	}
	check(t, s.Remember(map[string]string{"old": digestOf("x")}))
	want := map[string]string{"registry.example.com/a:pr-1": digestOf("1"), "é<>\x00": digestOf("2")}
	check(t, s.Remember(want))
	check(t, s.Close())
	s = mustOpen(t, directory, 16<<20)
	if got := s.Remembered(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if err := s.Remember(map[string]string{strings.Repeat("x", maxTags): digestOf("1")}); err == nil || !strings.Contains(err.Error(), "at most 8 MiB are kept") {
		t.Errorf("too many: %v", err)
	}
	if got := s.Remembered(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("after what failed: %v", got)
	}
	if real, _, _ := s.Counts(); real != taken(t, directory) {
		t.Errorf("%d bytes are counted, %d are on the disk", real, taken(t, directory))
	}
	for name, broken := range map[string]string{"half": `{"a":"sha`, "empty": "", "a list": `["a"]`, "no digests": `{"a":"../../x"}`,
		"other values": `{"a":{"b":"c"}}`, "long": `{"a":"` + digestOf("1") + `"}` + strings.Repeat(" ", maxTags)} {
		check(t, os.WriteFile(filepath.Join(directory, "tags.json"), []byte(broken), 0o600))
		if got := s.Remembered(); got != nil {
			t.Errorf("%s: %v", name, got)
		}
	}
	check(t, s.Close())
	if err := s.Remember(nil); err == nil {
		t.Error("after Close")
	}
}

func TestSizesAreWrittenAsUsual(t *testing.T) {
	for bytes, want := range map[int64]string{0: "0 bytes", 1023: "1023 bytes", 1024: "1 KiB", 1536: "1.5 KiB", 1<<20 - 1: "1 MiB", 2 << 30: "2 GiB", 1<<63 - 1: "8 EiB", 1000 << 20: "1000 MiB"} {
		if got := size(bytes); got != want {
			t.Errorf("%d: got %q, want %q", bytes, got, want)
		}
	}
}
