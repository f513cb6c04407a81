package docker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/previewd/previewd/server/previews/registrytest"
	"github.com/previewd/previewd/testdata/internal/subject"
)

const observability = module + "/helm/observability"

// awaited are metrics that a container has only with a feature that is not in the image yet. A query for one
// is passed over until the metric is there.
var awaited = []string{"previewd_tls_certificate_not_after_timestamp_seconds"}

// TestRules asks promtool for its opinion, and plays the cases of the alerts.
func TestRules(t *testing.T) {
	for _, args := range [][]string{
		{"check", "config", "prometheus.yml"},
		{"check", "rules", "rules.yml"},
		{"test", "rules", "rules_test.yml"},
	} {
		cmd := exec.Command("promtool", args...)
		cmd.Dir = filepath.Join(observability, "prometheus")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// TestPrometheus scrapes two containers, one of which has previews from a registry, with a real Prometheus, configured as in
// docker-compose.yml, and makes every query of the dashboard and of the rules: each has to return data.
func TestPrometheus(t *testing.T) {
	dir := folder(t, map[string]string{"page.html": "page"})
	// The other server is its own admin port.
	c := serving(t, append(append(mounted(dir, hardened...), https(t)...), "-e", "PROXY=/other=http://127.0.0.1:9090/livez"))
	previews, pull := ofRegistry(t)
	p := startPrometheus(t, c, previews)
	traffic(t, c)
	Await(t, 60*time.Second, "both are up", func() error {
		values, err := p.query(`up{job="previewd"}`)
		if err != nil || len(values) != 2 || values[0] != "1" || values[1] != "1" {
			return fmt.Errorf("%v, %v", values, err)
		}
		return nil
	})
	traffic(t, c)
	_, exposed := get(t, c.admin("/metrics"))

	queries := append(dashboardQueries(t), p.rules(t)...)
	if len(queries) < 25 {
		t.Fatalf("only %d queries were found", len(queries))
	}
	for _, q := range queries {
		if missing := awaitedBy(q, exposed); missing != "" {
			t.Logf("not yet asked: %s", q)
			continue
		}
		pull()
		Await(t, time.Minute, "data for "+q, func() error {
			values, err := p.query(q)
			if err == nil && len(values) == 0 {
				err = errors.New("no data")
			}
			return err
		})
	}
	t.Logf("%d queries", len(queries))
}

// awaitedBy returns the metric that a query has to wait for, "" if there is none.
func awaitedBy(query, exposed string) string {
	for _, name := range awaited {
		if strings.Contains(query, name) && !strings.Contains(exposed, "\n"+name) {
			return name
		}
	}
	return ""
}

// traffic is a little of everything that is counted.
func traffic(t *testing.T, c *container) {
	t.Helper()
	for range 5 {
		get(t, c.url("/page.html"))
		get(t, c.url("/nowhere"))
		get(t, c.url("/other"))
		conn, err := net.Dial("tcp", c.address+":8000")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nno colon\r\n\r\n")
		_, _ = io.Copy(io.Discard, conn)
		conn.Close()
	}
}

// ofRegistry starts a container that shows the tags of a registry, and returns what has one more build be pulled.
func ofRegistry(t *testing.T) (c *container, pull func()) {
	t.Helper()
	gateway := Output(t, "network", "inspect", "bridge", "-f", "{{(index .IPAM.Config 0).Gateway}}")
	listener, err := net.Listen("tcp", net.JoinHostPort(gateway, "0"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: registry.New(registry.Logger(log.New(io.Discard, "", 0)))}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	repository := listener.Addr().String() + "/team/app"
	const tags = 100
	for i := range tags {
		tag, err := name.NewTag(fmt.Sprintf("%s:pr-%d", repository, i), name.Insecure)
		if err == nil {
			err = remote.Write(tag, registrytest.Image(t, map[string]string{"index.html": fmt.Sprintf("preview %d", i)}))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	c = serving(t, append([]string{"--tmpfs", "/previews", "-e", "PREVIEWS=" + repository, "-e", "PREVIEWS_STORE=/previews", "-e", "PREVIEWS_INSECURE=true"}, hardened...))
	next := 0
	return c, func() {
		t.Helper()
		if next == tags {
			t.Fatal("there are no more tags")
		}
		r, err := http.NewRequest(http.MethodGet, c.url("/"), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = fmt.Sprintf("pr-%d.localhost", next)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if got, err := io.ReadAll(resp.Body); resp.StatusCode != 200 || string(got) != fmt.Sprintf("preview %d", next) {
			t.Fatalf("%s: got %d %.300q, %v", r.Host, resp.StatusCode, got, err)
		}
		next++
	}
}

// prometheus is a running one.
type prometheus struct{ url string }

// startPrometheus starts the one that is installed, with the configuration of the repository but for the
// addresses that are scraped, and how often.
func startPrometheus(t *testing.T, containers ...*container) prometheus {
	t.Helper()
	var targets []string
	for _, c := range containers {
		targets = append(targets, c.address+":9090")
	}
	dir := t.TempDir()
	for _, name := range []string{"prometheus.yml", "rules.yml"} {
		text, err := os.ReadFile(filepath.Join(observability, "prometheus", name))
		if err != nil {
			t.Fatal(err)
		}
		changed := strings.ReplaceAll(string(text), "previewd:9090", strings.Join(targets, `", "`))
		write(t, filepath.Join(dir, name), strings.ReplaceAll(changed, "_interval: 5s", "_interval: 1s"))
	}
	port, err := subject.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	address := "127.0.0.1:" + port
	cmd := exec.Command("prometheus", "--config.file="+filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	output, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if text, _ := os.ReadFile(output.Name()); t.Failed() {
			t.Logf("the log of Prometheus:\n%s", tail(string(text), 4<<10))
		}
		output.Close()
	})
	return prometheus{"http://" + address}
}

// ask asks the API and decodes what is in the answer's data.
func (p prometheus) ask(path string, data any) error {
	resp, err := http.Get(p.url + path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return err
	}
	if answer.Status != "success" {
		return errors.New(answer.Error)
	}
	return nil
}

// query returns the values of an instant query; NaN, the ratio of nothing to nothing, is no value.
func (p prometheus) query(q string) (values []string, err error) {
	var data struct {
		Result []struct{ Value [2]any }
	}
	err = p.ask("/api/v1/query?query="+url.QueryEscape(q), &data)
	for _, r := range data.Result {
		if v := fmt.Sprint(r.Value[1]); v != "NaN" {
			values = append(values, v)
		}
	}
	return values, err
}

// comparison is what an alert ends with; a healthy container has data on the left of it only.
var comparison = regexp.MustCompile(`\s*(==|!=|<=|>=|<|>)\s*[0-9.e+]+$`)

// rules returns the expressions of the rules that Prometheus has loaded, without the bounds of alerts.
func (p prometheus) rules(t *testing.T) (list []string) {
	t.Helper()
	var data struct {
		Groups []struct {
			Rules []struct{ Type, Name, Query, Health, LastError string }
		}
	}
	Await(t, time.Minute, "all rules are evaluated", func() error {
		if err := p.ask("/api/v1/rules", &data); err != nil {
			return err
		}
		for _, group := range data.Groups {
			for _, rule := range group.Rules {
				if rule.Health != "ok" {
					return fmt.Errorf("%s is %s: %s", rule.Name, rule.Health, rule.LastError)
				}
			}
		}
		return nil
	})
	for _, group := range data.Groups {
		for _, rule := range group.Rules {
			left := comparison.ReplaceAllString(rule.Query, "")
			if rule.Type == "alerting" && left == rule.Query {
				t.Errorf("the alert %s has no bound at its end: %s", rule.Name, rule.Query)
			}
			list = append(list, left)
		}
	}
	return list
}

// dashboardQueries returns the queries of the dashboard, its variables put in as Grafana would.
func dashboardQueries(t *testing.T) (list []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(observability, "grafana/dashboards/previewd.json"))
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	variables := strings.NewReplacer("$instance", ".*", "$__rate_interval", "1m")
	for _, panel := range dashboard.Panels {
		if len(panel.Targets) == 0 {
			t.Errorf("the panel %q asks nothing", panel.Title)
		}
		for _, target := range panel.Targets {
			list = append(list, variables.Replace(target.Expr))
		}
	}
	return list
}
