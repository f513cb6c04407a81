package check

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
)

// tag is the image of these tests, which the first of them builds. Another run at the same time has another.
var tag = fmt.Sprintf("helm-test-%d", os.Getpid())

var build = sync.OnceValues(func() ([]byte, error) {
	return engine("build", "--progress", "plain", "-t", "previewd:"+tag, module).CombinedOutput()
})

func TestMain(m *testing.M) {
	code := m.Run()
	if os.Getenv("PREVIEWD_DOCKER") != "" {
		_ = engine("rmi", "-f", "previewd:"+tag).Run() // there is none if no test built it
	}
	os.Exit(code)
}

// engine is a command of the client.
func engine(args ...string) *exec.Cmd {
	client := os.Getenv("DOCKER")
	if client == "" {
		client = "docker"
	}
	cmd := exec.Command(client, args...)
	cmd.Env = append(os.Environ(), "DOCKER_BUILDKIT=1")
	return cmd
}

func docker(t testing.TB, args ...string) string {
	t.Helper()
	cmd := engine(args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	return strings.TrimSpace(string(out))
}

// renderForDocker skips the test where no engine is asked for, and renders the chart with the built image.
func renderForDocker(t *testing.T, args ...string) *objects {
	t.Helper()
	if os.Getenv("PREVIEWD_DOCKER") == "" {
		t.Skip("PREVIEWD_DOCKER is not set: no container is run")
	}
	if out, err := build(); err != nil {
		t.Fatalf("docker build: %v\n%s", err, out)
	}
	return decode(t, render(t, append(args, set("image.tag="+tag)...)...))
}

// running is a container that runs as the pod's would.
type running struct {
	id, address string
	pod         *core.PodSpec
	server      core.Container
	grace       string
}

// asPod is what docker run is to be given for a container of a pod: user, rights, memory and variables.
func asPod(t testing.TB, o *objects, pod *core.PodSpec, c core.Container) (options []string) {
	t.Helper()
	s := pod.SecurityContext
	options = append(options, "--user", fmt.Sprintf("%d:%d", *s.RunAsUser, *s.RunAsGroup), "--pids-limit", "64")
	if s.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault {
		t.Errorf("seccomp profile %s", s.SeccompProfile.Type)
	}
	if *c.SecurityContext.ReadOnlyRootFilesystem {
		options = append(options, "--read-only")
	}
	if !*c.SecurityContext.AllowPrivilegeEscalation {
		options = append(options, "--security-opt", "no-new-privileges")
	}
	for _, capability := range c.SecurityContext.Capabilities.Drop {
		options = append(options, "--cap-drop", string(capability))
	}
	if memory := c.Resources.Limits.Memory(); !memory.IsZero() {
		options = append(options, "--memory", strconv.FormatInt(memory.Value(), 10))
	}
	for _, from := range c.EnvFrom {
		for _, m := range o.configMaps {
			if m.Name == from.ConfigMapRef.Name {
				for name, value := range m.Data {
					options = append(options, "-e", name+"="+value)
				}
			}
		}
	}
	for _, e := range c.Env {
		options = append(options, "-e", e.Name+"="+e.Value)
	}
	return options
}

// start runs the server's container with the volumes, by name, mounted where the pod has them.
func start(t testing.TB, o *objects, volumes map[string]string) *running {
	t.Helper()
	r := &running{pod: o.spec(), server: o.spec().Containers[0]}
	r.grace = strconv.FormatInt(*r.pod.TerminationGracePeriodSeconds, 10)
	args := append([]string{"run", "-d"}, asPod(t, o, r.pod, r.server)...)
	for _, m := range r.server.VolumeMounts {
		if volumes[m.Name] == "" {
			t.Fatalf("nothing to mount for the volume %s", m.Name)
		}
		mount := volumes[m.Name] + ":" + m.MountPath
		if m.ReadOnly {
			mount += ":ro"
		}
		args = append(args, "-v", mount)
	}
	args = append(append(append(args, r.server.Image), r.server.Command...), r.server.Args...)
	r.id = docker(t, args...)
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := engine("logs", "--tail", "20", r.id).CombinedOutput()
			t.Logf("the end of the log:\n%s", out)
		}
		_ = engine("rm", "-f", "-v", r.id).Run()
	})
	r.address = docker(t, "inspect", "-f", "{{.NetworkSettings.IPAddress}}", r.id)
	return r
}

// port is the container's port of that name.
func (r *running) port(name string) string {
	for _, p := range r.server.Ports {
		if p.Name == name {
			return net.JoinHostPort(r.address, strconv.Itoa(int(p.ContainerPort)))
		}
	}
	return "no port " + name
}

// probe asks as the kubelet does: any status from 200 to 399 is well.
func (r *running) probe(p *core.Probe) error {
	client := http.Client{
		Timeout:       time.Duration(p.TimeoutSeconds) * time.Second,
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Get("http://" + r.port(p.HTTPGet.Port.StrVal) + p.HTTPGet.Path)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode >= 400 {
		return errors.New(resp.Status)
	}
	return nil
}

// serving is start, and then waits as long as the startup probe does, and for readiness.
func serving(t testing.TB, o *objects, volumes map[string]string) *running {
	t.Helper()
	r := start(t, o, volumes)
	for _, p := range []*core.Probe{r.server.StartupProbe, r.server.ReadinessProbe, r.server.LivenessProbe} {
		within := time.Duration(max(p.FailureThreshold*p.PeriodSeconds, 20)) * time.Second
		await(t, within, "the probe of "+p.HTTPGet.Path, func() error { return r.probe(p) })
	}
	return r
}

// stop is what the kubelet does, with the pod's grace period, and wants exit code 0.
func (r *running) stop(t testing.TB) time.Duration {
	t.Helper()
	began := time.Now()
	docker(t, "stop", "-t", r.grace, r.id)
	took := time.Since(began)
	if code := docker(t, "inspect", "-f", "{{.State.ExitCode}}", r.id); code != "0" {
		t.Errorf("exit code %s after %v", code, took)
	}
	return took
}

func await(t testing.TB, within time.Duration, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not after %v: %s: %v", within, what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// fetch asks for url and returns status and content.
func fetch(t testing.TB, client *http.Client, url string) (*http.Response, string) {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(content)
}

// plain is a client that makes a connection for each request.
func plain() *http.Client {
	return &http.Client{
		Timeout:       20 * time.Second,
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// folder makes a directory that every user may read.
func folder(t testing.TB) string {
	t.Helper()
	// Not t.TempDir, whose parent is the user's alone.
	dir, err := os.MkdirTemp("", "previewd-helm.")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// publish lays files out as the kubelet does for ConfigMaps and Secrets: in a directory of their own, to which
// the link ..data leads; what is at the top are links through ..data. Then it switches the link, and removes
// the directory of before.
func publish(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	before, _ := os.Readlink(filepath.Join(dir, "..data"))
	fresh, err := os.MkdirTemp(dir, "..2026_11_21_")
	must(err)
	must(os.Chmod(fresh, 0o755))
	for path, content := range files {
		name := filepath.Join(fresh, path)
		must(os.MkdirAll(filepath.Dir(name), 0o755))
		must(os.WriteFile(name, []byte(content), 0o644))
	}
	must(os.Symlink(filepath.Base(fresh), filepath.Join(dir, "..data_tmp")))
	must(os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	for path := range files {
		top, _, _ := strings.Cut(path, "/")
		if err := os.Symlink("..data/"+top, filepath.Join(dir, top)); !errors.Is(err, os.ErrExist) {
			must(err)
		}
	}
	if before != "" {
		must(os.RemoveAll(filepath.Join(dir, before)))
	}
}

// inlineFiles are the files of content.inline as the kubelet makes them of the ConfigMap and the volume's items.
func inlineFiles(t testing.TB, o *objects) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, v := range o.spec().Volumes {
		if v.Name != "content" {
			continue
		}
		for _, m := range o.configMaps {
			if m.Name != v.ConfigMap.Name {
				continue
			}
			for _, item := range v.ConfigMap.Items {
				text, there := m.Data[item.Key]
				if !there {
					t.Errorf("the ConfigMap has no key %q", item.Key)
				}
				files[item.Path] = text
			}
		}
	}
	return files
}

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
	if out, err := engine(args...).CombinedOutput(); err != nil {
		t.Errorf("helm test: %v\n%s", err, out)
	}
	delay := 5 * time.Second
	if took := r.stop(t); took < delay {
		t.Errorf("it ended after %v, and SHUTDOWN_DELAY is %v", took, delay)
	}
	if out, err := engine(args...).CombinedOutput(); err == nil {
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
	id := docker(t, args...)
	t.Cleanup(func() { _ = engine("rm", "-f", "-v", id).Run() })

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
	cp := engine("exec", "-i", id, "tar", "-xmf", "-", "-C", "/srv")
	cp.Stdin = &archive
	if out, err := cp.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, want := range files {
		if resp, got := fetch(t, plain(), "http://"+r.port("http")+"/"+name); got != want {
			t.Errorf("%s: %s %q, want %q", name, resp.Status, got, want)
		}
	}
	docker(t, "stop", "-t", r.grace, id)
	if code := docker(t, "inspect", "-f", "{{.State.ExitCode}}", id); code != "0" {
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
	// The Service's port, which clients know, and not the container's.
	resp, _ := fetch(t, plain(), "http://"+r.port("http")+"/a?b")
	if want := "https://" + r.address + "/a?b"; resp.StatusCode != 308 || resp.Header.Get("Location") != want {
		t.Errorf("%s to %q, want %q", resp.Status, resp.Header.Get("Location"), want)
	}
}

// balancer passes connections on to those of its backends that are ready, in turn, as a Service does.
type balancer struct {
	listener net.Listener
	mutex    sync.Mutex
	backends map[*running]bool // is it ready
	next     int
	order    []*running
}

func (b *balancer) add(r *running) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.backends[r] = false
	b.order = append(b.order, r)
}

// follow asks for the readiness of all backends, until ctx ends.
func (b *balancer) follow(ctx context.Context) {
	for ctx.Err() == nil {
		b.mutex.Lock()
		all := append([]*running(nil), b.order...)
		b.mutex.Unlock()
		for _, r := range all {
			ready := r.probe(r.server.ReadinessProbe) == nil
			b.mutex.Lock()
			b.backends[r] = ready
			b.mutex.Unlock()
		}
		select {
		case <-ctx.Done():
		case <-time.After(250 * time.Millisecond):
		}
	}
}

func (b *balancer) ready(r *running) error {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if !b.backends[r] {
		return errors.New("it is not")
	}
	return nil
}

func (b *balancer) pick() *running {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	for range b.order {
		b.next = (b.next + 1) % len(b.order)
		if r := b.order[b.next]; b.backends[r] {
			return r
		}
	}
	return nil
}

func (b *balancer) serve() {
	for {
		conn, err := b.listener.Accept()
		if err != nil {
			return
		}
		go b.pass(conn)
	}
}

// pass splices a connection with one to a backend; without one the client finds it closed.
func (b *balancer) pass(client net.Conn) {
	defer client.Close()
	r := b.pick()
	if r == nil {
		return
	}
	backend, err := net.DialTimeout("tcp", r.port("http"), 5*time.Second)
	if err != nil {
		return
	}
	defer backend.Close()
	go func() {
		_, _ = io.Copy(backend, client)
		_ = backend.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(client, backend)
}

// visit asks again and again for the page by connections that are kept, and counts; it never asks twice for
// the same answer, so that a request that is lost is seen. Between two requests it rests for a while.
func visit(address, want string, rest time.Duration, stop <-chan struct{}, whole *atomic.Int64) error {
	var conn net.Conn
	var reader *bufio.Reader
	defer func() {
		if conn != nil {
			conn.Close()
		}
	}()
	for {
		select {
		case <-stop:
			return nil
		case <-time.After(rest):
		}
		if conn == nil {
			var err error
			if conn, err = net.DialTimeout("tcp", address, 5*time.Second); err != nil {
				return err
			}
			reader = bufio.NewReader(conn)
		}
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.WriteString(conn, "GET /page HTTP/1.1\r\nHost: demo-previewd\r\n\r\n"); err != nil {
			return err
		}
		resp, err := http.ReadResponse(reader, nil)
		if err != nil {
			return err
		}
		content, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 200 || string(content) != want {
			return fmt.Errorf("%s, %d bytes, %v", resp.Status, len(content), err)
		}
		whole.Add(1)
		if resp.Close {
			conn.Close()
			conn = nil
		}
	}
}

// TestDockerRollingReplacement: two pods are replaced one after the other, as a Deployment does it with
// maxUnavailable 0, behind a balancer that follows readiness, under load: no request is lost.
func TestDockerRollingReplacement(t *testing.T) {
	o := renderForDocker(t, set(served, "replicaCount=2")...)
	page := strings.Repeat("0123456789abcdef", 256)
	dir := folder(t)
	publish(t, dir, map[string]string{"page": page})
	volumes := map[string]string{"content": dir}

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	b := &balancer{listener: listener, backends: map[*running]bool{}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	old := []*running{serving(t, o, volumes), serving(t, o, volumes)}
	for _, r := range old {
		b.add(r)
	}
	go b.follow(ctx)
	go b.serve()
	for _, r := range old {
		await(t, 10*time.Second, "the balancer knows the pods", func() error { return b.ready(r) })
	}

	var group sync.WaitGroup
	var whole atomic.Int64
	stop := make(chan struct{})
	lost := make(chan error, 16)
	for i := range 16 {
		group.Go(func() {
			if err := visit(listener.Addr().String(), page, time.Duration(i+1)*5*time.Millisecond, stop, &whole); err != nil {
				lost <- err
			}
		})
	}
	for _, r := range old {
		fresh := serving(t, o, volumes)
		b.add(fresh)
		await(t, 10*time.Second, "the new pod is ready", func() error { return b.ready(fresh) })
		t.Logf("a pod ended in %v, after %d answers", r.stop(t).Round(time.Millisecond), whole.Load())
	}
	n := whole.Load()
	await(t, 20*time.Second, "answers of the new pods", func() error {
		if whole.Load() < n+200 {
			return fmt.Errorf("%d", whole.Load()-n)
		}
		return nil
	})
	close(stop)
	group.Wait()
	close(lost)
	for err := range lost {
		t.Errorf("a request was lost: %v", err)
	}
	t.Logf("%d answers, all whole", whole.Load())
}
