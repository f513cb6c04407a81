// Package registrytest is a registry for tests: in memory, with images that are made of a few files, and with faults when a
// test wants some.
package registrytest

import (
	"archive/tar"
	"bytes"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Registry is one that runs.
type Registry struct {
	// Repository is the name of the one in it, with the address: 127.0.0.1:41234/team/app.
	Repository string

	t      testing.TB
	server *httptest.Server
	mu     sync.Mutex
	fault  func(w http.ResponseWriter, r *http.Request) bool
	asked  atomic.Int64
}

// Start starts a registry, which ends with the test.
func Start(t testing.TB) *Registry {
	r := &Registry{t: t}
	all := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	r.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.asked.Add(1)
		r.mu.Lock()
		fault := r.fault
		r.mu.Unlock()
		if fault != nil && req.Method != http.MethodPut && req.Method != http.MethodPost && req.Method != http.MethodPatch && req.Method != http.MethodDelete && fault(w, req) {
			return
		}
		all.ServeHTTP(w, req)
	}))
	t.Cleanup(r.server.Close)
	r.Repository = strings.TrimPrefix(r.server.URL, "http://") + "/team/app"
	return r
}

// Fault has each request that reads be answered by fault, where that returns true; nil ends that.
func (r *Registry) Fault(fault func(w http.ResponseWriter, r *http.Request) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault = fault
}

// Asked is how many requests there were.
func (r *Registry) Asked() int64 { return r.asked.Load() }

// Stop has the registry answer no more.
func (r *Registry) Stop() { r.server.Close() }

// Push pushes an image with one layer that has these files, and returns its digest.
func (r *Registry) Push(tag string, files map[string]string, labels ...string) (digest string) {
	r.t.Helper()
	return r.PushImage(tag, Image(r.t, files, labels...))
}

// PushImage pushes an image.
func (r *Registry) PushImage(tag string, image v1.Image) (digest string) {
	r.t.Helper()
	to, err := name.NewTag(r.Repository + ":" + tag)
	if err == nil {
		err = remote.Write(to, image)
	}
	var hash v1.Hash
	if err == nil {
		hash, err = image.Digest()
	}
	if err != nil {
		r.t.Fatalf("pushing %s: %v", tag, err)
	}
	return hash.String()
}

// Delete deletes a tag.
func (r *Registry) Delete(tag string) {
	r.t.Helper()
	of, err := name.NewTag(r.Repository + ":" + tag)
	if err == nil {
		err = remote.Delete(of)
	}
	if err != nil {
		r.t.Fatalf("deleting %s: %v", tag, err)
	}
}

// Image is an image with one layer of these files, and with labels: names and values.
func Image(t testing.TB, files map[string]string, labels ...string) v1.Image {
	t.Helper()
	data := Tar(t, files)
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil })
	if err != nil {
		t.Fatal(err)
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		t.Fatal(err)
	}
	config := v1.Config{Labels: map[string]string{}}
	for pair := range slices.Chunk(labels, 2) {
		config.Labels[pair[0]] = pair[1]
	}
	if image, err = mutate.Config(image, config); err != nil {
		t.Fatal(err)
	}
	return image
}

// Tar is an archive of files, in the order of their names.
func Tar(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	var names []string
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		h := &tar.Header{Name: name, Size: int64(len(files[name])), Mode: 0o644, ModTime: time.Unix(1e9, 0), Typeflag: tar.TypeReg}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, files[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
