package service

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"go.uber.org/zap"

	"github.com/previewd/previewd/config"
	"github.com/previewd/previewd/metrics"
	"github.com/previewd/previewd/server/accesslog"
	"github.com/previewd/previewd/server/budget"
	"github.com/previewd/previewd/server/cgi"
	"github.com/previewd/previewd/server/fields"
	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site"
)

// scripts is the site with the scripts in it; without CGI it is the site alone.
type scripts struct {
	methods message.Methods
	handler *cgi.Handler // nil without CGI
}

func newScripts(c config.Config, environ map[string]string, profile message.Profile, memory *budget.Budget, files *site.Site,
	registry *metrics.Metrics, log *accesslog.Log) (*scripts, error) {
	serve := files.Serve
	if c.Exact && len(c.Headers) > 0 {
		serve = fields.OnFiles(headers(c), serve)
	}
	if !c.CGI {
		methods := files.Methods()
		methods["GET"], methods["HEAD"] = serve, serve
		return &scripts{methods: methods}, nil
	}
	user, err := cgi.Prepare(os.DirFS("/"))
	if err != nil {
		return nil, fmt.Errorf("CGI=true: %w", err)
	}
	handler := cgi.New(cgi.Options{
		Site:         serve,
		Files:        files,
		Directories:  c.CGIDirectories,
		Timeout:      c.CGITimeout,
		MaxProcesses: c.CGIMaxProcesses,
		Budget:       memory,
		Environ:      cgi.PassedOn(environ, c.CGIPassEnv),
		User:         user,
		Profile:      profile,
		Log:          func(script, line string) { log.Warn(line, zap.String("script", script)) },
		Started:      registry.ScriptStarted,
		Ended:        registry.ScriptEnded,
		Failed:       func(f cgi.Failure) { registry.ScriptFailed(string(f)) },
	})
	return &scripts{handler.Methods(), handler}, nil
}

// nameTimeout bounds the wait for the name server at the start.
const nameTimeout = time.Second

// listen tells scripts on which address the server listens. It is called before the first request.
func (s *scripts) listen(ctx context.Context, listener net.Addr) {
	if s.handler == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, nameTimeout)
	defer cancel()
	s.handler.ServerName = cgi.ServerName(ctx, netip.MustParseAddrPort(listener.String()).Addr())
}

// close kills the scripts that still run.
func (s *scripts) close() {
	if s.handler != nil {
		s.handler.Close()
	}
}
