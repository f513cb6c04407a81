package check

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	core "k8s.io/api/core/v1"

	"github.com/previewd/previewd/testdata/docker"
)

// tag is the image of these tests, which the first of them builds. Another run at the same time has another.
var tag = fmt.Sprintf("helm-test-%d", os.Getpid())

var build = sync.OnceValues(func() ([]byte, error) {
	return docker.Command("build", "--progress", "plain", "-t", "previewd:"+tag, module).CombinedOutput()
})

func TestMain(m *testing.M) {
	code := m.Run()
	if os.Getenv("PREVIEWD_DOCKER") != "" {
		_ = docker.Command("rmi", "-f", "previewd:"+tag).Run() // there is none if no test built it
	}
	os.Exit(code)
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
	r.id = docker.Output(t, args...)
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := docker.Command("logs", "--tail", "20", r.id).CombinedOutput()
			t.Logf("the end of the log:\n%s", out)
		}
		_ = docker.Command("rm", "-f", "-v", r.id).Run()
	})
	r.address = docker.Output(t, "inspect", "-f", "{{.NetworkSettings.IPAddress}}", r.id)
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
		docker.Await(t, within, "the probe of "+p.HTTPGet.Path, func() error { return r.probe(p) })
	}
	return r
}

// stop is what the kubelet does, with the pod's hook and its grace period, and wants exit code 0.
func (r *running) stop(t testing.TB) time.Duration {
	t.Helper()
	began := time.Now()
	if l := r.server.Lifecycle; l != nil {
		for end := began.Add(time.Duration(l.PreStop.Sleep.Seconds) * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			if err := r.probe(r.server.ReadinessProbe); err != nil {
				t.Errorf("a readiness probe of a pod that is being replaced: %v", err)
			}
		}
	}
	docker.Output(t, "stop", "-t", r.grace, r.id)
	took := time.Since(began)
	if code := docker.Output(t, "inspect", "-f", "{{.State.ExitCode}}", r.id); code != "0" {
		t.Errorf("exit code %s after %v", code, took)
	}
	return took
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
