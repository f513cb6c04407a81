package registry

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Image is what a tag leads to, by its manifest and its config.
type Image struct {
	// Digest is that of what the reference leads to: of the index, where it is one.
	Digest string
	// Created is zero where it is unknown.
	Created time.Time
	// Annotations are the labels of the config, and the annotations of the manifest and the index, which win. They are
	// bounded: see merge.
	Annotations map[string]string
	// Artifact is set where there is no config of an image: files, as ORAS pushes them.
	Artifact bool
	// Layers are those that have something in them, the bottom one first.
	Layers []Layer
	// Size is the sum of theirs, in bytes.
	Size int64
}

const (
	// maxNested is how many indexes may be in one another.
	maxNested = 3
	// maxImageLayers is how many layers an image may have. Docker makes no image of more than 127.
	maxImageLayers = 1000
	// maxLayer is how large a layer may be said to be, in bytes. How much there is room for is not known here.
	maxLayer = 1 << 40
	// annotation names of the OCI image specification, and of ORAS.
	created       = "org.opencontainers.image.created"
	title         = "org.opencontainers.image.title"
	unpack        = "io.deis.oras.content.unpack"
	contentDigest = "io.deis.oras.content.digest"
)

// empty are the digests of layers that have nothing in them, which registries need not have: Docker's, which is a compressed
// archive without files, and OCI's, which is {}.
var empty = []string{
	"sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d663cb16422d00e8a7c22955b46d4",
	"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
}

// Image reads what a tag or a digest leads to: the manifest and the config, no layers. Of an index it is the image for this
// platform, or else the first.
func (c *Client) Image(ctx context.Context, reference string) (*Image, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, maxCall, errTooSlow)
	defer cancel()
	ref, what, err := c.reference(reference)
	if err != nil {
		return nil, err
	}
	var image *Image
	err = c.do(ctx, what, func(s *session) error {
		image, err = c.image(ctx, s, ref)
		return err
	})
	if err != nil {
		return nil, err
	}
	return image, nil
}

func (c *Client) image(ctx context.Context, s *session, ref name.Reference) (*Image, error) {
	doc, digest, err := c.document(ctx, s, ref)
	if err != nil {
		return nil, err
	}
	image := &Image{Digest: digest}
	annotations := []map[string]string{doc.Annotations}
	for nested := 0; doc.isIndex(); nested++ {
		if nested == maxNested {
			return nil, refused("more than %d indexes are in one another", maxNested)
		}
		chosen, err := doc.choose()
		if err != nil {
			return nil, err
		}
		child := c.repository.Digest(chosen.Digest)
		if doc, _, err = c.document(ctx, s, child); statusOf(err) == http.StatusNotFound {
			return nil, errors.New("its index names " + chosen.Digest + ", which the registry lacks")
		}
		if err != nil {
			return nil, err
		}
		annotations = append(annotations, doc.Annotations)
	}
	if image.Layers, err = doc.layers(); err != nil {
		return nil, err
	}
	image.Artifact = doc.isArtifact()
	if !image.Artifact {
		read, err := c.config(ctx, s, doc.Config)
		if err != nil {
			return nil, err
		}
		if len(read.RootFS.DiffIDs) != len(image.Layers) {
			return nil, refused("its config names %d layers, its manifest %d", len(read.RootFS.DiffIDs), len(image.Layers))
		}
		for i, id := range read.RootFS.DiffIDs {
			if _, err := v1.NewHash(id); err != nil {
				return nil, refused("the digest %q in its config is none of sha256 or sha512", id)
			}
			image.Layers[i].DiffID = id
		}
		image.Created = parseTime(read.Created)
		annotations = append(annotations, read.Config.Labels)
	}
	image.Annotations = merge(annotations)
	if image.Created.Year() < 1980 {
		image.Created = parseTime(image.Annotations[created])
	}
	image.Layers = slices.DeleteFunc(image.Layers, func(l Layer) bool {
		isFile := image.Artifact && l.Title != "" // which may be empty
		return !isFile && (l.Size == 0 || slices.Contains(empty, l.Digest))
	})
	if len(image.Layers) == 0 {
		return nil, refused("there are no files in it: it has no layers")
	}
	for _, l := range image.Layers {
		image.Size += l.Size
	}
	return image, nil
}

// parseTime reads a time by RFC 3339, and returns zero for what is none.
func parseTime(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}
	}
	return t
}

// document is a manifest of an image, or an index of manifests: of Docker, version 2 schema 2, or of the OCI image
// specification.
type document struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	ArtifactType  string            `json:"artifactType"`
	Config        descriptor        `json:"config"`
	Layers        []descriptor      `json:"layers"`
	Manifests     []descriptor      `json:"manifests"`
	Annotations   map[string]string `json:"annotations"`
}

// descriptor names a blob or a manifest. Unlike the library's it can be read where the digest is none, to say so.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	URLs        []string          `json:"urls"`
	Annotations map[string]string `json:"annotations"`
	Platform    struct {
		OS           string `json:"os"`
		Architecture string `json:"architecture"`
	} `json:"platform"`
}

// document fetches a manifest or an index, and returns its digest.
func (c *Client) document(ctx context.Context, s *session, ref name.Reference) (*document, string, error) {
	got, err := s.puller.Get(ctx, ref)
	if errors.Is(err, errTooLarge) {
		return nil, "", refused("its manifest is larger than 4 MiB")
	}
	if err != nil {
		return nil, "", err
	}
	doc, err := parseDocument(got.Manifest, string(got.MediaType))
	_, isVerified := ref.(name.Digest)
	if errors.Is(err, errGarbage) && isVerified {
		return nil, "", refused("its manifest is none: %v", err)
	}
	return doc, got.Digest.String(), err
}

// errGarbage is the error of content that nobody can have meant as a manifest. A proxy may have sent it.
var errGarbage = errors.New("answers with something other than a manifest")

// parseDocument reads a manifest or an index. The type of the answer says nothing that its content does not, but for the
// first schema of Docker.
func parseDocument(content []byte, contentType string) (*document, error) {
	doc := &document{}
	err := json.Unmarshal(content, doc)
	first := types.MediaType(contentType)
	switch {
	case first == types.DockerManifestSchema1 || first == types.DockerManifestSchema1Signed || err == nil && doc.SchemaVersion == 1:
		return nil, refused("it is of Docker's first schema: push it again with a current tool")
	case err != nil || doc.SchemaVersion != 2:
		return nil, errGarbage
	case len(doc.Manifests) > 0 && (len(doc.Layers) > 0 || doc.Config.Digest != ""):
		return nil, refused("its manifest is both that of an image and an index")
	case len(doc.Manifests) == 0 && doc.Manifests != nil && doc.Config.Digest == "":
		return nil, refused("there is no image in its index")
	case len(doc.Manifests) == 0 && doc.Config.Digest == "":
		return nil, refused("its manifest is neither that of an image nor an index of images")
	}
	return doc, nil
}

func (d *document) isIndex() bool { return len(d.Manifests) > 0 }

// isArtifact says whether the config is no image's. An artifact without one of its own has a type (OCI image specification,
// "Guidelines for Artifact Usage").
func (d *document) isArtifact() bool {
	config := types.MediaType(d.Config.MediaType)
	return config != types.DockerConfigJSON && config != types.OCIConfigJSON || d.ArtifactType != "" && d.ArtifactType != d.Config.MediaType
}

// choose is the manifest of an index for this platform, else the first. Attestations, which BuildKit puts beside images, are
// none.
func (d *document) choose() (descriptor, error) {
	var first *descriptor
	for i := range d.Manifests {
		m := &d.Manifests[i]
		kind := types.MediaType(m.MediaType)
		isOther := m.MediaType != "" && !kind.IsImage() && !kind.IsIndex()
		if isOther || m.Annotations["vnd.docker.reference.type"] == "attestation-manifest" || m.Platform.OS == "unknown" && m.Platform.Architecture == "unknown" {
			continue
		}
		if m.Platform.OS == "linux" && m.Platform.Architecture == runtime.GOARCH {
			return *m, m.check("a manifest", maxAnswer)
		}
		if first == nil {
			first = m
		}
	}
	if first == nil {
		return descriptor{}, refused("there is no image in its index")
	}
	return *first, first.check("a manifest", maxAnswer)
}

// check judges the digest and the size that a descriptor has.
func (d *descriptor) check(what string, most int64) error {
	if _, err := v1.NewHash(d.Digest); err != nil {
		return refused("the digest %q of %s is none of sha256 or sha512", d.Digest, what)
	}
	if d.Size < 0 || d.Size > most {
		return refused("%s is said to have %d bytes, allowed are up to %d", what, d.Size, most)
	}
	return nil
}

// layers are those of a manifest, with the empty ones.
func (d *document) layers() ([]Layer, error) {
	if len(d.Layers) > maxImageLayers {
		return nil, refused("it has %d layers, allowed are up to %d", len(d.Layers), maxImageLayers)
	}
	layers := make([]Layer, len(d.Layers))
	for i, l := range d.Layers {
		if err := l.check("a layer", maxLayer); err != nil {
			return nil, err
		}
		if len(l.URLs) > 0 || !types.MediaType(l.MediaType).IsDistributable() {
			return nil, refused("a layer is not in the registry but elsewhere (a foreign layer)")
		}
		layers[i] = Layer{
			Digest:        l.Digest,
			Size:          l.Size,
			Title:         l.Annotations[title],
			Unpack:        l.Annotations[unpack] == "true",
			ContentDigest: l.Annotations[contentDigest],
		}
	}
	return layers, nil
}

// config is what is read of an image's config.
type config struct {
	Created string `json:"created"`
	Config  struct {
		Labels map[string]string `json:"Labels"`
	} `json:"config"`
	RootFS struct {
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
}

// config fetches an image's config.
func (c *Client) config(ctx context.Context, s *session, d descriptor) (config, error) {
	if err := d.check("its config", maxAnswer); err != nil {
		return config{}, err
	}
	content, err := fetch(ctx, s, c.repository.Digest(d.Digest), d.Size)
	if statusOf(err) == http.StatusNotFound {
		return config{}, errors.New("the registry lacks its config")
	}
	if err != nil {
		return config{}, err
	}
	defer content.Close()
	text, err := io.ReadAll(content)
	if err != nil {
		return config{}, err
	}
	var read config
	if err := json.Unmarshal(text, &read); err != nil {
		return config{}, refused("its config is none: %v", err)
	}
	return read, nil
}

const (
	// maxAnnotations, maxAnnotation and maxAllAnnotations bound the annotations that are kept: their number, and the bytes of
	// one and of all. There may be an image for each of MaxTags.
	maxAnnotations    = 32
	maxAnnotation     = 1 << 10
	maxAllAnnotations = 8 << 10
)

// merge joins annotations, of which the first win. Beyond the bounds those of OCI's own names are kept before others, in the
// order of their names.
func merge(list []map[string]string) map[string]string {
	all := map[string]string{}
	for _, annotations := range slices.Backward(list) {
		maps.Copy(all, annotations)
	}
	names := slices.SortedFunc(maps.Keys(all), func(a, b string) int {
		if a, b := isOCI(a), isOCI(b); a != b {
			if a {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	kept, bytes := map[string]string{}, 0
	for _, name := range names {
		value := all[name]
		n := len(name) + len(value)
		if n > maxAnnotation || bytes+n > maxAllAnnotations || len(kept) == maxAnnotations {
			continue
		}
		kept[name] = value
		bytes += n
	}
	return kept
}

func isOCI(name string) bool { return strings.HasPrefix(name, "org.opencontainers.image.") }
