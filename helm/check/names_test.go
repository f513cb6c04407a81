package check

import "testing"

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
