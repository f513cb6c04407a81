package tags

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/previewd/previewd/server/previews/registry"
	"github.com/previewd/previewd/server/previews/store"
	"github.com/previewd/previewd/server/previews/unpack"
)

const (
	// maxPulls is how many builds are brought at the same time, and maxLayers how many layers of each: memory and descriptors.
	maxPulls  = 2
	maxLayers = 3
)

// pull brings a build.
type pull struct {
	done chan struct{} // closed when it is over
	// fetched of size bytes are here, of which came had to be fetched.
	fetched, size, came atomic.Int64
}

// bring has the build of a tag be shown where it is here, and brings it otherwise. The lock is held.
func (t *Tags) bring(g *tag) {
	digest := g.digest
	switch {
	case digest == "", g.shown != nil && g.shown.Digest == digest, t.refusals[digest] != "", t.pulls[digest] != nil:
		return
	}
	now := time.Now()
	if b, here := t.use(digest); here {
		t.show(g, b, now)
		return
	}
	if !t.mayAsk(now) || g.pulls.wait(now) {
		return
	}
	p := &pull{done: make(chan struct{})}
	t.pulls[digest] = p
	t.running.Go(func() {
		defer close(p.done)
		b, began, err := t.fetch(digest, p)
		t.pulled(digest, p, b, time.Since(began), err)
	})
}

// fetch brings a build to the store, which then holds it for the caller. began is when it was this one's turn.
func (t *Tags) fetch(digest string, p *pull) (b *store.Build, began time.Time, err error) {
	select {
	case t.pulling <- struct{}{}:
	case <-t.ctx.Done():
		return nil, time.Now(), t.ctx.Err()
	}
	defer func() { <-t.pulling }()
	began = time.Now()
	if !t.isWanted(digest) {
		return nil, began, errUnwanted
	}
	image, err := t.image(digest)
	if err != nil {
		return nil, began, err
	}
	p.size.Store(image.Size)
	b, err = t.opts.Store.Add(t.ctx, digest, func(into *os.Root, grow func(int64) error) (store.Meta, error) {
		blobs, err := t.layers(image, p)
		defer func() {
			for _, blob := range blobs {
				if blob != nil {
					blob.Release()
				}
			}
		}()
		if err != nil {
			return store.Meta{}, err
		}
		layers := make([]unpack.Layer, len(blobs))
		for i, l := range image.Layers {
			layers[i] = unpack.Layer{Open: blobs[i].Open, Size: l.Size, DiffID: l.DiffID, Title: l.Title, Unpack: l.Unpack}
			if image.Artifact {
				layers[i].DiffID = l.ContentDigest
			}
		}
		r, err := unpack.Unpack(t.ctx, into, layers, unpack.Options{Artifact: image.Artifact, Path: t.opts.Path, IndexPages: t.opts.IndexPages, Grow: grow, Window: t.opts.Window})
		if err != nil && t.ctx.Err() == nil && !errors.Is(err, store.ErrNoRoom) {
			err = verified(blobs, err)
		}
		info := newInfo(image)
		return store.Meta{Path: r.Path, Made: t.opts.Made, Files: r.Files, Bytes: r.Bytes, Created: info.Created, Labels: info.Labels, Size: info.Size}, err
	})
	return b, began, err
}

// verified is why a build could not be unpacked; or that a layer is no longer on the disk as it came, which is no fault of the
// image: then it is fetched anew the next time.
func verified(blobs []*store.Blob, err error) error {
	for _, blob := range blobs {
		if damaged := blob.Verify(); damaged != nil {
			return damaged
		}
	}
	return err
}

// errUnwanted is why a build is not brought: its tags have moved on before it was its turn.
var errUnwanted = errors.New("no tag is this build any more")

// isWanted says whether a tag in use has a digest.
func (t *Tags) isWanted(digest string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for g := range t.used {
		if g.digest == digest {
			return true
		}
	}
	return false
}

// image asks what an image is made of, and keeps what is told of it, or why it is refused.
func (t *Tags) image(digest string) (*registry.Image, error) {
	if err := t.turn(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(t.ctx, questionTimeout)
	defer cancel()
	image, err := t.opts.Registry.Image(ctx, digest)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.answered(err)
	switch {
	case isRefused(err):
		t.refusals[digest] = err.Error()
	case err == nil:
		t.infos[digest] = newInfo(image)
	}
	return image, err
}

// layers brings the layers of an image. All that are returned are to be released, also if there is an error.
func (t *Tags) layers(image *registry.Image, p *pull) ([]*store.Blob, error) {
	blobs := make([]*store.Blob, len(image.Layers))
	group, ctx := errgroup.WithContext(t.ctx)
	group.SetLimit(maxLayers)
	for i, l := range image.Layers {
		group.Go(func() error {
			var counted atomic.Int64
			count := func(bytes int64) { p.fetched.Add(bytes - counted.Swap(bytes)) }
			fetch := func(ctx context.Context) (io.ReadCloser, error) {
				p.came.Add(l.Size)
				content, err := t.opts.Registry.Layer(ctx, l)
				t.layerAnswered(err)
				return content, err
			}
			blob, err := t.opts.Store.Blob(ctx, l.Digest, l.Size, fetch, count)
			blobs[i] = blob
			return err
		})
	}
	return blobs, group.Wait()
}

// layerAnswered counts a question for a layer. Where one of them fails, that is of its build and not of the registry, unless that
// wants to be left alone.
func (t *Tags) layerAnswered(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, limited := registry.RetryAfter(err); err == nil || limited || errors.Is(err, context.Canceled) {
		t.answered(err)
		return
	}
	t.opts.Count.RegistryAsked("failed")
}

// pulled takes over what has become of a pull: all tags in use that have its digest show it.
func (t *Tags) pulled(digest string, p *pull, b *store.Build, took time.Duration, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	defer t.awaken()
	delete(t.pulls, digest)
	if b == nil && (t.ctx.Err() != nil || errors.Is(err, errUnwanted) || errors.Is(err, errPaused)) {
		return
	}
	result := "failed"
	switch {
	case err == nil:
		result = "ok"
	case isRefused(err):
		result = "refused"
		t.refusals[digest] = err.Error()
	case errors.Is(err, store.ErrNoRoom):
		result = "no_room"
	}
	t.opts.Count.Pulled(result, p.came.Load(), took)
	now := time.Now()
	for g := range t.used {
		if g.digest != digest || g.shown != nil && g.shown.Digest == digest {
			continue
		}
		switch result {
		case "ok":
			if another, here := t.use(digest); here {
				t.show(g, another, now)
				t.opts.Info(fmt.Sprintf("build %s is shown (files: %d)", digest, b.Meta.Files), g.name)
			}
		case "refused":
			t.opts.Warn(fmt.Sprintf("build %s cannot be shown: %v", digest, err), g.name)
		default:
			t.opts.Warn(fmt.Sprintf("build %s could not be brought: %v", digest, err), g.name)
			g.pulls.fail(err, now, t.opts.Check, maxPause)
		}
	}
	if b != nil {
		b.Release()
	}
}

// isRefused says whether an error is of an image that can never be shown.
func isRefused(err error) bool {
	image, content := (*registry.RefusedError)(nil), (*unpack.RefusedError)(nil)
	return errors.As(err, &image) || errors.As(err, &content)
}
