package registry

import (
	"archive/tar"
	"bytes"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/compression"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// pages are the files of a small build.
func pages(of string) files {
	return files{
		"index.html":        "<!DOCTYPE html><title>" + of + "</title><script src=/assets/app.js></script>",
		"assets/app.js":     strings.Repeat("console.log('"+of+"')\n", 2000),
		"deep/er/page.html": "<p>" + of,
	}
}

// TestKinds: what each program pushes is shown, byte for byte.
func TestKinds(t *testing.T) {
	r := serve(t, options{})
	r.push("own", pages("own").image(t))
	r.crane("crane", pages("crane"))
	r.oras("oras-names", pages("names").folder(t), "index.html", "assets", "deep")
	r.oras("oras-directory", pages("directory").below("dist").folder(t), "dist")
	r.oras("oras-dot", pages("dot").folder(t), ".")
	r.oras("oras-files", files{"index.html": "<p>single", "app.js": "1"}.folder(t), "index.html", "app.js")
	r.push("zstd", image(t, pages("zstd").layer(t, compression.ZStd)))
	r.push("uncompressed", image(t, pages("uncompressed").layer(t, compression.None)))
	r.push("index", index(t, pages("another processor").image(t), pages("index").image(t)))
	r.push("nginx", nginx(t, "usr/share/nginx/html", "nginx"))
	r.push("httpd", nginx(t, "usr/local/apache2/htdocs", "httpd"))
	r.push("layers", image(t, pages("base").layer(t, compression.GZip),
		files{"assets/.wh.app.js": "", "deep/.wh..wh..opq": "", "deep/new.html": "new"}.layer(t, compression.ZStd),
		files{"index.html": "top"}.layer(t, compression.None)))
	r.push("Feature_Log.In", pages("slug").image(t))

	p := show(t, r)
	for tag, f := range map[string]files{
		"own": pages("own"), "crane": pages("crane"), "oras-names": pages("names"), "oras-directory": pages("directory"), "oras-dot": pages("dot"),
		"oras-files": {"index.html": "<p>single", "app.js": "1"}, "zstd": pages("zstd"), "uncompressed": pages("uncompressed"), "index": pages("index"),
		"nginx": pages("nginx"), "httpd": pages("httpd"), "layers": {"index.html": "top", "": "top", "deep/new.html": "new"}, "feature-log-in": pages("slug"),
	} {
		p.has(tag, f)
	}
	for _, path := range []string{"/assets/app.js", "/deep/er/page.html"} {
		if got := p.get("layers.localhost", path); got.StatusCode != 404 {
			t.Errorf("%s, which a layer above deletes: %s", path, got.Status)
		}
	}
	for _, path := range []string{"/etc/passwd", "/../etc/passwd", "/usr/bin/su"} {
		if got := p.get("nginx.localhost", path); got.StatusCode != 404 {
			t.Errorf("%s, which is outside of the site: %s", path, got.Status)
		}
	}
	if got := p.get("nowhere.localhost", "/", navigation...); got.StatusCode != 404 || !strings.Contains(got.content, "nowhere") {
		t.Errorf("a tag that is not there: %v", got)
	}
}

// TestDocker: images that a real engine built and pushed.
func TestDocker(t *testing.T) {
	r := serve(t, options{})
	r.docker("scratch", "FROM scratch\nCOPY dist /\n", pages("scratch"))
	r.docker("several", "FROM scratch\nCOPY dist/assets /site/assets\nCOPY dist/index.html /site/\nLABEL org.opencontainers.image.title=several\n", pages("several"))
	p := show(t, r, "PREVIEWS_PATH=/site")
	p.has("several", files{"index.html": pages("several")["index.html"], "assets/app.js": pages("several")["assets/app.js"]})
	if got := p.get("scratch.localhost", "/"); got.StatusCode != 404 || !strings.Contains(got.content, "/site") {
		t.Errorf("an image without PREVIEWS_PATH: %v", got)
	}
	show(t, r).has("scratch", pages("scratch"))
}

// TestCredentials: a registry that wants tokens, and one with a certificate that only SSL_CERT_FILE vouches for.
func TestCredentials(t *testing.T) {
	trusted := newAuthority(t)
	for what, o := range map[string]options{
		"tokens":         {tokens: newTokens(t)},
		"TLS":            {tls: trusted.server},
		"TLS and tokens": {tls: trusted.server, tokens: newTokens(t)},
	} {
		t.Run(what, func(t *testing.T) {
			r := serve(t, o)
			r.push("pr-1", pages("pr-1").image(t))
			variables := []string{"SSL_CERT_FILE=" + trusted.file}
			if o.tokens != nil {
				variables = append(variables, "DOCKER_CONFIG="+dockerConfig(t, r.addr))
			}
			p := show(t, r, variables...)
			p.has("pr-1", pages("pr-1"))
			r.push("pr-1", pages("moved").image(t))
			p.becomes("pr-1", pages("moved"))
			if strings.Contains(p.output(), secret) {
				t.Errorf("the log has the password:\n%s", p.output())
			}

			// Without them the page says what is wrong, and the overview is there.
			p = show(t, r)
			got := p.get("pr-1.localhost", "/", navigation...)
			if got.StatusCode != 503 || !strings.Contains(got.content, "401 Unauthorized") && !strings.Contains(got.content, "SSL_CERT_FILE") {
				t.Errorf("without what it needs: %v", got)
			}
		})
	}
}

// index is an index as BuildKit writes one: an image for another processor, one for this, and what attests each.
func index(t *testing.T, other, this v1.Image) v1.ImageIndex {
	t.Helper()
	attestation := image(t, static.NewLayer([]byte(`{"_type":"https://in-toto.io/Statement/v0.1"}`), "application/vnd.in-toto+json"))
	unknown := &v1.Platform{OS: "unknown", Architecture: "unknown"}
	attests := func(of v1.Image) mutate.IndexAddendum {
		return mutate.IndexAddendum{Add: attestation, Descriptor: v1.Descriptor{Platform: unknown, Annotations: map[string]string{
			"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": digest(t, of),
		}}}
	}
	base := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	return mutate.AppendManifests(base, attests(other),
		mutate.IndexAddendum{Add: other, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "s390x"}}},
		mutate.IndexAddendum{Add: this, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: runtime.GOARCH}}},
		attests(this))
}

// nginx is the image of a web server, with setuid programs and absolute links as a distribution has them, and its site at root.
func nginx(t *testing.T, root, of string) v1.Image {
	t.Helper()
	var system bytes.Buffer
	w := tar.NewWriter(&system)
	for _, header := range []*tar.Header{
		{Typeflag: tar.TypeDir, Name: "etc/", Mode: 0o755},
		{Typeflag: tar.TypeReg, Name: "etc/passwd", Mode: 0o644},
		{Typeflag: tar.TypeReg, Name: "usr/bin/su", Mode: 0o4755},
		{Typeflag: tar.TypeSymlink, Name: "var/run", Linkname: "/run"},
		{Typeflag: tar.TypeSymlink, Name: "etc/mtab", Linkname: "/proc/mounts"},
		{Typeflag: tar.TypeLink, Name: "usr/bin/su2", Linkname: "usr/bin/su"},
		{Typeflag: tar.TypeChar, Name: "dev/null", Devmajor: 1, Devminor: 3},
	} {
		if err := w.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	base, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(system.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	return image(t, base, files{"index.html": "Welcome to nginx!", "50x.html": "An error occurred."}.below(root).layer(t, compression.GZip), pages(of).below(root).layer(t, compression.GZip))
}
