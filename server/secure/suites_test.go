package secure

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// Law: of all cipher suites of TLS 1.2 that crypto/tls knows, exactly those with ECDHE and authenticated encryption are
// accepted, with a certificate of either kind of key. A config that names its own keeps them.
func TestTheCipherSuites(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecPair, rsaPair := pairOf(t, &ec.PublicKey, ec), pairOf(t, &rsaKey.PublicKey, rsaKey)
	accepted := 0
	for _, suite := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		if !slices.Contains(suite.SupportedVersions, tls.VersionTLS12) {
			continue
		}
		pair := rsaPair
		if strings.Contains(suite.Name, "_ECDSA_") {
			pair = ecPair
		}
		want := strings.HasPrefix(suite.Name, "TLS_ECDHE_") && (strings.Contains(suite.Name, "_GCM_") || strings.Contains(suite.Name, "_POLY1305_"))
		if got := shakes(t, &tls.Config{Certificates: []tls.Certificate{pair}}, suite.ID); got != want {
			t.Errorf("%s: accepted %v, want %v", suite.Name, got, want)
		}
		if want {
			accepted++
		}
	}
	if accepted != 6 {
		t.Errorf("%d are accepted, want 6", accepted)
	}
	own := &tls.Config{Certificates: []tls.Certificate{rsaPair}, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA}}
	if !shakes(t, own, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA) {
		t.Error("a config that names cipher suites does not keep them")
	}
}

func pairOf(t *testing.T, public, private any) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}
}

// shakes says whether a client of one cipher suite gets through the handshake.
func shakes(t *testing.T, config *tls.Config, suite uint16) bool {
	t.Helper()
	ours, theirs := net.Pipe()
	defer ours.Close()
	done := make(chan error, 1)
	go func() {
		defer theirs.Close() // the client need not wait
		done <- tls.Server(theirs, Listen(nil, config).Config).Handshake()
	}()
	err := tls.Client(ours, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite}}).Handshake()
	return <-done == nil && err == nil
}
