package docker

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
)

// pushed is a registry at an address that containers reach, with an image of one page as team/app:pr-42.
func pushed(t *testing.T, page string) (host string) {
	t.Helper()
	l, err := net.Listen("tcp", Output(t, "network", "inspect", "bridge", "-f", "{{(index .IPAM.Config 0).Gateway}}")+":0")
	if err != nil {
		t.Fatal(err)
	}
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := &http.Server{Handler: handler}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })

	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	if err := w.WriteHeader(&tar.Header{Name: "index.html", Mode: 0o644, Size: int64(len(page))}); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(w, page)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	digest := func(content []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(content)) }
	send := func(method, target, kind string, content []byte) map[string]any {
		r := httptest.NewRequest(method, target, bytes.NewReader(content))
		r.Header.Set("Content-Type", kind)
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, r)
		if answer.Code != http.StatusCreated {
			t.Fatalf("%s %s: %d %s", method, target, answer.Code, answer.Body)
		}
		return map[string]any{"mediaType": kind, "digest": digest(content), "size": len(content)}
	}
	blob := func(kind string, content []byte) map[string]any {
		return send("POST", "/v2/team/app/blobs/uploads/?digest="+digest(content), kind, content)
	}
	encode := func(value any) []byte {
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	config := encode(map[string]any{"rootfs": map[string]any{"type": "layers", "diff_ids": []string{digest(layer.Bytes())}}})
	const manifest = "application/vnd.oci.image.manifest.v1+json"
	send("PUT", "/v2/team/app/manifests/pr-42", manifest, encode(map[string]any{
		"schemaVersion": 2, "mediaType": manifest, "config": blob("application/vnd.oci.image.config.v1+json", config),
		"layers": []any{blob("application/vnd.oci.image.layer.v1.tar", layer.Bytes())},
	}))
	return l.Addr().String()
}

// TestPreviewsFromARegistry: the image has a directory for them. With a root that cannot be written a volume or a tmpfs takes
// its place, and without one the start ends with what to do. A volume keeps the builds for the next container.
func TestPreviewsFromARegistry(t *testing.T) {
	const page = "<p>forty-two</p>\n"
	setting := func(host string) []string {
		return []string{"-e", "PREVIEWS=" + host + "/team/app", "-e", "PREVIEWS_INSECURE=true"}
	}
	shows := func(t *testing.T, c *container) {
		t.Helper()
		Await(t, 60*time.Second, "the page", func() error {
			resp, content := getAs(t, c.url("/"), "pr-42.localhost")
			if resp.StatusCode != 200 || content != page {
				return fmt.Errorf("%s %.200q", resp.Status, content)
			}
			return nil
		})
		if !strings.Contains(c.log(t), "/previews") {
			t.Errorf("the log does not say what may be written:\n%s", c.log(t))
		}
	}
	host := pushed(t, page)
	for name, options := range map[string][]string{
		"any user":  {"--user", "12345:0"},
		"root":      {"--user", "0:0", "--cap-drop", "ALL"},
		"own user":  nil,
		"read-only": slices.Concat(hardened, []string{"--tmpfs", "/previews"}),
	} {
		t.Run(name, func(t *testing.T) {
			shows(t, serving(t, slices.Concat(options, setting(host))))
		})
	}
	t.Run("a volume", func(t *testing.T) {
		volume := Output(t, "volume", "create")
		t.Cleanup(func() { Output(t, "volume", "rm", volume) })
		options := slices.Concat(hardened, []string{"-v", volume + ":/previews"}, setting(host))
		t.Run("first", func(t *testing.T) { shows(t, serving(t, options)) })
		t.Run("again", func(t *testing.T) { shows(t, serving(t, options)) })
	})
	t.Run("nothing can be written", func(t *testing.T) {
		out, err := Command(slices.Concat([]string{"run", "--rm"}, hardened, setting(host), []string{image})...).CombinedOutput()
		if want := "-v previews:/previews or --tmpfs /previews"; err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%v: %s\nwant %s", err, out, want)
		}
	})
}

// getAs is get from a host of the site's.
func getAs(t *testing.T, url, host string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	return answer(t, http.DefaultClient, r)
}
