package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

const (
	// names is how many a listing has.
	names = 10000
	// restTime is how long files are left alone before a load: previewd keeps what has not changed for 2 s.
	restTime = 3 * time.Second
	// module is where the programs to compare with are built from.
	module = "github.com/previewd/previewd/testdata/bench/compare/"
)

// site is what every server serves, and what it is served with.
type site struct {
	// scratch has the files of the servers themselves, root is what they serve.
	scratch, root string
	// certificate and key are files, PEM; both has one behind the other, as lighttpd wants it.
	certificate, key, both string
	// sizes are those of the files, by path.
	sizes   map[string]int
	written time.Time
}

// prepare writes the site, the certificate and the load's script, and builds the programs to compare with.
func prepare(ctx context.Context, scratch string, opt options) (site, error) {
	s := site{
		scratch: scratch, root: filepath.Join(scratch, "site"),
		certificate: filepath.Join(scratch, "certificate.pem"),
		key:         filepath.Join(scratch, "key.pem"),
		both:        filepath.Join(scratch, "both.pem"),
		sizes:       map[string]int{"/small.txt": 1 << 10, "/mid.bin": 100 << 10, "/big.bin": 100 << 20},
	}
	if err := s.writeFiles(); err != nil {
		return s, err
	}
	if err := s.writeCertificate(); err != nil {
		return s, err
	}
	if err := os.WriteFile(s.script(), []byte(wrkScript), 0o644); err != nil {
		return s, err
	}
	for _, k := range opt.kinds {
		if !k.built {
			continue
		}
		build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(scratch, k.name), module+k.name)
		if text, err := build.CombinedOutput(); err != nil {
			return s, fmt.Errorf("building %s: %w: %s", k.name, err, text)
		}
	}
	s.written = time.Now()
	return s, nil
}

func (s site) script() string { return filepath.Join(s.scratch, "wrk.lua") }

// writeFiles writes content that does not compress, and two directories of empty files.
func (s site) writeFiles() error {
	for _, dir := range []string{"names", "changing"} {
		if err := os.MkdirAll(filepath.Join(s.root, dir), 0o755); err != nil {
			return err
		}
		for i := range names {
			if err := os.WriteFile(filepath.Join(s.root, dir, nameOf(i)), nil, 0o644); err != nil {
				return err
			}
		}
	}
	random := mathrand.NewChaCha8([32]byte{})
	for path, size := range s.sizes {
		content := make([]byte, size)
		_, _ = random.Read(content)
		if err := os.WriteFile(filepath.Join(s.root, path), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// nameOf returns the name of the i-th file of a listing.
func nameOf(i int) string { return fmt.Sprintf("name-%05d.txt", i) }

// rest waits until the files have been at rest for restTime.
func (s site) rest(ctx context.Context) error { return pause(ctx, time.Until(s.written.Add(restTime))) }

// pause waits, and returns the context's error if that ends first.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// writeCertificate makes a P-256 certificate for 127.0.0.1 that vouches for itself.
func (s site) writeCertificate() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "127.0.0.1"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:   time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	certificateText := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyText := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	for path, text := range map[string][]byte{
		s.certificate: certificateText, s.key: keyText, s.both: append(certificateText, keyText...),
	} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return err
		}
	}
	return nil
}
