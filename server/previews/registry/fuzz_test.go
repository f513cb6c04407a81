package registry

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// FuzzImage: whatever a registry says that a manifest and a config are, an image within its bounds comes of it, or an error
// of one line.
func FuzzImage(f *testing.F) {
	text := encode(f, imageConfig)
	image := object{"schemaVersion": 2, "mediaType": ociManifest, "config": described(ociConfig, text), "layers": []object{described(ociLayer, layerOne), described(ociLayer, layerTwo)}}
	manifest := encode(f, image)
	f.Add(manifest, text)
	f.Add(encode(f, with(image, object{"artifactType": "a/b", "annotations": object{"a": "b"}})), []byte("{}"))
	f.Add(encode(f, object{"schemaVersion": 2, "manifests": []object{described(ociManifest, manifest)}}), manifest)
	f.Add([]byte(`{"schemaVersion":1}`), []byte("x"))
	f.Fuzz(func(t *testing.T, manifest, other []byte) {
		// The digest of what it names is the fuzzer's to forget: it is put right.
		manifest = bytes.ReplaceAll(manifest, []byte(sum(text)), []byte(sum(other)))
		fake := newFake()
		fake.put("manifests", "pr-42", manifest)
		fake.put("manifests", "", other)
		fake.on("GET /v2/team/app/blobs/"+sum(other), func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(other))
		})
		client, err := New(Options{Repository: "r.example.com/team/app", Insecure: true})
		if err != nil {
			t.Fatal(err)
		}
		client.transport.inner.RegisterProtocol("http", direct{fake})
		got, err := client.Image(t.Context(), "pr-42")
		if err != nil {
			isOneLine(t, err)
			return
		}
		total := int64(0)
		for _, l := range got.Layers {
			if l.Size < 0 || l.Size == 0 && !(got.Artifact && l.Title != "") || l.Size > maxLayer || !strings.HasPrefix(l.Digest, "sha") || !got.Artifact && l.DiffID == "" {
				t.Errorf("the layer %+v", l)
			}
			total += l.Size
		}
		if got.Digest != sum(manifest) || len(got.Layers) == 0 || len(got.Layers) > maxImageLayers || total != got.Size || len(got.Annotations) > maxAnnotations {
			t.Errorf("the image %+v", got)
		}
		if _, err := client.Image(t.Context(), sum(append(manifest, ' '))); !errors.Is(err, ErrNotFound) {
			t.Errorf("another digest: %v", err)
		}
	})
}

// direct hands requests to a handler without a connection.
type direct struct{ http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	answer := w.Result()
	answer.Request = r
	return answer, nil
}
