package check

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/yaml"
)

// observability has the rules and the dashboard that compose uses, and that are tested with a real Prometheus.
const observability = "../observability"

// TestCopies: the chart's rules and dashboard are those, to the byte: helm takes no file from outside a chart, and gives
// its templates no schema.
func TestCopies(t *testing.T) {
	for copied, original := range map[string]string{
		"files/rules.yml":      "prometheus/rules.yml",
		"files/dashboard.json": "grafana/dashboards/previewd.json",
		"files/schema.json":    "../previewd/values.schema.json",
	} {
		want, err := os.ReadFile(filepath.Join(observability, original))
		if err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(filepath.Join(chart, copied), want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(filepath.Join(chart, copied)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("-update copies %s to %s: %v", original, copied, err)
		}
	}
}

// TestRules: the PrometheusRule has the rules as they are, what Prometheus writes in them included, and promtool
// takes them.
func TestRules(t *testing.T) {
	o := decode(t, render(t, set(served, "prometheusRule.enabled=true", "dashboard.enabled=true")...))
	text, err := os.ReadFile(filepath.Join(observability, "prometheus/rules.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var want monitoring.PrometheusRuleSpec
	if err := yaml.UnmarshalStrict(text, &want); err != nil {
		t.Fatal(err)
	}
	if got := o.rules[0].Spec; len(want.Groups) < 2 || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	spec, err := yaml.Marshal(o.rules[0].Spec)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(name, spec, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(tool(t, "PROMTOOL", "promtool"), "check", "rules", name).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestDashboard: the ConfigMap has the dashboard as it is, under the label that Grafana's side-car looks for.
func TestDashboard(t *testing.T) {
	o := decode(t, render(t, set(served, "dashboard.enabled=true")...))
	want, err := os.ReadFile(filepath.Join(observability, "grafana/dashboards/previewd.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range o.configMaps {
		if c.Labels["grafana_dashboard"] == "1" {
			if got := c.Data["previewd.json"]; got != string(bytes.TrimSpace(want)) {
				t.Error(difference(string(want), got))
			}
			return
		}
	}
	t.Error("there is no dashboard")
}
