// Previewd serves a directory over HTTP as Python's http.server does.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/sync/errgroup"

	"github.com/previewd/previewd/config"
	"github.com/previewd/previewd/metrics"
	"github.com/previewd/previewd/server"
	"github.com/previewd/previewd/server/accesslog"
	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site"
)

// version and revision are set by the linker: -ldflags "-X main.version=1.2.3 -X main.revision=abc".
var version, revision = "dev", ""

// Exit codes, as http.server's.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

// gcPercent is GOGC unless that is set. What a server holds is mostly the stacks of connections that wait;
// at Go's default of 100 as much again is kept for garbage that a few small requests make. With 10,000 idle
// connections resident memory is 8155 bytes a connection in place of 9162.
const gcPercent = 50

// adminTimeout bounds each step of a request to the admin port.
const adminTimeout = 10 * time.Second

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// run is the program: it loads the configuration, does what it asks for, and returns the exit code.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	env := environment(environ)
	c, err := config.Load(args, env)
	if err != nil {
		for _, warning := range c.Warnings { // a misspelt name may be the reason
			fmt.Fprintln(stderr, warning)
		}
		fmt.Fprintln(stderr, err)
		return exitUsage
	}
	switch c.Command {
	case config.ShowHelp:
		fmt.Fprint(stdout, config.Help())
		return exitOK
	case config.ShowVersion:
		fmt.Fprintln(stdout, "previewd", version)
		return exitOK
	case config.Healthcheck:
		return healthcheck(ctx, c, stderr)
	}
	if env["GOGC"] == "" {
		debug.SetGCPercent(gcPercent)
	}
	if limit, found := config.MemoryLimit(os.DirFS("/")); found {
		debug.SetMemoryLimit(c.Fit(limit))
	}
	if limit, found := config.TaskLimit(os.DirFS("/")); found {
		if n := c.FitTasks(limit); n > 0 && n < runtime.GOMAXPROCS(0) {
			runtime.GOMAXPROCS(n)
		}
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	format, level := logForm(c, stderr)
	queue := accesslog.NewQueue(stderr, format, time.Now)
	profile := message.Profile{Server: "previewd/" + version, Protocol: c.Protocol}
	log := accesslog.New(queue, format, level, profile, time.Now)

	code := exitOK
	var cut *server.CutError
	switch err := serve(ctx, c, environment(environ), profile, log, queue, stdout); {
	case errors.As(err, &cut):
		log.Warn("stopped before all answers were finished", zap.Int("connections_cut", cut.Connections))
	case err != nil:
		log.Error(err.Error())
		code = exitFailure
	default:
		log.Info("stopped")
	}
	// What the log's reader does not take in time is lost, and there is nobody left to tell.
	_ = queue.Close()
	return code
}

// serve wires site, registry and servers together, and serves until ctx ends and all is drained.
func serve(ctx context.Context, c config.Config, environ map[string]string, profile message.Profile, log *accesslog.Log, queue *accesslog.Queue, stdout io.Writer) error {
	for _, warning := range c.Warnings {
		log.Warn(warning)
	}
	if err := checkDirectory(c); err != nil {
		return err
	}
	var disk message.Gate
	if c.DiskThreads > 0 {
		disk = message.NewGate(c.DiskThreads)
	}
	files := site.New(siteOptions(c, disk))
	registry := metrics.New(metrics.Build{Version: version, Revision: revision}, queue.Dropped)
	reporter := accesslog.NewReporter(log)
	scripts, err := newScripts(c, environ, profile, files, registry, log)
	if err != nil {
		return err
	}
	defer scripts.close()
	https, err := openHTTPS(c, registry, log)
	if err != nil {
		return err
	}
	main, err := listen(ctx, c, https)
	if err != nil {
		return err
	}
	s := &server.Server{
		Handler: main.redirecting(c, scripts.methods.Serve),
		Profile: profile,
		Proxies: c.TrustedProxies,
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
		HeaderTimeout:   c.HeaderTimeout,
		IdleTimeout:     c.IdleTimeout,
		MaxConnections:  c.MaxConnections,
		ShutdownDelay:   c.ShutdownDelay,
		ShutdownTimeout: c.ShutdownTimeout,
	}
	if https != nil {
		https.tell(s)
	}
	var listening atomic.Bool
	admin := registry.Admin(checks(ctx, files, https, &listening)...)

	adminListener, err := listenAdmin(ctx, c)
	if err != nil {
		return errors.Join(err, main.close())
	}
	if err := files.Ready(); err != nil {
		reporter.Report(err)
	}
	scripts.listen(ctx, main[0].Addr())
	announce(c, main, adminListener.Addr(), log, stdout)
	listening.Store(true)
	// The admin port closes last, so that probes are answered to the end.
	adminServer := &http.Server{Handler: admin, ReadTimeout: adminTimeout, WriteTimeout: adminTimeout,
		ErrorLog: zap.NewStdLog(log.Named("admin"))}
	var group errgroup.Group
	group.Go(func() error { return adminServer.Serve(adminListener) })
	if https != nil {
		watching, stop := context.WithCancel(ctx)
		defer stop()
		group.Go(func() error { https.watch(watching); return nil })
	}
	err = s.Serve(ctx, main.all()...)
	err = errors.Join(err, adminServer.Close())
	if adminErr := group.Wait(); !errors.Is(adminErr, http.ErrServerClosed) {
		err = errors.Join(err, adminErr)
	}
	return err
}

// checks are the conditions of readiness.
func checks(ctx context.Context, files *site.Site, https *https, listening *atomic.Bool) []metrics.Check {
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
	return list
}

// environment makes a map of os.Environ.
func environment(environ []string) map[string]string {
	m := make(map[string]string, len(environ))
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		m[name] = value
	}
	return m
}

// untilSignal returns a context that ends with the first SIGINT or SIGTERM. A second one ends the program
// at once, also as process 1, whose signals have no default action. A log that nobody reads any more
// (SIGPIPE) is no reason to end.
func untilSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	// To ignore it would make scripts ignore it too: so it is noticed, and nobody looks.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		defer signal.Stop(signals)
		select {
		case <-signals:
			cancel()
		case <-ctx.Done():
		}
		if s, ok := (<-signals).(syscall.Signal); ok {
			os.Exit(128 + int(s))
		}
		os.Exit(exitFailure)
	}()
	return ctx, cancel
}

// logForm returns the format and the level of the log: text if it goes to a terminal, unless it is set.
func logForm(c config.Config, stderr io.Writer) (accesslog.Format, zapcore.Level) {
	format := accesslog.JSON
	if f, ok := stderr.(*os.File); ok && c.LogFormat == "auto" {
		if info, err := f.Stat(); err == nil && info.Mode()&fs.ModeCharDevice != 0 {
			format = accesslog.Text
		}
	}
	if c.LogFormat == "text" {
		format = accesslog.Text
	}
	level, err := zapcore.ParseLevel(c.LogLevel)
	if err != nil { // config.Load has checked it
		panic(err)
	}
	return format, level
}

func siteOptions(c config.Config, disk message.Gate) site.Options {
	return site.Options{
		Directory:   c.Directory,
		IndexPages:  c.IndexPages,
		Extensions:  c.ExtensionsMap,
		Listing:     c.Listing,
		Symlinks:    site.Policy(c.Symlinks),
		Hidden:      site.Policy(c.Hidden),
		MaxFile:     int64(c.CacheMaxFile),
		MaxInFlight: int64(c.MaxInFlight),
		Disk:        disk,
	}
}

// checkDirectory refuses a directory that is missing or none. One that may not be read is served, as its
// rights can be mended while the server runs: /readyz says so.
func checkDirectory(c config.Config) error {
	info, err := os.Stat(c.Directory)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("DIRECTORY %q does not exist", c.Directory)
	case err == nil && !info.IsDir():
		return fmt.Errorf("DIRECTORY %q is not a directory", c.Directory)
	}
	return nil
}

// listenAdmin listens on the admin port. The default one gives way to a free one when it is taken.
func listenAdmin(ctx context.Context, c config.Config) (net.Listener, error) {
	l, err := server.Listen(ctx, c.AdminAddr())
	if err != nil && !c.AdminPortSet {
		c.AdminPort = 0
		l, err = server.Listen(ctx, c.AdminAddr())
	}
	if err != nil {
		return nil, fmt.Errorf("admin port: %w", err)
	}
	return l, nil
}

// announce says where the server listens: in text with http.server's own lines on standard output.
func announce(c config.Config, main listeners, admin net.Addr, log *accesslog.Log, stdout io.Writer) {
	var lines, urls []string
	for _, l := range main {
		line, url := l.start()
		lines, urls = append(lines, line), append(urls, url)
	}
	if log.Format() == accesslog.Text {
		fmt.Fprintln(stdout, strings.Join(lines, "\n"))
		log.Info("admin port", zap.String("url", "http://"+admin.String()+"/"))
	} else {
		log.Info(strings.Join(lines, " "), zap.Strings("urls", urls), zap.String("admin_url", "http://"+admin.String()+"/"),
			zap.String("directory", c.Directory), zap.String("version", version))
	}
	if main[0].address().Addr().IsLoopback() || c.Hidden == string(site.HiddenDeny) {
		return
	}
	for _, name := range []string{".git", ".env"} {
		if _, err := os.Lstat(filepath.Join(c.Directory, name)); err == nil {
			log.Warn(fmt.Sprintf("%s is served to everyone who reaches this port: HIDDEN=deny keeps dot files back", name))
		}
	}
}

// healthcheck asks a running server's /readyz, and returns 0 if it is ready.
func healthcheck(ctx context.Context, c config.Config, stderr io.Writer) int {
	if err := metrics.AskReady(ctx, c.AdminAddr()); err != nil {
		fmt.Fprintln(stderr, "previewd healthcheck:", err)
		return exitFailure
	}
	return exitOK
}
