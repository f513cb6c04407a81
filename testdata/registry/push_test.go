package registry

import (
	"archive/tar"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/compression"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// archive is a tar archive of the files, in order of their names.
func (f files) archive(t *testing.T) []byte {
	t.Helper()
	var buffer bytes.Buffer
	w := tar.NewWriter(&buffer)
	for _, name := range slices.Sorted(maps.Keys(f)) {
		header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(f[name])), ModTime: time.Unix(1.7e9, 0)}
		if err := w.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, f[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

// layer is the files as a layer of an OCI image.
func (f files) layer(t *testing.T, how compression.Compression) v1.Layer {
	t.Helper()
	text := f.archive(t)
	mediaType := map[compression.Compression]types.MediaType{
		compression.GZip: types.OCILayer, compression.ZStd: types.OCILayerZStd, compression.None: types.OCIUncompressedLayer,
	}[how]
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil },
		tarball.WithCompression(how), tarball.WithMediaType(mediaType))
	if err != nil {
		t.Fatal(err)
	}
	return layer
}

// image is an OCI image with the layers, bottom first.
func image(t *testing.T, layers ...v1.Layer) v1.Image {
	t.Helper()
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	made, err := mutate.AppendLayers(base, layers...)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// image is an OCI image with the files.
func (f files) image(t *testing.T) v1.Image { return image(t, f.layer(t, compression.GZip)) }

// labelled is the image with a time and labels.
func labelled(t *testing.T, made v1.Image, created time.Time, labels map[string]string) v1.Image {
	t.Helper()
	config, err := made.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.Created, config.Config.Labels = v1.Time{Time: created}, labels
	made, err = mutate.ConfigFile(made, config)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// reach is how the test's own program speaks with the registry.
func (r *registry) reach() []remote.Option {
	auth := authn.Anonymous
	if r.tokens {
		auth = &authn.Basic{Username: user, Password: secret}
	}
	return []remote.Option{remote.WithTransport(r.transport()), remote.WithAuth(auth)}
}

func (r *registry) transport() *http.Transport {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	r.t.Cleanup(transport.CloseIdleConnections)
	if r.tls != nil {
		transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} // who answers is not the question here
	}
	return transport
}

// reference is a tag as go-containerregistry knows one.
func (r *registry) reference(tag string) name.Reference {
	r.t.Helper()
	options := []name.Option{name.StrictValidation}
	if r.tls == nil {
		options = append(options, name.Insecure)
	}
	reference, err := name.ParseReference(r.tag(tag), options...)
	if err != nil {
		r.t.Fatal(err)
	}
	return reference
}

// push pushes an image or an index, and returns its digest.
func (r *registry) push(tag string, what remote.Taggable) string {
	r.t.Helper()
	var err error
	switch what := what.(type) {
	case v1.Image:
		err = remote.Write(r.reference(tag), what, r.reach()...)
	case v1.ImageIndex:
		err = remote.WriteIndex(r.reference(tag), what, r.reach()...)
	default:
		err = fmt.Errorf("%T is neither", what)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return digest(r.t, what)
}

// store pushes an image without a tag, and move has a tag lead to an image that is there.
func (r *registry) store(made v1.Image) {
	r.t.Helper()
	if err := remote.Write(r.reference("any").Context().Digest(digest(r.t, made)), made, r.reach()...); err != nil {
		r.t.Fatal(err)
	}
}

func (r *registry) move(tag string, made v1.Image) {
	r.t.Helper()
	if err := remote.Tag(r.reference("any").Context().Tag(tag), made, r.reach()...); err != nil {
		r.t.Fatal(err)
	}
}

// digest is that of an image or an index.
func digest(t *testing.T, what remote.Taggable) string {
	t.Helper()
	text, err := what.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	hash, _, err := v1.SHA256(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return hash.String()
}

// content is a file of a tag, from whichever layer has it: one that is an archive, or that is titled by the file's name.
func (r *registry) content(tag, name string) string {
	r.t.Helper()
	got, err := remote.Image(r.reference(tag), r.reach()...)
	if err != nil {
		r.t.Fatal(err)
	}
	manifest, err := got.Manifest()
	if err != nil {
		r.t.Fatal(err)
	}
	layers, err := got.Layers()
	if err != nil {
		r.t.Fatal(err)
	}
	for i, layer := range layers {
		if found, ok := r.find(layer, manifest.Layers[i].Annotations["org.opencontainers.image.title"], name); ok {
			return found
		}
	}
	return ""
}

// find is a file in a layer.
func (r *registry) find(layer v1.Layer, title, name string) (string, bool) {
	r.t.Helper()
	content, err := layer.Uncompressed()
	if err != nil {
		r.t.Fatal(err)
	}
	defer content.Close()
	if title == name {
		text, err := io.ReadAll(content)
		if err != nil {
			r.t.Fatal(err)
		}
		return string(text), true
	}
	archive := tar.NewReader(content)
	for {
		header, err := archive.Next()
		if err != nil {
			return "", false
		}
		if header.Name != name {
			continue
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			r.t.Fatal(err)
		}
		return string(text), true
	}
}

// forget deletes a tag.
func (r *registry) forget(tag string) {
	r.t.Helper()
	if err := remote.Delete(r.reference(tag), r.reach()...); err != nil {
		r.t.Fatal(err)
	}
}

// crane pushes the files as Docker schema 2, by the program.
func (r *registry) crane(tag string, f files) {
	r.t.Helper()
	layer := filepath.Join(r.t.TempDir(), "layer.tar")
	if err := os.WriteFile(layer, f.archive(r.t), 0o644); err != nil {
		r.t.Fatal(err)
	}
	run(r.t, "", r.variables(), tool(r.t, "CRANE", "crane"), "append", "--insecure", "-f", layer, "-t", r.tag(tag))
}

// oras pushes names in the directory, by the program.
func (r *registry) oras(tag, dir string, names ...string) {
	r.t.Helper()
	args := []string{"push", "--no-tty", "--insecure", r.tag(tag)}
	if r.tls == nil {
		args[2] = "--plain-http"
	}
	run(r.t, dir, r.variables(), tool(r.t, "ORAS", "oras"), append(args, names...)...)
}

// docker builds an image of the files by a Dockerfile, and pushes it, by a real engine. The engine trusts plain HTTP on
// 127.0.0.0/8.
func (r *registry) docker(tag, dockerfile string, f files) {
	r.t.Helper()
	if os.Getenv("PREVIEWD_DOCKER") == "" {
		r.t.Skip("PREVIEWD_DOCKER is not set")
	}
	docker := tool(r.t, "DOCKER", "docker")
	dir := f.below("dist").folder(r.t)
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o644); err != nil {
		r.t.Fatal(err)
	}
	variables := append(r.variables(), "DOCKER_BUILDKIT=1")
	run(r.t, dir, variables, docker, "build", "-q", "-t", r.tag(tag), ".")
	r.t.Cleanup(func() { run(r.t, dir, variables, docker, "image", "rm", "-f", r.tag(tag)) })
	run(r.t, dir, variables, docker, "push", "-q", r.tag(tag))
}

// variables have the programs know the user, and nothing of whoever runs the test.
func (r *registry) variables() []string {
	dir := r.t.TempDir()
	if r.tokens {
		dir = dockerConfig(r.t, r.addr)
	}
	return []string{"DOCKER_CONFIG=" + dir}
}

// TestPush: the registry has what each program pushed, and gives it to who may read.
func TestPush(t *testing.T) {
	site := files{"index.html": "<!DOCTYPE html><title>pushed</title>", "assets/app.js": strings.Repeat("// app\n", 1000)}
	trusted := newAuthority(t)
	for what, o := range map[string]options{
		"plain":          {},
		"tokens":         {tokens: newTokens(t)},
		"TLS":            {tls: trusted.server},
		"TLS and tokens": {tls: trusted.server, tokens: newTokens(t)},
	} {
		t.Run(what, func(t *testing.T) {
			r := serve(t, o)
			r.push("own", site.image(t))
			r.crane("crane", site)
			r.oras("oras", site.folder(t), "index.html", "assets")
			tags := []string{"crane", "oras", "own"}
			if r.tls == nil && os.Getenv("PREVIEWD_DOCKER") != "" {
				r.docker("docker", "FROM scratch\nCOPY dist /\n", site)
				tags = []string{"crane", "docker", "oras", "own"}
			}
			list, err := remote.List(r.reference("own").Context(), r.reach()...)
			slices.Sort(list)
			if err != nil || !slices.Equal(list, tags) {
				t.Errorf("the tags are %q, %v, want %q", list, err, tags)
			}
			for _, tag := range tags {
				if got := r.content(tag, "index.html"); got != site["index.html"] {
					t.Errorf("%s has the page %q", tag, got)
				}
			}
			_, err = remote.Head(r.reference("own"), remote.WithTransport(r.transport()))
			if (err != nil) != (o.tokens != nil) {
				t.Errorf("someone unknown gets %v", err)
			}
			r.forget("own")
			if _, err := remote.Head(r.reference("own"), r.reach()...); err == nil {
				t.Error("a tag that was deleted is there")
			}
			r.close()
			if _, err := remote.Head(r.reference("crane"), r.reach()...); err == nil {
				t.Error("a registry that is closed answers")
			}
			r.open()
			if _, err := remote.Head(r.reference("crane"), r.reach()...); err != nil {
				t.Errorf("after it opened again: %v", err)
			}
		})
	}
}
