package service

import (
	"crypto/x509"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/previewd/previewd/config"
	"github.com/previewd/previewd/metrics"
	"github.com/previewd/previewd/server/budget"
	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/origin"
	"github.com/previewd/previewd/server/upstream"
)

// upstreams are the servers that PROXY and PROXY_ORIGINS name; nil are none.
type upstreams struct{ *upstream.Upstreams }

func newUpstreams(c config.Config, memory *budget.Budget, registry *metrics.Metrics) (*upstreams, error) {
	if len(c.Proxies)+len(c.ProxyOrigins) == 0 {
		return nil, nil
	}
	opts := upstream.Options{Origins: c.ProxyOrigins, KeepHost: c.ProxyHost == "keep", Timeout: c.ProxyTimeout,
		Budget: memory, Trusted: origin.TrustedProxies(c.TrustedProxies).Contain}
	for _, p := range c.Proxies {
		opts.Routes = append(opts.Routes, upstream.Route{Prefix: p.Prefix, Target: p.Target})
	}
	var err error
	if isSecure(c) {
		if opts.Roots, err = proxyRoots(c.ProxyCA); err != nil {
			return nil, fmt.Errorf("PROXY_CA=%q: %w", c.ProxyCA, err)
		}
	}
	var count *metrics.Upstreams
	opts.Started = func(server string) { count.Started(server) }
	opts.Switched = func(server string) { count.Switched(server) }
	opts.Ended = func(o upstream.Outcome) {
		count.Ended(o.Server, o.Status, o.Duration, o.Sent, o.Received, o.Tunnel)
	}
	u, err := upstream.New(opts)
	if err != nil {
		return nil, err
	}
	count = registry.Upstreams(u.Names())
	return &upstreams{u}, nil
}

// isSecure says whether a server is to be asked by https: else PROXY_CA changes nothing, as the start says.
func isSecure(c config.Config) bool {
	isHTTPS := func(url string) bool { return strings.HasPrefix(strings.ToLower(url), "https:") }
	return slices.ContainsFunc(c.Proxies, func(p config.Proxy) bool { return isHTTPS(p.Target) }) || slices.ContainsFunc(c.ProxyOrigins, isHTTPS)
}

// proxyRoots returns the certificates of the system with those of a file; nil where there is no file, which is those of the
// system.
func proxyRoots(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("there is no certificate in it: it must be PEM")
	}
	return roots, nil
}

// handler puts the paths of PROXY before next.
func (u *upstreams) handler(next message.Handler) message.Handler {
	if u == nil {
		return next
	}
	return u.Handler(next)
}

// ports are the TCP ports of the servers.
func (u *upstreams) ports() []uint16 {
	if u == nil {
		return nil
	}
	return u.Ports()
}
