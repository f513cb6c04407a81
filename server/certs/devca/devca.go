// Package devca makes certificates for development: a certification authority (CA) of its own, and from it
// the certificate that the server shows. The CA can vouch for the names of this server and for nothing
// else: it has critical name constraints (RFC 5280, section 4.2.1.10), so that trusting it is safe.
package devca

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// leafLife is how long a certificate for the server is valid, renewBefore how long before its end
	// another takes its place.
	leafLife    = 90 * 24 * time.Hour
	renewBefore = 30 * 24 * time.Hour
	// caLife is how long a CA is valid: ten years as mkcert's, so that it need not be trusted again.
	caLife = 10 * 365 * 24 * time.Hour
	// backdated is how far the clocks of clients may be behind.
	backdated = time.Hour
	// renewInterval is how often it is looked whether a renewal is due.
	renewInterval = time.Hour
)

// Options say which names a CA is for, and where it is kept.
type Options struct {
	// Hosts are names and addresses beside localhost and the loopback addresses.
	Hosts []string
	// Below are names below which the certificate is for all, and for themselves too.
	Below []string
	// Hostname is the name of this machine. It is in the certificate unless a CA that is kept does not
	// vouch for it: the name of a container is another each time.
	Hostname string
	// StateDir is the directory that keeps the CA and its key; empty keeps them in memory.
	StateDir string
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Authority is a CA and the certificate that it made for this server. It is safe for concurrent use.
type Authority struct {
	opts    Options
	ca      *pair
	names   names
	notes   []string
	current atomic.Pointer[tls.Certificate]
}

// pair is a certificate and its key.
type pair struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// Open takes the CA of the state directory, or makes one, and a certificate for the server. made is
// reported when the CA is new, and has to be trusted first.
func Open(opts Options) (a *Authority, made bool, err error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	a = &Authority{opts: opts, names: namesOf(opts)}
	if opts.StateDir == "" {
		a.ca, err = makeCA(opts, opts.Now())
		made = true
	} else {
		a.ca, made, err = a.kept()
	}
	if err != nil {
		return nil, false, err
	}
	if !a.names.within(a.ca.certificate) {
		opts.Hostname = ""
		a.names = namesOf(opts)
	}
	return a, made, a.renew()
}

// kept returns the CA of the state directory, and notes what there is to tell of it.
func (a *Authority) kept() (ca *pair, made bool, err error) {
	ca, made, replaced, err := keptCA(a.opts)
	if err != nil {
		return nil, false, err
	}
	if replaced != "" {
		a.notes = append(a.notes, "the development CA in TLS_STATE_DIR was replaced, import the new one: "+replaced)
	}
	if err := ca.publish(a.opts.StateDir); err != nil {
		a.notes = append(a.notes, fmt.Sprintf("TLS_STATE_DIR has no %s, and it cannot be written: %v", certificateName, err))
	}
	return ca, made, nil
}

// Notes returns messages about the CA for the operator, one line each.
func (a *Authority) Notes() []string { return a.notes }

// Certificate returns the certificate for the server: GetCertificate of a tls.Config.
func (a *Authority) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return a.current.Load(), nil
}

// NotAfter returns when the certificate for the server expires.
func (a *Authority) NotAfter() time.Time { return a.current.Load().Leaf.NotAfter }

// Names returns the names and addresses in the certificate for the server.
func (a *Authority) Names() []string { return a.names.list() }

// PEM returns the CA's certificate.
func (a *Authority) PEM() []byte { return encodeCertificate(a.ca.certificate) }

// Fingerprint returns the SHA-256 of the CA's certificate, in the format of openssl x509 -fingerprint.
func (a *Authority) Fingerprint() string {
	sum := sha256.Sum256(a.ca.certificate.Raw)
	return strings.ReplaceAll(fmt.Sprintf("% X", sum[:]), " ", ":")
}

// Watch renews the certificate in time until ctx ends. It calls report if that fails, and once when the CA is about
// to expire.
func (a *Authority) Watch(ctx context.Context, report func(error)) {
	told := false
	ticker := time.NewTicker(renewInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if a.NotAfter().Sub(a.opts.Now()) > renewBefore {
			continue
		}
		if end := a.ca.certificate.NotAfter; !a.NotAfter().Before(end) {
			if !told {
				report(fmt.Errorf("the development CA expires at %s: restart the server to get a new one", end.UTC().Format(time.RFC3339)))
			}
			told = true
			continue
		}
		if err := a.renew(); err != nil {
			report(err)
		}
	}
}

// renew makes another certificate for the server.
func (a *Authority) renew() error {
	leaf, err := a.ca.makeLeaf(a.names, a.opts.Now())
	if err != nil {
		return fmt.Errorf("making a certificate: %w", err)
	}
	a.current.Store(&tls.Certificate{
		Certificate: [][]byte{leaf.certificate.Raw},
		PrivateKey:  leaf.key,
		Leaf:        leaf.certificate,
	})
	return nil
}

// makeCA makes a CA that vouches for the names of opts and nothing else.
func makeCA(opts Options, now time.Time) (*pair, error) {
	n := namesOf(opts)
	var unit []string // see madeOn
	if opts.Hostname != "" {
		unit = []string{opts.Hostname}
	}
	template := &x509.Certificate{
		Subject: pkix.Name{Organization: []string{"previewd"}, OrganizationalUnit: unit,
			CommonName: "previewd development CA " + now.UTC().Format("2006-01-02 15:04:05")},
		NotBefore:             now.Add(-backdated),
		NotAfter:              now.Add(caLife),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true, // no CA below it
		KeyUsage:              x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		// A kind of name without a permitted one would be free, so there is always one of each: localhost
		// and the loopback networks. Other kinds are of no use to a server (ExtKeyUsage).
		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         n.dns,
		PermittedIPRanges:           n.ranges(),
	}
	ca, err := issue(template, nil)
	if err != nil {
		return nil, fmt.Errorf("making a development CA: %w", err)
	}
	return ca, nil
}

// madeOn is the name of the machine on which a CA was made, "" if it had none.
func madeOn(ca *x509.Certificate) string {
	if len(ca.Subject.OrganizationalUnit) == 0 {
		return ""
	}
	return ca.Subject.OrganizationalUnit[0]
}

// earlier is the earlier of two times.
func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// makeLeaf makes a certificate for a server of these names. It ends with its CA at the latest.
func (ca *pair) makeLeaf(n names, now time.Time) (*pair, error) {
	return issue(&x509.Certificate{
		Subject:     pkix.Name{Organization: []string{"previewd"}, CommonName: "localhost"},
		NotBefore:   now.Add(-backdated),
		NotAfter:    earlier(now.Add(leafLife), ca.certificate.NotAfter),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    slices.Concat(n.dns, n.below),
		IPAddresses: n.ips(),
	}, ca)
}

// issue makes a key and a certificate for it that ca signs, or the key itself if ca is nil.
func issue(template *x509.Certificate, ca *pair) (*pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	// A positive number of at most 20 octets (RFC 5280, section 4.1.2.2), here 16.
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return nil, err
	}
	if ca == nil {
		ca = &pair{template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.certificate, &key.PublicKey, ca.key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	return &pair{certificate, key}, err
}

func encodeCertificate(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}
