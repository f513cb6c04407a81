package registry

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	inmemory "github.com/google/go-containerregistry/pkg/registry"
)

// authority signs the certificates of the tests' servers.
type authority struct {
	pair tls.Certificate
	pool *x509.CertPool
}

// newAuthority makes one certificate, of its own, for 127.0.0.1 and localhost.
func newAuthority(t testing.TB) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return authority{tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool}
}

// serve serves HTTPS on loopback and returns host and port.
func (a authority) serve(t testing.TB, handler http.Handler) string {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{a.pair}}
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// client returns a client of the repository team/app at a host.
func (a authority) client(t testing.TB, host string, o Options) *Client {
	t.Helper()
	o.Repository = host + "/team/app"
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	c.pause = 0
	c.transport.inner.TLSClientConfig = &tls.Config{RootCAs: a.pool}
	t.Cleanup(c.transport.inner.CloseIdleConnections)
	return c
}

// fake is a registry whose answers a test gives, by method and path ("GET /v2/"). It signs nobody in.
type fake struct {
	mu      sync.Mutex
	answers map[string]http.HandlerFunc
	asked   []string // method and path of each request
}

func newFake() *fake {
	f := &fake{answers: map[string]http.HandlerFunc{}}
	f.on("GET /v2/", func(http.ResponseWriter, *http.Request) {})
	return f
}

func (f *fake) on(what string, answer http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers[what] = answer
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.asked = append(f.asked, r.Method+" "+r.URL.Path)
	answer := f.answers[r.Method+" "+r.URL.Path]
	f.mu.Unlock()
	if answer == nil {
		notFound(w, r)
		return
	}
	answer(w, r)
}

// notFound is how a registry says that something is not there; http.NotFound is how a proxy does that has no way to it.
func notFound(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusNotFound)
	_, _ = io.WriteString(w, `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"unknown"}]}`)
}

// count is how often something was asked for.
func (f *fake) count(what string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, asked := range f.asked {
		if asked == what {
			n++
		}
	}
	return n
}

// put has the fake serve a manifest by a tag and by its digest, or a blob by its digest alone.
func (f *fake) put(kind, tag string, content []byte) (digest string) {
	digest = sum(content)
	answer := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Docker-Content-Digest", digest)
		w.Header().Set("Content-Type", contentType(content))
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}
	for _, name := range []string{tag, digest} {
		f.on("GET /v2/team/app/"+kind+"/"+name, answer)
		f.on("HEAD /v2/team/app/"+kind+"/"+name, answer)
	}
	return digest
}

// contentType is the media type that a manifest names itself.
func contentType(content []byte) string {
	var typed struct{ MediaType string }
	if json.Unmarshal(content, &typed) != nil || typed.MediaType == "" {
		return "application/octet-stream"
	}
	return typed.MediaType
}

func sum(content []byte) string    { return fmt.Sprintf("sha256:%x", sha256.Sum256(content)) }
func sum512(content []byte) string { return fmt.Sprintf("sha512:%x", sha512.Sum512(content)) }

// object is JSON.
type object = map[string]any

func encode(t testing.TB, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

const (
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerConfig   = "application/vnd.docker.container.image.v1+json"
	dockerLayer    = "application/vnd.docker.image.rootfs.diff.tar.gzip"
	ociManifest    = "application/vnd.oci.image.manifest.v1+json"
	ociIndex       = "application/vnd.oci.image.index.v1+json"
	ociConfig      = "application/vnd.oci.image.config.v1+json"
	ociLayer       = "application/vnd.oci.image.layer.v1.tar+zstd"
)

func described(kind string, content []byte) object {
	return object{"mediaType": kind, "digest": sum(content), "size": len(content)}
}

// with is an object with other members.
func with(o, more object) object {
	o = maps.Clone(o)
	maps.Copy(o, more)
	return o
}

var (
	layerOne, layerTwo = []byte("layer one"), []byte("layer two, the longer")
	diffOne, diffTwo   = sum([]byte("one")), sum([]byte("two"))
	imageConfig        = object{
		"created": "2026-11-29T12:00:00.5Z", "architecture": "amd64", "os": "linux",
		"config": object{"Labels": object{"org.opencontainers.image.title": "label", "org.opencontainers.image.revision": "abc", "maintainer": "me"}},
		"rootfs": object{"type": "layers", "diff_ids": []string{diffOne, diffTwo}},
	}
)

// manifest is that of an image of two layers with a config, which the fake serves.
func (f *fake) manifest(t testing.TB, config object) object {
	t.Helper()
	text := encode(t, config)
	f.put("blobs", "", text)
	f.put("blobs", "", layerOne)
	f.put("blobs", "", layerTwo)
	return object{
		"schemaVersion": 2, "mediaType": ociManifest, "config": described(ociConfig, text),
		"layers": []object{described(ociLayer, layerOne), described(ociLayer, layerTwo)},
	}
}

// newInMemory is the library's registry, quiet.
func newInMemory() http.Handler {
	return inmemory.New(inmemory.Logger(log.New(io.Discard, "", 0)))
}

// push sends content to a registry's handler.
func push(t testing.TB, registry http.Handler, method, target, contentType string, content []byte) {
	t.Helper()
	r := httptest.NewRequest(method, target, bytes.NewReader(content))
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	registry.ServeHTTP(w, r)
	if w.Code != http.StatusCreated {
		t.Fatalf("%s %s: %d %s", method, target, w.Code, w.Body)
	}
}

// isOneLine fails the test for an error that is not one line, or has a secret in it.
func isOneLine(t testing.TB, err error) {
	t.Helper()
	if text := err.Error(); strings.ContainsAny(text, "\n\r") || strings.Contains(text, "s3cret") || len(text) > 1000 {
		t.Errorf("the error is %q", text)
	}
}
