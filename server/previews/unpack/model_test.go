package unpack_test

import (
	"archive/tar"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/previewd/previewd/server/previews/unpack"
)

// model is the tree of a container: the content of each file by its name, and "/" for a directory.
type model map[string]string

const isDirectory = "/"

// change does something at random: a file is written, with the directories above it, or a name is removed with all below it.
func (m model) change(r *rand.Rand) {
	name := ""
	for range 1 + r.IntN(3) {
		name = path.Join(name, string(rune('a'+r.IntN(3))))
	}
	switch r.IntN(3) {
	case 0:
		m.remove(name)
	case 1:
		m.above(name)
		m.remove(name)
		m[name] = fmt.Sprint(r.IntN(100))
	case 2:
		m.above(name)
		if m[name] != isDirectory {
			m[name] = isDirectory
		}
	}
}

func (m model) above(name string) {
	for d := path.Dir(name); d != "."; d = path.Dir(d) {
		m[d] = isDirectory
	}
}

func (m model) remove(name string) {
	maps.DeleteFunc(m, func(n, _ string) bool { return n == name || strings.HasPrefix(n, name+"/") })
}

// layer is what a builder writes of a change, in any order.
func (m model) layer(before model, r *rand.Rand) []byte {
	var entries []*tar.Header
	opaque := map[string]bool{}
	for name, content := range m {
		if content == isDirectory && before[name] == isDirectory && r.IntN(3) == 0 && m.isNew(before, name) {
			opaque[name] = true
			entries = append(entries, directory(name), file(name+"/.wh..wh..opq", ""))
		}
	}
	for name, content := range m {
		switch {
		case before[name] == content:
		case content == isDirectory:
			entries = append(entries, directory(name))
		default:
			entries = append(entries, file(name, content))
		}
	}
	for name := range before {
		above := path.Dir(name)
		if _, is := m[name]; !is && (above == "." || m[above] == isDirectory && before[above] == isDirectory) && !opaque[above] {
			entries = append(entries, file(path.Join(above, ".wh."+path.Base(name)), ""))
		}
	}
	r.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
	return archive(entries...)
}

// isNew says whether nothing below a directory was there before as it is now.
func (m model) isNew(before model, name string) bool {
	for n, content := range m {
		if strings.HasPrefix(n, name+"/") && before[n] == content {
			return false
		}
	}
	return true
}

// below is what lies below a directory, as tree has it.
func (m model) below(directory string) string {
	var lines []string
	for name, content := range m {
		rest, is := strings.CutPrefix("/"+name, strings.TrimSuffix("/"+directory, "/")+"/")
		switch {
		case is && content == isDirectory:
			lines = append(lines, rest+"/")
		case is:
			lines = append(lines, rest+": "+content)
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// TestModel: what is unpacked, whole or a directory of it, is what there was when the layers were made. The registry's library
// extracts the same, unless a name has been both a file and a directory: it shows what lay in a directory that a layer
// replaced by a file, if a later one makes a directory again.
func TestModel(t *testing.T) {
	compared := 0
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 0))
		now := model{}
		var layers [][]byte
		kinds := map[string]bool{}
		steady := true
		for range 1 + r.IntN(5) {
			before := maps.Clone(now)
			for range r.IntN(12) {
				now.change(r)
			}
			layers = append(layers, now.layer(before, r))
			for name, content := range now {
				was, is := kinds[name]
				steady = steady && !(is && was != (content == isDirectory))
				kinds[name] = content == isDirectory
			}
		}
		if steady {
			compared++
			if got, want := extracted(t, layers), strings.Join(now.files(), "\n"); got != want {
				t.Errorf("seed %d: the library extracts\n%s\nwant\n%s", seed, got, want)
			}
		}
		for _, site := range []string{"", "a", "a/b"} {
			if site != "" && now[site] != isDirectory {
				continue
			}
			directory, _, err := unpacked(t, image(layers...), unpack.Options{Path: "/" + site})
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			lines := strings.Split(tree(t, directory), "\n")
			slices.Sort(lines)
			if got, want := strings.Join(lines, "\n"), now.below(site); got != want {
				t.Errorf("seed %d: /%s is\n%s\nwant\n%s", seed, site, got, want)
			}
		}
	}
	if compared < 20 {
		t.Errorf("compared with the library only %d times", compared)
	}
}

// files are the files of a model with their content.
func (m model) files() (lines []string) {
	for name, content := range m {
		if content != isDirectory {
			lines = append(lines, name+": "+content)
		}
	}
	slices.Sort(lines)
	return lines
}

// extracted are the files that the library extracts.
func extracted(t *testing.T, layers [][]byte) string {
	image := empty.Image
	for _, l := range layers {
		var err error
		if image, err = mutate.AppendLayers(image, static.NewLayer(l, types.OCIUncompressedLayer)); err != nil {
			t.Fatal(err)
		}
	}
	r := mutate.Extract(image)
	defer r.Close()
	var lines []string
	archive := tar.NewReader(r)
	for {
		h, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			lines = append(lines, h.Name+": "+string(content))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
