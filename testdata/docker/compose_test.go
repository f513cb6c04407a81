package docker

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// project runs docker-compose on the file of the module, with the given environment.
type project struct {
	name        string
	environment []string
}

func (p project) compose(t *testing.T, args ...string) string {
	t.Helper()
	client := Command()
	cmd := exec.Command("docker-compose", append([]string{"-p", p.name, "-f", filepath.Join(module, "docker-compose.yml")}, args...)...)
	cmd.Env = append(client.Env, p.environment...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("docker-compose %s: %v\n%s%s", strings.Join(args, " "), err, out, &stderr)
	}
	return strings.TrimSpace(string(out))
}

// TestComposeUpAndDown: up serves the folder, with nothing that it does not need, and down leaves nothing.
func TestComposeUpAndDown(t *testing.T) {
	dir := folder(t, map[string]string{"page.html": "composed"})
	p := project{fmt.Sprintf("previewd-test-%d", os.Getpid()), []string{
		"IMAGE=" + image + "-compose", "FOLDER=" + dir, "HTTP_PORT=0", "METRICS_PORT=0", "DEV_PORT=0", "HTTPS_PORT=0", "HTTPS_METRICS_PORT=0", "LISTING=false",
	}}
	profiles := []string{"--profile", "dev"}
	secure := len(https(t)) > 0
	if secure {
		profiles = append(profiles, "--profile", "tls")
	}
	t.Cleanup(func() {
		if t.Failed() {
			p.compose(t, append(profiles, "down", "--rmi", "all", "--volumes")...)
		}
	})
	p.compose(t, append(profiles, "up", "-d")...)
	url := "http://" + p.compose(t, "port", "previewd", "8000")
	Await(t, time.Minute, "the server answers", func() error {
		resp, err := http.Get(url + "/page.html")
		if err != nil {
			return err
		}
		return resp.Body.Close()
	})
	if _, content := get(t, url+"/page.html"); content != "composed" {
		t.Errorf("got %q", content)
	}
	if resp, _ := get(t, url+"/"); resp.StatusCode != 404 {
		t.Errorf("LISTING=false has not reached the server: %s", resp.Status)
	}
	c := &container{id: p.compose(t, "ps", "-q", "previewd")}
	c.awaitHealth(t, "healthy", time.Minute)
	for _, want := range []struct{ format, value string }{
		{"{{.HostConfig.ReadonlyRootfs}}", "true"},
		{"{{.HostConfig.CapDrop}}", "[ALL]"},
		{"{{.HostConfig.SecurityOpt}}", "[no-new-privileges:true]"},
		{"{{.HostConfig.PidsLimit}}", "64"},
		{"{{.HostConfig.Memory}}", "67108864"},
		{"{{.Config.User}}", "65532:65532"},
		{"{{range .Mounts}}{{.Destination}} {{.RW}}{{end}}", "/srv false"},
	} {
		if got := Output(t, "inspect", "-f", want.format, c.id); got != want.value {
			t.Errorf("%s: %s, want %s", want.format, got, want.value)
		}
	}
	dev := "http://" + p.compose(t, append(profiles, "port", "previewd-dev", "8000")...)
	reloads(t, dev, filepath.Join(dir, "page.html"))
	if secure {
		c := &container{id: p.compose(t, append(profiles, "ps", "-q", "previewd-tls")...)}
		c.awaitHealth(t, "healthy", time.Minute)
		// The CA is where the log says: the port of the container is the one that is published by default.
		var admin string
		for _, r := range c.records(t, "") {
			if url, there := r["admin_url"]; there {
				admin = fmt.Sprint(url)
			}
		}
		_, port, _ := net.SplitHostPort(strings.TrimSuffix(strings.TrimPrefix(admin, "http://"), "/"))
		if resp, content := get(t, "http://"+p.compose(t, append(profiles, "port", "previewd-tls", port)...)+"/ca.pem"); resp.StatusCode != 200 || !strings.Contains(content, "BEGIN CERTIFICATE") {
			t.Errorf("/ca.pem of %s: %s", admin, resp.Status)
		}
		if !strings.Contains(p.compose(t, append(profiles, "config")...), port+"/tcp") {
			t.Errorf("port %s is not published", port)
		}
	}
	p.compose(t, append(profiles, "down", "--rmi", "all", "--volumes")...)
	for _, kind := range []string{"container", "network", "volume"} {
		args := []string{kind, "ls", "-q", "--filter", "label=com.docker.compose.project=" + p.name}
		if kind == "container" {
			args = append(args, "-a")
		}
		if left := Output(t, args...); left != "" {
			t.Errorf("a %s is left: %s", kind, left)
		}
	}
	if left := Output(t, "images", "-q", image+"-compose"); left != "" {
		t.Errorf("the image is left: %s", left)
	}
}

// reloads wants pages of a server to be told that page.html, a file of the folder that is mounted, has changed.
func reloads(t *testing.T, url, file string) {
	t.Helper()
	Await(t, time.Minute, "the server answers", func() error {
		resp, err := http.Get(url + "/page.html")
		if err != nil {
			return err
		}
		return resp.Body.Close()
	})
	if _, content := get(t, url+"/page.html", "Sec-Fetch-Dest", "document"); !strings.Contains(content, "__previewd/reload.js") {
		t.Errorf("the page has no script: %q", content)
	}
	ctx, end := context.WithTimeout(t.Context(), time.Minute)
	defer end()
	asked, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/__previewd/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(asked)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for said := false; lines.Scan(); {
		if !said && lines.Text() == "" { // what the stream begins with was read: it listens
			write(t, file, "saved")
			said = true
		}
		if lines.Text() == `data: ["/page.html"]` {
			return
		}
	}
	t.Errorf("the event stream has not told of the change: %v", lines.Err())
}

// https are the options that turn HTTPS on, none if the image has none yet: it refuses them then with exit
// code 2, where a health check of nobody is 1.
func https(t *testing.T) []string {
	t.Helper()
	options := []string{"-e", "TLS_SELF_SIGNED=true"}
	err := Command(append(append([]string{"run", "--rm"}, options...), image, "healthcheck")...).Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 2 {
		t.Log("there is no HTTPS yet")
		return nil
	}
	return options
}

// TestComposeFile: it is valid with every profile, and the images it does not build are public ones by tag.
func TestComposeFile(t *testing.T) {
	p := project{name: "previewd-test"}
	text := p.compose(t, "--profile", "dev", "--profile", "tls", "--profile", "observability", "config")
	images := 0
	for line := range strings.Lines(text) {
		name, found := strings.CutPrefix(strings.TrimSpace(line), "image: ")
		if !found {
			continue
		}
		images++
		if name != "previewd" && !strings.Contains(name, ":") {
			t.Errorf("%s has no tag", name)
		}
	}
	if images != 5 {
		t.Errorf("%d images, want 5:\n%s", images, text)
	}
	// What is mounted is there.
	for _, name := range []string{"prometheus/prometheus.yml", "prometheus/rules.yml", "grafana/dashboards/previewd.json",
		"grafana/provisioning/dashboards/previewd.yml", "grafana/provisioning/datasources/prometheus.yml"} {
		if _, err := os.Stat(filepath.Join(module, "helm/observability", name)); err != nil {
			t.Error(err)
		}
	}
}
