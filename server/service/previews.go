package service

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/previewd/previewd/config"
	"github.com/previewd/previewd/metrics"
	"github.com/previewd/previewd/server/budget"
	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/previews"
	"github.com/previewd/previewd/server/reload"
	"github.com/previewd/previewd/server/site"
)

// sites are the previews, each a site of its own; nil where there is only the one of the directory.
type sites struct {
	previews *previews.Previews
	tags     bool            // whether they are those of a repository
	ctx      context.Context // ends when pages are no longer told of changes
	end      context.CancelFunc
	watching sync.WaitGroup // the live reload of all
	// pages are those that listen to changes, looking the previews that have some.
	pages, looking atomic.Int64
}

func newSites(setup Setup, from *repository, files *site.Site, upstreams *upstreams, disk message.Gate, memory *budget.Budget, registry *metrics.Metrics) *sites {
	c := setup.Config
	if !c.HasPreviews() {
		return nil
	}
	s := &sites{tags: from != nil}
	s.ctx, s.end = context.WithCancel(context.Background())
	var count reload.Counters
	if reloads(c) && (c.Reload || !s.tags) { // no request waits for the build of a tag: it comes at once
		count = registry.Reload()
	}
	opts := previews.Options{
		Directory:  files.Directory(),
		Domain:     c.PreviewsDomain,
		Namespace:  namespace(os.ReadFile),
		List:       c.PreviewsList,
		IndexPages: c.IndexPages,
		Disk:       disk,
		Budget:     memory,
	}
	if from == nil {
		opts.Open = func(directory, name string) previews.Site {
			p := s.openPreview(setup, files.Sub(directory), name, upstreams)
			p.live = s.openLive(setup, p.Site, memory, count)
			p.handler = p.live.handler(p.handler)
			return p
		}
	} else {
		opts.Repository = from.options(registry.Pulls(func() int { return s.previews.InUse() }, from.store.Counts))
		opts.Open = func(directory, name string) previews.Site {
			return s.openPreview(setup, files.Sub(directory), name, upstreams)
		}
		if count != nil {
			opts.Live = func(files previews.LiveFiles) previews.Live { return s.openLive(setup, files, memory, count) }
		}
	}
	s.previews = previews.New(opts)
	registry.WatchPreviews(s.previews.Counts)
	return s
}

// handler answers with the previews in place of the one site.
func (s *sites) handler(one message.Handler) message.Handler {
	if s == nil {
		return one
	}
	return s.previews.Serve
}

// watch closes what is not in use until ctx ends. Then pages are no longer told of changes, so that they do not hold up the
// end.
func (s *sites) watch(ctx context.Context) {
	if s == nil {
		return
	}
	s.previews.Run(ctx)
	s.end()
	s.watching.Wait()
}

// checks says on /healthz when the registry was reached last. What is here is served without it.
func (s *sites) checks() []metrics.Check {
	if s == nil || !s.tags {
		return nil
	}
	return []metrics.Check{{Name: "registry", HealthOnly: true, Warning: true, Probe: s.previews.Reached}}
}

// sitePreview is a preview that is open: the chain of handlers that one site has.
type sitePreview struct {
	*site.Site
	handler message.Handler
	live    *live
}

func (s *sites) openPreview(setup Setup, files *site.Site, name string, upstreams *upstreams) *sitePreview {
	none := &scripts{methods: files.Methods()}
	own := newSiteRules(setup.Config, files, none, upstreams, func(problem string) { setup.Log.Warn(problem, zap.String("preview", name)) })
	return &sitePreview{Site: files, handler: own.handler(none.methods.Serve)}
}

// Serve answers a request for the preview.
func (p *sitePreview) Serve(ctx context.Context, r *message.Request) message.Response {
	return p.handler(ctx, r)
}

// InUse says whether pages listen for changes.
func (p *sitePreview) InUse() bool { return p.live.InUse() }

// Close ends what pages listen to, and closes the directory.
func (p *sitePreview) Close() {
	p.live.Close()
	_ = p.Site.Close() // it only frees
}

// live has the pages of a preview reload; nil where they are not to.
type live struct {
	reloading *reloading
	pages     *audience
	end       context.CancelFunc
}

// openLive begins to look at the files of a preview for the pages that listen; nil where there is no live reload.
func (s *sites) openLive(setup Setup, files reload.Site, memory *budget.Budget, count reload.Counters) *live {
	if count == nil {
		return nil
	}
	l := &live{pages: &audience{Counters: count, of: s}}
	options := reloadOptions(setup.Config, setup.Profile, files, memory, &scripts{}, setup.Log)
	if s.tags {
		options.Wait, options.AtOnce = 0, true
	}
	options.Count, options.Together = l.pages, func() int { return int(s.looking.Load()) }
	if most := int64(options.Streams); most > 0 {
		options.Full = func() bool { return s.pages.Load() >= most }
	}
	l.reloading = &reloading{reload.New(options)}
	var ctx context.Context
	ctx, l.end = context.WithCancel(s.ctx)
	s.watching.Go(func() { l.reloading.watch(ctx) })
	return l
}

func (l *live) handler(next message.Handler) message.Handler {
	if l == nil {
		return next
	}
	return l.reloading.handler(next)
}

// Serve answers a request with next, or a page that listens.
func (l *live) Serve(ctx context.Context, r *message.Request, next message.Handler) message.Response {
	return l.handler(next)(ctx, r)
}

// InUse says whether pages listen.
func (l *live) InUse() bool { return l != nil && l.pages.open.Load() > 0 }

// Close ends what pages listen to.
func (l *live) Close() {
	if l != nil {
		l.end()
	}
}

// audience are the pages of a preview that listen to changes.
type audience struct {
	reload.Counters
	of   *sites
	open atomic.Int64
}

// StreamOpened counts a page.
func (a *audience) StreamOpened() {
	a.Counters.StreamOpened()
	a.of.pages.Add(1)
	if a.open.Add(1) == 1 {
		a.of.looking.Add(1)
	}
}

// StreamClosed ends the count of a page.
func (a *audience) StreamClosed() {
	a.Counters.StreamClosed()
	a.of.pages.Add(-1)
	if a.open.Add(-1) == 0 {
		a.of.looking.Add(-1)
	}
}

// namespace is that of the pod in which this is, "" in none: the kubelet begins the search list of a pod with
// <namespace>.svc.<domain of the cluster>. read reads a file.
func namespace(read func(string) ([]byte, error)) string {
	text, err := read("/etc/resolv.conf")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != "search" {
			continue
		}
		if name, above, _ := strings.Cut(words[1], "."); above == "svc" || strings.HasPrefix(above, "svc.") {
			return name
		}
	}
	return ""
}

// previewHosts says where the previews are.
func previewHosts(c config.Config) string {
	each := "each directory"
	if repository := c.PreviewsRepository(); repository != "" {
		each = "each tag of " + repository
	}
	if c.PreviewsDomain == "" {
		return each + " is a site below localhost"
	}
	return fmt.Sprintf("%s is a site below %s and localhost", each, c.PreviewsDomain)
}

// previewDomains are the names below which the previews are.
func previewDomains(c config.Config) []string {
	switch {
	case !c.HasPreviews():
		return nil
	case c.PreviewsDomain == "" || c.PreviewsDomain == "localhost":
		return []string{"localhost"}
	}
	return []string{"localhost", c.PreviewsDomain}
}
