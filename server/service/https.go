package service

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/previewd/previewd/config"
	"github.com/previewd/previewd/metrics"
	"github.com/previewd/previewd/server"
	"github.com/previewd/previewd/server/accesslog"
	"github.com/previewd/previewd/server/certs"
	"github.com/previewd/previewd/server/certs/devca"
)

// https is what a server with TLS needs: where its certificate comes from, and who is told.
type https struct {
	get      func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	notAfter func() time.Time
	broken   func() error
	watch    func(context.Context)
	sha256   string        // of the development CA; empty without one
	again    chan struct{} // has watch look at the files now; nil where there are none
	metrics  *metrics.TLS
	log      *accesslog.Log
}

// fingerprint is the SHA-256 of the development CA; empty without one.
func (h *https) fingerprint() string {
	if h == nil {
		return ""
	}
	return h.sha256
}

// openHTTPS opens the certificate that c asks for, nil if it asks for none. shown says that announce tells of the CA.
func openHTTPS(c config.Config, registry *metrics.Metrics, log *accesslog.Log, shown bool) (*https, error) {
	var h *https
	var err error
	switch {
	case c.TLSCert != "":
		h, err = openFiles(c, log)
	case c.TLSSelfSigned:
		h, err = openAuthority(c, registry, log, shown)
	}
	if h == nil || err != nil {
		return nil, err
	}
	h.log, h.metrics = log, registry.TLS(h.notAfter, h.broken)
	return h, nil
}

func openFiles(c config.Config, log *accesslog.Log) (*https, error) {
	keeper, err := certs.Open(certs.Files{Chain: c.TLSCert, Key: c.TLSKey, Password: c.TLSPasswordFile})
	if err != nil {
		return nil, err
	}
	if key := cmp.Or(c.TLSKey, c.TLSCert); isBelow(key, c.Directory) {
		log.Warn(fmt.Sprintf("key %q is inside DIRECTORY: everyone can download it", key))
	}
	events := certs.Events{
		Replaced: func(leaf *x509.Certificate) {
			log.Info("new certificate", zap.String("serial", leaf.SerialNumber.Text(16)), zap.Time("not_after", leaf.NotAfter))
		},
		Broken: func(err error) { log.Error(err.Error()) },
		Warn:   func(text string) { log.Warn(text) },
	}
	again := make(chan struct{})
	return &https{
		get: keeper.Certificate, notAfter: keeper.NotAfter, broken: keeper.Err,
		watch: func(ctx context.Context) { keeper.Watch(ctx, again, events) }, again: again,
	}, nil
}

func openAuthority(c config.Config, registry *metrics.Metrics, log *accesslog.Log, shown bool) (*https, error) {
	if c.TLSStateDir != "" && isBelow(c.TLSStateDir, c.Directory) {
		return nil, fmt.Errorf("TLS_STATE_DIR %q is inside DIRECTORY: everyone could download the key", c.TLSStateDir)
	}
	hostname, err := os.Hostname()
	if err != nil {
		hostname = "" // it is left out
	}
	authority, made, err := devca.Open(devca.Options{Hosts: c.TLSSelfSignedHosts, Below: previewDomains(c), Hostname: hostname, StateDir: c.TLSStateDir})
	if err != nil {
		return nil, err
	}
	for _, note := range authority.Notes() {
		log.Warn(note)
	}
	registry.CA = authority.PEM
	what := "development CA"
	if made {
		what = "new development CA: import /ca.pem from the admin port to remove the browser's warning"
	}
	if !shown {
		log.Info(what, zap.String("sha256", authority.Fingerprint()), zap.String("names", strings.Join(authority.Names(), ",")))
	}
	return &https{
		get: authority.Certificate, notAfter: authority.NotAfter, broken: func() error { return nil },
		sha256: authority.Fingerprint(),
		watch:  func(ctx context.Context) { authority.Watch(ctx, func(err error) { log.Error(err.Error()) }) },
	}, nil
}

// isBelow says whether a path lies in a directory, symbolic links resolved as far as they exist.
func isBelow(path, directory string) bool {
	relative, err := filepath.Rel(resolved(directory), resolved(path))
	return err == nil && filepath.IsLocal(relative)
}

func resolved(path string) string {
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil && filepath.Dir(path) != path {
		return filepath.Join(resolved(filepath.Dir(path)), filepath.Base(path))
	}
	if err != nil {
		return path
	}
	return real
}

// tell makes s tell of handshakes and of HTTP/2.
func (h *https) tell(s *server.Server) {
	s.HandshakeFailed = func(reason string, peer net.Addr, err error) {
		h.metrics.HandshakeFailed(reason)
		h.log.Debug("TLS handshake failed", zap.Stringer("peer", peer), zap.String("reason", reason), zap.Error(err))
	}
	s.Complaint = func(peer netip.AddrPort, text string) {
		h.metrics.Complaint()
		h.log.Debug("HTTP/2 error", zap.Stringer("peer", peer), zap.String("reason", text))
	}
}

// listen makes a listener speak TLS.
func (h *https) listen(l net.Listener, c config.Config) net.Listener {
	return server.Secure(l, &tls.Config{GetCertificate: h.get, NextProtos: c.TLSALPN})
}
