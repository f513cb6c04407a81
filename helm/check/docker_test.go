package check

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/previewd/previewd/testdata/docker"
)

// TestDockerInline: the pod's container serves the files of the chart's own ConfigMap, and a switched ..data on
// the very next request.
func TestDockerInline(t *testing.T) {
	o := renderForDocker(t, append([]string{"-f", chart + "/ci/inline-values.yaml"}, set("service.port=8000")...)...)
	dir := folder(t)
	files := inlineFiles(t, o)
	publish(t, dir, files)
	r := serving(t, o, map[string]string{"content": dir})
	client := plain()
	site := "http://" + r.port("http")

	for path, want := range files {
		resp, got := fetch(t, client, site+"/"+strings.ReplaceAll(path, " ", "%20"))
		if resp.StatusCode != 200 || got != want {
			t.Errorf("%s: %s %q, want %q", path, resp.Status, got, want)
		}
	}
	if resp, got := fetch(t, client, site+"/"); resp.StatusCode != 200 || got != files["index.html"] {
		t.Errorf("/: %s %q", resp.Status, got)
	}
	// Dot files stay in, the kubelet's among them, but for .well-known.
	for _, hidden := range []string{"/..data/index.html", "/..data/", "/..data"} {
		if resp, got := fetch(t, client, site+hidden); resp.StatusCode != 404 {
			t.Errorf("%s: %s %q", hidden, resp.Status, got)
		}
	}
	for i := range 50 {
		files["index.html"] = fmt.Sprintf("<p>%d</p>\n", i)
		files["css/site.css"] = fmt.Sprintf("p { order: %d }\n", i)
		publish(t, dir, files)
		for _, path := range []string{"index.html", "css/site.css"} {
			if _, got := fetch(t, client, site+"/"+path); got != files[path] {
				t.Fatalf("%s after switch %d: %q, want %q", path, i, got, files[path])
			}
		}
	}

	// helm test, in the network of the pod and with the name of the Service.
	test := o.pods[0]
	args := append([]string{"run", "--rm", "--add-host", o.deployment().Name + ":" + r.address}, asPod(t, o, &test.Spec, test.Spec.Containers[0])...)
	args = append(append(args, test.Spec.Containers[0].Image), test.Spec.Containers[0].Args...)
	if out, err := docker.Command(args...).CombinedOutput(); err != nil {
		t.Errorf("helm test: %v\n%s", err, out)
	}
	delay := 5 * time.Second
	if took := r.stop(t); took < delay {
		t.Errorf("it ended after %v, and SHUTDOWN_DELAY is %v", took, delay)
	}
	if out, err := docker.Command(args...).CombinedOutput(); err == nil {
		t.Errorf("helm test of a server that is gone: %s", out)
	}
}

// TestDockerGit: what git-sync publishes, a link to a directory beside it, is served, and its next one on the very
// next request. The revision's own .git is not.
func TestDockerGit(t *testing.T) {
	o := renderForDocker(t, "-f", chart+"/ci/git-values.yaml")
	dir := folder(t)
	revision := func(name, page string) {
		t.Helper()
		root := filepath.Join(dir, ".worktrees", name)
		if err := os.MkdirAll(root+"/public", 0o755); err != nil {
			t.Fatal(err)
		}
		for path, content := range map[string]string{".git": "gitdir: elsewhere\n", "public/index.html": page, "README": "not served\n"} {
			if err := os.WriteFile(filepath.Join(root, path), []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink(".worktrees/"+name, dir+"/tmp-link"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(dir+"/tmp-link", dir+"/current"); err != nil {
			t.Fatal(err)
		}
	}
	revision("0", "revision 0\n")
	r := serving(t, o, map[string]string{"content": dir})
	client := plain()
	for i := range 20 {
		want := fmt.Sprintf("revision %d\n", i)
		revision(strconv.Itoa(i), want)
		if _, got := fetch(t, client, "http://"+r.port("http")+"/"); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
	for _, path := range []string{"/.git", "/../README", "/README", "/../.git"} {
		if resp, got := fetch(t, client, "http://"+r.port("http")+path); resp.StatusCode != 404 {
			t.Errorf("%s: %s %q", path, resp.Status, got)
		}
	}
}

// TestDockerUpload: what kubectl cp unpacks in the side-car is served, also if only its owner may read it; the
// side-car ends when it is told to.
func TestDockerUpload(t *testing.T) {
	// The Dockerfile's builder has sh, sleep and tar, and is there.
	dockerfile, err := os.ReadFile(module + "/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(dockerfile), "\nARG GO_VERSION=")
	version, _, _ := strings.Cut(rest, "\n")
	o := renderForDocker(t, set("content.emptyDir.upload.image=golang:"+version)...)
	dir := folder(t)
	if err := os.Chmod(dir, 0o777); err != nil { // as an emptyDir is
		t.Fatal(err)
	}
	r := serving(t, o, map[string]string{"content": dir})
	upload := o.spec().Containers[1]
	args := append([]string{"run", "-d", "-v", dir + ":" + upload.VolumeMounts[0].MountPath}, asPod(t, o, o.spec(), upload)...)
	args = append(append(args, "--entrypoint", upload.Command[0], upload.Image), upload.Command[1:]...)
	id := docker.Output(t, args...)
	t.Cleanup(func() { _ = docker.Command("rm", "-f", "-v", id).Run() })

	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	files := map[string]string{"index.html": "<p>uploaded\n", "css/site.css": "p {}\n"}
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "css/", Mode: 0o700}); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(w, content)
	}
	_ = w.Close()
	// This is what kubectl cp runs.
	cp := docker.Command("exec", "-i", id, "tar", "-xmf", "-", "-C", "/srv")
	cp.Stdin = &archive
	if out, err := cp.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, want := range files {
		if resp, got := fetch(t, plain(), "http://"+r.port("http")+"/"+name); got != want {
			t.Errorf("%s: %s %q, want %q", name, resp.Status, got, want)
		}
	}
	docker.Output(t, "stop", "-t", r.grace, id)
	if code := docker.Output(t, "inspect", "-f", "{{.State.ExitCode}}", id); code != "0" {
		t.Errorf("the side-car did not end by itself: exit code %s", code)
	}
}

// TestDockerSelfSigned: the certificate is for the names of the Service, and HTTP stays beside HTTPS.
func TestDockerSelfSigned(t *testing.T) {
	o := renderForDocker(t, append([]string{"-f", chart + "/ci/tls-selfsigned-values.yaml"}, set("config.HTTPS_REDIRECT=on")...)...)
	dir := folder(t)
	publish(t, dir, map[string]string{"index.html": "page\n"})
	r := serving(t, o, map[string]string{"content": dir})
	_, authority := fetch(t, plain(), "http://"+r.port("admin")+"/ca.pem")
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(authority)) {
		t.Fatalf("/ca.pem: %q", authority)
	}
	for _, name := range []string{"demo-previewd", "demo-previewd.team", "demo-previewd.team.svc", "demo-previewd.team.svc.cluster.local", "site.example.com"} {
		client := plain()
		client.Transport = &http.Transport{
			DisableKeepAlives: true, ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: pool},
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, r.port("https"))
			},
		}
		if resp, got := fetch(t, client, "https://"+name+"/"); got != "page\n" || resp.ProtoMajor != 2 {
			t.Errorf("https://%s: %s %q", name, resp.Proto, got)
		}
	}
	// helm test fetches the page by HTTPS, whose certificate nobody has installed.
	test := o.pods[0].Spec
	test.Containers[0].Args[1] = strings.Replace(test.Containers[0].Args[1], ":443/", r.port("https")[len(r.address):]+"/", 1)
	args := append([]string{"run", "--rm", "--add-host", o.deployment().Name + ":" + r.address}, asPod(t, o, &test, test.Containers[0])...)
	args = append(append(args, test.Containers[0].Image), test.Containers[0].Args...)
	if out, err := docker.Command(args...).CombinedOutput(); err != nil || !strings.HasPrefix(test.Containers[0].Args[1], "https://") {
		t.Errorf("helm test %q: %v\n%s", test.Containers[0].Args, err, out)
	}
	// The Service's port, which clients know, and not the container's.
	resp, _ := fetch(t, plain(), "http://"+r.port("http")+"/a?b")
	if want := "https://" + r.address + "/a?b"; resp.StatusCode != 308 || resp.Header.Get("Location") != want {
		t.Errorf("%s to %q, want %q", resp.Status, resp.Header.Get("Location"), want)
	}
}
