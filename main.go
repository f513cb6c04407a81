// Previewd serves a directory over HTTP as Python's http.server does.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	stdlog "log"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/previewd/previewd/config"
	"github.com/previewd/previewd/metrics"
	"github.com/previewd/previewd/server"
	"github.com/previewd/previewd/server/accesslog"
	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/rules"
	"github.com/previewd/previewd/server/service"
)

// version and revision are set by the linker: -ldflags "-X main.version=1.2.3 -X main.revision=abc".
var version, revision = "dev", ""

// mountPoint is set by the linker for an image: the directory that is empty until something is mounted there, or below.
var mountPoint = ""

// Exit codes, as http.server's.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

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
		fmt.Fprintln(stdout, "previewd", build())
		return exitOK
	case config.ShowVersionJSON:
		fmt.Fprintln(stdout, build().JSON())
		return exitOK
	case config.Check:
		if !rules.Check(os.DirFS(c.Directory), stdout, c.ProxyOrigins...) {
			return exitFailure
		}
		return exitOK
	case config.Healthcheck:
		return healthcheck(ctx, c, stderr)
	}
	if limit, found := config.MemoryLimit(os.DirFS("/")); found {
		debug.SetMemoryLimit(c.Fit(limit))
	}
	if limit, found := descriptorLimit(); found {
		c.FitDescriptors(limit)
	}
	if limit, found := config.TaskLimit(os.DirFS("/")); found {
		if n := c.FitTasks(limit); n > 0 && n < runtime.GOMAXPROCS(0) {
			runtime.GOMAXPROCS(n)
		}
	}
	serving, stop := untilSignal(ctx)
	defer stop()
	format, level := logForm(c, stderr)
	queue := accesslog.NewQueue(stderr, format, time.Now)
	profile := message.Profile{Server: "previewd/" + version, Protocol: c.Protocol, Exact: c.Exact}
	log := accesslog.New(queue, format, level, profile, time.Now)

	// net/http's client reports here what a server of PROXY sends unasked.
	stdlog.SetFlags(0)
	stdlog.SetOutput(warner{log})
	defer stdlog.SetOutput(stderr)

	code := exitOK
	var cut *server.CutError
	switch err := service.Serve(serving, service.Setup{Config: c, Environ: env, Profile: profile, Log: log, Dropped: queue.Dropped,
		Build: build(), MountPoint: mountPoint, Hangups: hangups(ctx, stop), Stdout: stdout, Terminal: isTerminal(stdout)}); {
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

// warner makes each line that is written to it a warning in the log.
type warner struct{ log *accesslog.Log }

// maxWarning bounds such a line, in bytes: it may show what came from outside.
const maxWarning = 300

func (w warner) Write(line []byte) (int, error) {
	w.log.Warn(strings.TrimSpace(string(line[:min(len(line), maxWarning)])))
	return len(line), nil
}

// build says what was built, as far as the linker or the go command was told.
func build() metrics.Build {
	info, _ := debug.ReadBuildInfo()
	return metrics.NewBuild(version, revision, info)
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

// logForm returns the format and the level of the log: text if it goes to a terminal, unless it is set.
func logForm(c config.Config, stderr io.Writer) (accesslog.Format, zapcore.Level) {
	format := accesslog.JSON
	if c.LogFormat == "text" || c.LogFormat == "auto" && isTerminal(stderr) {
		format = accesslog.Text
	}
	level, err := zapcore.ParseLevel(c.LogLevel)
	if err != nil { // config.Load has checked it
		panic(err)
	}
	return format, level
}

// isTerminal says whether what is written to w is shown at once.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&fs.ModeCharDevice != 0
}

// healthcheck asks a running server's /readyz, or the URL that was given, and returns 0 if all is well.
func healthcheck(ctx context.Context, c config.Config, stderr io.Writer) int {
	ask := func() error { return metrics.AskReady(ctx, c.AdminAddr()) }
	if c.HealthcheckURL != "" {
		ask = func() error { return metrics.Ask(ctx, c.HealthcheckURL) }
	}
	if err := ask(); err != nil {
		fmt.Fprintln(stderr, "previewd healthcheck:", err)
		return exitFailure
	}
	return exitOK
}
