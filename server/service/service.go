// Package service wires the parts of previewd together: site and scripts, registry and log, listeners and
// servers. It decides nothing about HTTP.
package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"sync/atomic"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/previewd/previewd/config"
	"github.com/previewd/previewd/metrics"
	"github.com/previewd/previewd/server"
	"github.com/previewd/previewd/server/accesslog"
	"github.com/previewd/previewd/server/budget"
	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/origin"
	"github.com/previewd/previewd/server/site"
	"github.com/previewd/previewd/server/site/content"
	"github.com/previewd/previewd/server/site/tree"
)

// defaultDiskThreads is how many threads may wait for a disk where there is no limit of tasks. A mount that hangs would take
// one for each request otherwise, and a Go program that has 10,000 dies.
const defaultDiskThreads = 256

// Setup is what a service is made of.
type Setup struct {
	Config config.Config
	// Environ is the server's environment, of which scripts get what they may have.
	Environ map[string]string
	Profile message.Profile
	Build   metrics.Build
	Log     *accesslog.Log
	// Dropped counts the log records that were dropped.
	Dropped func() uint64
	// MountPoint is the directory that an image brings for others to be mounted on; empty where there is none.
	MountPoint string
	// Hangups receives for each SIGHUP; it may be nil.
	Hangups <-chan struct{}
	// Stdout gets the start lines of http.server where the log is text. Terminal says that someone reads them there.
	Stdout   io.Writer
	Terminal bool
}

// Serve wires site, registry and servers together, and serves until ctx ends and all is drained.
func Serve(ctx context.Context, setup Setup) error {
	c, log := setup.Config, setup.Log
	for _, warning := range c.Warnings {
		log.Warn(warning)
	}
	from, err := openRepository(&setup)
	if err != nil {
		return err
	}
	defer from.close()
	c = setup.Config
	if err := checkDirectory(c); err != nil {
		return err
	}
	disk := message.NewGate(cmp.Or(c.DiskThreads, defaultDiskThreads))
	var memory *budget.Budget
	if c.MemoryBudget > 0 {
		memory = budget.New(int64(c.MemoryBudget))
	}
	files := site.New(siteOptions(setup, disk, memory))
	registry := metrics.New(setup.Build, setup.Dropped)
	registry.WatchMemory(memory.Use)
	registry.WatchCache(func() metrics.Cache { return metrics.Cache(files.CacheCounts()) })
	settings := newFields(c)
	if settings != nil {
		setup.Profile.Finish = settings.Finish
	}
	if setup.Profile.ErrorFormat == "" && !c.Exact {
		setup.Profile.ErrorFormat = message.ErrorFormatForPeople
	}
	scripts, err := newScripts(c, setup.Environ, setup.Profile, memory, files, registry, log)
	if err != nil {
		return err
	}
	defer scripts.close()
	who, err := openAccess(c, registry, log)
	if err != nil {
		return err
	}
	upstreams, err := newUpstreams(c, memory, registry)
	if err != nil {
		return err
	}
	many := newSites(setup, from, files, upstreams, disk, memory, registry)
	var siteRules *siteRules
	var reloading *reloading
	if many == nil {
		siteRules, reloading = aroundSite(setup, files, memory, scripts, upstreams, registry)
	}
	https, err := openHTTPS(c, registry, log, setup.Terminal && log.Format() == accesslog.Text)
	if err != nil {
		return err
	}
	main, err := listen(ctx, c, https)
	if err != nil {
		return err
	}
	handler := main.redirecting(c, withHole(surround(setup, settings, who, upstreams, reloading.handler(siteRules.handler(welcoming(setup, many.handler(scripts.methods.Serve)))))))
	s := newServer(setup, origin.TrustedProxies(c.TrustedProxies).Handler(handler), disk, memory, registry)
	watches := []func(context.Context){who.watch, reloading.watch, many.watch, func(ctx context.Context) { heedHangups(ctx, setup.Hangups, https, log) }}
	if https != nil {
		https.tell(s)
		watches = append(watches, https.watch)
	}
	var listening atomic.Bool
	adminListener, err := listenAdmin(ctx, c)
	if err != nil {
		return errors.Join(err, main.close())
	}
	admin, err := newAdmin(setup, adminListener, registry.Admin(append(append(checks(ctx, files, https, who, &listening), siteRules.checks()...), many.checks()...)...))
	if err != nil {
		return errors.Join(err, main.close(), adminListener.Close())
	}
	if err := files.Ready(); err != nil {
		log.Warn(err.Error())
	}
	if warning := warnOfEmpty(setup, os.ReadFile); warning != "" {
		log.Warn(warning)
	}
	if gaveWay(c, adminListener.Addr()) {
		log.Warn(fmt.Sprintf("port %d is taken, so that metrics and health are at another: set ADMIN_PORT, as previewd healthcheck cannot know it", c.AdminPort),
			zap.String("admin", adminListener.Addr().String()))
	}
	scripts.listen(ctx, main[0].Addr())
	announce(setup, main, adminListener.Addr(), https.fingerprint())
	warnOfPasswords(c, main, who, log)
	confineProcess(c, upstreams, from, log)
	listening.Store(true)
	return serve(ctx, s, main.all(), admin, adminListener, watches)
}

// aroundSite is what is around the one site of the directory. A part that is off is nil.
func aroundSite(setup Setup, files *site.Site, memory *budget.Budget, scripts *scripts, upstreams *upstreams, registry *metrics.Metrics) (*siteRules, *reloading) {
	c, log := setup.Config, setup.Log
	rules := newSiteRules(c, files, scripts, upstreams, func(problem string) { log.Warn(problem) })
	if !reloads(c) {
		return rules, nil
	}
	return rules, newReloading(c, setup.Profile, files, memory, scripts, registry.Reload(), log)
}

// newServer is the server of the site, with all who watch it.
func newServer(setup Setup, handler message.Handler, disk message.Gate, memory *budget.Budget, registry *metrics.Metrics) *server.Server {
	c, log := setup.Config, setup.Log
	reporter := accesslog.NewReporter(log)
	return &server.Server{
		Handler: handler,
		Profile: setup.Profile,
		Started: registry.RequestStarted,
		Observe: func(x *message.Exchange) {
			registry.RequestDone()
			registry.Record(x)
			log.Record(x)
			reporter.Observe(x)
		},
		Opened:          registry.ConnectionOpened,
		Closed:          registry.ConnectionClosed,
		Report:          reporter.Report,
		Disk:            disk,
		Budget:          memory,
		HeaderTimeout:   c.HeaderTimeout,
		IdleTimeout:     c.IdleTimeout,
		MaxConnections:  c.MaxConnections,
		ShutdownDelay:   c.ShutdownDelay,
		ShutdownTimeout: c.ShutdownTimeout,
	}
}

// serve serves the site until ctx ends and all is drained, and beside it the admin port, which closes last so
// that probes are answered to the end.
func serve(ctx context.Context, s *server.Server, listeners []net.Listener, admin *server.Server, adminListener net.Listener, watches []func(context.Context)) error {
	watching, stop := context.WithCancel(ctx)
	var group errgroup.Group
	for _, watch := range watches {
		group.Go(func() error { watch(watching); return nil })
	}
	administering, endAdmin := context.WithCancel(context.WithoutCancel(ctx))
	defer endAdmin()
	group.Go(func() error { return serveAdmin(administering, admin, adminListener) })
	err := s.Serve(ctx, listeners...)
	stop()
	endAdmin()
	return errors.Join(err, group.Wait())
}

// checks are the conditions of readiness.
func checks(ctx context.Context, files *site.Site, https *https, who *who, listening *atomic.Bool) []metrics.Check {
	list := []metrics.Check{
		{Name: "directory", Probe: files.Ready},
		{Name: "listeners", Probe: func() error {
			if !listening.Load() {
				return errors.New("not listening")
			}
			return nil
		}},
		{Name: "drain", Probe: func() error {
			if ctx.Err() != nil {
				return errors.New("draining")
			}
			return nil
		}},
	}
	if https != nil {
		// Broken files do not keep the last good certificate from being shown.
		list = append(list, metrics.Check{Name: "certificate", Probe: https.broken, HealthOnly: true})
	}
	if who.keeper != nil {
		list = append(list, metrics.Check{Name: "auth_file", Probe: who.keeper.Err, HealthOnly: true})
	}
	return list
}

func siteOptions(setup Setup, disk message.Gate, memory *budget.Budget) site.Options {
	c := setup.Config
	return site.Options{
		Tree: tree.Options{
			Directory: c.Directory,
			Symlinks:  tree.Policy(c.Symlinks),
			Hidden:    tree.Policy(c.Hidden),
			Reserved:  reservedNames(c),
			Settled:   c.PreviewsRepository() != "", // the store's
		},
		Content: content.Options{
			MaxFile:     int64(c.CacheMaxFile),
			CacheSize:   int64(c.CacheSize),
			MaxInFlight: int64(c.MaxInFlight),
			Budget:      memory,
			Compress:    content.Compression(c.Compress),
			Encoders:    c.Encoders,
			Disk:        disk,
		},
		IndexPages:    c.IndexPages,
		Extensions:    c.ExtensionsMap,
		DefaultType:   c.DefaultContentType,
		CleanURLs:     c.CleanURLs,
		ErrorPages:    c.ErrorPages,
		Fallback:      c.Fallback,
		Listing:       site.Listing(c.Listing),
		MaxListings:   int64(c.MaxListings),
		Archives:      c.Archive,
		Programs:      programs(c),
		EmptyHint:     hintOfEmpty(setup),
		Exact:         c.Exact,
		CacheControl:  c.CacheControl,
		Fingerprinted: c.CacheFingerprinted,
	}
}

// programs are the directories of scripts, none without CGI.
func programs(c config.Config) []string {
	if !c.CGI {
		return nil
	}
	return c.CGIDirectories
}

// checkDirectory refuses a directory that is missing or none. One that may not be read is served, as its
// rights can be mended while the server runs: /readyz says so.
func checkDirectory(c config.Config) error {
	info, err := os.Stat(c.Directory)
	switch {
	case errors.Is(err, fs.ErrNotExist) && c.DirectoryName == config.PositionalDirectory:
		return fmt.Errorf("%s=%q: neither an existing directory nor a port (0 to 65535); see previewd --help", c.DirectoryName, c.Directory)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s=%q: no such directory", c.DirectoryName, c.Directory)
	case err == nil && !info.IsDir():
		return fmt.Errorf("%s=%q: not a directory", c.DirectoryName, c.Directory)
	}
	return nil
}
