package service

import (
	"context"

	"go.uber.org/zap"

	"github.com/previewd/previewd/config"
	"github.com/previewd/previewd/server/accesslog"
	"github.com/previewd/previewd/server/budget"
	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/reload"
	"github.com/previewd/previewd/server/rules"
	"github.com/previewd/previewd/server/site"
)

// reloading is live reload; nil where it is off.
type reloading struct{ reload *reload.Reload }

// reloads says whether pages reload, or requests wait for builds.
func reloads(c config.Config) bool { return !c.Exact && (c.Reload || c.RebuildWait > 0) }

// newReloading returns the live reload of a site.
func newReloading(c config.Config, profile message.Profile, files *site.Site, memory *budget.Budget, scripts *scripts, count reload.Counters, log *accesslog.Log) *reloading {
	options := reloadOptions(c, profile, files, memory, scripts, log)
	options.Count = count
	return &reloading{reload.New(options)}
}

func reloadOptions(c config.Config, profile message.Profile, files reload.Site, memory *budget.Budget, scripts *scripts, log *accesslog.Log) reload.Options {
	options := reload.Options{Site: files, Pages: c.Reload, Wait: c.RebuildWait, Profile: profile.WithDefaults(), Budget: memory,
		Report: func(name, how string) { log.Debug("file changed", zap.String("name", name), zap.String("how", how)) }}
	if c.MaxConnections > 0 {
		options.Streams = max(1, c.MaxConnections/2) // so that streams leave connections for others
	}
	if obeysRules(c) {
		options.Always = []string{rules.RedirectsFile, rules.HeadersFile}
	}
	if scripts.handler != nil {
		options.IsScript = func(path string) bool {
			_, found := scripts.handler.Find(path)
			return found
		}
	}
	return options
}

// handler puts live reload around the site.
func (l *reloading) handler(next message.Handler) message.Handler {
	if l == nil {
		return next
	}
	return l.reload.Handler(next)
}

// watch looks at files until ctx ends.
func (l *reloading) watch(ctx context.Context) {
	if l != nil {
		l.reload.Run(ctx)
	}
}
