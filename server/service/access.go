package service

import (
	"context"
	"fmt"
	"slices"

	"go.uber.org/zap"

	"github.com/previewd/previewd/config"
	"github.com/previewd/previewd/metrics"
	"github.com/previewd/previewd/server/access"
	"github.com/previewd/previewd/server/accesslog"
	"github.com/previewd/previewd/server/basepath"
	"github.com/previewd/previewd/server/fields"
	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/publicenv"
)

// surround puts around the site what the settings ask for. A part that is off is not there.
func surround(setup Setup, settings *fields.Settings, who *who, upstreams *upstreams, site message.Handler) message.Handler {
	c, handler := setup.Config, site
	if c.PublicEnv != "" {
		handler = publicenv.Handler(c.PublicEnv, setup.Environ, handler)
	}
	if c.BasePath != "/" || len(c.TrustedProxies) > 0 && !c.Exact {
		handler = basepath.Handler(c.BasePath, handler)
	}
	handler = upstreams.handler(handler)
	if who.guard != nil {
		handler = who.guard.Handler(handler)
	}
	if len(c.AllowedHosts) > 0 {
		handler = access.NewHosts(allowedHosts(c)).Handler(handler)
	}
	if settings != nil {
		handler = settings.Handler(handler)
	}
	if !c.Exact {
		handler = withReasons(handler)
	}
	return handler
}

// newFields makes the fields that every answer gets; nil is none. With EXACT only files get some, see newScripts.
func newFields(c config.Config) *fields.Settings {
	if c.Exact || len(c.Headers)+len(c.CORS) == 0 && !c.Isolation {
		return nil
	}
	return fields.New(fields.Options{Headers: headers(c), Origins: c.CORS, Isolation: c.Isolation})
}

func headers(c config.Config) (list message.Fields) {
	for _, h := range c.Headers {
		list = append(list, message.Field{Name: h.Name, Value: h.Value})
	}
	return list
}

// allowedHosts are those of the setting, and with previews the names that these have.
func allowedHosts(c config.Config) []string {
	if c.PreviewsDomain == "" {
		return c.AllowedHosts
	}
	return append(slices.Clone(c.AllowedHosts), "."+c.PreviewsDomain)
}

// who is those who may ask, by AUTH and AUTH_FILE. Both are nil where everyone may.
type who struct {
	keeper *access.Keeper
	guard  *access.Guard
	watch  func(context.Context)
}

func openAccess(c config.Config, registry *metrics.Metrics, log *accesslog.Log) (*who, error) {
	if len(c.Auth) == 0 && c.AuthFile == "" {
		return &who{watch: func(context.Context) {}}, nil
	}
	keeper, err := access.Open(c.Auth, c.AuthFile)
	if err != nil {
		return nil, err
	}
	if c.AuthFile != "" && isBelow(c.AuthFile, c.Directory) {
		log.Warn(fmt.Sprintf("AUTH_FILE %q lies in DIRECTORY: everyone who may ask can fetch it", c.AuthFile))
	}
	replaced := func(users int) { log.Info("new AUTH_FILE", zap.Int("users", users)) }
	broken := func(err error) { log.Error(err.Error()) }
	return &who{keeper, access.NewGuard(keeper, registry.Auth()), func(ctx context.Context) { keeper.Watch(ctx, replaced, broken) }}, nil
}

// warnOfPasswords warns where passwords cross a network as they are. A trusted proxy is taken to speak HTTPS.
func warnOfPasswords(c config.Config, main listeners, who *who, log *accesslog.Log) {
	first := main[0]
	if who.guard == nil || first.scheme == "https" || c.HTTPSRedirect != "off" || len(c.TrustedProxies) > 0 || first.address().Addr().IsLoopback() {
		return
	}
	log.Warn("AUTH over plain HTTP: everyone between client and server can read the passwords; set TLS_CERT, or TRUSTED_PROXIES if a proxy does HTTPS")
}
