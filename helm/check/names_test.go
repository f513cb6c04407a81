package check

import (
	"fmt"
	"testing"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestNamesLikeValues: a name that YAML takes for a number or a boolean stays a name: 1234 is the namespace of a
// merge request, and everything in it would be refused.
func TestNamesLikeValues(t *testing.T) {
	for _, name := range []string{"1234", "0x1f", "1e3", "true", "on", "null", "0.1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append(set(served, "replicaCount=2", "serviceMonitor.enabled=true", "prometheusRule.enabled=true", "dashboard.enabled=true",
				"ingress.enabled=true", "httpRoute.enabled=true", "httpRoute.parentRefs[0].name=gateway",
				"tls.certManager.enabled=true", "tls.certManager.issuerRef.name=team", "fullnameOverride=site"), "--namespace", name, "--set-string", "serviceAccount.name="+name)
			o := decode(t, renderAs(t, name, args...))
			for _, object := range o.all {
				if got := object.GetNamespace(); got != name {
					t.Errorf("%T: namespace %q", object, got)
				}
				if got := object.GetLabels()["app.kubernetes.io/instance"]; got != name {
					t.Errorf("%T: instance %q", object, got)
				}
			}
			checkReferences(t, o)
		})
	}
	t.Run("names of objects", func(t *testing.T) {
		o := decode(t, renderAs(t, "demo", append(set(served, "replicaCount=2"), "--set-string", "fullnameOverride=on,nameOverride=404")...))
		if got := o.deployment().Name; got != "on" {
			t.Errorf("got %q", got)
		}
		checkNames(t, o)
		checkReferences(t, o)
	})
}

// TestLabelsOnce: a label that the chart sets is not set again, which is an error to whoever reads strictly.
func TestLabelsOnce(t *testing.T) {
	const own = "{helm.sh/chart: a, app.kubernetes.io/name: b, app.kubernetes.io/instance: c, app.kubernetes.io/version: d, app.kubernetes.io/managed-by: e, team: lights}"
	o := decode(t, render(t, append(file(t, fmt.Sprintf("dashboard: {enabled: true, labels: %s}\nprometheusRule: {enabled: true, labels: %s}\nserviceMonitor: {enabled: true, labels: %s}\n", own, own, own)),
		set(served)...)...))
	for _, object := range []meta.Object{o.rules[0], o.monitors[0]} {
		if got := object.GetLabels(); got["team"] != "lights" || got["app.kubernetes.io/managed-by"] != "Helm" {
			t.Errorf("%T: %v", object, got)
		}
	}
}
