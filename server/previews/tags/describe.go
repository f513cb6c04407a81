package tags

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/previewd/previewd/server/previews/registry"
	"github.com/previewd/previewd/server/previews/store"
	"github.com/previewd/previewd/server/previews/unpack"
)

const (
	// describeEvery is how often a tag is asked for that nobody uses, while the overview is looked at; lookedAt is for how
	// long it is after somebody has.
	describeEvery = time.Second / 5
	lookedAt      = inUse
	// describedFor is for how long what is known of such a tag counts.
	describedFor = time.Minute
)

// Info is what is told of a build.
type Info struct {
	Digest string
	// Created is when the image was made, zero where it does not say, or says a time up to 1980, as builds do that are to be
	// the same each time.
	Created time.Time
	// Labels are those of the image, and its annotations.
	Labels map[string]string
	// Size is the bytes of its layers, as the registry has them.
	Size int64
}

func newInfo(image *registry.Image) *Info {
	info := &Info{Digest: image.Digest, Created: image.Created, Labels: image.Annotations, Size: image.Size}
	if unpack.IsNoTime(info.Created) {
		info.Created = time.Time{}
	}
	return info
}

// recall returns what is told of a build that is here, as that was known when it was brought.
func recall(digest string, meta store.Meta) *Info {
	return &Info{Digest: digest, Created: meta.Created, Labels: meta.Labels, Size: meta.Size}
}

// describing is what is known of the tags that nobody uses. Tags.mu guards it.
type describing struct {
	asked time.Time // when the overview was looked at last
	due   time.Time // when the next tag is to be asked for
	busy  int       // how many are being asked for
}

// Row is a tag in the overview.
type Row struct {
	Tag string
	// Digest is that of its newest build, as far as it is known; or of the one that is shown, where the newest cannot be.
	Digest string
	// Built is when that was made, or else seen here first. It is zero while the registry has not been asked.
	Built time.Time
	// Files and Bytes are those of the site, 0 where it is not here.
	Files int
	Bytes int64
	Shown
}

// Rows are all tags, in the order of their names. While somebody looks at them the registry is asked for those that are not in
// use too, few at a time.
func (t *Tags) Rows() []Row {
	t.mu.Lock()
	now := time.Now()
	t.describe.asked = now
	t.awaken()
	rows := make([]Row, 0, len(t.tags))
	for _, g := range t.tags {
		r := Row{Tag: g.name, Digest: g.digest, Built: g.first, Shown: t.tell(g, now)}
		old := r.Build != nil && (r.State == Refused || r.State == Failed)
		if old {
			r.Digest = r.Build.Digest
		}
		if meta, here := t.opts.Store.Look(r.Digest); here {
			r.Files, r.Bytes = meta.Files, meta.Bytes
			if r.State == Waiting {
				r.State = Ready
			}
			if old {
				r.Built, r.Info = meta.Added, recall(r.Digest, meta)
			} else if r.Info == nil {
				t.infos[r.Digest] = recall(r.Digest, meta)
				r.Info = t.infos[r.Digest]
			}
		}
		switch {
		case r.Info != nil && !r.Info.Created.IsZero():
			r.Built = r.Info.Created
		case (r.Info != nil || r.State == Refused) && r.Built.IsZero():
			r.Built = t.began
		}
		rows = append(rows, r)
	}
	t.mu.Unlock()
	slices.SortFunc(rows, func(a, b Row) int { return strings.Compare(a.Tag, b.Tag) })
	return rows
}

// describeSome asks for the tag of which least is known, and says when for the next. The lock is held.
func (t *Tags) describeSome(now time.Time) (next time.Time) {
	if now.Sub(t.describe.asked) >= lookedAt || !t.mayAsk(now) || t.describe.busy >= maxAsking/2 {
		return now
	}
	if now.Before(t.describe.due) {
		return t.describe.due
	}
	var oldest *tag
	for g := range maps.Values(t.tags) {
		if g.asking != nil || g.questions.wait(now) || g.pulls.wait(now) || now.Sub(g.checked) < describedFor && t.isDescribed(g.digest) {
			continue
		}
		if oldest == nil || g.checked.Before(oldest.checked) {
			oldest = g
		}
	}
	if oldest == nil {
		t.describe.due = now.Add(describedFor / 10)
		return t.describe.due
	}
	t.describe.due = now.Add(describeEvery)
	t.describe.busy++
	asked := t.ask(oldest, now)
	t.running.Go(func() {
		defer func() {
			t.mu.Lock()
			t.describe.busy--
			t.mu.Unlock()
			t.awaken()
		}()
		if asked != nil {
			<-asked
		}
		t.mu.Lock()
		digest := oldest.digest
		known := digest == "" || t.isDescribed(digest)
		t.mu.Unlock()
		if !known {
			t.look(oldest, digest)
		}
	})
	return t.describe.due
}

// isDescribed says whether it is known what is told of a build, or that it is refused. The lock is held.
func (t *Tags) isDescribed(digest string) bool {
	return t.infos[digest] != nil || t.refusals[digest] != ""
}

// look asks what the image of a tag is made of.
func (t *Tags) look(g *tag, digest string) {
	_, err := t.image(digest)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil && !isRefused(err) && !errors.Is(err, errPaused) && t.ctx.Err() == nil {
		g.pulls.fail(err, time.Now(), t.opts.Check, maxPause)
	}
}
