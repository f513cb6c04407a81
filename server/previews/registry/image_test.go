package registry

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestInMemoryRegistry is the whole way with a registry that is not ours: tags, a digest, an image, its layers.
func TestInMemoryRegistry(t *testing.T) {
	a, handler := newAuthority(t), newInMemory()
	config := encode(t, imageConfig)
	for _, blob := range [][]byte{config, layerOne, layerTwo} {
		push(t, handler, "POST", "/v2/team/app/blobs/uploads/?digest="+sum(blob), "application/octet-stream", blob)
	}
	for _, c := range []struct{ manifest, config, layer string }{{dockerManifest, dockerConfig, dockerLayer}, {ociManifest, ociConfig, ociLayer}} {
		t.Run(c.manifest, func(t *testing.T) {
			manifest := encode(t, object{
				"schemaVersion": 2, "mediaType": c.manifest, "config": described(c.config, config),
				"layers": []object{described(c.layer, layerOne), described(c.layer, layerTwo)},
			})
			push(t, handler, "PUT", "/v2/team/app/manifests/pr-42", c.manifest, manifest)
			client := a.client(t, a.serve(t, handler), Options{})

			tags, more, err := client.Tags(t.Context())
			if err != nil || more || !slices.Equal(tags, []string{"pr-42"}) {
				t.Fatalf("tags: %q, %v, %v", tags, more, err)
			}
			digest, err := client.Head(t.Context(), "pr-42")
			if err != nil || digest != sum(manifest) {
				t.Fatalf("digest: %q, %v, want %q", digest, err, sum(manifest))
			}
			for _, reference := range []string{"pr-42", digest} {
				image, err := client.Image(t.Context(), reference)
				if err != nil {
					t.Fatal(err)
				}
				want := &Image{
					Digest: digest, Created: time.Date(2026, 11, 29, 12, 0, 0, 5e8, time.UTC), Size: int64(len(layerOne) + len(layerTwo)),
					Annotations: map[string]string{"org.opencontainers.image.title": "label", "org.opencontainers.image.revision": "abc", "maintainer": "me"},
					Layers:      []Layer{{Digest: sum(layerOne), Size: int64(len(layerOne)), DiffID: diffOne}, {Digest: sum(layerTwo), Size: int64(len(layerTwo)), DiffID: diffTwo}},
				}
				if !reflect.DeepEqual(image, want) {
					t.Errorf("%s: got %+v, want %+v", reference, image, want)
				}
				for i, want := range []string{string(layerOne), string(layerTwo)} {
					content, err := client.Layer(t.Context(), image.Layers[i])
					if err != nil {
						t.Fatal(err)
					}
					got, err := io.ReadAll(content)
					content.Close()
					if err != nil || string(got) != want {
						t.Errorf("layer %d: %q, %v", i, got, err)
					}
				}
			}
			if _, err := client.Head(t.Context(), "nowhere"); !errors.Is(err, ErrNotFound) {
				t.Errorf("a tag that is not there: %v", err)
			}
			if _, err := client.Image(t.Context(), "nowhere"); !errors.Is(err, ErrNotFound) {
				t.Errorf("an image that is not there: %v", err)
			}
		})
	}
}

// TestImage: what is read of a manifest, an index and a config.
func TestImage(t *testing.T) {
	f := newFake()
	image := f.manifest(t, imageConfig)
	other := with(image, object{"annotations": object{"which": "other"}})
	attestation := with(described(ociManifest, []byte("attestation")), object{"platform": object{"os": "unknown", "architecture": "unknown"},
		"annotations": object{"vnd.docker.reference.type": "attestation-manifest"}})
	unmarked := with(attestation, object{"annotations": nil})
	// index is one of manifests, each for a platform.
	index := func(platform string, manifest object) object {
		text := encode(t, manifest)
		f.put("manifests", "", text)
		os, architecture, _ := strings.Cut(platform, "/")
		kind, _ := manifest["mediaType"].(string)
		return with(described(kind, text), object{"platform": object{"os": os, "architecture": architecture}})
	}
	indexOf := func(manifests ...object) object {
		return object{"schemaVersion": 2, "mediaType": ociIndex, "manifests": manifests}
	}
	title := func(of object, text string) object {
		return with(of, object{"annotations": object{"org.opencontainers.image.title": text}})
	}
	bare := f.manifest(t, object{"rootfs": imageConfig["rootfs"], "created": "1970-01-01T00:00:00Z"})
	withEmpty := func(config object, layers ...object) object {
		return with(f.manifest(t, config), object{"layers": layers})
	}
	artifact := object{
		"schemaVersion": 2, "mediaType": ociManifest, "artifactType": "application/vnd.example+type", "config": described("application/vnd.oci.empty.v1+json", []byte("{}")),
		"layers": []object{with(described("application/vnd.oci.image.layer.v1.tar+gzip", layerOne), object{"annotations": object{
			"org.opencontainers.image.title": "dist", "io.deis.oras.content.unpack": "true", "io.deis.oras.content.digest": diffOne}})},
	}
	for _, c := range []struct {
		name     string
		document object
		want     string // the image's title, time, kind, layers
	}{
		{"an image", image, "label 2026-11-29 [layer-one layer-two]"},
		{"annotations win over labels", title(image, "manifest"), "manifest 2026-11-29 [layer-one layer-two]"},
		{"an index: its annotations win", title(indexOf(index("linux/"+runtime.GOARCH, title(image, "manifest"))), "index"), "index 2026-11-29 [layer-one layer-two]"},
		{"an index: this platform", indexOf(index("linux/s390x", other), index("linux/"+runtime.GOARCH, title(image, "ours"))), "ours 2026-11-29 [layer-one layer-two]"},
		{"an index: else the first", indexOf(attestation, unmarked, index("linux/s390x", title(image, "first")), index("linux/riscv64", other)), "first 2026-11-29 [layer-one layer-two]"},
		{"an index of an index", indexOf(index("", indexOf(index("linux/s390x", title(image, "inner"))))), "inner 2026-11-29 [layer-one layer-two]"},
		{"a time as annotation", with(bare, object{"annotations": object{"org.opencontainers.image.created": "2026-10-01T00:00:00Z"}}), " 2026-10-01 [layer-one layer-two]"},
		{"no time", with(bare, object{}), " 0001-01-01 [layer-one layer-two]"},
		{"empty layers", withEmpty(object{"rootfs": object{"diff_ids": []string{diffOne, sum(nil), diffTwo, diffOne}}},
			object{"digest": "sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d663cb16422d00e8a7c22955b46d4", "size": 32, "mediaType": dockerLayer},
			object{"digest": sum(nil), "size": 0, "mediaType": ociLayer}, described(ociLayer, layerTwo), described(ociLayer, layerOne)),
			" 0001-01-01 [layer-two layer-one]"},
		{"an artifact", artifact, " 0001-01-01 artifact [layer-one=dist unpack content]"},
		{"an artifact with empty files", with(artifact, object{"layers": []object{
			described("application/vnd.oci.image.layer.v1.tar", []byte("{}")),
			with(described("text/plain", []byte("{}")), object{"annotations": object{"org.opencontainers.image.title": "empty.json"}}),
			with(described("text/plain", nil), object{"annotations": object{"org.opencontainers.image.title": "nothing.txt"}}),
		}}), " 0001-01-01 artifact [=empty.json =nothing.txt]"},
		{"an artifact without a type", with(artifact, object{"artifactType": "", "config": described("application/vnd.unknown.config.v1+json", []byte("x"))}), " 0001-01-01 artifact [layer-one=dist unpack content]"},
		{"an artifact with an image's config", with(artifact, object{"config": described(ociConfig, []byte("{}"))}), " 0001-01-01 artifact [layer-one=dist unpack content]"},
		{"no media type of its own", with(image, object{"mediaType": ""}), "label 2026-11-29 [layer-one layer-two]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			digest := f.put("manifests", "pr-42", encode(t, c.document))
			a := newAuthority(t)
			got, err := a.client(t, a.serve(t, f), Options{}).Image(t.Context(), "pr-42")
			if err != nil {
				t.Fatal(err)
			}
			text := fmt.Sprintf("%s %s", got.Annotations["org.opencontainers.image.title"], got.Created.Format(time.DateOnly))
			if got.Artifact {
				text += " artifact"
			}
			var layers []string
			size := int64(0)
			for _, l := range got.Layers {
				name := map[string]string{sum(layerOne): "layer-one", sum(layerTwo): "layer-two"}[l.Digest]
				if l.Title != "" {
					name += "=" + l.Title
				}
				if l.Unpack {
					name += " unpack"
				}
				if l.ContentDigest == diffOne {
					name += " content"
				}
				if want := map[string]string{sum(layerOne): diffOne, sum(layerTwo): diffTwo}[l.Digest]; !got.Artifact && c.name != "empty layers" && l.DiffID != want {
					t.Errorf("%s has the DiffID %s, want %s", name, l.DiffID, want)
				}
				layers, size = append(layers, name), size+l.Size
			}
			if text += fmt.Sprintf(" %v", layers); text != c.want || got.Digest != digest || got.Size != size {
				t.Errorf("got  %s %s %d\nwant %s %s %d", text, got.Digest, got.Size, c.want, digest, size)
			}
		})
	}
}

// TestRefused: images that can never be shown, with the reason.
func TestRefused(t *testing.T) {
	f := newFake()
	image := f.manifest(t, imageConfig)
	layers := image["layers"].([]object)
	nested := image
	for range 4 {
		text := encode(t, nested)
		f.put("manifests", "", text)
		kind, _ := nested["mediaType"].(string)
		nested = object{"schemaVersion": 2, "mediaType": ociIndex, "manifests": []object{described(kind, text)}}
	}
	garbage := []byte("<html>")
	f.put("manifests", "", garbage)
	f.put("blobs", "", garbage)
	for _, c := range []struct {
		document any
		want     string
	}{
		{object{"schemaVersion": 1, "name": "team/app"}, "it is of Docker's first schema: push it again with a current tool"},
		{object{"schemaVersion": 2, "mediaType": "application/vnd.oci.artifact.manifest.v1+json", "blobs": layers}, "its manifest is neither that of an image nor an index of images"},
		{object{"schemaVersion": 2, "mediaType": ociIndex, "manifests": []object{}}, "there is no image in its index"},
		{with(image, object{"manifests": layers}), "its manifest is both that of an image and an index"},
		{with(image, object{"layers": nil}), "its config names 2 layers, its manifest 0"},
		{with(image, object{"layers": layers[:1]}), "its config names 2 layers, its manifest 1"},
		{with(image, object{"layers": nil, "config": described("application/vnd.oci.empty.v1+json", []byte("{}"))}), "there are no files in it: it has no layers"},
		{with(image, object{"layers": slices.Repeat(layers, 501)}), "it has 1002 layers, allowed are up to 1000"},
		{with(image, object{"layers": []object{with(layers[0], object{"size": -1})}}), "a layer is said to have -1 bytes, allowed are up to 1099511627776"},
		{with(image, object{"layers": []object{with(layers[0], object{"size": int64(1) << 41})}}), "a layer is said to have 2199023255552 bytes, allowed are up to 1099511627776"},
		{with(image, object{"layers": []object{with(layers[0], object{"digest": "md5:d41d8cd98f00b204e9800998ecf8427e"})}}), `the digest "md5:d41d8cd98f00b204e9800998ecf8427e" of a layer is none of sha256 or sha512`},
		{with(image, object{"layers": []object{with(layers[0], object{"urls": []string{"https://example.com/"}})}}), "a layer is not in the registry but elsewhere (a foreign layer)"},
		{with(image, object{"layers": []object{with(layers[0], object{"mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"})}}), "a layer is not in the registry but elsewhere (a foreign layer)"},
		{with(image, object{"config": with(described(ociConfig, garbage), object{"size": 5 << 20})}), "its config is said to have 5242880 bytes, allowed are up to 4194304"},
		{with(image, object{"config": described(ociConfig, garbage)}), "its config is none: invalid character '<' looking for beginning of value"},
		{f.manifest(t, object{"rootfs": object{"diff_ids": []string{diffOne, "sha1:00"}}}), `the digest "sha1:00" in its config is none of sha256 or sha512`},
		{nested, "more than 3 indexes are in one another"},
		{object{"schemaVersion": 2, "mediaType": ociIndex, "manifests": []object{with(described(ociManifest, garbage), object{"platform": object{"os": "unknown", "architecture": "unknown"}})}}, "there is no image in its index"},
		{object{"schemaVersion": 2, "mediaType": ociIndex, "manifests": []object{described(ociManifest, garbage)}}, "its manifest is none: answers with something other than a manifest"},
		{with(image, object{"annotations": object{"a": strings.Repeat("a", 4<<20)}}), "its manifest is larger than 4 MiB"},
	} {
		t.Run(c.want, func(t *testing.T) {
			f.put("manifests", "pr-42", encode(t, c.document))
			a := newAuthority(t)
			image, err := a.client(t, a.serve(t, f), Options{}).Image(t.Context(), "pr-42")
			refusal, ok := errors.AsType[*RefusedError](err)
			if !ok || refusal.Reason != c.want {
				t.Errorf("got  %+v, %v\nwant %s", image, err, c.want)
			}
		})
	}
}

// TestIncomplete: what a registry lacks, or garbles on the way, may be there the next time. It is not as if the tag was gone.
func TestIncomplete(t *testing.T) {
	f := newFake()
	image := f.manifest(t, imageConfig)
	absent := described(ociManifest, []byte("absent"))
	for _, c := range []struct {
		document any
		want     string
	}{
		{object{"schemaVersion": 2, "manifests": []object{absent}}, "its index names " + sum([]byte("absent")) + ", which the registry lacks"},
		{with(image, object{"config": with(absent, object{"mediaType": ociConfig})}), "the registry lacks its config"},
		{"text", "answers with something other than a manifest"},
		{object{"status": "ok"}, "answers with something other than a manifest"},
	} {
		t.Run(c.want, func(t *testing.T) {
			f.put("manifests", "pr-42", encode(t, c.document))
			a := newAuthority(t)
			host := a.serve(t, f)
			_, err := a.client(t, host, Options{}).Image(t.Context(), "pr-42")
			_, isRefused := errors.AsType[*RefusedError](err)
			if err == nil || isRefused || errors.Is(err, ErrNotFound) || err.Error() != host+"/team/app:pr-42: "+c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

// TestHead: the digest comes from GET where the registry does not answer HEAD with one.
func TestHead(t *testing.T) {
	for name, head := range map[string]http.HandlerFunc{
		"HEAD is not allowed":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusMethodNotAllowed) },
		"HEAD is not implemented": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotImplemented) },
		"no digest":               func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", ociManifest) },
		"no such digest": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", ociManifest)
			w.Header().Set("Content-Length", "3")
			w.Header().Set("Docker-Content-Digest", "md5:00")
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			digest := f.put("manifests", "pr-42", encode(t, f.manifest(t, imageConfig)))
			f.on("HEAD /v2/team/app/manifests/pr-42", head)
			a := newAuthority(t)
			if got, err := a.client(t, a.serve(t, f), Options{}).Head(t.Context(), "pr-42"); err != nil || got != digest {
				t.Errorf("got %q, %v, want %q", got, err, digest)
			}
		})
	}
}

// TestReferences: what is no tag and no digest is not there, and not asked for.
func TestReferences(t *testing.T) {
	a, f := newAuthority(t), newFake()
	client := a.client(t, a.serve(t, f), Options{})
	for _, reference := range []string{"", ".", "-a", "a/b", "..", "a b", "ä", strings.Repeat("a", 129), "sha256:00", "md5:d41d8cd98f00b204e9800998ecf8427e", "a:b"} {
		if _, err := client.Image(t.Context(), reference); !errors.Is(err, ErrNotFound) {
			t.Errorf("%q: %v", reference, err)
		}
		if _, err := client.Head(t.Context(), reference); !errors.Is(err, ErrNotFound) {
			t.Errorf("%q: %v", reference, err)
		}
	}
	if len(f.asked) > 0 {
		t.Errorf("asked for %q", f.asked)
	}
}

// TestSHA512: digests of both kinds that the specification registers.
func TestSHA512(t *testing.T) {
	a, f := newAuthority(t), newFake()
	config := encode(t, object{"rootfs": object{"diff_ids": []string{sum512([]byte("one"))}}})
	serve := func(path string, content []byte) {
		f.on("GET "+path, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(content) })
	}
	describe := func(kind string, content []byte) object {
		return object{"mediaType": kind, "digest": sum512(content), "size": len(content)}
	}
	manifest := encode(t, object{"schemaVersion": 2, "config": describe(ociConfig, config), "layers": []object{describe(ociLayer, layerOne)}})
	serve("/v2/team/app/manifests/"+sum512(manifest), manifest)
	serve("/v2/team/app/blobs/"+sum512(config), config)
	serve("/v2/team/app/blobs/"+sum512(layerOne), layerOne)
	client := a.client(t, a.serve(t, f), Options{})
	image, err := client.Image(t.Context(), sum512(manifest))
	if err != nil || image.Digest != sum512(manifest) || image.Layers[0].Digest != sum512(layerOne) {
		t.Fatalf("got %+v, %v", image, err)
	}
	content, err := client.Layer(t.Context(), image.Layers[0])
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	if got, err := io.ReadAll(content); err != nil || string(got) != string(layerOne) {
		t.Errorf("got %q, %v", got, err)
	}
}

// Law: annotations are bounded, those of OCI's names are kept first, and the first of the lists win.
func TestMerge(t *testing.T) {
	many := map[string]string{"org.opencontainers.image.title": "title", "org.opencontainers.image.description": strings.Repeat("d", maxAnnotation)}
	for i := range 100 {
		many[fmt.Sprintf("label-%03d", i)] = strings.Repeat("x", 300)
	}
	got := merge([]map[string]string{{"org.opencontainers.image.url": "first"}, nil, many, {"org.opencontainers.image.url": "last"}})
	bytes := 0
	for name, value := range got {
		bytes += len(name) + len(value)
	}
	if len(got) > maxAnnotations || bytes > maxAllAnnotations || bytes < maxAllAnnotations/2 {
		t.Errorf("%d annotations of %d bytes", len(got), bytes)
	}
	if got["org.opencontainers.image.title"] != "title" || got["org.opencontainers.image.url"] != "first" || got["label-000"] == "" {
		t.Errorf("got %q", got)
	}
	if _, kept := got["org.opencontainers.image.description"]; kept {
		t.Error("a value beyond the bound is kept")
	}
}
